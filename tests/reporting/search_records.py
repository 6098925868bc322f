"""The record of a run that looked for a model within its budgets, on paper."""

from report_records import finished, measured

from affina.record.risks import Figure
from affina.record.searched import Held, Searched, Tried


def tried(strength, score, rise, *, step=60):
    figure = Figure(metric="foretelling_rise", of="", found=measured(rise, 0.01))
    outcome = "within" if rise + 0.01 <= 0.05 else "flagged" if rise - 0.01 > 0.05 else "open"
    held = Held(risk="forgetting", probe="own texts", budget=0.05, outcome=outcome, figure=figure)
    gain = measured(score - 0.5)
    return Tried(
        step=step, strength=strength, metric="accuracy", score=measured(score), gain=gain, held=(held,), seconds=2.0
    )


TRIED = (tried(1.0, 0.9, 0.3), tried(0.6, 0.8, 0.045), tried(0.4, 0.7, 0.02), tried(None, 0.6, 0.01, step=8))
FOUND = Searched(
    budgets={"forgetting": 0.05},
    metric="accuracy",
    baseline="linear probe on the untouched model",
    began=measured(0.5),
    exported="strength 0.4",
    why="the best of 2 candidates",
    unseen=True,
    notes=("a note of the search",),
    candidates=4,
    seconds=12.0,
)


def with_search(found, records=None):
    """A whole run whose search came to `found`."""
    records = records or finished(("card", "fee"))
    lines = [one for one in TRIED if found.exported is not None or not one.fits]
    return [*records[:-1], *lines, found, records[-1]]
