"""Where the validation loss turned while the metric still rose: a model that became too sure of what it says.

Early stopping follows the metric, which may go on rising long after the loss has begun to: the answers get no worse,
and their probabilities do. That is said; it is no overfitting of the answers. This module reads the evaluations of the
training and measures nothing.
"""

from __future__ import annotations

import math
from typing import Final

from affina.record.figures import LEAST_ROWS
from affina.record.measures import SHARES, direction
from affina.record.payloads import Evaluated
from affina.reporting.formats import counted, metric, name, number
from affina.reporting.gathered import Gathered

RISEN: Final = 0.1
"""By so large a share the loss must lie above the lowest one to be spoken of."""
ERRORS: Final = 2.0
"""Standard errors of a share on these rows by which it must have fallen to be called worse."""
LOSS: Final = "loss"


def turned(run: Gathered) -> str:
    """What there is to say of it; empty where there is nothing, or there are too few rows to say it.

    Nothing is said of a model that has a part of the change alone: no evaluation of the training is of it.
    """
    if run.kept_strength < 1:
        return ""
    if run.task == "regression":  # numbers have no probabilities, and their loss is an error like the others
        return ""
    key, rows = run.chosen_metric, _rows(run)
    kept = next((look for look in run.evaluations if look.step == run.kept_step), None)
    if key is None or kept is None or not {key, LOSS} <= kept.metrics.keys() or key == LOSS or rows < LEAST_ROWS:
        return ""
    before = [look for look in run.evaluations if look.step < kept.step and {key, LOSS} <= look.metrics.keys()]
    lowest = min(before, key=lambda look: look.metrics[LOSS], default=kept)
    least, now = lowest.metrics[LOSS], kept.metrics[LOSS]
    if not now > (1 + RISEN) * least:
        return ""
    return (
        f"on {counted(rows, 'rows')} of the validation split the loss turned at step {lowest.step:,}: from"
        f" {number(least)} there to {number(now)} at step {kept.step:,}, whose weights are kept, while {name(key)} went"
        f" from {metric(key, lowest.metrics[key])} to {metric(key, kept.metrics[key])};"
        f" {_meaning(key, lowest, kept, rows)}"
    )


def _meaning(key: str, lowest: Evaluated, kept: Evaluated, rows: int) -> str:
    before, after = lowest.metrics[key], kept.metrics[key]
    fell = direction(key) * (before - after)
    if fell <= 0:
        return "its answers got no worse and its probabilities too sure: do not rely on these"
    noise = ERRORS * math.sqrt(max(0.0, before * (1 - before)) / rows) if key in SHARES else 0.0
    if fell <= noise:
        return "that is less than these rows can tell, and its probabilities got too sure: do not rely on these"
    return "what was trained after that made both worse"


def _rows(run: Gathered) -> int:
    """Validation rows behind each evaluation."""
    choice = run.chosen.get("evaluate.rows")
    if choice is not None and isinstance(choice.value, int):
        return choice.value
    return run.data.rows.get("validation", 0) if run.data else 0
