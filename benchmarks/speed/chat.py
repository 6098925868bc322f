"""Affina's LoRA against TRL's SFTTrainer with PEFT, on customer-support answers: interleaved, in one run.

    python benchmarks/speed/chat.py --trl-python trl-venv/bin/python --rows 96 --repeats 2

Both train rank 8 on all linear layers of starter/decoder in float32, from the same rows, for the same epochs and steps,
at the same rate with a linear schedule, the answer's tokens alone. A step of TRL's has 8 rows; ours are cut by tokens,
by so many that there are as many steps, of 8 rows in the mean. TRL runs at its defaults and at its best setting,
and makes no evaluation; ours are cut to two rows. What is not installed, or has not its device, is noted as that. Needs
the data sets' folder in AFFINA_DATA. Writes benchmarks/results/speed-chat.json: real tokens per second by two clocks,
peak memory, the loss on held-out answers, the versions of both sides.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import math
import os
import random
import tempfile
from pathlib import Path
from typing import Any, Final

import torch
from side_by_side import NOT_RUN, RESULTS, compared, ran, run_script, write_result

from affina.models.source import locate

RESULT: Final = RESULTS / "speed-chat.json"
WAYS: Final[dict[str, tuple[str, ...]]] = {
    "trl, defaults": (),
    "affina": (),
    "trl, best setting": ("--setting", "best"),
}
ROWS_A_STEP: Final = 8
RATE: Final = 5e-4
HELD_OUT: Final = 24


def main() -> None:
    """Run the rounds and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=96)
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--trl-python", type=Path, help="of an environment with trl-requirements.txt; none: no TRL")
    parser.add_argument("--held-out", type=int, default=HELD_OUT, help="answers whose loss is measured")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    data = Path(os.environ.get("AFFINA_DATA", "../shared/data")) / "bitext_support" / "train.csv"
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(data, folder, rows=given.rows, held_out=given.held_out)
        model = str(locate("starter/decoder").folder)
        base = _loss(folder, model, None)
        for number in range(given.repeats):
            found = {way: _run(way, folder, model, given, seed=number) for way in WAYS}
            rounds.append(found)
            what = f"bitext_support, {given.rows} rows, {given.epochs:g} epochs, starter/decoder, LoRA rank 8"
            comparisons = compare(rounds)
            write_result(
                given.out,
                what=f"{what}; untouched loss {base and round(base, 3)}",
                comparisons=comparisons,
                rounds=rounds,
            )
            print(json.dumps(comparisons), flush=True)


def write_rows(data: Path, folder: Path, *, rows: int, held_out: int) -> list[dict[str, str]]:
    """Write `train.jsonl` and `validation.jsonl` of questions and answers, drawn at random; the training rows."""
    with data.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    random.Random(0).shuffle(found)  # noqa: S311 - not a secret
    parts = {"validation": found[:held_out], "train": found[held_out : held_out + rows]}
    for name, part in parts.items():
        lines = [json.dumps({"question": row["instruction"], "answer": row["response"]}) for row in part]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return parts["train"]


def _run(way: str, folder: Path, model: str, given: argparse.Namespace, *, seed: int) -> dict[str, Any]:
    adapter = folder / f"{way.replace(', ', '-').replace(' ', '-')}-{seed}"
    words = ["--model", model, "--train", str(folder / "train.jsonl"), "--adapter", str(adapter)]
    words += ["--epochs", str(given.epochs), "--rate", str(RATE), "--seed", str(seed)]
    if way == "affina":
        words += ["--validation", str(folder / "validation.jsonl")]
        words += ["--steps-of-an-epoch", str(math.ceil(given.rows / ROWS_A_STEP))]
        found = run_script("affina_chat_run.py", *words)
    elif given.trl_python is None:
        found = {NOT_RUN: "not installed: its environment is named by --trl-python"}
    else:
        found = run_script("trl_run.py", *words, *WAYS[way], python=given.trl_python)
    if ran(found):
        found |= {"validation_loss": _loss(folder, model, adapter)}
    print(way, json.dumps(found), flush=True)
    return found


def _others() -> dict[str, Any]:
    """Of the peers that no script drives here, why."""
    found = {}
    for name, needs_cuda in {"litgpt": False, "unsloth": True}.items():
        if needs_cuda and not torch.cuda.is_available():
            found[name] = {NOT_RUN: "no device: it needs CUDA"}
        elif importlib.util.find_spec(name) is None:
            found[name] = {NOT_RUN: "not installed"}
        else:
            found[name] = {NOT_RUN: "installed, but no script drives it yet"}
    return found


def _loss(folder: Path, model: str, adapter: Path | None) -> float | None:
    """On the held-out answers, in nats a token; None where it could not be measured."""
    words = ["--model", model, "--validation", str(folder / "validation.jsonl")]
    found = run_script("chat_loss.py", *words, *([] if adapter is None else ["--adapter", str(adapter)]))
    return float(found["loss"]) if ran(found) else None


def compare(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """How our run stands to each peer's: tokens a second by both clocks, memory, and the losses' differences."""
    found = {way: compared(rounds, "affina", way, of="tokens") for way in WAYS if way != "affina"}
    for way, one in found.items():
        if ran(one):
            both = [(at["affina"], at[way]) for at in rounds if ran(at["affina"]) and ran(at[way])]
            losses = [(ours["validation_loss"], peer["validation_loss"]) for ours, peer in both]
            one["loss_difference"] = [None if None in pair else pair[0] - pair[1] for pair in losses]
    return found | _others()


if __name__ == "__main__":
    main()
