"""The frozen-prefix cache: lower blocks frozen, with and without it, against full fine-tuning and against `Trainer`.

    python benchmarks/speed/frozen.py --rows 1000 --repeats 2

Two comparisons, each contender once in each round, one after the other: the upper 2 of starter/encoder's 6 blocks over
5 epochs, and the head alone over 10; the embeddings are frozen in all. Needs the data sets' folder in AFFINA_DATA.
Writes benchmarks/results/speed-frozen.json: how many times a contender's time is ours by two clocks, and what share of
its peak memory ours is. Our time is from the first work on the model to the trained one: the pass that fills the cache,
the start of the head, the search for the rate, evaluations and checkpoints, of which the peer makes none.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any, Final

from classification import DATA, split_rows
from side_by_side import RESULTS, compared, run_script, write_result

from affina.models.source import locate

LABELS: Final = 20
"""Of Banking77's, so that few rows have several of each."""
EPOCHS: Final = {"partial": 5, "head": 10}
WAYS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "affina, partial, cached": ("partial", ("method={name: partial, blocks: 2}", "train.cache=true")),
    "affina, full but embeddings": ("partial", ("method={name: partial, blocks: all}",)),
    "trainer, partial": ("partial", ("--frozen", "4")),
    "affina, head, cached": ("head", ("method={name: partial, blocks: 0}", "train.cache=true")),
    "trainer, head": ("head", ("--frozen", "6")),
    "affina, partial, not cached": ("partial", ("method={name: partial, blocks: 2}", "train.cache=false")),
    "affina, head, not cached": ("head", ("method={name: partial, blocks: 0}", "train.cache=false")),
}
RESULT: Final = RESULTS / "speed-frozen.json"


def main() -> None:
    """Run the rounds and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--labels", type=int, default=LABELS, help="of the 77, so that few rows have several of each")
    parser.add_argument("--epochs", type=int, help="of all; none: 5, and 10 of the head alone")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        train, validation = split_rows(DATA, Path(folder), rows=given.rows, labels=given.labels)
        for number in range(given.repeats):
            found = {}
            for name in WAYS:
                found[name] = _run(name, train, validation, given.epochs)
                print(f"round {number + 1}, {name}:", json.dumps(found[name]), flush=True)
            rounds.append(found)
            comparisons = compare(rounds)
            epochs = [given.epochs or EPOCHS[kind] for kind in ("partial", "head")]
            parts = f"2 of 6 blocks {epochs[0]} epochs, head alone {epochs[1]}"
            what = f"banking77, {given.rows} rows of {given.labels} labels, starter/encoder: {parts}"
            write_result(given.out, what=what, comparisons=comparisons, rounds=rounds)
    print(json.dumps(comparisons), flush=True)


def _run(name: str, train: Path, validation: Path, epochs: int | None) -> dict[str, Any]:
    kind, words = WAYS[name]
    shared = ["--model", str(locate("starter/encoder").folder), "--train", str(train)]
    shared += ["--epochs", str(epochs or EPOCHS[kind])]
    if name.startswith("trainer"):
        return run_script("trainer.py", *shared, *words)
    return run_script("affina_run.py", *shared, "--validation", str(validation), "risks.measure=never", *words)


def compare(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """How our runs with the cache stand to each other contender of their kind."""
    return {
        f"{other} / affina, {kind}, cached": compared(rounds, f"affina, {kind}, cached", other, of="rows")
        for other, (kind, _) in WAYS.items()
        if other != f"affina, {kind}, cached"
    }


if __name__ == "__main__":
    main()
