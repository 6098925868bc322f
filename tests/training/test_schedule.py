"""Schedules against their definitions and the values of the papers."""

import math

import pytest

from affina.training.schedule import build, slanted_triangular


@pytest.mark.parametrize(("step", "rate"), [(0, 0.0003125), (50, 0.00515625), (100, 0.01), (200, 0.0089236111)])
def test_slanted_triangular_values_of_the_paper(step, rate):
    assert 0.01 * slanted_triangular(step, total=1000, cut=100) == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize("total", [1, 2, 5, 9, 10, 11, 1000])
def test_slanted_triangular_stays_within_its_bounds(total):
    schedule = build("slanted_triangular", total=total, warmup=int(total * 0.1))
    factors = [schedule(step) for step in range(total + 1)]
    assert all(1 / 32 <= factor <= 1 for factor in factors)
    assert max(factors) == 1.0


@pytest.mark.parametrize("name", ["linear", "cosine", "constant"])
def test_warm_up_rises_to_the_peak_and_never_starts_at_zero(name):
    schedule = build(name, total=100, warmup=10)
    rise = [schedule(step) for step in range(11)]
    assert rise[0] == pytest.approx(1 / 11)
    assert rise == sorted(rise)
    assert rise[10] == 1.0


def test_decays():
    linear, cosine, constant = (build(name, total=110, warmup=10) for name in ("linear", "cosine", "constant"))
    assert linear(60) == pytest.approx(0.5)
    assert linear(109) == pytest.approx(0.01)
    assert cosine(60) == pytest.approx(0.5)
    assert cosine(35) == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    assert constant(109) == 1.0


@pytest.mark.parametrize("name", ["linear", "cosine", "constant", "slanted_triangular"])
def test_a_run_that_is_all_warm_up_has_no_division_by_zero(name):
    schedule = build(name, total=5, warmup=5)
    assert all(0 < schedule(step) <= 1 for step in range(5))
