"""The run that is looked at: the user's own, decided as `affina train` decides it, on a few of its rows and steps.

Owns which rows those are and what of the run is made smaller for them. What is measured on it is the checks'.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from affina.data.drawing import drawn_places
from affina.errors import DataError, DeviceError, Problem
from affina.pipeline.prepared import Prepared
from affina.recipe.risks_spec import RisksSpec
from affina.recipe.schema import Recipe
from affina.values import Resolved
from affina.verifying.guarantees import DOUBLE, SINGLE
from affina.verifying.kinds import is_packed, only

ROWS: Final = 16
"""Training rows that are looked at, at most, where the user does not say."""
LEAST_ROWS: Final = 2
"""Fewer make no batch."""
FEW: Final = 4
"""Rows that are taken whatever they cost."""
MOST_WORK: Final = 8e10
"""Tokens times weights on a CPU: beyond it fewer rows are taken, so that all checks take a minute or two."""
FASTER: Final = 50
"""Times as much on a device."""
HELD_OUT: Final = 4
"""To so many training rows there is one for validation: what is measured on it chooses nothing here."""
LOOKED: Final = 4
"""Rows whose logits are looked at one by one, at most: those of language are tokens times vocabulary."""
STEPS: Final = 4
"""Optimizer steps of the short training."""
BATCHES: Final = 3
"""Into about so many batches the rows fall, so that an epoch has more than one."""
IN_BATCHES: Final = 2
"""Times the longest row that a batch has room for where the user's has, so that rows do meet,"""
IN_LINES: Final = 3
"""and that a batch of packed lines has, so that they do share them."""
LEAST_RATE: Final = 1e-4
"""The rate of the short training, at least: at a lower one float32 could round a step of a weight of 1 away."""
WHY: Final = "a few rows and steps are enough to look at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The run that is looked at.

    Attributes:
        run: of a few rows and steps.
        of: how many training rows the whole run has.
        folder: where checkpoints and models go, and are removed from.
        double: arithmetic is looked at in float64.
    """

    run: Prepared
    of: int
    folder: Path
    double: bool

    @property
    def places(self) -> list[int]:
        """Of the rows that are looked at."""
        return list(range(len(self.run.rows["train"])))

    @property
    def lengths(self) -> Sequence[int]:
        """Tokens of each of them."""
        return self.run.subject.lengths["train"]

    @property
    def shortest(self) -> list[int]:
        """Their places, the shortest row first."""
        return sorted(self.places, key=lambda place: self.lengths[place])

    @property
    def close(self) -> float:
        """What another order of sums may change, relative."""
        return DOUBLE if self.double else SINGLE

    @property
    def looked(self) -> list[int]:
        """The places whose logits are looked at: short rows, no more tokens than the longest row has, but for two."""
        order = self.shortest[:LOOKED]
        sums = itertools.accumulate(self.lengths[place] for place in order)
        room = max(self.lengths)
        return [place for place, total in zip(order, sums, strict=True) if total <= room or place in order[:LEAST_ROWS]]


def with_less(recipe: Recipe) -> Recipe:
    """The recipe without what looks at all rows before anything is trained: baselines and the look for wrong labels."""
    return recipe.model_copy(
        update={
            "data": recipe.data.model_copy(update={"check_labels": False}),
            "evaluate": recipe.evaluate.model_copy(update={"baselines": False}),
        }
    )


def bench_of(prepared: Prepared, folder: Path, *, rows: int | None, double: bool) -> Bench:
    """Make the run smaller.

    Args:
        prepared: the whole run.
        folder: for what is written.
        rows: training rows to look at; None leaves it to the size of the model.
        double: look at the arithmetic in float64.

    Raises:
        DataError: there are too few rows.
        DeviceError: the device has no float64.
    """
    if double and prepared.device.type == "mps":
        raise DeviceError(_no_double())
    lengths, seed = prepared.subject.lengths, prepared.recipe.seed
    train = chosen(lengths["train"], most=_most(prepared, rows), seed=seed)
    if len(train) < LEAST_ROWS:
        raise DataError(_too_few(prepared, len(lengths["train"])))
    most = max(1, len(train) // HELD_OUT)
    held_out = {split: chosen(lengths[split], most=most, seed=seed) for split in ("validation", "test")}
    subject = only(prepared.subject, {"train": train, **held_out})
    small = replace(prepared, subject=subject, recipe=_short(prepared.recipe))
    return Bench(run=_few_steps(small), of=len(lengths["train"]), folder=folder, double=double)


def chosen(lengths: Sequence[int], *, most: int, seed: int) -> list[int]:
    """Places of rows: the longest, and others drawn by the seed; in order."""
    if not lengths:
        return []
    longest = max(range(len(lengths)), key=lambda place: lengths[place])
    others = [place for place in range(len(lengths)) if place != longest]
    drawn = drawn_places(len(others), most=most - 1, seed=seed)
    return sorted([longest, *(others[place] for place in drawn)])


def _most(prepared: Prepared, rows: int | None) -> int:
    """How many rows: as many as the model leaves time for, at least a few."""
    if rows is not None:
        return rows
    lengths = prepared.subject.lengths["train"]
    weights = sum(parameter.numel() for parameter in prepared.model.module.parameters())
    tokens = MOST_WORK * (1 if prepared.device.type == "cpu" else FASTER) / weights
    return min(ROWS, max(FEW, int(tokens * len(lengths) / max(1, sum(lengths)))))


def _short(recipe: Recipe) -> Recipe:
    """A recipe of a few steps; a head starts at random, since a probe on so few rows says nothing."""
    train = {"max_steps": STEPS, "head_start": "random", "restart": False, "early_stopping": False, "keep": 1}
    return recipe.model_copy(
        update={
            "train": recipe.train.model_copy(update={**train, "checkpoint_every": STEPS // 2}),
            "risks": RisksSpec(),  # budgets keep snapshots
        }
    )


def _few_steps(run: Prepared) -> Prepared:
    lengths, hyper = run.subject.lengths["train"], run.hyper
    longest = max(lengths)
    together = longest * (IN_LINES if is_packed(run) else IN_BATCHES)
    budget = min(max(hyper.batch_tokens.value, longest), max(together, math.ceil(sum(lengths) / BATCHES)))
    return replace(
        run,
        hyper=replace(
            hyper,
            epochs=Resolved(float(STEPS), WHY),
            per_epoch=Resolved(1, WHY),
            patience=None,
            warmup=Resolved(0.0, WHY),
            learning_rate=Resolved(max(hyper.learning_rate.value, LEAST_RATE), WHY),
            head_learning_rate=Resolved(max(hyper.head_learning_rate.value, LEAST_RATE), WHY),
            batch_tokens=Resolved(budget, WHY),
            evaluation_rows=Resolved(len(run.rows["validation"]), WHY),
        ),
    )


def _too_few(prepared: Prepared, count: int) -> Problem:
    return Problem(
        where=", ".join(prepared.loaded.files),
        expected=f"at least {LEAST_ROWS} training rows to look at",
        found=f"{count:,}",
        fix="give more rows",
    )


def _no_double() -> Problem:
    return Problem(
        where="--float64",
        expected="a device that computes in float64: cpu or cuda",
        found="mps",
        fix="add device=cpu, or leave --float64 out",
    )
