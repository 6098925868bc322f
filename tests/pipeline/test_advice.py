"""Which given rate is said to be off, and by what: the head's beside the body's too."""

from dataclasses import replace

import pytest

from affina.pipeline import advice, attempts
from affina.pipeline.advice import Advice
from affina.pipeline.rates import recall
from affina.record.starts import Restarted
from affina.values import Resolved
from bench_of_loops import prepared_run

HEAD_ALONE = {"method": {"name": "partial", "blocks": 0}}


class Kept:
    """A journal that keeps what it gets."""

    def __init__(self):
        self.records = []

    def append(self, record):
        self.records.append(record)


def run_with(folder, *, rate="auto", head="auto", **parts):
    return prepared_run(folder, train={"learning_rate": rate, "head_learning_rate": head}, **parts)


def advises(monkeypatch, rate, whence="is our prior"):
    monkeypatch.setattr(attempts, "advised", lambda *_: Advice(rate, whence))


@pytest.mark.parametrize(("head", "is_low"), [(100.0, False), (1e-12, True), (4e-3, None), (2e-3, None)])
def test_a_given_rate_of_the_head_is_held_against_what_goes_with_the_body(tmp_path, head, is_low):
    off = advice.head_off(run_with(tmp_path, rate=1e-3, head=head), 1e-3)
    assert (off and off.is_low) is is_low
    if off:
        assert off.given == f"the given train.head_learning_rate={head:g}"
        assert (off.better, off.whence) == ("train.head_learning_rate=0.003", "is 3 times the body's")


def test_a_head_that_was_left_to_us_or_trains_alone_is_never_off_beside_a_body(tmp_path):
    assert advice.head_off(run_with(tmp_path, rate=1e-3), 10.0) is None
    assert advice.head_off(run_with(tmp_path, head=100.0, **HEAD_ALONE), 1e-3) is None


def test_a_second_start_replaces_a_given_rate_of_the_head_that_is_off_and_keeps_the_bodys(tmp_path, monkeypatch):
    run, journal = run_with(tmp_path, head=100.0), Kept()
    before = run.hyper.learning_rate.value
    advises(monkeypatch, before)
    again = attempts._restarted(run, journal, seen="no better", step=9)
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
    again = attempts._restarted(run, journal, seen="no better", step=9)
    assert again.hyper.head_learning_rate.value == pytest.approx(3e-3)
    text = next(record.text for record in journal.records if isinstance(record, Restarted))
    assert "train.head_learning_rate=1e-09 is too low beside" in text
    assert "the given train.learning_rate=3 is too high beside train.learning_rate=0.001" in text


def test_a_given_rate_of_the_head_that_fits_stays_in_a_second_start(tmp_path, monkeypatch):
    run = run_with(tmp_path, rate=3.0, head=2e-3)
    advises(monkeypatch, 1e-3)
    assert attempts._restarted(run, Kept(), seen="no better", step=9).hyper.head_learning_rate.value == 2e-3


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
