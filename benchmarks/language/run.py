"""What does fine-tuning a small decoder buy over asking it? The starter decoder on four sets, in one command.

    python benchmarks/language/run.py --folder FOLDER
    python benchmarks/language/run.py --folder FOLDER --sets e2e --tokens 60000 --written 50    # less of it

A set's recipe is `SET.yaml`. Its training rows are drawn with the recipe's seed until they have `--tokens` tokens, its
test rows until they have `--written` inputs, each with all its references; the validation rows are drawn too. The
baselines are the product's own: the untouched model asked as it is, and with 4 training rows in front. Runs are kept
in FOLDER: the same command goes on. `python benchmarks/language/table.py` prints the table.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import runs as records
import torch
import yaml
from transformers import AutoTokenizer

from affina.models.source import locate

OUT: Final = records.RESULTS / "language.json"
WHAT: Final = "starter/decoder fine-tuned, asked as it is, and shown 4 rows; benchmarks/language/run.py"
MODEL: Final = "starter/decoder"
VALIDATION: Final = 100
SETTINGS: Final = ("tokens", "written")
Row = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """Where a set's rows are, and their input and output."""

    folder: str
    train: str
    validation: str
    test: str
    columns: tuple[str, str]


SETS: Final = {
    "bitext": Set(
        folder="bitext_support",
        train="train.csv",
        validation="valid.csv",
        test="test.csv",
        columns=("instruction", "response"),
    ),
    "e2e": Set(
        folder="e2e_nlg", train="train_tok.csv", validation="dev.csv", test="test.csv", columns=("mr", "ref_tok")
    ),
    "medquad": Set(
        folder="medquad",
        train="train.jsonl",
        validation="valid.jsonl",
        test="test.jsonl",
        columns=("question", "answer"),
    ),
    "multi30k": Set(
        folder="multi30k", train="train.csv", validation="valid.csv", test="test_2016_flickr.csv", columns=("en", "fr")
    ),
}


def main() -> int:
    """Draw, train, save, set by set."""
    given = _arguments()
    torch.set_num_threads(given.threads)
    done = records.saved(given.out)
    for name in given.sets:
        asked = {"tokens": given.tokens, "written": given.written}
        if name in done and all(done[name][key] == asked[key] for key in SETTINGS):
            print(f"{name}: done already")
            continue
        print(f"{name}: {given.tokens:,} tokens, {given.written} texts", flush=True)
        folder = given.folder / f"{name}-{given.tokens}-{given.written}"
        recipe = _recipe(name, given, folder)
        done[name] = {**asked, **records.train(recipe, folder / "run")}
        records.save(given.out, WHAT, done)
    return 0


def _recipe(name: str, given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The committed recipe with drawn rows."""
    recipe = committed(name)
    data = recipe["data"] | drawn(name, given, folder, seed=recipe["seed"])
    return recipe | {"data": data, "generate": recipe["generate"] | {"rows": given.written}}


def committed(name: str) -> dict[str, Any]:
    """The recipe of a set, without rows."""
    found: dict[str, Any] = yaml.safe_load((records.HERE / f"{name}.yaml").read_text("utf-8"))
    return found


def drawn(name: str, given: argparse.Namespace, folder: Path, *, seed: int, rows: int | None = None) -> dict[str, str]:
    """Split to the file of its drawn rows, written unless it is there; with `rows` so many training rows at most."""
    files = {split: str(folder / f"{split}.jsonl") for split in ("train", "validation", "test")}
    if not Path(files["test"]).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        for split, found in draw(SETS[name], given.data, given, seed=seed).items():
            lines = [json.dumps(row, ensure_ascii=False) for row in (found[:rows] if split == "train" else found)]
            Path(files[split]).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return files


def draw(chosen: Set, data: Path, given: argparse.Namespace, *, seed: int) -> dict[str, list[Row]]:
    """The rows of each split."""
    found = {split: _read(data / chosen.folder / getattr(chosen, split)) for split in ("train", "validation", "test")}
    rows = {split: _shuffled(_of(every, chosen.columns), seed=seed) for split, every in found.items()}
    inputs = list(dict.fromkeys(row[chosen.columns[0]] for row in rows["test"]))[: given.written]
    kept = set(inputs)
    return {
        "train": _of_tokens(rows["train"], chosen.columns, given.tokens),
        "validation": rows["validation"][:VALIDATION],
        "test": [row for row in rows["test"] if row[chosen.columns[0]] in kept],
    }


def _of_tokens(rows: Sequence[Row], columns: tuple[str, str], budget: int) -> list[Row]:
    """The first rows that have so many tokens together, both columns counted."""
    tokenizer = AutoTokenizer.from_pretrained(locate(MODEL).folder)
    spent = 0
    kept = []
    for row in rows:
        spent += sum(len(tokenizer(row[column])["input_ids"]) for column in columns)
        if spent > budget:
            break
        kept.append(row)
    return kept


def _of(rows: Sequence[Row], columns: tuple[str, str]) -> list[Row]:
    return [{column: row[column] for column in columns} for row in rows]


def _shuffled(rows: list[Row], *, seed: int) -> list[Row]:
    return [rows[place] for place in np.random.default_rng(seed).permutation(len(rows)).tolist()]


def _read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return [json.loads(line) for line in file] if path.suffix == ".jsonl" else list(csv.DictReader(file))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where drawn rows and runs are kept")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--tokens", type=int, default=150_000, help="of the training rows, about")
    parser.add_argument("--written", type=int, default=100, help="test inputs")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AFFINA_DATA", "../shared/data")))
    given = parser.parse_args()
    if not (given.data / "e2e_nlg").is_dir():
        parser.error(f"no data sets in {given.data}: name their folder with --data or AFFINA_DATA")
    return given


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        sys.exit(130)
