"""A run whose micro-batches do not fit into the memory that is there: in how many parts each of them does.

What a step learns from is the same, since a loss is a sum over counts; dropout is drawn for each part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from affina.pipeline.prepared import Prepared
from affina.planning.activations import Activations
from affina.planning.changes import weighed
from affina.planning.estimate import setup_of, training_shapes
from affina.planning.fitting import Fit, below
from affina.planning.forecast import Change, Forecast
from affina.reporting.formats import mebibytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A run as it fits best, with what was foreseen of it.

    Attributes:
        told: what is to be said of its parts; empty where it has no more than it had.
    """

    prepared: Prepared
    forecast: Forecast
    activations: Activations
    fit: Fit
    told: str


def fitted(
    prepared: Prepared,
    *,
    foreseen: Callable[[Prepared], tuple[Forecast, Activations]],
    judged: Callable[[Forecast], Fit],
) -> Fitted:
    """The run in as many parts as the memory wants.

    Args:
        prepared: the run.
        foreseen: gives the forecast of it from the sizes.
        judged: holds that against what is there.
    """
    forecast, activations = foreseen(prepared)
    fit, told = judged(forecast), ""
    split = in_parts(prepared, forecast, fit, activations)
    if split.parts > prepared.parts:
        told = _in_words(split.parts, fit)
        forecast, activations = foreseen(split)
        fit = judged(forecast)
    return Fitted(prepared=split, forecast=forecast, activations=activations, fit=fit, told=told)


def in_parts(prepared: Prepared, forecast: Forecast, fit: Fit, activations: Activations) -> Prepared:
    """The run with each micro-batch in as few parts as let it fit.

    Where none do, it stays as it is if it may fit all the same; else it is in the parts that make it smallest.

    Args:
        prepared: the run.
        forecast: of it, from the sizes.
        fit: the same beside what is there.
        activations: from `foresee`.
    """
    if fit.fits or fit.room is None or fit.disk_needed > fit.disk_free:
        return prepared
    setup, base = setup_of(prepared, activations), below(forecast, fit)
    most = max(shape.rows for shape in training_shapes(setup, seed=prepared.draws))
    least, best = forecast.memory.peak, prepared.parts
    parts = 2 * prepared.parts
    while parts < 2 * most:
        smaller = {Change(words=(), peak=0, costs=""): replace(setup, parts=parts)}
        found = weighed(forecast.memory, prepared, smaller, setup)
        if found and base + found[0].peak <= fit.room:
            return replace(prepared, parts=parts)
        if found and found[0].peak < least:
            least, best = found[0].peak, parts
        parts *= 2
    return replace(prepared, parts=best) if fit.cannot else prepared


def _in_words(parts: int, fit: Fit) -> str:
    """What is said of a run whose micro-batches are computed in parts; `fit` is that of the whole ones."""
    there = "" if fit.room is None else f", and {mebibytes(fit.room)} are there"
    return (
        f"each micro-batch is computed in {parts} parts, one after the other: at once the run would need "
        f"{mebibytes(fit.needed)} of memory{there}; what a step learns from is the same, and dropout is drawn for "
        "each part"
    )
