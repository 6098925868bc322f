"""`auto` decided once: from facts about the data and the model to values, each with its reason.

Stages hand in their facts as plain numbers; this module knows no file, no model and no tensor. The numbers below
are priors that we measured (docs/log.md names the experiments); a recipe overrides each of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, TypeVar

from affina.recipe.base import AUTO, Auto
from affina.recipe.method_specs import PrefixSpec
from affina.recipe.priors import HEAD_FACTOR, WRITING, Trained, head_rate, prior_rate
from affina.recipe.schema import EvaluateSpec, Method, ScheduleShape, TrainSpec
from affina.values import Resolved

T = TypeVar("T")

GIVEN: Final = "given in the recipe"
BATCH_ROWS: Final = 32
"""Rows in a batch of mean length."""
WARMUP: Final = 0.1
MOST_WARMUP: Final = 0.5
"""Of the steps: a warm-up that takes more of a run is said."""
SCHEDULE: Final[Resolved[ScheduleShape]] = Resolved("linear", "warm-up, then a straight line to zero")
EPOCHS: Final = ((1_000, 10.0), (20_000, 5.0), (math.inf, 3.0))
"""Up to so many training rows, so many epochs,"""
ROWS_SEEN: Final = 10_000
"""but so many that at least about this many rows are seen,"""
MOST_EPOCHS: Final = 40.0
"""and no more than these."""
LONG_EPOCH: Final = 32_000
"""Up to so many training rows there is one evaluation an epoch, so that patience lasts whole epochs."""
BATCH_ROWS_OF_TEXTS: Final = 16
"""The same for a model that writes: a row has many targets."""
EPOCHS_OF_TEXTS: Final = ((1_000, 5.0), (20_000, 3.0), (math.inf, 2.0))
"""Epochs for a model that writes: it learns rows by heart sooner than it gets better at others."""
PER_EPOCH_OF_TEXTS: Final = 2
PATIENCE_OF_TEXTS: Final = 3
PATIENCE: Final = 6
"""Evaluations in a row without an improvement."""
LEAST_EVALUATION_ROWS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What decides the hyper-parameters.

    Attributes:
        task: the task's name.
        rows: training rows.
        validation_rows: rows to choose the best checkpoint with.
        mean_length: tokens in the mean training row.
        longest: tokens in the longest training row, after the limit.
        width: the model's hidden size.
        trained: what moves.
        writes: whether the model learns to write.
        layer_decay: the rate of a layer over that of the layer below; 1 for one rate.
        unfrozen_after: epochs until all layers train; 0 where they do from the start.
        affordable: validation rows that an evaluation has the time for; None for any number.
    """

    task: str
    rows: int
    validation_rows: int
    mean_length: float
    longest: int
    width: int
    trained: Trained
    writes: bool = False
    layer_decay: float = 1.0
    unfrozen_after: float = 0.0
    affordable: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameters:
    """The values that the loop runs with; every one is a `Resolved` under its recipe key.

    Attributes:
        prior: the rate that our table has for this run, whatever was given; a range test looks around it.
        patience: None where nothing stops a run before its end.
    """

    prior: Resolved[float]
    epochs: Resolved[float]
    learning_rate: Resolved[float]
    head_learning_rate: Resolved[float]
    batch_tokens: Resolved[int]
    schedule: Resolved[ScheduleShape]
    warmup: Resolved[float]
    metric: Resolved[str]
    per_epoch: Resolved[int]
    evaluation_rows: Resolved[int]
    patience: Resolved[int] | None

    def by_key(self) -> dict[str, Resolved[float] | Resolved[int] | Resolved[str]]:
        """Recipe key to value."""
        patience = {} if self.patience is None else {"train.early_stopping.patience": self.patience}
        return {
            "train.epochs": self.epochs,
            "train.learning_rate": self.learning_rate,
            "train.head_learning_rate": self.head_learning_rate,
            "train.batch_tokens": self.batch_tokens,
            "train.schedule": self.schedule,
            "train.warmup": self.warmup,
            "evaluate.metric": self.metric,
            "evaluate.per_epoch": self.per_epoch,
            "evaluate.rows": self.evaluation_rows,
            **patience,
        }


def trained_by(method: Method) -> Trained:
    """What moves, as the table of rates names it."""
    return "direct prefix" if isinstance(method, PrefixSpec) and not method.reparameterise else method.name


def given_or(given: T | Auto, otherwise: Resolved[T]) -> Resolved[T]:
    """The recipe's own value where it has one."""
    return otherwise if given == AUTO else Resolved(given, GIVEN)


def resolve(train: TrainSpec, evaluate: EvaluateSpec, facts: Facts, *, metric: Resolved[str]) -> Hyperparameters:
    """Decide everything that the recipe left to us.

    Args:
        train: the recipe's `train`.
        evaluate: the recipe's `evaluate`.
        facts: about the data and the model.
        metric: what the task watches where the recipe does not say.
    """
    prior = prior_of(WRITING if facts.writes else facts.task, facts.trained, facts.width)
    rate = given_or(train.learning_rate, _rate_of_the_head(train, facts) or prior)
    head = head_rate(rate.value, trained=facts.trained, width=facts.width, layer_decay=facts.layer_decay)
    return Hyperparameters(
        prior=prior,
        epochs=given_or(train.epochs, _epochs(train, facts)),
        learning_rate=rate,
        head_learning_rate=given_or(train.head_learning_rate, head),
        batch_tokens=given_or(train.batch_tokens, _batch_tokens(facts)),
        schedule=given_or(train.schedule, SCHEDULE),
        warmup=given_or(train.warmup, Resolved(WARMUP, f"the first {WARMUP:.0%} of the steps")),
        metric=Resolved(evaluate.metric, GIVEN) if evaluate.metric != AUTO else metric,
        per_epoch=given_or(evaluate.per_epoch, _per_epoch(facts)),
        evaluation_rows=_evaluation_rows(evaluate, facts),
        patience=_patience(train, facts),
    )


def warmup_steps(warmup: float, total: int) -> int:
    """`train.warmup` in steps: below 1 it is a share of the run."""
    return min(total, int(warmup * total + 1e-9) if warmup < 1 else round(warmup))


def doubt_of_warmup(warmup: float, total: int) -> str:
    """What is odd about a warm-up that takes most of a run, or is longer than it; empty where nothing is.

    Args:
        warmup: `train.warmup`.
        total: steps of the run.
    """
    steps = warmup_steps(warmup, total)
    if warmup >= 1 and round(warmup) >= total:
        asked = f"train.warmup={warmup:g} is no shorter than the run, which has {total:,} steps"
        return f"{asked}: the rate rises to the last step and never falls; a share such as train.warmup={WARMUP:g} fits"
    if steps > MOST_WARMUP * total:
        return (
            f"train.warmup={warmup:g} takes {steps:,} of the run's {total:,} steps: in most of the run the rate is on"
            f" its way up to its peak; train.warmup={WARMUP:g} is usual"
        )
    return ""


def rounded(rate: float) -> float:
    """A rate with the two digits that matter."""
    return float(f"{rate:.1e}")


def _rate_of_the_head(train: TrainSpec, facts: Facts) -> Resolved[float] | None:
    """Where nothing but the head trains, a given rate of the head says what the body's would be."""
    if facts.trained != "head" or not isinstance(train.head_learning_rate, float):
        return None
    return Resolved(train.head_learning_rate / HEAD_FACTOR, "follows the given rate of the head")


def prior_of(task: str, trained: Trained, width: int) -> Resolved[float]:
    """The rate that our table has for what moves in a model of this width."""
    rate, reason = prior_rate(task=task, trained=trained, width=width)
    return Resolved(rounded(rate), reason)


def _epochs(train: TrainSpec, facts: Facts) -> Resolved[float]:
    usual, all_layers = _usual_epochs(train, facts), math.ceil(facts.unfrozen_after) + 1.0
    if facts.unfrozen_after == 0 or usual.value >= all_layers:
        return usual
    reason = f"all layers train only after {facts.unfrozen_after:g}; {usual.value:g} are usual for so many rows"
    return Resolved(all_layers, reason)


def _usual_epochs(train: TrainSpec, facts: Facts) -> Resolved[float]:
    sooner = "" if train.early_stopping is False else "; train.early_stopping.patience says when it may end sooner"
    if facts.writes:
        epochs = next(epochs for rows, epochs in EPOCHS_OF_TEXTS if facts.rows <= rows)
        return Resolved(epochs, f"at most, for {facts.rows:,} training rows of texts{sooner}")
    epochs = next(epochs for rows, epochs in EPOCHS if facts.rows <= rows)
    enough = min(MOST_EPOCHS, float(round(ROWS_SEEN / facts.rows)))
    return Resolved(max(epochs, enough), f"at most, for {facts.rows:,} training rows{sooner}")


def _patience(train: TrainSpec, facts: Facts) -> Resolved[int] | None:
    if train.early_stopping is False:
        return None
    of_loss = facts.writes and facts.affordable is None  # a share of a few rows stands still while the loss still falls
    usual = PATIENCE_OF_TEXTS if of_loss else PATIENCE
    return given_or(train.early_stopping.patience, Resolved(usual, "evaluations without an improvement"))


def patience_of(hyper: Hyperparameters, *, probed: bool, has_noise: bool) -> Resolved[int]:
    """The patience that was left to us: a run whose head starts as a probe goes on to its end.

    Args:
        hyper: its epochs and evaluations.
        probed: the head starts so.
        has_noise: the metric is a share of rows, whose noise says what is clearly worse; that still ends the run.
    """
    if not probed:
        return Resolved(PATIENCE, "evaluations without an improvement")
    looks = math.ceil(hyper.epochs.value) * hyper.per_epoch.value
    reason = "the head starts as a probe, and few rows cannot tell when a run from there has stopped getting better"
    sooner = "only a model that gets clearly worse ends it sooner" if has_noise else "it goes on to its end"
    return Resolved(max(PATIENCE, looks + 1), f"{reason}; {sooner}")


def _per_epoch(facts: Facts) -> Resolved[int]:
    if facts.writes:
        return Resolved(PER_EPOCH_OF_TEXTS, "a model that writes may be at its best within an epoch")
    if facts.rows <= LONG_EPOCH:
        return Resolved(1, f"an epoch of {facts.rows:,} rows is short, and the last evaluations matter most")
    return Resolved(2, f"an epoch of {facts.rows:,} rows is long")


def _batch_tokens(facts: Facts) -> Resolved[int]:
    rows = BATCH_ROWS_OF_TEXTS if facts.writes else BATCH_ROWS
    mean = math.ceil(facts.mean_length * rows)
    if mean >= facts.longest:
        return Resolved(mean, f"about {rows} rows of the mean length, {facts.mean_length:.0f} tokens")
    return Resolved(facts.longest, f"the longest training row has {facts.longest} tokens")


def _evaluation_rows(evaluate: EvaluateSpec, facts: Facts) -> Resolved[int]:
    if isinstance(evaluate.rows, int):
        return Resolved(min(evaluate.rows, facts.validation_rows), "given in the recipe")
    bound = max(LEAST_EVALUATION_ROWS, facts.rows // 8)
    bound = bound if facts.affordable is None else min(bound, facts.affordable)
    if evaluate.rows == "all" or facts.validation_rows <= bound:
        return Resolved(facts.validation_rows, "all validation rows")
    return Resolved(bound, f"of {facts.validation_rows:,}, so that evaluation stays a small part of the time")
