"""What a prefix is worth on few rows: beside prompts, from real words or not, with its MLP or not. E2E, one command.

    python benchmarks/language/prefixes.py --folder FOLDER
    python benchmarks/language/prefixes.py --folder FOLDER --rows 100 --written 20    # less of it

Li & Liang 2021 (sections 5 to 7) found on E2E with GPT-2 that a prefix in all layers is better than trained embeddings
alone, that real words are the better start where rows are few, and that the MLP makes training steadier. Here it
is starter/decoder with 100 and 500 training inputs, each run at its own automatic rate, reported as found.
Runs are kept in FOLDER: the same command goes on.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any, Final

import run as sets
import runs as records

OUT: Final = records.RESULTS / "language-prefixes.json"
WHAT: Final = "prefixes and prompts on few rows of E2E, starter/decoder; benchmarks/language/prefixes.py"
WAYS: Final[dict[str, dict[str, Any]]] = {
    "prefix, words, MLP": {"name": "prefix"},
    "prefix, random, MLP": {"name": "prefix", "init": "random"},
    "prefix, words, direct": {"name": "prefix", "reparameterise": False},
    "prompt, words": {"name": "prompt", "init": "vocabulary"},
    "prompt, random": {"name": "prompt", "init": "random"},
}
ROWS: Final = (100, 500)
FIRST: Final = next(iter(WAYS))
"""The way whose run also says what the model writes before any training, which is the same of all."""
EPOCHS: Final = {100: 10, 500: 2}
"""Of so many rows: a few thousand row-steps, which is what this machine has the time for."""


def main() -> None:
    """Train what is missing, and show the table."""
    given = _arguments()
    done = records.saved(given.out)
    for rows in given.rows:
        for name, method in WAYS.items():
            key = f"{name}, {rows} rows"
            if key not in done:
                print(key, flush=True)
                folder = given.folder / f"e2e-{rows}-{given.written}"
                recipe = _recipe(rows, method, given, folder)
                recipe["evaluate"] |= {"baselines": name == FIRST}
                done[key] = records.train(recipe, folder / key.replace(", ", "-"))
                records.save(given.out, WHAT, done)
    for key, found in done.items():
        tuned = found["metrics"]["tuned"]
        shown = (f"{metric} {tuned[metric]['value']:.3f}" for metric in ("loss", "bleu", "rouge_l", "slot_error"))
        print(key, *shown, sep=", ")


def _recipe(rows: int, method: dict[str, Any], given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The committed recipe of E2E with so many training rows."""
    recipe = sets.committed("e2e")
    data = recipe["data"] | sets.drawn("e2e", given, folder, seed=recipe["seed"], rows=rows)
    train = recipe["train"] | {"epochs": EPOCHS.get(rows, 2), "batch_tokens": "auto", "precision": "fp32"}
    generate = recipe["generate"] | {"rows": given.written, "shots": 0}
    more = {"train": train, "generate": generate, "risks": {"measure": "never"}}
    return recipe | {"data": data, "method": method, **more}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where drawn rows and runs are kept")
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS))
    parser.add_argument("--written", type=int, default=40, help="test inputs")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AFFINA_DATA", "../shared/data")))
    given = parser.parse_args()
    given.tokens = 80 * max(given.rows)  # a row of E2E has some 60
    return given


if __name__ == "__main__":
    main()
