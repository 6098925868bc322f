"""The sets: their rows, and how they are split into train, validation and test, the same for every contender.

A set without a validation file of its own has rows held out of train for it. This module trains nothing.
"""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

FEW: Final = "banking77-"
"""A set named `banking77-N` is N rows of Banking77's training file, drawn anew for each seed."""
HELD_OUT: Final = 0.1
LEAST_HELD_OUT: Final = 20
HOLD_OUT_SEED: Final = 0
COLUMNS: Final = ("text", "label")


class Row(NamedTuple):
    """A text with its label."""

    text: str
    label: str


class Splits(NamedTuple):
    """A set, ready to be trained on."""

    train: list[Row]
    validation: list[Row]
    test: list[Row]


def make(name: str, data: Path, *, seed: int, rows: int | None = None) -> Splits:
    """The rows of a set.

    Args:
        name: one of `SETS`, or `banking77-N`.
        data: the folder with the data sets.
        seed: decides which rows a few-row set has, and nothing else.
        rows: keep at most so many training rows, for a trial of the benchmark itself.
    """
    train, validation, test = (
        _few(data, int(name.removeprefix(FEW)), seed) if name.startswith(FEW) else SETS[name](data)
    )
    if rows is not None and rows < len(train):
        train = draw(train, rows, seed=HOLD_OUT_SEED)
    if not validation:
        train, validation = hold_out(train)
    return Splits(train, validation, test)


def draw(rows: Sequence[Row], count: int, *, seed: int) -> list[Row]:
    """`count` of the rows: one of each label at random, the rest at random from all others.

    Raises:
        ValueError: there are more labels than `count`.
    """
    chance = random.Random(seed)  # noqa: S311 - not a secret
    shuffled = chance.sample(rows, len(rows))
    first = list({row.label: place for place, row in enumerate(shuffled)}.values())
    if count < len(first):
        raise ValueError(f"{count} rows cannot hold one row for each of {len(first)} labels")
    others = sorted(set(range(len(shuffled))) - set(first))
    chosen = [shuffled[place] for place in first + others[: count - len(first)]]
    chance.shuffle(chosen)
    return chosen


def hold_out(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Train and validation: a stratified tenth (20 rows at least) is held out, and each label keeps a row in train.

    Each label's rows are shuffled and numbered; those with the least (number + 0.5) / rows of the label are held out.
    """
    chance = random.Random(HOLD_OUT_SEED)  # noqa: S311 - not a secret
    places: dict[str, list[int]] = defaultdict(list)
    for place in chance.sample(range(len(rows)), len(rows)):
        places[rows[place].label].append(place)
    ranked = [
        ((number + 0.5) / len(of_label), chance.random(), place)
        for _, of_label in sorted(places.items())
        for number, place in enumerate(of_label[:-1])
    ]
    count = max(LEAST_HELD_OUT, round(HELD_OUT * len(rows)))
    held = {place for _, _, place in sorted(ranked)[:count]}
    train = [row for place, row in enumerate(rows) if place not in held]
    return train, [rows[place] for place in sorted(held)]


def write(splits: Splits, folder: Path) -> None:
    """`train.csv`, `validation.csv` and `test.csv` in `folder`, with the columns text and label."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in splits._asdict().items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(rows)


def read(path: Path, *, label: str = "label", one_label: bool = False) -> list[Row]:
    """The rows of a CSV file; with `one_label`, those with a single word in the label's column."""
    with path.open(encoding="utf-8", newline="") as file:
        found = [Row(row["text"], row[label]) for row in csv.DictReader(file)]
    return [row for row in found if len(row.label.split()) == 1] if one_label else found


def _few(data: Path, count: int, seed: int) -> Splits:
    train, _, test = _banking77(data)
    return Splits(draw(train, count, seed=seed), [], test)


def _banking77(data: Path) -> Splits:
    return Splits(read(data / "banking77/train.csv"), [], read(data / "banking77/test.csv"))


def _trec(data: Path) -> Splits:
    return Splits(read(data / "trec/train.csv"), [], read(data / "trec/test.csv"))


def _sst2(data: Path) -> Splits:
    return Splits(*(read(data / f"sst2/{name}.csv") for name in ("train", "dev", "test")))


def _emotion(data: Path) -> Splits:
    files = (data / f"tweeteval_open/emotion_{name}.csv" for name in ("train", "val", "test"))
    return Splits(*(read(file, label="label_name") for file in files))


def _xed_it(data: Path) -> Splits:
    train, test = (
        read(data / f"xed_it/{name}.csv", label="label_names", one_label=True) for name in ("train", "valid")
    )
    return Splits(train, [], test)


SETS: Final[dict[str, Callable[[Path], Splits]]] = {
    "banking77": _banking77,
    "trec": _trec,
    "sst2": _sst2,
    "emotion": _emotion,
    "xed_it": _xed_it,
}
"""Each whole set by name."""
NAMES: Final = (*(f"{FEW}{count}" for count in (100, 500, 2000)), *SETS)
"""Every set, in the order of the table."""
