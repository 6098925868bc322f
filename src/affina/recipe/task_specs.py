"""The recipe's `task`: one type for each task, with the keys that it takes."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from affina.recipe.base import AUTO, Auto, Spec, by_name

ClassWeights = Literal["none", "balanced"]
TaskName = Literal["classification", "multi_label", "regression", "chat", "generation", "translation"]
NoPlace = Literal["error", "user", "drop"]
Language = Annotated[str, Field(min_length=2)] | Auto


class GuessedSpec(Spec):
    """A task that is found from the data, with what is known of it already."""

    name: Auto = AUTO
    class_weights: ClassWeights | Auto = Field(AUTO, description="As of the task that is found.")


class ClassificationSpec(Spec):
    """One label for each text."""

    name: Literal["classification"] = "classification"
    class_weights: ClassWeights | Auto = Field(AUTO, description="Weigh each class by its inverse frequency, or not.")
    form: Literal["head", "words"] | Auto = Field(
        AUTO,
        description="A head over the labels, or words: a model that writes learns the label's name; `auto` is `head`"
        " where the model can have one.",
    )


class MultiLabelSpec(Spec):
    """Any number of labels for each text, none included."""

    name: Literal["multi_label"] = "multi_label"
    separator: Annotated[str, Field(min_length=1)] | Auto = Field(
        AUTO,
        description="What stands between the labels of a cell: the characters, `blank`, `json` for a list, or `none`.",
    )
    thresholds: Literal["shared", "per_label"] | Annotated[float, Field(gt=0, lt=1)] | Auto = Field(
        AUTO,
        description="The probability from which a label is given: chosen on the validation rows, one for all labels"
        " (which `auto` is) or one for each, or a number.",
    )
    class_weights: ClassWeights | Auto = Field(
        AUTO, description="Weigh each label's positives by their rarity, or not."
    )


class RegressionSpec(Spec):
    """A number for each text."""

    name: Literal["regression"] = "regression"
    decimal: Literal["point", "comma"] | Auto = Field(AUTO, description="What stands before the decimals.")


class ChatSpec(Spec):
    """An assistant's answers."""

    name: Literal["chat"] = "chat"
    system: str = Field("", description="What the assistant is told in front of each conversation without such words.")
    no_place: NoPlace = Field(
        "error",
        description="Where the model's chat template has no place for what the system says: an error, in front of what"
        " the user says first, or left out.",
    )


class GenerationSpec(Spec):
    """A text for an input, or the going on of texts."""

    name: Literal["generation"] = "generation"
    instruction: str = Field("", description="Goes before every input.")


class TranslationSpec(Spec):
    """A text in another language."""

    name: Literal["translation"] = "translation"
    source_language: Language = Field(AUTO, description="ISO 639-1, such as `en`; found from the column's name.")
    target_language: Language = Field(AUTO, description="ISO 639-1, such as `de`; found from the column's name.")


WritingSpec = ChatSpec | GenerationSpec | TranslationSpec
"""The tasks whose answers are texts."""
AnsweringSpec = ClassificationSpec | MultiLabelSpec | RegressionSpec
"""The tasks whose answers are labels or numbers."""
SettledSpec = AnsweringSpec | WritingSpec
"""A task that is known."""
TaskSpec = Annotated[
    GuessedSpec | ClassificationSpec | MultiLabelSpec | RegressionSpec | ChatSpec | GenerationSpec | TranslationSpec,
    Field(discriminator="name"),
]
_OF_ONE_TASK: Final = {
    "form": "classification",
    "separator": "multi_label",
    "thresholds": "multi_label",
    "decimal": "regression",
    "system": "chat",
    "no_place": "chat",
    "instruction": "generation",
    "source_language": "translation",
    "target_language": "translation",
}


def task_named(value: Any) -> Any:
    """`task: regression` is short for `task: {name: regression}`; a key that only one task has names that task."""
    if isinstance(value, dict) and "name" not in value:
        named = {_OF_ONE_TASK[key] for key in value if key in _OF_ONE_TASK}
        return {"name": named.pop() if len(named) == 1 else AUTO, **value}
    return by_name(value)
