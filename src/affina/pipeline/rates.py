"""How a head starts, and the learning rates: our priors, or what a range test on the user's own rows finds.

Owns when a test is worth its steps, and how a rate enters a prepared run and its record. The test itself is
`training.ramp`, the priors are `recipe.priors`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from affina.models.base import width
from affina.pipeline.kept import WHOLE
from affina.pipeline.prepared import Prepared
from affina.pipeline.regularising import regularisers_of
from affina.pipeline.training import optimizer_of, plan_of, rates_at, turns_in
from affina.recipe.base import AUTO
from affina.recipe.priors import head_rate
from affina.recipe.resolve import patience_of, prior_of, rounded
from affina.recipe.schema import EarlyStoppingSpec, HeadStart
from affina.record.journal import Journal
from affina.record.payloads import Chosen, Payload
from affina.record.starts import RangeTested, Restarted
from affina.training.plan import Plan, split
from affina.training.precision import Precision
from affina.training.ramp import Goal, Ramp, RangeTest, range_test
from affina.training.stepping import Stepper
from affina.values import Resolved

WORTH_IT: Final = 500
"""Planned steps from which a run pays for a range test."""
MOST_SHARE: Final = 0.03
"""Of the planned steps."""
COST: Final = 5 / 3
"""Of a step of the test, in steps of training: two forward passes without gradients come with it."""
MOST_STEPS: Final = 40
STEPS_OF_ADVICE: Final = 24
"""Of a test after a failed run, as far as that takes no longer than the run's own training;"""
LEAST_OF_ADVICE: Final = 12
"""with fewer a test says little, and our prior is advised without one."""
RATE: Final = "train.learning_rate"
HEAD_RATE: Final = "train.head_learning_rate"
HEAD_START: Final = "train.head_start"
PATIENCE: Final = "train.early_stopping.patience"
RATES: Final = (RATE, HEAD_RATE)
SETTLED: Final = (*RATES, HEAD_START, PATIENCE)
"""What may be decided after the record has begun."""


def settles_later(prepared: Prepared) -> tuple[str, ...]:
    """The keys that are decided only when the head has started."""
    later: tuple[str, ...] = (HEAD_START,) if prepared.subject.has_new_head else ()
    later += (PATIENCE,) if later and _may_wait(prepared) else ()
    return later + (() if is_given(prepared) else RATES if prepared.subject.outputs else (RATE,))


def is_given(prepared: Prepared) -> bool:
    """Whether the rate that governs the run was given: the head's, where nothing else trains."""
    train = prepared.recipe.train
    return train.learning_rate != AUTO or (_is_head_alone(prepared) and train.head_learning_rate != AUTO)


def named(prepared: Prepared, rate: float) -> str:
    """A body's rate as the user would give it: `KEY=VALUE`, of the head where that is the key that was given."""
    train = prepared.recipe.train
    if _is_head_alone(prepared) and train.head_learning_rate != AUTO and train.learning_rate == AUTO:
        return f"{HEAD_RATE}={_head_rate(prepared, rate).value:g}"
    return f"{RATE}={rate:g}"


def settle(prepared: Prepared, journal: Journal) -> Prepared:
    """Start the head, and let that and the run's own rows settle the rates that were left to us."""
    prepared = with_head(prepared, prepared.subject.start_head(prepared))
    if steps := steps_of_test(prepared):
        prepared = _tested(prepared, journal, steps=steps)
    write_choices(prepared, settles_later(prepared), journal)
    return prepared


def write_choices(prepared: Prepared, keys: Iterable[str], journal: Journal) -> None:
    """Record what these keys came to, with the reasons."""
    for key in keys:
        chosen = prepared.choices[key]
        journal.append(Chosen(key=key, value=chosen.value, reason=chosen.reason))


def with_head(prepared: Prepared, start: Resolved[HeadStart] | None) -> Prepared:
    """The run with a head that starts so: the prior of a head alone depends on it."""
    if start is not None:
        prepared = _with_patience(replace(prepared, choices={**prepared.choices, HEAD_START: start}), start)
    if not _is_head_alone(prepared) or (start is not None and start.value == "random"):
        return prepared
    prior = prior_of(prepared.subject.spec.name, "probed head", width(prepared.model))
    prepared = replace(prepared, hyper=replace(prepared.hyper, prior=prior))
    if is_given(prepared):
        return prepared
    return with_rate(prepared, prior.value, reason=prior.reason)


def _with_patience(prepared: Prepared, start: Resolved[HeadStart]) -> Prepared:
    """The run with the patience that was left to us: a head that starts as a probe is trained to the plan's end."""
    if not _may_wait(prepared):
        return prepared
    patience = patience_of(prepared.hyper, probed=start.value == "probe")
    hyper = replace(prepared.hyper, patience=patience)
    return replace(prepared, hyper=hyper, choices={**prepared.choices, PATIENCE: patience})


def _may_wait(prepared: Prepared) -> bool:
    """Whether patience was left to us."""
    spec = prepared.recipe.train.early_stopping
    return isinstance(spec, EarlyStoppingSpec) and spec.patience == AUTO


def _is_head_alone(prepared: Prepared) -> bool:
    return all(group.part == "head" for group in prepared.attached.parameter_groups())


def steps_of_test(prepared: Prepared, plan: Plan | None = None) -> int:
    """The steps of a range test that settles the rate; 0 where it was given, or the run is too short to pay for one.

    Args:
        prepared: the run.
        plan: its steps; laid out here where they are asked for and were not.
    """
    if is_given(prepared):
        return 0
    total = (plan or plan_of(prepared)).total_steps
    return 0 if total < WORTH_IT else min(MOST_STEPS, int(MOST_SHARE * total / COST))


def _tested(prepared: Prepared, journal: Journal, *, steps: int) -> Prepared:
    started = time.perf_counter()
    found = probe_rates(prepared, steps=steps)
    settled = with_rate(prepared, found.meet(prepared.hyper.prior.value), reason=_reason(found, prepared))
    used = settled.hyper.learning_rate.value
    journal.append(_as_record(found, used=used, seconds=time.perf_counter() - started))
    return settled


def _reason(found: RangeTest, prepared: Prepared) -> str:
    prior, steps = prepared.hyper.prior, len(found.rates)
    if found.rate is None:
        return f"{prior.reason}; in a range test of {steps} steps the loss did not fall enough to tell"
    return (
        f"between {found.rate:.1e}, which a range test of {steps} steps speaks for, and {prior.value:g}, {prior.reason}"
    )


def recall(prepared: Prepared, records: Sequence[Payload]) -> Prepared:
    """The run with the head, rates and draws that its record says it was trained with, to go on from a checkpoint."""
    for record in records:
        if isinstance(record, Chosen) and record.key == HEAD_START:
            prepared = with_head(prepared, Resolved(record.value, record.reason))
        elif isinstance(record, Chosen) and record.key in RATES:
            rate = Resolved(float(record.value), record.reason)
            body = rate if record.key == RATE else prepared.hyper.learning_rate
            head = rate if record.key == HEAD_RATE else prepared.hyper.head_learning_rate
            prepared = _with_rates(prepared, body, head)
        elif isinstance(record, Restarted):
            prepared = with_rate(replace(prepared, draws=record.seed), record.learning_rate, reason=record.text)
    return prepared


def advised(prepared: Prepared, journal: Journal) -> tuple[float, str]:
    """The rate to train with, by a range test on the model as it stands, at its start; and where it comes from.

    The test is recorded: whoever reads the advice can see what it rests on. Where it would take longer than the run's
    training there is none, and the advice is our prior.
    """
    started, prior = time.perf_counter(), prepared.hyper.prior.value
    steps = min(STEPS_OF_ADVICE, int(plan_of(prepared).total_steps / COST))
    if steps < LEAST_OF_ADVICE:
        return rounded(prior), "is our prior"
    found = probe_rates(prepared, steps=steps)
    rate = rounded(found.meet(prior))
    journal.append(_as_record(found, used=rate, seconds=time.perf_counter() - started))
    if found.rate is None:
        return rate, "is our prior"
    spoken = f"the {found.rate:.1e} that a range test on these rows speaks for"
    return rate, f"lies between {spoken} and our prior of {prior:g}" if rate != rounded(found.rate) else f"is {spoken}"


def probe_rates(prepared: Prepared, *, steps: int) -> RangeTest:
    """Run a range test around the prior; the model is afterwards as it was.

    All layers move in it: where they train in turn, blocks are run whose states are kept for a stage.
    """
    if (turns := turns_in(prepared)) is not None and turns.stages:
        prepared = replace(prepared, frozen=WHOLE)
    plan, train, prior = plan_of(prepared), prepared.recipe.train, prepared.hyper.prior.value
    rates = rates_at(prepared, body=prior, head=_head_rate(prepared, prior).value)
    optimizer = optimizer_of(prepared, rates)
    precision = Precision(prepared.precision, prepared.device)
    windows = [split(plan.window(step % plan.total_steps), prepared.parts) for step in range(steps)]
    return range_test(
        Stepper(
            prepared.subject.work(prepared),
            optimizer,
            precision=precision,
            clip=train.clip,
            regularisers=regularisers_of(prepared),
        ),
        windows,
        prepared.attached,
        ramp=Ramp(prior, steps=steps),
        peak=prior,
        goal=Goal.of(prepared.subject.guessing(prepared), head_alone=_is_head_alone(prepared)),
    )


def with_rate(prepared: Prepared, rate: float, *, reason: str) -> Prepared:
    """The same run at another peak rate; the head's follows where it was left to us, or nothing else trains."""
    body = Resolved(rounded(rate), reason)
    follows = prepared.recipe.train.head_learning_rate == AUTO or _is_head_alone(prepared)
    head = _head_rate(prepared, body.value) if follows else prepared.hyper.head_learning_rate
    return _with_rates(prepared, body, head)


def _head_rate(prepared: Prepared, body: float) -> Resolved[float]:
    turns = turns_in(prepared)
    layer_decay = 1.0 if turns is None else turns.spec.layer_decay
    return head_rate(body, trained=prepared.method.name, layer_decay=layer_decay)


def _with_rates(prepared: Prepared, body: Resolved[float], head: Resolved[float]) -> Prepared:
    hyper = replace(prepared.hyper, learning_rate=body, head_learning_rate=head)
    return replace(prepared, hyper=hyper, choices={**prepared.choices, RATE: body, HEAD_RATE: head})


def _as_record(found: RangeTest, *, used: float, seconds: float) -> RangeTested:
    return RangeTested(
        rates=found.rates,
        changes=found.changes,
        smooth=found.smooth,
        fall=found.fall,
        rate=found.rate,
        used=used,
        seconds=round(seconds, 2),
    )
