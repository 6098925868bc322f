"""Affina's LoRA against TRL's SFTTrainer with PEFT, on customer-support answers: interleaved, in one run.

    python benchmarks/speed/chat.py --trl-python trl-venv/bin/python --rows 96 --repeats 2

Both train rank 8 on all linear layers of starter/decoder in float32, from the same rows, for the same epochs and steps,
at the same rate with a linear schedule, the answer's tokens alone; our batches are given so many tokens as make as many
steps as TRL's of 8 rows. TRL runs at its defaults and at its best setting. Needs the data sets' folder in AFFINA_DATA.
Writes benchmarks/results/speed-chat.json: real tokens per second, peak memory, the loss on held-out answers.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import tempfile
from pathlib import Path
from typing import Any, Final

from side_by_side import RESULTS, compared, ran, run_script, write_result

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
    parser.add_argument("--trl-python", type=Path, required=True, help="of an environment with trl-requirements.txt")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    data = Path(os.environ.get("AFFINA_DATA", "../shared/data")) / "bitext_support" / "train.csv"
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(data, folder, rows=given.rows, held_out=HELD_OUT)
        model = str(locate("starter/decoder").folder)
        base = _loss(folder, model, None)
        for number in range(given.repeats):
            found = {way: _run(way, folder, model, given, seed=number) for way in WAYS}
            rounds.append(found)
            what = f"bitext_support, {given.rows} rows, {given.epochs:g} epochs, starter/decoder, LoRA rank 8"
            comparisons = compare(rounds)
            write_result(given.out, what=f"{what}; untouched loss {base:.3f}", comparisons=comparisons, rounds=rounds)
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
        steps = f"train.batch_tokens={_tokens_a_step(folder, model)}"
        words += ["--validation", str(folder / "validation.jsonl"), steps]
        found = run_script("affina_chat_run.py", *words)
    else:
        found = run_script("trl_run.py", *words, *WAYS[way], python=str(given.trl_python))
    found |= {"validation_loss": _loss(folder, model, adapter)}
    print(way, json.dumps(found), flush=True)
    return found


def _tokens_a_step(folder: Path, model: str) -> int:
    """The tokens of so many rows as TRL has in a step."""
    from transformers import AutoTokenizer  # noqa: PLC0415

    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = [json.loads(line) for line in (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    lengths = []
    for row in rows:
        turns = [{"role": "user", "content": row["question"]}, {"role": "assistant", "content": row["answer"]}]
        lengths.append(len(tokenizer(tokenizer.apply_chat_template(turns, tokenize=False))["input_ids"]))
    return round(ROWS_A_STEP * sum(lengths) / len(lengths))


def _loss(folder: Path, model: str, adapter: Path | None) -> float:
    words = ["--model", model, "--validation", str(folder / "validation.jsonl")]
    return float(run_script("chat_loss.py", *words, *([] if adapter is None else ["--adapter", str(adapter)]))["loss"])


def compare(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """How our run stands to each peer's: tokens a second by both clocks, memory, and the losses' differences."""
    found = {way: compared(rounds, "affina", way, of="tokens") for way in WAYS if way != "affina"}
    for way, one in found.items():
        if ran(one):
            both = [(at["affina"], at[way]) for at in rounds if ran(at["affina"]) and ran(at[way])]
            one["loss_difference"] = [ours["validation_loss"] - peer["validation_loss"] for ours, peer in both]
    return found


if __name__ == "__main__":
    main()
