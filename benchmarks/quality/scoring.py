"""What the peers' scripts share: reading a split and scoring predictions. Needs scikit-learn, and nothing of Affina."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sets
from sklearn.metrics import accuracy_score, f1_score


def splits(folder: Path) -> sets.Splits:
    """The three files that `sets.write` wrote."""
    return sets.Splits(*(sets.read(folder / f"{name}.csv") for name in sets.Splits._fields))


def scores(expected: Sequence[Any], predicted: Sequence[Any]) -> dict[str, float]:
    """Accuracy and macro-F1 over the labels that are expected or predicted."""
    return {
        "accuracy": float(accuracy_score(expected, predicted)),
        "macro_f1": float(f1_score(expected, predicted, average="macro", zero_division=0)),
    }


def peak_memory_bytes() -> int:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def say(found: dict[str, Any]) -> None:
    """Print the result: one JSON line, the last of the output."""
    sys.stdout.write(json.dumps(found) + "\n")
