"""Why a run that answers was worth nothing, as far as its rows can tell, and what to try next. It measures nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from affina.pipeline.attaching import takes_others
from affina.pipeline.prepared import Prepared

if TYPE_CHECKING:
    from affina.pipeline.answering.subject import Answering

FEW_PER_NUMBER: Final = 200
"""Training rows of numbers below which a fine-tuned model is seldom clearly better than a linear probe,"""
FEW_PER_LABEL: Final = 50
"""and training rows for each label of which the same is said."""


def of_rows(subject: Answering, run: Prepared) -> tuple[str, str]:
    """Few rows for each label, noisy labels, or features that hold it all already."""
    rows, labels = len(subject.rows["train"]), len(subject.task.labels)
    each = rows / labels
    numbers = subject.spec.name == "regression"
    if each < (FEW_PER_NUMBER if numbers else FEW_PER_LABEL):
        of = "" if numbers else f" for {labels} labels ({each:.0f} each)"
        return (
            f"{rows:,} training rows{of} are few for fine-tuning",
            "more rows with labels; until then a baseline may serve as well",
        )
    other = "method=full" if run.method.name != "full" and takes_others(run) else "another model"
    doubts = " (affina check --labels names doubtful labels)" if subject.spec.name == "classification" else ""
    return (
        "either the base model's features already hold all that these labels need, or the labels are noisy",
        f"{other}, or a look at the rows that are wrong in the report{doubts}",
    )
