"""The loop of a run, assembled: which rows in which step, what is trained, how fast, and when it stops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np

from affina.data.mixing import seen_in, weights_of
from affina.pipeline.prepared import Notify, Prepared
from affina.pipeline.staging import Turns, all_train_from, stages_of, turns_of
from affina.recipe.base import AUTO
from affina.recipe.resolve import GIVEN, doubt_of_warmup, warmup_steps
from affina.recipe.schema import EarlyStoppingSpec
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.record.measures import SHARES, higher_is_better
from affina.training import schedule
from affina.training.loop import Control, Floor, Loop
from affina.training.optimizer import Optimizer, Rates
from affina.training.plan import EpochPlanner, Plan
from affina.training.precision import Precision
from affina.training.stages import Stage
from affina.training.stopping import EarlyStopping
from affina.values import Resolved

WARMUP: Final = "train.warmup"


def build_loop(prepared: Prepared, folder: RunFolder, journal: Journal, *, floor: Floor | None = None) -> Loop[Any]:
    """The training loop of a prepared run, at its first step.

    Args:
        prepared: what is trained and how.
        folder: where checkpoints go.
        journal: where records go.
        floor: ends a run that is no better at a quarter of its steps.
    """
    train, hyper = prepared.recipe.train, prepared.hyper
    plan = plan_of(prepared)
    return Loop(
        work=prepared.subject.work(prepared),
        plan=plan,
        attached=prepared.attached,
        optimizer=Optimizer(prepared.attached.parameter_groups(), rates_of(prepared)),
        schedule=schedule.build(
            hyper.schedule.value,
            total=plan.total_steps,
            warmup=warmup_steps(hyper.warmup.value, plan.total_steps),
        ),
        precision=Precision(prepared.precision, prepared.device),
        stopping=_stopping(prepared, since=all_train_from(turns_in(prepared), plan)),
        control=Control(
            clip=train.clip,
            metric=hyper.metric.value,
            checkpoint_every=train.checkpoint_every if isinstance(train.checkpoint_every, int) else None,
            keep=train.keep,
            floor=floor,
            stages=stages_in(prepared, plan),
        ),
        folder=folder,
        journal=journal,
    )


def rates_of(prepared: Prepared) -> Rates:
    """The peak rates and the weight decay."""
    hyper, decay = prepared.hyper, prepared.recipe.train.weight_decay
    return Rates(body=hyper.learning_rate.value, head=hyper.head_learning_rate.value, weight_decay=decay)


def stages_in(prepared: Prepared, plan: Plan) -> tuple[Stage, ...]:
    """What trains from which step on; empty where all does from the first."""
    model = prepared.model
    return stages_of(turns_in(prepared), plan, model.module, model.anatomy)


def turns_in(prepared: Prepared) -> Turns | None:
    """The order in which the layers train."""
    return turns_of(prepared.method, prepared.attached, prepared.model.anatomy)


def planner_of(prepared: Prepared) -> EpochPlanner:
    """The number of an epoch to its micro-batches, as places of training rows."""
    lengths = prepared.subject.lengths["train"]
    weights = weights_of(prepared.rows["train"], prepared.loaded.weights)
    budget, seed = prepared.hyper.batch_tokens.value, prepared.draws

    def batches(epoch: int) -> list[list[int]]:
        seen = seen_in(weights, seed=seed, epoch=epoch)
        planned = prepared.subject.plan_epoch([lengths[place] for place in seen], budget=budget, seed=seed, epoch=epoch)
        return [[seen[place] for place in batch] for batch in planned]

    return batches


def plan_of(prepared: Prepared) -> Plan:
    """Which rows in which step, and when is evaluated."""
    return Plan(
        planner=planner_of(prepared),
        accumulate=prepared.recipe.train.accumulate,
        epochs=prepared.hyper.epochs.value,
        max_steps=prepared.recipe.train.max_steps,
        evaluations=prepared.hyper.per_epoch.value,
    )


def with_warmup_told(prepared: Prepared, *, notify: Notify) -> Prepared:
    """The run with its given warm-up in steps among the choices; one that takes most of the run is told of.

    What is left to us is a small share of every run, and its steps are not counted beforehand.
    """
    if prepared.recipe.train.warmup == AUTO:
        return prepared
    given, total = prepared.hyper.warmup.value, plan_of(prepared).total_steps
    steps, doubt = warmup_steps(given, total), doubt_of_warmup(given, total)
    if doubt:
        notify(doubt)
    chosen = Resolved(given, f"{GIVEN}: {steps:,} of {total:,} steps")
    notices = (*prepared.notices, *([doubt] if doubt else []))
    return replace(prepared, choices={**prepared.choices, WARMUP: chosen}, notices=notices)


def _stopping(prepared: Prepared, *, since: int) -> EarlyStopping:
    metric, spec = prepared.hyper.metric.value, prepared.recipe.train.early_stopping
    return EarlyStopping(
        higher_is_better=higher_is_better(metric),
        patience=prepared.hyper.patience.value if prepared.hyper.patience else None,
        min_delta=spec.min_delta if isinstance(spec, EarlyStoppingSpec) else 0.0,
        since=since,
        rows=0 if metric not in SHARES else prepared.hyper.evaluation_rows.value,
    )


def judged_places(prepared: Prepared) -> list[int]:
    """The places of the validation rows that choose the checkpoint, the same ones at every evaluation."""
    count, rows = prepared.hyper.evaluation_rows.value, len(prepared.rows["validation"])
    return sorted(np.random.default_rng(0).permutation(rows)[:count].tolist())
