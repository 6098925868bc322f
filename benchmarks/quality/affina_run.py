"""Affina with its defaults: one run on a folder that `sets.write` wrote. Prints one JSON line.

Only the files, their columns, the seed and the run folder are named; everything else is left to Affina.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import scoring

import affina
from affina.errors import AffinaError
from affina.record import journal
from affina.record.payloads import NOTICE, Chosen, Event, Finished, Payload, Scores, Started, Step
from affina.reporting.verdict import verdict

NOT_TOLD: Final = {NOTICE, "interrupted", "non-finite"}
"""Events that name paths or rows of this machine."""
Kind = TypeVar("Kind", bound=Payload)


def main() -> None:
    """Train once and print what the record says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    given = parser.parse_args()
    data = {name: str(given.folder / f"{name}.csv") for name in ("train", "validation", "test")}
    recipe = {"seed": given.seed, "data": {**data, "text": "text", "label": "label"}}
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = affina.train({**recipe, "run": f"{folder}/run", "train": {"reuse": False}})
        except AffinaError as error:  # a message of several lines; the last one is kept of what is printed
            sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")
        scoring.say(figures(journal.read(result.folder.journal)))


def figures(records: Sequence[Payload]) -> dict[str, Any]:
    """The run in plain figures, from its record alone."""
    scores = {found.who: found for found in _all(records, Scores)}
    finished = _all(records, Finished)[-1]
    tuned, probe = (scores[who].metrics["accuracy"].value for who in ("tuned", "linear_probe"))
    choices = {choice.key: choice.value for choice in _all(records, Chosen)}
    found = verdict(scores, chosen_metric=choices.get("evaluate.metric"))
    return {
        "accuracy": tuned,
        "macro_f1": scores["tuned"].metrics["macro_f1"].value,
        "linear_probe": probe,
        "majority": scores["majority"].metrics["accuracy"].value,
        "at_or_below_probe": tuned <= probe,
        "says_so": found is not None and found.outcome in {"open", "worse"},
        "verdict": found.outcome if found else None,
        "sentence": found.sentence if found else None,
        "events": {event.name: event.text for event in _all(records, Event) if event.name not in NOT_TOLD},
        "epochs_planned": _all(records, Started)[0].resolved["train"]["epochs"],
        "epochs_run": _all(records, Step)[-1].epoch,
        "learning_rate_chosen": choices.get("train.learning_rate"),
        "stopped": finished.stopped,
        "steps": finished.steps,
        "best_step": finished.best_step,
        "seconds": finished.seconds,
        "steps_only_rows_per_second": finished.rows_per_second,
        "rows_per_second": sum(step.rows for step in _all(records, Step)) / finished.seconds["training"],
        "peak_memory_bytes": finished.peak_memory_bytes,
    }


def _all(records: Sequence[Payload], kind: type[Kind]) -> list[Kind]:
    return [record for record in records if isinstance(record, kind)]


if __name__ == "__main__":
    main()
