"""The recipe as types: every key a user can write, its values, its default and one sentence about it.

The YAML file, `key=value` on the command line, the Python calls, the JSON Schema for editors and the reference page
are all read off these classes; nothing is declared twice. This module does not read files (`load`) and does not
decide what `auto` means (`resolve`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from affina.recipe.base import AUTO, Auto, Spec, by_name
from affina.recipe.export_spec import ExportSpec
from affina.recipe.generate_spec import GenerateSpec
from affina.recipe.method_specs import LoraSpec, PrefixSpec, PromptSpec
from affina.recipe.task_specs import TaskSpec, task_named
from affina.recipe.weight_specs import FullSpec, PartialSpec

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
PrecisionName = Literal["auto", "fp32", "bf16", "fp16"]
ScheduleShape = Literal["linear", "cosine", "constant", "slanted_triangular"]
TooLong = Literal["truncate", "drop", "error"]
Unfit = Literal["error", "drop"]
TooLarge = Literal["refuse", "try"]
HeadStart = Literal["probe", "random"]
Metric = Literal[
    "accuracy",
    "macro_f1",
    "micro_f1",
    "subset_accuracy",
    "average_precision",
    "rmse",
    "mae",
    "r2",
    "pearson",
    "spearman",
    "loss",
    "perplexity",
]

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]


def _text(value: Any) -> Any:
    """A column may be called 5: YAML reads that as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Column = Annotated[str, BeforeValidator(_text)]


class MixedFile(Spec):
    """One of several sources of training rows."""

    file: str = Field(description="As `data.train` names one: a file, a folder, an archive, or hf://OWNER/NAME.")
    weight: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] = Field(
        1.0, description="How often its rows are seen in an epoch; of a fraction that share, drawn anew for each."
    )


def _mix(value: Any) -> Any:
    """`a.csv` in a list is short for `{file: a.csv}`; anything that is no such list is refused in one sentence."""
    if value is None or isinstance(value, str):
        return value
    try:
        files = [entry if isinstance(entry, Mapping | MixedFile) else {"file": entry} for entry in value]
        return _MIX.validate_python(files if isinstance(value, list | tuple) else ())
    except (ValidationError, TypeError):
        raise ValueError(
            "a file, or a list of files such as [a.csv, {file: b.csv, weight: 2}], with weights above 0, up to 100"
        ) from None


_MIX: Final = TypeAdapter(Annotated[tuple[MixedFile, ...], Field(min_length=1)])


class DataSpec(Spec):
    """Where the rows are, which columns hold what, and how they are split."""

    train: Annotated[str | tuple[str | MixedFile, ...] | None, BeforeValidator(_mix)] = Field(
        None,
        description="The training rows: a file (CSV, TSV, JSON, JSONL, Parquet, TXT), a folder or a zip of such, "
        "hf://OWNER/NAME, or a list of these, each as it is or as {file: ..., weight: ...}.",
    )
    validation: str | Annotated[float, Field(gt=0, le=0.5)] | Auto = Field(
        AUTO,
        description="A file or other source, or the share of the training rows to hold out for choosing a checkpoint.",
    )
    test: str | Annotated[float, Field(gt=0, le=0.5)] | Literal["auto", "none"] = Field(
        AUTO,
        description="A file or other source, or the share of the training rows to hold out for the figures, or none.",
    )
    text: Column | Auto = Field(AUTO, description="The column with the text.")
    text_pair: Column | Literal["auto", "none"] = Field(AUTO, description="The column with a second text, for pairs.")
    label: Column | Auto | Annotated[tuple[Column, ...], Field(min_length=2)] = Field(
        AUTO,
        description="The column with the label, or for multi-label a list of columns of 0 and 1, one for each label.",
    )
    messages: Column | Auto = Field(AUTO, description="For chat: the column with conversations, as lists of turns.")
    prompt: Column | Auto = Field(AUTO, description="For chat and generation: the column with what is asked.")
    completion: Column | Auto = Field(AUTO, description="For chat and generation: the column with the answer.")
    system: Column | Literal["auto", "none"] = Field(
        AUTO, description="For chat: the column with what the assistant is told first."
    )
    context: Column | Literal["auto", "none"] = Field(
        AUTO, description="For chat and generation: the column with what the prompt is about, put under it."
    )
    source: Column | Auto = Field(AUTO, description="For translation: the column with the texts to translate.")
    target: Column | Auto = Field(AUTO, description="For translation: the column with their translations.")
    unfit: Unfit = Field(
        "error", description="What happens to rows from which nothing can be learned, such as an empty answer."
    )
    group: Column | None = Field(None, description="A column whose rows with the same value stay in the same split.")
    too_long: TooLong = Field("truncate", description="What happens to a text longer than the limit; always counted.")
    max_length: PositiveInt | Auto = Field(AUTO, description="The limit in tokens, special tokens included.")
    drop_duplicates: bool = Field(
        False, description="Leave out training rows with the text and the label of an earlier one; they are counted."
    )
    drop_shared: bool = Field(
        False, description="Leave out training rows whose text is in the validation or test file; they are counted."
    )
    check_labels: bool = Field(
        False, description="Look for probable label errors in the training rows, with a model's features."
    )


Method = FullSpec | PartialSpec | LoraSpec | PromptSpec | PrefixSpec
MethodSpec = Annotated[Method, Field(discriminator="name")]


class EarlyStoppingSpec(Spec):
    """When to stop before the planned end."""

    patience: PositiveInt | Auto = Field(
        AUTO, description="Evaluations in a row without an improvement before stopping; two clearly worse ones suffice."
    )
    min_delta: Annotated[float, Field(ge=0)] = Field(0.0, description="The least change that is an improvement.")


class TrainSpec(Spec):
    """How the weights are moved."""

    epochs: PositiveFloat | Auto = Field(AUTO, description="Passes over the training rows, at most.")
    max_steps: PositiveInt | None = Field(None, description="Optimizer steps, at most; shortens the schedule too.")
    learning_rate: PositiveFloat | Auto = Field(AUTO, description="The peak rate of the pre-trained weights.")
    head_learning_rate: PositiveFloat | Auto = Field(AUTO, description="The peak rate of the head.")
    head_start: HeadStart | Auto = Field(
        AUTO, description="How a new head starts: as a linear probe on the model's own features, or at random."
    )
    batch_tokens: PositiveInt | Auto = Field(
        AUTO, description="Tokens in a micro-batch, padding included, at most; a longer row is alone."
    )
    accumulate: PositiveInt = Field(1, description="Micro-batches in one optimizer step.")
    pack: bool | Auto = Field(
        AUTO,
        description="For models that write: several texts in a line of a batch, none of which sees another; `auto` is"
        " where batches of like length would be much padding and a trial shows that the model keeps texts apart.",
    )
    precision: PrecisionName = Field(AUTO, description="The precision of the matrix products.")
    schedule: ScheduleShape | Auto = Field(AUTO, description="The shape of the learning rate over the run.")
    warmup: Annotated[float, Field(ge=0)] | Auto = Field(
        AUTO, description="Below 1 a share of the run, from 1 on a number of steps; most of the run is told of."
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.01, description="AdamW's, on matrices only.")
    label_smoothing: Share = Field(0.0, description="The share of a target's probability given to all classes.")
    dropout: Share | Auto = Field(AUTO, description="Replaces every dropout rate of the model's own configuration.")
    clip: PositiveFloat | None = Field(1.0, description="The largest gradient norm, or null.")
    early_stopping: (
        Annotated[EarlyStoppingSpec, BeforeValidator(lambda given: {} if given is True else given)] | Literal[False]
    ) = Field(EarlyStoppingSpec(), description="Patience and least improvement, or false.")
    too_large: TooLarge = Field(
        "refuse", description="What happens to a run that this machine has not the memory or the disk for."
    )
    restart: bool = Field(True, description="Start once again, with other draws, where a start is stuck.")
    checkpoint_every: PositiveInt | Auto = Field(AUTO, description="Steps between checkpoints.")
    keep: PositiveInt = Field(1, description="How many of the last checkpoints are kept, besides the best.")


class EvaluateSpec(Spec):
    """What is measured, when, and on how many rows."""

    metric: Metric | Auto = Field(AUTO, description="Chooses the best checkpoint; each task has its own.")
    per_epoch: PositiveInt | Auto = Field(AUTO, description="Evaluations on the validation rows in each epoch.")
    rows: PositiveInt | Literal["auto", "all"] = Field(AUTO, description="Validation rows used for each of them.")
    resamples: PositiveInt = Field(1000, description="Bootstrap resamples behind each interval.")
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.95, description="The level of the intervals.")
    baselines: bool = Field(True, description="Measure a guess and the untouched model next to the tuned one.")
    shots: Annotated[int, Field(ge=0)] | Auto = Field(
        AUTO,
        description="For one label a row and a model that writes: training rows that the untouched model is shown"
        " before each text when it is asked for the label; 0 for none.",
    )


class Recipe(Spec):
    """Everything that was asked for; what was not asked for is `auto` or has its default here."""

    model: str = Field(AUTO, description="A folder, a hub id, a .gguf file, starter/encoder, starter/decoder or a run.")
    task: Annotated[TaskSpec | Auto, BeforeValidator(task_named)] = Field(
        AUTO, description="What a good answer is; found from the data when absent."
    )
    method: Annotated[MethodSpec | Auto, BeforeValidator(by_name)] = Field(AUTO, description="What may change.")
    run: str | Auto = Field(AUTO, description="The run folder.")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="Decides every random draw of the run.")
    device: DeviceName = Field(AUTO, description="Where the model is trained.")
    notice: str = Field("", description="Words that the model card and the report open with, such as a warning.")
    data: DataSpec = DataSpec()
    train: TrainSpec = TrainSpec()
    evaluate: EvaluateSpec = EvaluateSpec()
    generate: GenerateSpec = GenerateSpec()
    export: ExportSpec = ExportSpec()
