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
import platform
import random
import statistics
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from affina.models.source import locate

HERE: Final = Path(__file__).parent
RESULT: Final = HERE.parent / "results" / "speed-chat.json"
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
        _split(data, folder, rows=given.rows)
        model = str(locate("starter/decoder").folder)
        base = _loss(folder, model, None)
        for number in range(given.repeats):
            found = {way: _run(way, folder, model, given, seed=number) for way in WAYS}
            rounds.append(found)
            result = {
                "what": f"bitext_support, {given.rows} rows, {given.epochs:g} epochs, starter/decoder, LoRA rank 8",
                "untouched": base,
                "comparisons": {way: _compared(rounds, way) for way in WAYS if way != "affina"},
                "rounds": rounds,
                "machine": {"system": platform.platform(), "cores": os.cpu_count(), "load": os.getloadavg()},
                "versions": {name: metadata.version(name) for name in ("affina", "torch", "transformers", "peft")},
            }
            given.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
            print(json.dumps(result["comparisons"]), flush=True)


def _split(data: Path, folder: Path, *, rows: int) -> None:
    with data.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    random.Random(0).shuffle(found)  # noqa: S311 - not a secret
    parts = {"validation": found[:HELD_OUT], "train": found[HELD_OUT : HELD_OUT + rows]}
    for name, part in parts.items():
        lines = [json.dumps({"question": row["instruction"], "answer": row["response"]}) for row in part]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _run(way: str, folder: Path, model: str, given: argparse.Namespace, *, seed: int) -> dict[str, Any]:
    adapter = folder / f"{way.replace(', ', '-').replace(' ', '-')}-{seed}"
    words = ["--model", model, "--train", str(folder / "train.jsonl"), "--adapter", str(adapter)]
    words += ["--epochs", str(given.epochs), "--rate", str(RATE), "--seed", str(seed)]
    if way == "affina":
        steps = f"train.batch_tokens={_tokens_a_step(folder, model)}"
        words += ["--validation", str(folder / "validation.jsonl"), steps]
        found = _json(sys.executable, "affina_chat_run.py", *words)
    else:
        found = _json(str(given.trl_python), "trl_run.py", *words, *WAYS[way])
    found |= {"validation_loss": _loss(folder, model, adapter)}
    print(way, json.dumps(found), flush=True)
    return found


def _tokens_a_step(folder: Path, model: str) -> int:
    """The tokens of so many rows as TRL has in a step."""
    from transformers import AutoTokenizer  # noqa: PLC0415

    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = [json.loads(line) for line in (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    lengths = [
        len(tokenizer(f"{row['question']}{row['answer']}")["input_ids"]) + len(tokenizer("system")["input_ids"]) + 30
        for row in rows
    ]
    return round(ROWS_A_STEP * sum(lengths) / len(lengths))


def _loss(folder: Path, model: str, adapter: Path | None) -> float:
    words = ["--model", model, "--validation", str(folder / "validation.jsonl")]
    return float(
        _json(sys.executable, "chat_loss.py", *words, *([] if adapter is None else ["--adapter", str(adapter)]))["loss"]
    )


def _json(python: str, script: str, *words: str) -> dict[str, Any]:
    done = subprocess.run([python, str(HERE / script), *words], check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _compared(rounds: list[dict[str, Any]], peer: str) -> dict[str, Any]:
    """How our run stands to the peer's: times the tokens a second, times the memory, the losses' difference."""
    speeds = [found["affina"]["tokens_per_second"] / found[peer]["tokens_per_second"] for found in rounds]
    return {
        "ratio_median": statistics.median(speeds),
        "ratio_low": min(speeds),
        "ratio_high": max(speeds),
        "processor_ratio_median": statistics.median(
            [
                found[peer]["processor_seconds"]
                / found[peer]["tokens"]
                * found["affina"]["tokens"]
                / found["affina"]["processor_seconds"]
                for found in rounds
            ]
        ),
        "memory_ratio_median": statistics.median(
            [found["affina"]["peak_memory_bytes"] / found[peer]["peak_memory_bytes"] for found in rounds]
        ),
        "loss_difference": [found["affina"]["validation_loss"] - found[peer]["validation_loss"] for found in rounds],
    }


if __name__ == "__main__":
    main()
