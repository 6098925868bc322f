"""Which given rate is said to be off, and by what: the head's beside the body's too."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from affina.pipeline import advice, attempts
from affina.pipeline.advice import Advice
from affina.pipeline.rates import recall, steps_of_test
from affina.record.starts import Restarted
from affina.training.ramp import RangeTest
from affina.values import Resolved
from bench_of_loops import prepared_run

HEAD_ALONE = {"method": {"name": "partial", "blocks": 0}}


STUCK = attempts._Seen("no better", rose=False)


class Kept:
    """A journal that keeps what it gets."""

    def __init__(self):
        self.records = []

    def append(self, record):
        self.records.append(record)


def run_with(folder, *, rate="auto", head="auto", **parts):
    return prepared_run(folder, train={"learning_rate": rate, "head_learning_rate": head}, **parts)


def advises(monkeypatch, rate, whence="is our prior", found=None):
    monkeypatch.setattr(attempts, "advised", lambda *_: Advice(rate, whence, found))


def curve_for(rate, *, rise=0.0, up_to=3e-2):
    """A range test around 1e-3 that speaks for `rate`; from 1.6e-3 on the loss is higher by `rise`."""
    rates = tuple(up_to * 10 ** (place / 8 - 2.5) for place in range(21))
    changes = tuple(rise if at > 1.6e-3 else 0.0 for at in rates)
    return RangeTest(rates=rates, changes=changes, smooth=changes, fall=0.05, rate=rate)


@pytest.mark.parametrize(("head", "is_low"), [(100.0, False), (1e-12, True), (4e-3, None), (2e-3, None)])
def test_a_given_rate_of_the_head_is_held_against_what_goes_with_the_body(tmp_path, head, is_low):
    off = advice.head_off(run_with(tmp_path, rate=1e-3, head=head), 1e-3)
    assert (off and off.is_low) is is_low
    if off:
        assert off.given == f"the given train.head_learning_rate={head:g}"
        assert (off.better, off.whence) == ("train.head_learning_rate=0.003", "is 3 times the body's")


@pytest.mark.parametrize(
    ("total", "steps"), [(40, 0), (500, 0), (666, 0), (667, 12), (1_000, 18), (2_222, 39), (2_223, 40), (10**6, 40)]
)
def test_a_range_test_has_twelve_steps_at_least_and_takes_three_percent_at_most(tmp_path, total, steps):
    run = run_with(tmp_path)
    assert steps_of_test(run, SimpleNamespace(total_steps=total)) == steps
    assert steps * 5 / 3 <= 0.03 * total
    assert steps_of_test(run_with(tmp_path, rate=1e-3), SimpleNamespace(total_steps=total)) == 0


def test_a_head_that_was_left_to_us_or_trains_alone_is_never_off_beside_a_body(tmp_path):
    assert advice.head_off(run_with(tmp_path, rate=1e-3), 10.0) is None
    assert advice.head_off(run_with(tmp_path, head=100.0, **HEAD_ALONE), 1e-3) is None


def test_a_second_start_replaces_a_given_rate_of_the_head_that_is_off_and_keeps_the_bodys(tmp_path, monkeypatch):
    run, journal = run_with(tmp_path, head=100.0), Kept()
    before = run.hyper.learning_rate.value
    advises(monkeypatch, before)
    again = attempts._restarted(run, journal, seen=STUCK, step=9)
    assert again.hyper.learning_rate.value == before
    assert again.hyper.head_learning_rate.value == pytest.approx(3 * before)
    said = next(record for record in journal.records if isinstance(record, Restarted))
    assert "the given train.head_learning_rate=100 is too high beside train.head_learning_rate=" in said.text
    assert f"train.learning_rate={before:g} train.head_learning_rate={3 * before:g}" in said.text
    assert said.head_learning_rate == again.hyper.head_learning_rate.value
    gone_on = recall(run, [said])
    assert gone_on.hyper.head_learning_rate.value == said.head_learning_rate
    assert gone_on.hyper.learning_rate.value == before


def test_a_second_start_says_of_both_given_rates_that_they_are_off(tmp_path, monkeypatch):
    run, journal = run_with(tmp_path, rate=3.0, head=1e-9), Kept()
    advises(monkeypatch, 1e-3)
    again = attempts._restarted(run, journal, seen=STUCK, step=9)
    assert again.hyper.head_learning_rate.value == pytest.approx(3e-3)
    text = next(record.text for record in journal.records if isinstance(record, Restarted))
    assert "train.head_learning_rate=1e-09 is too low beside" in text
    assert "the given train.learning_rate=3 is too high beside train.learning_rate=0.001" in text


def test_a_given_rate_of_the_head_that_fits_stays_in_a_second_start(tmp_path, monkeypatch):
    run = run_with(tmp_path, rate=3.0, head=2e-3)
    advises(monkeypatch, 1e-3)
    assert attempts._restarted(run, Kept(), seen=STUCK, step=9).hyper.head_learning_rate.value == 2e-3


def test_rates_that_are_far_from_the_advised_ones_are_named_with_what_to_write(tmp_path):
    run = run_with(tmp_path, rate=3.0)
    off = advice.body_off(run, Advice(1e-3, "is our prior"))
    assert (off.given, off.is_low, off.better) == (
        "the given train.learning_rate=3",
        False,
        "train.learning_rate=0.001",
    )
    assert advice.body_off(replace(run, draws=1), Advice(1e-3, "is our prior")).given == "train.learning_rate=3"
    near = replace(run, hyper=replace(run.hyper, learning_rate=Resolved(3e-3, "given")))
    assert advice.body_off(near, Advice(1e-3, "is our prior")) is None


@pytest.mark.parametrize(
    ("spoken", "meeting", "tried", "side"),
    [
        (2.4e-2, 9e-3, 9e-3, "low"),  # both lie above
        (2.2e-3, 1.4e-3, 2.2e-3, "low"),  # half-way to our prior is hardly another rate
        (5e-3, 4e-4, 5e-3, "low"),  # our prior draws to the other side
        (1e-4, 3e-4, 3e-4, "high"),
        (1.2e-3, 1e-4, 5e-4, None),  # the test speaks for the rate that was stuck, whatever our prior says
    ],
)
def test_a_stuck_rate_is_judged_by_the_range_test_and_not_by_half_the_way_to_our_prior(
    tmp_path, monkeypatch, spoken, meeting, tried, side
):
    advises(monkeypatch, meeting, "lies between", curve_for(spoken))
    other = attempts._other_rates(run_with(tmp_path, rate=1e-3), Kept(), rose=False)
    assert other.rate == pytest.approx(tried)
    if side is None:
        assert other.why.startswith(f"train.learning_rate={spoken:g}, which is the rate that a range test on these")
        assert "is near the given train.learning_rate=0.001, so half of that" in other.why
    else:
        assert f"the given train.learning_rate=0.001 is too {side} beside train.learning_rate={tried:g}" in other.why


@pytest.mark.parametrize(
    ("found", "rose", "times", "said"),
    [
        (curve_for(None), False, 2.0, "so twice that is tried"),
        (curve_for(None), True, 0.5, "the loss rose, so half of that is tried"),
        (curve_for(None, rise=1.0), False, 0.5, "so half of that is tried"),  # the test's loss rose
        (curve_for(None, up_to=1.5e-3), False, 0.5, "so half of that is tried"),  # the test did not come so far
        (None, False, 0.5, "so half of that is tried"),
    ],
)
def test_a_rate_near_our_prior_is_doubled_where_nothing_moved_the_loss_and_else_halved(
    tmp_path, monkeypatch, found, rose, times, said
):
    advises(monkeypatch, 1e-3, found=found)
    other = attempts._other_rates(run_with(tmp_path), Kept(), rose=rose)
    assert other.rate == pytest.approx(times * 1e-3)
    assert other.why.startswith("train.learning_rate=0.001 is our prior, ")
    assert other.why.endswith(said)
