"""The plan of a run: every row once an epoch, steps and evaluations where they belong, a bound that holds."""

import pytest

from affina.data.batching import plan_epoch
from affina.training.plan import Plan

LENGTHS = [3 + (7 * place) % 13 for place in range(101)]


def make(*, accumulate=1, epochs=3.0, max_steps=None, evaluations=2):
    return Plan(
        planner=lambda epoch: plan_epoch(LENGTHS, budget=40, seed=5, epoch=epoch),
        accumulate=accumulate,
        epochs=epochs,
        max_steps=max_steps,
        evaluations=evaluations,
    )


@pytest.mark.parametrize("accumulate", [1, 3, 7])
def test_every_row_once_in_every_epoch_tail_window_included(accumulate):
    plan = make(accumulate=accumulate)
    seen = [row for step in range(plan.total_steps) for batch in plan.window(step) for row in batch]
    assert sorted(seen) == sorted(3 * list(range(len(LENGTHS))))
    first_epoch = seen[: len(LENGTHS)]
    assert sorted(first_epoch) == list(range(len(LENGTHS)))
    assert all(1 <= len(plan.window(step)) <= accumulate for step in range(plan.total_steps))


def test_a_window_can_be_asked_for_out_of_order():
    plan, other = make(), make()
    forwards = [plan.window(step) for step in range(plan.total_steps)]
    assert [other.window(step) for step in reversed(range(other.total_steps))] == forwards[::-1]


def test_max_steps_bounds_the_run_and_is_evaluated_at_its_end():
    plan = make(max_steps=4)
    assert plan.total_steps == 4
    assert plan.evaluates_after(4)


def test_part_of_an_epoch():
    whole, half = make(epochs=1.0), make(epochs=0.5)
    assert half.total_steps == round(whole.total_steps / 2)
    assert half.epoch_after(half.total_steps) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("evaluations", [1, 2, 5])
def test_evaluations_come_evenly_and_at_the_end_of_each_epoch(evaluations):
    plan = make(evaluations=evaluations)
    steps = [step for step in range(1, plan.total_steps + 1) if plan.evaluates_after(step)]
    assert len(steps) == 3 * evaluations
    for epoch in (1, 2, 3):
        assert any(plan.epoch_after(step) == pytest.approx(epoch) for step in steps)


def test_epoch_after_counts_passes():
    plan = make()
    assert plan.epoch_after(0) == 0
    assert plan.epoch_after(plan.total_steps) == pytest.approx(3.0)
    passed = [plan.epoch_after(step) for step in range(plan.total_steps + 1)]
    assert passed == sorted(passed)


@pytest.mark.parametrize(("epochs", "evaluations"), [(1.0, 1), (2.0, 1), (5.0, 1), (5.0, 2), (10.0, 1)])
def test_a_run_is_judged_once_at_the_first_evaluation_from_a_quarter_on(epochs, evaluations):
    plan = Plan(
        planner=lambda epoch: plan_epoch(LENGTHS, budget=20, seed=5, epoch=epoch),
        accumulate=1,
        epochs=epochs,
        max_steps=None,
        evaluations=evaluations,
    )
    judged = [step for step in range(1, plan.total_steps + 1) if plan.is_at_a_quarter(step)]
    assert len(judged) == 1
    assert plan.evaluates_after(judged[0])
    assert plan.total_steps / 4 <= judged[0] < plan.total_steps / 2 + 1


def test_a_short_run_is_not_judged():
    plan = make(max_steps=39)
    assert not any(plan.is_at_a_quarter(step) for step in range(40))
    assert any(make(max_steps=40).is_at_a_quarter(step) for step in range(41))


def test_steps_of_so_many_epochs():
    plan = make(epochs=2.5)
    whole = [plan.steps_in(epochs) for epochs in (0, 1, 2)]
    assert [plan.epoch_after(step) for step in whole] == [0, 1, 2]
    assert plan.epoch_after(plan.steps_in(0.5)) == pytest.approx(0.5, abs=0.05)
    assert plan.steps_in(3) == plan.steps_in(99) == plan.total_steps
    assert make(max_steps=4).steps_in(2) == 4


def test_the_steps_of_a_whole_epoch_are_known_where_the_run_has_less_than_one():
    whole = make(accumulate=3, epochs=1.0)
    assert whole.steps_per_epoch == whole.total_steps
    assert make(accumulate=3, epochs=0.25).steps_per_epoch == whole.steps_per_epoch
    assert make(accumulate=3, max_steps=2).steps_per_epoch == whole.steps_per_epoch
