"""The tasks by name: the one place where a recipe's or a record's word for a task becomes what the stages work with.

A kind brings together the four parts of a task that live in different layers: how labels are read (`data.labelling`),
what the model's outputs stand for (`models.settings`), what is trained (`tasks`) and what answers are worth
(`evaluation.judging`). It holds no rule of its own beside which parts belong together and which recipe keys they take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, final

from affina.data.labelling.base import Labelling
from affina.data.labelling.guess import Asked
from affina.data.labelling.numbers import Numbers
from affina.data.labelling.several import LabelSets
from affina.data.rows import Row
from affina.errors import Problem, RecipeError
from affina.evaluation.judging.base import Judge
from affina.evaluation.judging.classes import ClassJudge
from affina.evaluation.judging.numbers import NumberJudge
from affina.evaluation.judging.sets import SetJudge
from affina.models.settings import HeadSpec
from affina.models.units import PLAIN, Units
from affina.recipe.base import AUTO
from affina.recipe.generate_spec import GenerateSpec
from affina.recipe.schema import Recipe
from affina.recipe.task_specs import AnsweringSpec, ClassificationSpec, GuessedSpec, MultiLabelSpec, RegressionSpec
from affina.tasks.base import Task
from affina.tasks.classification import Classification, balanced_weights
from affina.tasks.multi_label import MultiLabel, positive_weights
from affina.tasks.regression import Regression
from affina.values import Resolved

MAJORITY_SHARE: Final = 0.8
"""With more of the rows in one class than this, `auto` weighs the classes and watches macro-F1."""
Counts = Mapping[str, int]


class Kind(Protocol):
    """One task, for the stages that know tasks by name alone."""

    @property
    def has_single_labels(self) -> bool:
        """Whether each row has one label, which confident learning can doubt."""
        ...

    def spec(self, asked: Asked, labelling: Labelling) -> AnsweringSpec:
        """The recipe's `task` with its name and the reading of its cells; what is decided later is still open."""
        ...

    def weights(self, spec: AnsweringSpec, counts: Counts, *, rows: int) -> Resolved[str] | None:
        """Whether the loss weighs the labels, where the recipe leaves that open; None where there is nothing open."""
        ...

    def head(self, labels: Sequence[str], labelling: Labelling, rows: Sequence[Row]) -> HeadSpec:
        """What the model's outputs stand for."""
        ...

    def task(
        self,
        tokenizer: Any,
        labels: Sequence[str],
        *,
        max_length: int,
        units: Units = PLAIN,
        smoothing: float = 0.0,
        weighed: tuple[Counts, int] | None = None,
    ) -> Task:
        """What is trained.

        Args:
            tokenizer: the model's own.
            labels: the outputs' names.
            max_length: in tokens.
            units: of a regression's logit.
            smoothing: the recipe's `train.label_smoothing`.
            weighed: label to its rows, and all rows, where the loss weighs the labels.
        """
        ...

    def judge(self, labels: Sequence[str], spec: AnsweringSpec, units: Units = PLAIN) -> Judge:
        """What answers are worth."""
        ...


@final
class _Classes:
    """One label a row."""

    has_single_labels = True

    def spec(self, asked: Asked, labelling: Labelling) -> AnsweringSpec:
        if isinstance(asked, ClassificationSpec):
            return asked if asked.form != AUTO else asked.model_copy(update={"form": "head"})
        weights = asked.class_weights if isinstance(asked, GuessedSpec) else AUTO
        return ClassificationSpec(class_weights=weights, form="head")

    def weights(self, spec: AnsweringSpec, counts: Counts, *, rows: int) -> Resolved[str] | None:
        if isinstance(spec, ClassificationSpec) and spec.class_weights != AUTO:
            return None
        share = max(counts.values()) / rows
        weighted = share > MAJORITY_SHARE
        return Resolved(
            "balanced" if weighted else "none",
            f"the largest class has {share:.0%} of the rows, {'over' if weighted else 'within'} {MAJORITY_SHARE:.0%}",
        )

    def head(self, labels: Sequence[str], labelling: Labelling, rows: Sequence[Row]) -> HeadSpec:
        return HeadSpec(labels=tuple(labels))

    def task(
        self,
        tokenizer: Any,
        labels: Sequence[str],
        *,
        max_length: int,
        units: Units = PLAIN,
        smoothing: float = 0.0,
        weighed: tuple[Counts, int] | None = None,
    ) -> Task:
        weights = None if weighed is None else balanced_weights(weighed[0], labels)
        return Classification(
            tokenizer, labels, max_length=max_length, class_weights=weights, label_smoothing=smoothing
        )

    def judge(self, labels: Sequence[str], spec: AnsweringSpec, units: Units = PLAIN) -> Judge:
        return ClassJudge(tuple(labels))


@final
class _Sets:
    """Any number of labels a row."""

    has_single_labels = False

    def spec(self, asked: Asked, labelling: Labelling) -> AnsweringSpec:
        weights = asked.class_weights if isinstance(asked, GuessedSpec) else AUTO
        known = asked if isinstance(asked, MultiLabelSpec) else MultiLabelSpec(class_weights=weights)
        separator = labelling.separator if isinstance(labelling, LabelSets) else known.separator
        return known.model_copy(update={"separator": separator})

    def weights(self, spec: AnsweringSpec, counts: Counts, *, rows: int) -> Resolved[str] | None:
        if isinstance(spec, MultiLabelSpec) and spec.class_weights != AUTO:
            return None
        return Resolved("none", "the thresholds make up for rare labels, and leave the probabilities as they are")

    def head(self, labels: Sequence[str], labelling: Labelling, rows: Sequence[Row]) -> HeadSpec:
        return HeadSpec(labels=tuple(labels), problem="multi_label_classification")

    def task(
        self,
        tokenizer: Any,
        labels: Sequence[str],
        *,
        max_length: int,
        units: Units = PLAIN,
        smoothing: float = 0.0,
        weighed: tuple[Counts, int] | None = None,
    ) -> Task:
        weights = None if weighed is None else positive_weights(weighed[0], labels, rows=weighed[1])
        return MultiLabel(tokenizer, labels, max_length=max_length, positive_weights=weights, label_smoothing=smoothing)

    def judge(self, labels: Sequence[str], spec: AnsweringSpec, units: Units = PLAIN) -> Judge:
        asked = spec.thresholds if isinstance(spec, MultiLabelSpec) else AUTO
        return SetJudge(tuple(labels), asked)


@final
class _Numbers:
    """A number a row."""

    has_single_labels = False

    def spec(self, asked: Asked, labelling: Labelling) -> AnsweringSpec:
        decimal = labelling.decimal if isinstance(labelling, Numbers) else AUTO
        return RegressionSpec(decimal=decimal)

    def weights(self, spec: AnsweringSpec, counts: Counts, *, rows: int) -> Resolved[str] | None:
        return None

    def head(self, labels: Sequence[str], labelling: Labelling, rows: Sequence[Row]) -> HeadSpec:
        spread = labelling.spread(rows)
        mean, deviation = (spread.mean, spread.deviation) if spread else (0.0, 0.0)
        return HeadSpec(labels=tuple(labels), problem="regression", mean=mean, deviation=deviation)

    def task(
        self,
        tokenizer: Any,
        labels: Sequence[str],
        *,
        max_length: int,
        units: Units = PLAIN,
        smoothing: float = 0.0,
        weighed: tuple[Counts, int] | None = None,
    ) -> Task:
        return Regression(tokenizer, labels, max_length=max_length, units=units)

    def judge(self, labels: Sequence[str], spec: AnsweringSpec, units: Units = PLAIN) -> Judge:
        return NumberJudge(units)


KINDS: Final[Mapping[str, Kind]] = {"classification": _Classes(), "multi_label": _Sets(), "regression": _Numbers()}
"""The tasks."""


def check_keys(
    recipe: Recipe, labelling: Labelling, labels: Sequence[str], *, learns_texts: bool = False, can_write: bool = False
) -> None:
    """Stop at recipe keys that are not for this task, whether it was named or found.

    Args:
        recipe: as asked.
        labelling: how the labels are read.
        labels: the outputs' names.
        learns_texts: the labels are learned in words.
        can_write: the untouched model can be asked in words.

    Raises:
        RecipeError: naming the keys.
    """
    name, kind = labelling.name, KINDS[labelling.name]
    judge = kind.judge(labels, kind.spec(recipe.task, labelling))
    problems: list[Problem] = []
    if recipe.evaluate.metric not in (AUTO, *judge.metrics, "loss"):
        names = ", ".join(metric for metric in judge.metrics if metric != "calibration_error")
        problems.append(_not_for(name, "evaluate.metric", recipe.evaluate.metric, expected=f"one of {names}"))
    if recipe.train.pack not in (False, AUTO) and not learns_texts:
        given = str(recipe.train.pack).lower()
        problems.append(_not_for(name, "train.pack", given, expected="auto: packing is for tasks that write texts"))
    if recipe.evaluate.shots != AUTO and not (can_write and kind.has_single_labels):
        expected = "auto: one label a row, and a model that writes, can be asked with examples"
        problems.append(_not_for(name, "evaluate.shots", str(recipe.evaluate.shots), expected=expected))
    usual = GenerateSpec().model_dump()
    if written := {key: value for key, value in recipe.generate.model_dump().items() if value != usual[key]}:
        found = ", ".join(f"{key}={value}" for key, value in written.items())
        problems.append(
            _not_for(name, "generate", found, expected="nothing: this task writes no texts (shots are evaluate.shots)")
        )
    if name == "regression" and recipe.train.label_smoothing:
        found = f"{recipe.train.label_smoothing:g}"
        problems.append(_not_for(name, "train.label_smoothing", found, expected="0: a number has no probability"))
    if name == "regression" and isinstance(recipe.task, GuessedSpec) and recipe.task.class_weights != AUTO:
        problems.append(_not_for(name, "task.class_weights", recipe.task.class_weights, expected="labels to weigh"))
    if problems:
        raise RecipeError(*problems)


def _not_for(name: str, key: str, found: str, *, expected: str) -> Problem:
    return Problem(
        where=f"recipe key {key}, with the task {name}",
        expected=expected,
        found=found,
        fix=f"leave {key} out, or name another task",
    )
