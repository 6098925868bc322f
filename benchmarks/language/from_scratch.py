"""Is the encoder-decoder path right end to end? A small translator from random weights, then taken to another language.

    python benchmarks/language/from_scratch.py --folder FOLDER

Makes a Marian-type checkpoint of random weights, trains it by `affina.train` on Multi30k English-German (`en-de.yaml`),
then trains the result, and beside it the same random weights, on English-French with equal steps (`en-fr.yaml`). Runs
are kept in FOLDER: the same command goes on where it was stopped. One thread; test rows are looked at once, at the end.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import runs as records
import torch
import translator
import yaml

OUT: Final = records.RESULTS / "language-from-scratch.json"
WHAT: Final = "Multi30k by a Marian-type model from random weights; benchmarks/language/from_scratch.py"
LANGUAGES: Final = ("en", "de", "fr")
WIDTH: Final = 128
SEED: Final = 0
STAGES: Final = {
    "en-de": ("en-de", "random"),
    "en-fr from en-de": ("en-fr", "en-de/model"),
    "en-fr from random weights": ("en-fr", "random"),
}
"""Name to the recipe and to what the run starts from."""


def main() -> int:
    """Make, train, compare, save."""
    given = _arguments()
    torch.set_num_threads(1)
    data = given.data / "multi30k"
    model = _model(given.folder / "random", data)
    runs = records.saved(given.out)
    for name, (recipe, base) in STAGES.items():
        asked = _recipe(recipe, data) | {"model": str(given.folder / base)}
        runs[name] = records.train(asked, given.folder / name.replace(" ", "-"))
        records.save(given.out, WHAT, runs, model=model)
    return 0


def _model(folder: Path, data: Path) -> dict[str, Any]:
    """The random checkpoint, made once."""
    facts = folder / "made.json"
    if not facts.is_file():
        with (data / "train.csv").open(encoding="utf-8", newline="") as file:
            texts = [row[language] for row in csv.DictReader(file) for language in LANGUAGES]
        made = translator.make(folder, texts, width=WIDTH, seed=SEED)
        facts.write_text(json.dumps(made), encoding="utf-8")
    found: dict[str, Any] = json.loads(facts.read_text("utf-8"))
    return found


def _recipe(name: str, data: Path) -> dict[str, Any]:
    """The committed recipe with this machine's files."""
    recipe: dict[str, Any] = yaml.safe_load((records.HERE / f"{name}.yaml").read_text("utf-8"))
    files = {"train": "train.csv", "validation": "valid.csv", "test": "test_2016_flickr.csv"}
    return recipe | {"data": recipe["data"] | {split: str(data / file) for split, file in files.items()}}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where checkpoints and runs are kept")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AFFINA_DATA", "../shared/data")))
    given = parser.parse_args()
    if not (given.data / "multi30k").is_dir():
        parser.error(f"no data sets in {given.data}: name their folder with --data or AFFINA_DATA")
    return given


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        sys.exit(130)
