"""Slot coverage of data-to-text: how many attributes of their inputs texts state, miss and invent.

What stands for an attribute is `slot_phrases`'. Every figure belongs beside that of the references, which is the error
of the count. This module reads no file and generates nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from affina.evaluation.intervals import Floats, bootstrap
from affina.evaluation.proportions import widened
from affina.evaluation.slot_notation import Slot, parse_slots, written
from affina.evaluation.slot_phrases import Coverage, Phrases
from affina.record.figures import Measured

ERROR: Final = "slot_error"
NAMES: Final = (ERROR, "slot_missed", "slot_invented", "slot_unjudged")
"""Of the slots of the inputs that can be judged, the share that texts get wrong, and its two parts (inventions may make
it more than 1); and of all slots the share that is not judged."""
REFERENCES: Final = "references"
"""Who the figure of the references themselves is recorded as."""
MOST_NAMED: Final = 5
"""Attributes that are not judged, and are named."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What each row contributes, [rows] each: the judged slots of its input, and what its text makes of them.

    A row whose input is no attributes with values contributes nothing.
    """

    slots: Floats
    missed: Floats
    invented: Floats
    unjudged: Floats

    @property
    def parts(self) -> dict[str, tuple[Floats, Floats]]:
        """Metric to each row's share in the two sums whose ratio it is."""
        wrong = self.missed + self.invented
        judged = ((part, self.slots) for part in (wrong, self.missed, self.invented))
        return dict(zip(NAMES, (*judged, (self.unjudged, self.slots + self.unjudged)), strict=True))


def coverages(phrases: Phrases, inputs: Sequence[str], texts: Sequence[str]) -> list[Coverage | None]:
    """What each text says of its input; None where that is no attributes with values.

    Args:
        phrases: what stands for a slot.
        inputs: as they stand in the rows.
        texts: one for each.
    """
    parsed = map(parse_slots, inputs)
    return [phrases.coverage(text, given) if given else None for given, text in zip(parsed, texts, strict=True)]


def count(found: Sequence[Coverage | None]) -> Counts:
    """The slots that texts miss and invent, row by row."""
    rows = [
        (len(one.stated) + len(one.missed), len(one.missed), len(one.invented), len(one.unjudged)) if one else (0,) * 4
        for one in found
    ]
    return Counts(*np.asarray(rows, dtype=np.float64).reshape(-1, 4).T)


def score(rows: Counts, *, resamples: int, confidence: float, seed: int) -> dict[str, Measured]:
    """Each metric with its interval over the rows; none where no slot can be judged."""
    if not rows.slots.sum():
        return {}
    sums = np.asarray([part for pair in rows.parts.values() for part in pair])

    def measure(weights: Floats) -> Floats:
        found: Floats = (sums @ weights).reshape(-1, 2)
        ratios: Floats = found[:, 0] / np.maximum(found[:, 1], 1.0)
        return ratios

    found = bootstrap(measure, len(rows.slots), resamples=resamples, confidence=confidence, seed=seed)
    values = zip(NAMES, *(part.tolist() for part in found), strict=True)
    whole = {name: int((of > 0).sum()) for name, (_, of) in rows.parts.items()}
    figures = {name: Measured(value=value, low=low, high=high, n=whole[name]) for name, value, low, high in values}
    return {name: widened(one, confidence=confidence) for name, one in figures.items()}


def told(found: Coverage | None) -> str:
    """What a text states, misses and invents of its input, and what is not judged; empty where there are no slots."""
    if found is None:
        return ""
    right = found.stated and not found.missed and not found.invented
    parts = {
        "stated": () if right else found.stated,
        "missed": found.missed,
        "invented": found.invented,
        "not judged": found.unjudged,
    }
    said = [f"{what}: {', '.join(map(written, slots))}" for what, slots in parts.items() if slots]
    return "; ".join([f"all {len(found.stated)} stated", *said] if right else said)


def not_judged(phrases: Phrases, inputs: Iterable[str]) -> str:
    """The attributes that are not judged, the most frequent first, with how many slots; empty where all are judged.

    Args:
        phrases: what stands for a slot.
        inputs: as they stand in the rows.
    """
    every: list[Slot] = [slot for given in inputs for slot in parse_slots(given)]
    names = Counter(name for name, value in every if not phrases.judges((name, value)))
    if not names:
        return ""
    named = [f"{name} ({number:,})" for name, number in names.most_common(MOST_NAMED)]
    more = f" and {len(names) - MOST_NAMED} more attributes" if len(names) > MOST_NAMED else ""
    return (
        f"not judged: {names.total():,} of {len(every):,} slots, of {', '.join(named)}{more}: values such as yes or no,"
        " which say nothing by themselves, and for which the training texts have no phrase of their own, or attributes"
        " that most training texts do not say"
    )
