"""The loop of a run, assembled: which rows in which step, what is trained, how fast, and when it stops."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from affina.data.drawing import drawn_places
from affina.data.mixing import are_plain, seen_in, weights_of
from affina.pipeline.budgets import snapshot_steps
from affina.pipeline.looking_up import tables_of
from affina.pipeline.prepared import Prepared
from affina.pipeline.regularising import annealing_of, holding_keys, recall_of, regularisers_of
from affina.pipeline.staging import Turns, all_train_from, stages_of, told_of_stages, turns_of
from affina.recipe.base import AUTO
from affina.recipe.resolve import GIVEN, doubt_of_warmup, warmup_steps
from affina.recipe.schema import EarlyStoppingSpec
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.record.measures import SHARES, higher_is_better
from affina.training import schedule
from affina.training.control import Control, Floor
from affina.training.loop import Loop
from affina.training.optimizer import Optimizer, Rates
from affina.training.plan import EpochPlanner, Plan
from affina.training.precision import Precision
from affina.training.stages import Stage
from affina.training.stopping import EarlyStopping
from affina.values import Resolved

WARMUP: Final = "train.warmup"
LaidOut = Callable[[], Plan]
"""Gives a run's plan."""


def build_loop(
    prepared: Prepared,
    folder: RunFolder,
    journal: Journal,
    *,
    floor: Floor | None = None,
    known: Mapping[str, float] | None = None,
) -> Loop[Any]:
    """The training loop of a prepared run, at its first step.

    Args:
        prepared: what is trained and how.
        folder: where checkpoints go.
        journal: where records go.
        floor: ends a run that is no better at a quarter of its steps.
        known: the metrics of the start, where they were measured before.
    """
    train, hyper = prepared.recipe.train, prepared.hyper
    plan = plan_of(prepared)
    optimizer = optimizer_of(prepared, rates_of(prepared))
    if (recall := recall_of(prepared, total=plan.total_steps)) is not None:
        recall.on(optimizer.adamw)
    return Loop(
        work=prepared.subject.work(prepared),
        plan=plan,
        attached=prepared.attached,
        optimizer=optimizer,
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
            guard=train.guard,
            stages=stages_in(prepared, plan),
            snapshots=snapshot_steps(prepared, plan),
            known=known,
            parts=prepared.parts,
        ),
        folder=folder,
        journal=journal,
        regularisers=regularisers_of(prepared),
        frozen_moved=lambda step: prepared.frozen.fill(journal, step=step),
    )


def optimizer_of(prepared: Prepared, rates: Rates) -> Optimizer:
    """What moves the weights of a run."""
    groups, kind = prepared.attached.parameter_groups(), prepared.recipe.train.optimizer
    return Optimizer(groups, rates, kind, looked_up=tables_of(prepared))


def rates_of(prepared: Prepared) -> Rates:
    """The peak rates and the weight decay."""
    return rates_at(prepared, body=prepared.hyper.learning_rate.value, head=prepared.hyper.head_learning_rate.value)


def rates_at(prepared: Prepared, *, body: float, head: float) -> Rates:
    """These peak rates with the run's weight decay, in whose place is what pulls the body to where it began."""
    train = prepared.recipe.train
    decay = 0.0 if holding_keys(train) else None
    return Rates(body=body, head=head, weight_decay=train.weight_decay, body_decay=decay)


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

    once = are_plain(prepared.loaded.weights)

    def batches(epoch: int) -> Sequence[list[int]]:
        if once:
            return prepared.subject.plan_epoch(lengths, budget=budget, seed=seed, epoch=epoch)
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


def laid_out(prepared: Prepared) -> LaidOut:
    """The plan for whoever needs it, laid out when it is first asked for, and once."""
    return functools.cache(functools.partial(plan_of, prepared))


def told_of_steps(prepared: Prepared, steps: LaidOut) -> tuple[dict[str, Resolved[Any]], list[str]]:
    """What hangs on the run's steps: recipe key to what is printed of it, and what the user must be told.

    That is the turns of layers, and a warm-up that was given; what is left to us is a small share of every run. Steps
    are laid out for these alone.

    Args:
        prepared: the run.
        steps: gives its plan.
    """
    turns, train = turns_in(prepared), prepared.recipe.train
    found: dict[str, Resolved[Any]] = {}
    doubts: list[str] = []
    in_turn = turns if turns is not None and turns.stages else None
    if in_turn is None and train.warmup == AUTO and train.rec_adam is None:
        return found, doubts
    plan = steps()
    if in_turn is not None:
        found, doubts = told_of_stages(in_turn, plan, train)
    if train.rec_adam is not None:
        found |= annealing_of(train.rec_adam, total=plan.total_steps)
    if train.warmup != AUTO:
        found[WARMUP], doubt = _told_of_warmup(prepared.hyper.warmup.value, plan.total_steps)
        doubts += [doubt] if doubt else []
    return found, doubts


def _told_of_warmup(given: float, total: int) -> tuple[Resolved[float], str]:
    """A given warm-up in steps of the run's, and what is odd about it."""
    steps = warmup_steps(given, total)
    return Resolved(given, f"{GIVEN}: {steps:,} of {total:,} steps"), doubt_of_warmup(given, total)


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
    return drawn_places(rows, most=count, seed=0)
