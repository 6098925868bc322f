"""The recipe as types: every key a user can write, its values, its default and one sentence about it.

The YAML file, `key=value` on the command line, the Python calls, the JSON Schema for editors and the reference page
are all read off these classes; nothing is declared twice. This module does not read files (`load`) and does not
decide what `auto` means (`resolve`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from affina.recipe.base import AUTO, Auto, Spec, by_name
from affina.recipe.data_spec import DataSpec, Seed
from affina.recipe.export_spec import ExportSpec
from affina.recipe.generate_spec import GenerateSpec
from affina.recipe.holding_specs import RecAdamSpec, ReplaySpec
from affina.recipe.method_specs import LoraSpec, PrefixSpec, PromptSpec
from affina.recipe.risks_spec import RisksSpec
from affina.recipe.task_specs import TaskSpec, task_named
from affina.recipe.weight_specs import FullSpec, PartialSpec

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
ProductsName = Literal["auto", "torch", "onednn"]
PrecisionName = Literal["auto", "fp32", "bf16", "fp16"]
ScheduleShape = Literal["linear", "cosine", "constant", "slanted_triangular"]
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
Strength = Annotated[float, Field(ge=0)]


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
        AUTO,
        description="Tokens in a micro-batch, padding included, at most; a longer row is alone. Where the memory does"
        " not suffice for it at once, it is computed in parts.",
    )
    accumulate: PositiveInt = Field(1, description="Micro-batches in one optimizer step.")
    pack: bool | Literal["lines", "beginnings"] | Auto = Field(
        AUTO,
        description="For models that write: several texts in a line of a batch, none of which sees another. `lines` are"
        " filled with whole texts; `beginnings` is a line for each batch, with what its texts all begin with in it once"
        " (on a CPU); `true` is the one that saves more. `auto` is where that is enough. A trial shows that the model"
        " keeps texts apart.",
    )
    cache: bool | Literal["float16"] | Auto = Field(
        AUTO,
        description="Run blocks that are frozen, with all below them, once for each row, and keep what they give on the"
        " disk; `float16` keeps it in half the bytes, rounded. `auto` is on a CPU where that saves passes.",
    )
    cache_gib: PositiveFloat | Auto = Field(
        AUTO, description="GiB that this may take on the disk; `auto` is half of what is free there."
    )
    checkpoint_activations: bool = Field(
        False,
        description="Keep only what enters each block for the backward pass, and run the block again there: less"
        " memory, more time, the same numbers.",
    )
    precision: PrecisionName = Field(AUTO, description="The precision of the matrix products.")
    schedule: ScheduleShape | Auto = Field(AUTO, description="The shape of the learning rate over the run.")
    warmup: Annotated[float, Field(ge=0)] | Auto = Field(
        AUTO, description="Below 1 a share of the run, from 1 on a number of steps; most of the run is told of."
    )
    optimizer: Literal["adamw", "adamw_8bit"] = Field(
        "adamw",
        description="AdamW, or with its moments in eight bits: a quarter of their memory, about the same steps.",
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.01, description="AdamW's, on matrices only.")
    label_smoothing: Share = Field(0.0, description="The share of a target's probability given to all classes.")
    dropout: Share | Auto = Field(AUTO, description="Replaces every dropout rate of the model's own configuration.")
    l2_sp: Strength = Field(
        0.0, description="L2-SP: pulls pre-trained weights to where they began, in the place of their weight decay."
    )
    mixout: Share = Field(
        0.0, description="Mixout: the share of each pre-trained matrix that is, for one step, as it came."
    )
    r_drop: Strength = Field(0.0, description="R-Drop's alpha: two passes with other dropout are to answer the same.")
    neftune: Strength = Field(0.0, description="NEFTune's alpha: noise on the embeddings of the training texts.")
    replay: Annotated[ReplaySpec, BeforeValidator(lambda given: {} if given is True else given)] | None = Field(
        None, description="Texts beside the rows, on which the model is held to what it was; `true` for the defaults."
    )
    ewc: Strength = Field(
        0.0,
        description="EWC's lambda: pulls pre-trained weights to where they began, each by how much it matters to what"
        " the model writes by itself (its Fisher information); for models that write.",
    )
    rec_adam: Annotated[RecAdamSpec, BeforeValidator(lambda given: {} if given is True else given)] | None = Field(
        None,
        description="RecAdam: weights are recalled to where they began and let go later; `true` for the defaults.",
    )
    logit_pairing: Strength = Field(
        0.0,
        description="Counterfactual logit pairing: times how far the answers to training rows with identity terms are"
        " from the answers to the same rows swapped (Garg et al. 2019).",
    )
    clip: PositiveFloat | None = Field(1.0, description="The largest gradient norm, or null.")
    early_stopping: (
        Annotated[EarlyStoppingSpec, BeforeValidator(lambda given: {} if given is True else given)] | Literal[False]
    ) = Field(EarlyStoppingSpec(), description="Patience and least improvement, or false.")
    too_large: TooLarge = Field(
        "refuse", description="What happens to a run that this machine has not the memory or the disk for."
    )
    restart: bool = Field(True, description="Start once again, with other draws, where a start is stuck.")
    guard: bool = Field(
        True,
        description="Skip a step whose loss or gradient is not finite, and go back to the best weights at a lower rate"
        " where that repeats or the loss runs away; without it the first such step ends the run.",
    )
    reuse: bool = Field(
        True,
        description="Take baselines, the head's start, the rate and the first evaluation from an earlier run of exactly"
        " the same rows, model, recipe, versions and machine, and tokens from an earlier reading of the same rows with"
        " the same tokenizer, template and settings.",
    )
    checkpoint_every: PositiveInt | Auto = Field(AUTO, description="Steps between checkpoints.")
    keep: PositiveInt = Field(1, description="How many of the last checkpoints are kept, besides the best.")


class EvaluateSpec(Spec):
    """What is measured, when, and on how many rows."""

    metric: Metric | Auto = Field(AUTO, description="Chooses the best checkpoint; each task has its own.")
    per_epoch: PositiveInt | Auto = Field(AUTO, description="Evaluations on the validation rows in each epoch.")
    rows: PositiveInt | Literal["auto", "all"] = Field(AUTO, description="Validation rows used for each of them.")
    resamples: PositiveInt = Field(1000, description="Bootstrap resamples behind each interval.")
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.95, description="The level of the intervals.")
    baselines: bool = Field(True, description="Measure the untouched model next to the tuned one; a guess always is.")
    shots: Annotated[int, Field(ge=0)] | Auto = Field(
        AUTO,
        description="For one label a row and a model that writes: training rows that the untouched model is shown"
        " before each text when it is asked for the label; 0 for none.",
    )


class Recipe(Spec):
    """Everything that was asked for; what was not asked for is `auto` or has its default here."""

    model: str = Field(
        AUTO, description="A folder, a hub id, a .gguf file, starter/encoder, starter/decoder, a run or an adapter."
    )
    quantize: Literal["none", "nf4"] = Field(
        "none",
        description="Keep the matrices of the model's blocks in four bits (QLoRA), for a method that trains beside "
        "them: lora, prompt or prefix.",
    )
    task: Annotated[TaskSpec | Auto, BeforeValidator(task_named)] = Field(
        AUTO, description="What a good answer is; found from the data when absent."
    )
    method: Annotated[MethodSpec | Auto, BeforeValidator(by_name)] = Field(AUTO, description="What may change.")
    run: str | Auto = Field(AUTO, description="The run folder.")
    seed: Seed = Field(0, description="Decides every random draw of the run.")
    device: DeviceName = Field(AUTO, description="Where the model is trained.")
    products: ProductsName = Field(
        AUTO,
        description="Which library makes a CPU's float32 matrix products: torch's BLAS or oneDNN; `auto` times both.",
    )
    notice: str = Field("", description="Words that the model card and the report open with, such as a warning.")
    data: DataSpec = DataSpec()
    train: TrainSpec = TrainSpec()
    evaluate: EvaluateSpec = EvaluateSpec()
    generate: GenerateSpec = GenerateSpec()
    risks: RisksSpec = RisksSpec()
    export: ExportSpec = ExportSpec()

    @property
    def packs(self) -> bool:
        """Whether the matrices of the model's blocks are kept in four bits."""
        return self.quantize != "none"

    @property
    def rows_seed(self) -> int:
        """Decides which rows are held out, and for which of them texts are written."""
        return self.seed if self.data.seed == AUTO else self.data.seed
