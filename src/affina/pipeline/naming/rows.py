"""The rows of a run that learns labels' names, as its model reads them: the limit, and what was looked at in them.

No weights are needed: `affina check` reads rows so as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from affina.data.loading import Loaded
from affina.models.base import Tells
from affina.pipeline.answering.auditing import without_label_errors
from affina.pipeline.answering.limits import check_labels_left
from affina.pipeline.auditing import audit
from affina.pipeline.limits import Limited, Measure, limit_of, within_limit
from affina.pipeline.prepared import Notify
from affina.pipeline.writing.rows import encoder
from affina.recipe.schema import Recipe
from affina.record.audited import Audited
from affina.record.payloads import Finding
from affina.tasks.asking import Asking
from affina.tasks.lessons import Reading
from affina.values import Resolved

NO_FEATURES = "not where labels are learned in words: confident learning reads a classifier's features"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows as they are read.

    Attributes:
        asking: their words, within the limit.
        reading: how they become tokens.
        limited: the rows that are used.
        audited: what was looked at.
        findings: everything that was noticed.
    """

    asking: Asking
    reading: Reading
    limited: Limited
    audited: Audited
    findings: tuple[Finding, ...]


def read_rows(
    recipe: Recipe, loaded: Loaded, model: Tells, choices: dict[str, Resolved[Any]], *, notify: Notify
) -> Rows:
    """Read the rows for a model.

    Raises:
        InputError: labels, rows or a limit that cannot be used.
    """
    unlimited = Asking(model, loaded.labels, limit=None)
    limit, _ = limit_of(recipe, model, least=unlimited.least)
    measure = Measure(lengths=unlimited.lengths, least=unlimited.least)
    limited = within_limit(recipe, loaded, model, measure, choices)
    check_labels_left(limited.rows["train"], loaded, limited.limit)
    asking = Asking(model, loaded.labels, limit=limit)
    reading = Reading(model, label_smoothing=recipe.train.label_smoothing)
    found = audit(loaded, limited, model, encoder(asking, reading), seed=recipe.seed)
    if recipe.data.check_labels:
        notify(f"data.check_labels: {NO_FEATURES}")
        found = without_label_errors(found, NO_FEATURES, rows=len(limited.rows["train"]))
    audited, findings = found
    return Rows(asking=asking, reading=reading, limited=limited, audited=audited, findings=findings)
