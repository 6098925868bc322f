"""Near duplicates planted into real sets: how many of each kind are found, and how many rows were found before.

    python benchmarks/audit/planted.py

Needs the data sets' folder in AFFINA_DATA. Copies of training rows, changed in one way each, are put into a test split;
a kind's share is how many more test rows are named than without them. Writes benchmarks/results/audit-planted.json.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from affina.data.audit.near import find_near
from affina.data.loading import load
from affina.data.rows import Row
from affina.recipe.data_spec import DataSpec

RESULT: Final = Path(__file__).parents[1] / "results" / "audit-planted.json"
PLANTED: Final = 200
SETS: Final[dict[str, dict[str, str]]] = {
    "banking77": {"train": "banking77/train.csv", "test": "banking77/test.csv"},
    "trec": {"train": "trec/train.csv", "test": "trec/test.csv"},
    "sst2": {"train": "sst2/train.csv", "test": "sst2/test.csv"},
    "mr": {"train": "mr/all.csv"},
    "emotion": {"train": "tweeteval_open/emotion_train.csv", "test": "tweeteval_open/emotion_test.csv"},
    "irony": {"train": "tweeteval_open/irony_train.csv", "test": "tweeteval_open/irony_test.csv"},
    "imdb_cad": {"train": "imdb_cad/train.csv", "test": "imdb_cad/test.csv"},
    "bitext": {"train": "bitext_support/train.csv", "test": "bitext_support/test.csv", "label": "intent"},
}


def _cased(text: str, _: random.Random) -> str:
    return text.upper() if text != text.upper() else text.lower()


def _punctuated(text: str, draw: random.Random) -> str:
    return text.rstrip(" .?!").replace(" ", ", ", 1) + draw.choice([" !", "...", " ??", " ;"])


def _slip(text: str, draw: random.Random) -> str:
    place = draw.choice([n for n, letter in enumerate(text[:-1]) if letter.isalpha() and text[n + 1].isalpha()])
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


def _longer(text: str, _: random.Random) -> str:
    return text + " thanks"


def _reworded(text: str, draw: random.Random) -> str:
    words = text.split()
    words[draw.randrange(len(words))] = "something"
    return " ".join(words)


KINDS: Final[dict[str, tuple[Callable[[str, random.Random], str], int]]] = {
    "other case": (_cased, 3),
    "other punctuation": (_punctuated, 3),
    "two letters swapped, 8 words or more": (_slip, 8),
    "two letters swapped, 20 words or more": (_slip, 20),
    "a word more at the end, 8 words or more": (_longer, 8),
    "another word in its place, 8 to 19 words (not the same)": (_reworded, 8),
    "another word in its place, 30 words or more": (_reworded, 30),
}


def main() -> None:
    """Plant, look, count."""
    folder = Path(os.environ.get("AFFINA_DATA", "../shared/data"))
    lines = []
    for name, options in SETS.items():
        given = {key: str(folder / value) if "/" in value else value for key, value in options.items()}
        spec = DataSpec(**({"test": "none"} | given), validation=0.01)  # type: ignore[arg-type]
        splits = load(spec, seed=0).splits
        train, test = list(splits.train), list(splits.test)
        before = _named(train, test)
        line: dict[str, Any] = {
            "set": name,
            "rows": len(train) + len(test),
            "named before": before,
            "of test": len(test),
        }
        for kind, (change, words) in KINDS.items():
            most = 19 if "19" in kind else 10_000
            draw = random.Random(0)  # noqa: S311 - not a secret
            fitting = [row for row in train if words <= len(row.fields["text"].split()) <= most]
            chosen = draw.sample(fitting, min(PLANTED, len(fitting)))
            changed = [
                Row({**row.fields, "text": change(row.fields["text"], draw)}, "planted.csv", number, number)
                for number, row in enumerate(chosen, start=1)
            ]
            line[kind] = f"{_named(train, [*test, *changed]) - before} of {len(changed)}"
        lines.append(line)
        print(json.dumps(line), flush=True)
    RESULT.write_text(json.dumps(lines, indent=2) + "\n", encoding="utf-8")


def _named(train: list[Row], test: list[Row]) -> int:
    findings, _ = find_near({"train": train, "validation": (), "test": test}, seed=0)
    return next((finding.count for finding in findings if finding.name == "test_rows_nearly_in_train"), 0)


if __name__ == "__main__":
    main()
