"""What the guard counts, by hand: skipped steps, ways back, and the rate after them."""

import math

import pytest

from affina.training.guard import LOSS_TIMES, LOWER, Guard, Running


def said(steps):
    guard = Guard()
    return [guard.skip(step) for step in steps]


def test_three_skipped_steps_in_a_row_lead_back_and_two_do_not():
    assert said([1, 2]) == [None, None]
    assert said([4, 5, 6])[-1] == "3 steps in a row were not finite"
    assert said([1, 2, 4, 5]) == [None] * 4
    assert said([1, 2, 4, 5, 6])[-1] == "3 steps in a row were not finite"


def test_five_of_the_last_fifty_lead_back_and_what_is_older_is_forgotten():
    assert said([1, 11, 21, 31]) == [None] * 4
    assert said([1, 11, 21, 31, 50])[-1] == "5 of the last 50 steps were not finite"
    assert said([1, 11, 21, 31, 51]) == [None] * 5
    assert said([1, 11, 21, 31, 51, 60])[-1] == "5 of the last 50 steps were not finite"


def test_the_rate_is_as_planned_until_a_way_back_and_rises_to_a_fifth_over_ten_steps():
    guard = Guard()
    assert (guard.lowered, guard.factor(0), guard.factor(7)) == (1.0, 1.0, 1.0)
    guard.rewound(7)
    assert [guard.factor(step) for step in (7, 8, 16)] == pytest.approx([LOWER / 11, 2 * LOWER / 11, 10 * LOWER / 11])
    assert guard.factor(17) == guard.factor(90) == pytest.approx(0.2)
    guard.rewound(30)
    assert guard.lowered == pytest.approx(0.04)
    assert guard.factor(30) == pytest.approx(0.04 / 11)


def test_after_three_ways_back_there_is_none_left():
    guard = Guard()
    for number in range(3):
        assert not guard.is_spent
        guard.rewound(number)
    assert guard.is_spent


def test_a_way_back_forgets_what_was_counted_and_keeps_what_was_usual():
    guard = Guard()
    guard.start(2.0)
    guard.skip(1)
    for _ in range(30):
        guard.watch(4.0, 1.0)
    usual = guard.losses.usual
    assert usual == pytest.approx(4.0)
    guard.rewound(31)
    assert (guard.skipped, guard.losses.recent, guard.norms.recent, guard.norms.usual) == ([], [], [], None)
    assert guard.losses.usual == pytest.approx(usual)
    guard.forget()
    assert guard.losses.usual is None


def test_the_level_is_the_median_of_the_last_nine_and_not_told_before():
    running = Running(LOSS_TIMES)
    for value in range(1, 9):
        running.add(value)
    assert running.level is None
    running.add(9)
    assert running.level == pytest.approx(5.0)
    running.add(100)
    assert running.level == pytest.approx(6.0)
    assert len(running.recent) == 9
    assert running.window == pytest.approx([math.log(1)])


def test_what_is_usual_is_told_from_sixteen_older_values_on_and_never_falls():
    running = Running(LOSS_TIMES)
    for _ in range(24):
        running.add(2.0)
    assert running.usual is None
    running.add(2.0)
    assert running.usual == pytest.approx(2.0)
    for _ in range(80):
        running.add(0.5)
    assert running.usual == pytest.approx(2.0)
    assert len(running.window) == 50


def test_what_is_known_from_elsewhere_only_raises_what_is_usual():
    running = Running(LOSS_TIMES)
    for nothing in (0.0, -1.0, math.nan, math.inf):
        running.set_least(nothing)
    assert running.usual is None
    for given, usual in ((3.0, 3.0), (1.0, 3.0), (7.0, 7.0)):
        running.set_least(given)
        assert running.usual == pytest.approx(usual)


def test_a_loss_of_nothing_is_no_fault():
    running = Running(LOSS_TIMES)
    for _ in range(30):
        running.add(0.0)
    assert running.level == pytest.approx(0.0, abs=1e-11)
    assert not running.is_far_outside()


@pytest.mark.parametrize(("times", "outside"), [(2.9, False), (3.1, True)])
def test_a_steady_loss_is_far_outside_from_three_times_what_it_was(times, outside):
    guard = Guard()
    found = [guard.watch(2.0, 1.0) for _ in range(30)]
    found += [guard.watch(2.0 * times, 1.0) for _ in range(9)]
    assert any(found) == outside


@pytest.mark.parametrize(("level", "outside"), [(0.95, False), (1.05, True)])
def test_a_loss_below_one_is_never_far_outside(level, outside):
    guard = Guard()
    found = [guard.watch(0.1, 1.0) for _ in range(30)]
    found += [guard.watch(level, 1.0) for _ in range(9)]
    assert any(found) == outside


@pytest.mark.parametrize(("norm", "loss", "outside"), [(29.0, 2.0, False), (31.0, 2.0, True), (31.0, 1.9, False)])
def test_a_norm_is_far_outside_from_thirty_times_while_the_loss_does_not_fall(norm, loss, outside):
    guard = Guard()
    found = [guard.watch(2.0, 1.0) for _ in range(30)]
    found += [guard.watch(loss, norm) for _ in range(9)]
    assert any(found) == outside


def test_a_norm_that_fp16_could_not_hold_is_not_counted():
    guard = Guard()
    for norm in (1.0, math.inf, math.nan, 2.0):
        guard.watch(2.0, norm)
    assert len(guard.norms.recent) == 2
    assert len(guard.losses.recent) == 4
