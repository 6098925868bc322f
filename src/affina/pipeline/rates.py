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
from affina.recipe.resolve import patience_of, prior_of, rounded, trained_by
from affina.recipe.schema import EarlyStoppingSpec, HeadStart
from affina.record.journal import Journal
from affina.record.measures import SHARES
from affina.record.payloads import Chosen, Payload
from affina.record.starts import RangeTested, Restarted
from affina.training.plan import Plan, split
from affina.training.precision import Precision
from affina.training.ramp import Goal, Ramp, RangeTest, range_test
from affina.training.stepping import Stepper
from affina.values import Resolved

MOST_SHARE: Final = 0.03
"""Of the planned steps: what a range test may take."""
COST: Final = 5 / 3
"""Of a step of the test, in steps of training: two forward passes without gradients come with it."""
MOST_STEPS: Final = 40
LEAST_STEPS: Final = 12
"""Over a span of 300 times: with fewer a test says little, and there is none. At 3% a run of 667 steps has so many."""
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
    return train.learning_rate != AUTO or (is_head_alone(prepared) and train.head_learning_rate != AUTO)


def is_head_given(prepared: Prepared) -> bool:
    """Whether the head has a given rate beside a body that trains too."""
    return prepared.recipe.train.head_learning_rate != AUTO and not is_head_alone(prepared)


def is_any_given(prepared: Prepared) -> bool:
    """Whether a rate was given that may be to blame: the one that governs the run, or the head's beside it."""
    return is_given(prepared) or is_head_given(prepared)


def named(prepared: Prepared, rate: float) -> str:
    """A body's rate as the user would give it: `KEY=VALUE`, of the head where that is the key that was given."""
    train = prepared.recipe.train
    if is_head_alone(prepared) and train.head_learning_rate != AUTO and train.learning_rate == AUTO:
        return f"{HEAD_RATE}={head_rate_beside(prepared, rate).value:g}"
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
    if not is_head_alone(prepared) or (start is not None and start.value == "random"):
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
    has_noise = prepared.hyper.metric.value in SHARES
    patience = patience_of(prepared.hyper, probed=start.value == "probe", has_noise=has_noise)
    hyper = replace(prepared.hyper, patience=patience)
    return replace(prepared, hyper=hyper, choices={**prepared.choices, PATIENCE: patience})


def _may_wait(prepared: Prepared) -> bool:
    """Whether patience was left to us."""
    spec = prepared.recipe.train.early_stopping
    return isinstance(spec, EarlyStoppingSpec) and spec.patience == AUTO


def is_head_alone(prepared: Prepared) -> bool:
    """Whether nothing but the head trains."""
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
    steps = min(MOST_STEPS, int(MOST_SHARE * total / COST))
    return steps if steps >= LEAST_STEPS else 0


def _tested(prepared: Prepared, journal: Journal, *, steps: int) -> Prepared:
    started = time.perf_counter()
    found = probe_rates(prepared, steps=steps)
    settled = with_rate(prepared, found.meet(prepared.hyper.prior.value), reason=_reason(found, prepared))
    used = settled.hyper.learning_rate.value
    journal.append(as_record(found, used=used, seconds=time.perf_counter() - started))
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
            prepared = replace(prepared, draws=record.seed)
            peaks = record.learning_rate, record.head_learning_rate
            body, head = (Resolved(rate, record.text) for rate in peaks)
            prepared = _with_rates(prepared, body, head)
    return prepared


def probe_rates(prepared: Prepared, *, steps: int) -> RangeTest:
    """Run a range test around the prior; the model is afterwards as it was.

    All layers move in it: where they train in turn, blocks are run whose states are kept for a stage.
    """
    if (turns := turns_in(prepared)) is not None and turns.stages:
        prepared = replace(prepared, frozen=WHOLE)
    plan, train, prior = plan_of(prepared), prepared.recipe.train, prepared.hyper.prior.value
    rates = rates_at(prepared, body=prior, head=head_rate_beside(prepared, prior).value)
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
        goal=Goal.of(prepared.subject.guessing(prepared), head_alone=is_head_alone(prepared)),
    )


def with_rate(prepared: Prepared, rate: float, *, reason: str, of_head: str | None = None) -> Prepared:
    """The same run at another peak rate; the head's follows where it was left to us, or nothing else trains.

    Args:
        prepared: the run.
        rate: the body's.
        reason: for it.
        of_head: why the head's follows, although it was given.
    """
    body, head = Resolved(rounded(rate), reason), prepared.hyper.head_learning_rate
    if of_head is not None or not is_head_given(prepared):
        head = head_rate_beside(prepared, body.value)
        head = head if of_head is None else Resolved(head.value, of_head)
    return _with_rates(prepared, body, head)


def head_rate_beside(prepared: Prepared, body: float) -> Resolved[float]:
    """What the head's peak rate would be beside that of the body, were it left to us."""
    turns = turns_in(prepared)
    layer_decay = 1.0 if turns is None else turns.spec.layer_decay
    reached = width(prepared.model)
    return head_rate(body, trained=trained_by(prepared.method), width=reached, layer_decay=layer_decay)


def _with_rates(prepared: Prepared, body: Resolved[float], head: Resolved[float]) -> Prepared:
    hyper = replace(prepared.hyper, learning_rate=body, head_learning_rate=head)
    return replace(prepared, hyper=hyper, choices={**prepared.choices, RATE: body, HEAD_RATE: head})


def as_record(found: RangeTest, *, used: float, seconds: float) -> RangeTested:
    """What a test saw, for the journal, with the rate that was made of it."""
    return RangeTested(
        rates=found.rates,
        changes=found.changes,
        smooth=found.smooth,
        fall=found.fall,
        rate=found.rate,
        used=used,
        seconds=round(seconds, 2),
    )
