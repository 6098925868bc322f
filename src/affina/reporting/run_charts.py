"""Which charts a run has: losses, validation metrics, learning rate, gradient norm, and its range tests.

A chart without a point is left out; which metrics there are is up to the record. The geometry is `curves`'.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from affina.record.measures import SHARES, higher_is_better
from affina.record.payloads import Evaluated, Step
from affina.reporting import curves, formats
from affina.reporting.curves import EPOCHS, MOST_LINES, Axis, Chart, Mark, Series
from affina.reporting.gathered import Gathered, Tested

KEPT: Final = "step {}, whose weights are kept"
KEPT_IN_PART: Final = "step {}, whose change is kept in part"
LOSS: Final = "loss"


def charts(run: Gathered) -> list[Chart]:
    """The charts of one run, over its steps."""
    kept = [] if run.kept_step is None else [Mark(run.kept_step, KEPT if run.kept_strength == 1 else KEPT_IN_PART)]
    losses = [_line("training loss", run.steps, lambda step: step.loss), *_looked(run, LOSS)]
    # A negative norm stands for a step that fp16 loss scaling skipped: there was no norm to record.
    measured = [step for step in run.steps if step.gradient_norm >= 0]
    laid_out = [
        curves.chart("Loss", losses, write=formats.number, marks=kept),
        *(curves.chart(title, lines, write=write, marks=kept) for title, lines, write in _metrics(run)),
        curves.chart(
            "Learning rate",
            [_line("learning rate", run.steps, lambda step: step.learning_rate)],
            write=formats.number,
        ),
        curves.chart(
            "Gradient norm, before clipping",
            [_line("gradient norm", measured, lambda step: step.gradient_norm)],
            write=formats.number,
        ),
        *map(range_chart, run.range_tests),
    ]
    return [chart for chart in laid_out if chart]


def looked_at(run: Gathered) -> list[str]:
    """Every metric that was measured during training."""
    return list(dict.fromkeys(key for look in run.evaluations for key in look.metrics))


def _metrics(run: Gathered) -> list[tuple[str, list[Series], Callable[[float], str]]]:
    """Shares of one direction go together; every other metric but the loss has a scale, and a chart, of its own."""
    keys = [key for key in looked_at(run) if key != LOSS]
    groups = [[key] for key in keys if key not in SHARES]
    for higher in (False, True):
        shares = [key for key in keys if key in SHARES and higher_is_better(key) is higher]
        groups[:0] = [shares[start : start + MOST_LINES] for start in range(0, len(shares), MOST_LINES)]
    return [
        (
            f"Validation {formats.listed([formats.name(key) for key in group])}",
            [line for key in group for line in _looked(run, key)],
            _written(group[0]),
        )
        for group in groups
    ]


def _line(name: str, steps: list[Step] | tuple[Step, ...], value: Callable[[Step], float]) -> Series:
    return Series(name, tuple((step.step, value(step)) for step in steps))


def _looked(run: Gathered, key: str) -> list[Series]:
    """The line of a metric over the evaluations during training; none where it was not measured."""
    points = tuple((look.step, look.metrics[key]) for look in run.evaluations if key in look.metrics)
    return [Series(f"validation {formats.name(key)}", points)] if points else []


def range_chart(tested: Tested) -> Chart | None:
    """A range test's curve: the loss over the rate's logarithm, with what was read off it and what was settled on."""
    test = tested.test
    places = [math.log10(rate) if rate > 0 else math.nan for rate in test.rates]
    lines = [
        Series("change of the loss", tuple(zip(places, test.changes, strict=False))),
        Series("its running mean", tuple(zip(places, test.smooth, strict=False))),
    ]
    marks = [Mark(math.log10(test.used), "{}, the rate that was settled on")] if test.used > 0 else []
    if test.rate is not None and test.rate > 0:
        marks.insert(0, Mark(math.log10(test.rate), "{}, which the curve speaks for"))
    title = f"Learning-rate range test, {tested.when}"
    return curves.chart(title, lines, write=formats.number, marks=marks, axis=curves.RATES)


def overlaid(runs: dict[str, Gathered]) -> list[Chart]:
    """The curves of several runs over each other, by epoch: steps of different batches do not compare.

    Args:
        runs: the name in the legend to the run.
    """
    keys = dict.fromkeys(key for run in runs.values() for key in looked_at(run))
    laid_out = [
        _over("Training loss", runs, _steps_by_epoch(lambda step: step.loss), formats.number),
        *(_over(f"Validation {formats.name(key)}", runs, _looks_by_epoch(key), _written(key)) for key in keys),
        _over("Learning rate", runs, _steps_by_epoch(lambda step: step.learning_rate), formats.number),
    ]
    return [chart for chart in laid_out if chart]


Points = Callable[[Gathered], tuple[curves.Point, ...]]


def _over(title: str, runs: dict[str, Gathered], points: Points, write: Callable[[float], str]) -> Chart | None:
    axis: Axis = EPOCHS
    return curves.chart(title, [Series(name, points(run)) for name, run in runs.items()], write=write, axis=axis)


def _steps_by_epoch(value: Callable[[Step], float]) -> Points:
    return lambda run: tuple((step.epoch, value(step)) for step in run.steps)


def _looks_by_epoch(key: str) -> Points:
    def points(run: Gathered) -> tuple[curves.Point, ...]:
        looks: tuple[Evaluated, ...] = run.evaluations
        return tuple((look.epoch, look.metrics[key]) for look in looks if key in look.metrics)

    return points


def _written(key: str) -> Callable[[float], str]:
    return formats.round_percent if key in SHARES else formats.number
