"""The task of a run, decided from its rows: what is trained, what answers are worth, and whether labels are weighed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from affina.data.labelling.base import count_labels
from affina.data.labelling.several import LABEL_ROLE
from affina.data.loading import Loaded
from affina.data.mixing import labels_as_seen
from affina.evaluation.judging.base import Judge
from affina.models.classifier import Classifier
from affina.models.head_start import last_layer
from affina.models.units import PLAIN, lost, units_shipped
from affina.pipeline.answering.kinds import KINDS
from affina.pipeline.limits import Limited
from affina.recipe.schema import Recipe
from affina.recipe.task_specs import AnsweringSpec, RegressionSpec
from affina.record.payloads import SHIPPED_UNITS
from affina.tasks.base import Task
from affina.values import Resolved

UNITS: Final = "task (units)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The task of a run, see `Prepared`."""

    task: Task
    judge: Judge
    spec: AnsweringSpec
    weighted: bool


def answers_of(
    recipe: Recipe, loaded: Loaded, classifier: Classifier, limited: Limited, choices: dict[str, Resolved[Any]]
) -> Answers:
    """What is trained, and what answers are worth."""
    kind, rows = KINDS[loaded.labelling.name], limited.rows["train"]
    cells = labels_as_seen(rows, loaded.weights)
    counts = count_labels(loaded.labelling, cells)
    open_spec = kind.spec(recipe.task, loaded.labelling)
    spec = _weigh(open_spec, kind.weights(open_spec, counts, rows=cells.total()), choices)
    weighted = not isinstance(spec, RegressionSpec) and spec.class_weights == "balanced"
    task = kind.task(
        classifier.tokenizer,
        loaded.labels,
        max_length=limited.limit,
        units=classifier.units,
        smoothing=recipe.train.label_smoothing,
        weighed=(counts, cells.total()) if weighted else None,
    )
    return Answers(task=task, judge=kind.judge(loaded.labels, spec, classifier.units), spec=spec, weighted=weighted)


def _weigh(spec: AnsweringSpec, found: Resolved[str] | None, choices: dict[str, Resolved[Any]]) -> AnsweringSpec:
    if found is None:
        return spec
    choices["task.class_weights"] = found
    return spec.model_copy(update={"class_weights": found.value})


def units_choices(classifier: Classifier) -> dict[str, Resolved[Any]]:
    """What the head counts in while it trains, and what the exported model's logit does where that is the same."""
    units, head = classifier.units, classifier.head
    if units == PLAIN:
        why = "the head that was kept counts so, and is of a make that nothing can be folded into"
        return {UNITS: Resolved("as given", why)}
    what = f"mean {head.mean:.4g}, deviation {head.deviation:.4g} of the training rows"
    if units_shipped(classifier.module, classifier.anatomy, units) != PLAIN:
        formula = f"a number is {units.shift!r} + {units.scale!r} * logit, which affina evaluate and predict work out"
        shipped = {"shift": units.shift, "scale": units.scale}
        return {
            UNITS: Resolved("standardised", what),
            SHIPPED_UNITS: Resolved(shipped, f"{_cannot_hold(classifier)}: {formula}; label_units in config.json"),
        }
    if units.shift == 0:
        why = f"the head has no bias for a mean; {what}; exported in your own"
        return {UNITS: Resolved(f"divided by {units.scale:.4g}", why)}
    return {UNITS: Resolved("standardised", f"{what}; the model is exported in your own units")}


def _cannot_hold(classifier: Classifier) -> str:
    """Why a head cannot give numbers in the user's own units."""
    layer = last_layer(classifier.module, classifier.anatomy)
    if layer is None:
        return "the head's last layer is of a make that nothing can be folded into"
    if layer.bias is None:
        return "the head has no bias for a mean that is so far from 0"
    return f"in float32 a logit in your own units would be rounded by up to {lost(classifier.units):.2g} deviations"


def label_keys(loaded: Loaded) -> dict[str, Any]:
    """The recipe's `data` keys of rows with labels or numbers."""
    columns = loaded.columns
    several = tuple(name for role, name in columns.items() if role.startswith(LABEL_ROLE))
    return {
        "text": columns["text"],
        "text_pair": columns.get("text_pair", "none"),
        "label": several or columns["label"],
    }
