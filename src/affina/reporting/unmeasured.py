"""What a reader might take for granted and nobody measured: each with how it could be.

The page and the card list these, so that silence is never read as "fine". This module measures nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from affina.reporting.formats import counted, number
from affina.reporting.gap import Gap
from affina.reporting.gathered import Gathered
from affina.reporting.risks import risks_of

LABEL_ERRORS: Final = "probable label errors"


ALWAYS: Final = (
    Gap(
        "Another seed",
        "how far figures move with the seed: this is one run; affina compare RECIPE --seeds 3 says it",
    ),
    Gap("Other rows", "how it does on rows of another source or of a later time; affina evaluate RUN FILE measures it"),
    Gap("Speed in use", "how long a single prediction takes on the machine that will serve it"),
    Gap("Energy and money", "what the run drew from the socket, and what the machine costs"),
)


def gaps(run: Gathered) -> list[Gap]:
    """Everything that this run's record does not answer."""
    return [*_figures(run), *_rows(run), *(gap for risk in risks_of(run) for gap in risk.gaps), *ALWAYS]


def _figures(run: Gathered) -> Iterator[Gap]:
    tuned = run.scores.get("tuned")
    if tuned is None:
        yield Gap("The tuned model", "the run has not come to its evaluation")
    elif tuned.split != "test":
        yield Gap("Rows that chose nothing", f"the figures are on the {tuned.split} rows, which chose the weights too")
    if not any(who != "tuned" for who in run.scores):
        yield Gap("Baselines", "what a model without fine-tuning reaches on the same rows")
    if run.writes:
        yield Gap(
            "Whether what is written is true", "texts are compared with references by their words; nobody read them"
        )
    yield Gap("The model in use today", "how it does on these rows; affina report RUN_A RUN_B compares two runs")


def _rows(run: Gathered) -> Iterator[Gap]:
    if run.data is not None and run.audited is None:
        yield Gap("The data", "the record holds no audit of the rows")
    if run.audited is None:
        return
    if not run.writes and not any(check.name.replace("_", " ") == LABEL_ERRORS for check in run.audited.checks):
        yield Gap("Wrong labels", "they were not looked for; data.check_labels=true, or affina check --labels, looks")
    for check in run.audited.checks:
        if check.rows < check.of:
            left = counted(check.of - check.rows, "rows")
            yield Gap(f"{check.name.replace('_', ' ').capitalize()} in {left}", f"{number(check.rows)} were looked at")
