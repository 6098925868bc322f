"""The range test: what a curve speaks for, and that looking leaves no trace in the model or the random draws."""

from __future__ import annotations

import itertools
import math
from itertools import pairwise

import pytest
import torch

from affina.pipeline.rates import probe_rates
from affina.runtime import randomness
from affina.training.ramp import ABOVE, BELOW, NEAR, PATH, PATH_OF_A_HEAD, Goal, Ramp, judge
from bench_of_loops import prepared_run

RATES = tuple(10 ** (-6 + place / 8) for place in range(33))


GOAL = Goal(0.1, PATH)


def curve(*, slope: float, noise: float = 0.0, rates=RATES) -> list[float]:
    """A loss that falls by `slope` for each unit of the path, before each step."""
    draw = torch.Generator().manual_seed(3)
    jitter = (noise * torch.randn(len(rates), generator=draw)).tolist()
    path = [0.0, *itertools.accumulate(rates)]
    return [-slope * gone + wobble for gone, wobble in zip(path, jitter, strict=False)]


@pytest.mark.parametrize("slope", [60.0, 200.0, 2000.0])
@pytest.mark.parametrize("noise", [0.0, 0.02])
@pytest.mark.parametrize("rates", [RATES, RATES[::3]], ids=["fine", "coarse"])
def test_the_rate_makes_the_path_to_the_fall_in_the_set_number_of_steps(slope, noise, rates):
    found = judge(rates, curve(slope=slope, noise=noise, rates=rates), GOAL)
    assert found.rate == pytest.approx(0.1 / slope / PATH, rel=0.6)


def test_a_curve_that_does_not_fall_speaks_for_no_rate():
    assert judge(RATES, curve(slope=0.0, noise=0.02), GOAL).rate is None
    assert judge(RATES, [0.01 * place for place in range(33)], GOAL).rate is None


def test_one_lucky_batch_is_not_a_fall():
    changes = curve(slope=0.0, noise=0.01)
    changes[20] = -0.3
    assert judge(RATES, changes, GOAL).rate is None


def test_the_rate_to_train_with_lies_half_way_to_the_prior_but_near_the_curve():
    found = judge(RATES, curve(slope=200.0), GOAL)
    assert found.meet(found.rate) == pytest.approx(found.rate)
    assert found.meet(found.rate * 4) == pytest.approx(found.rate * 2)
    assert found.meet(found.rate * 1e4) == pytest.approx(found.rate * NEAR)
    assert found.meet(found.rate / 1e4) == pytest.approx(found.rate / NEAR)
    assert judge(RATES, [0.0] * len(RATES), GOAL).meet(0.5) == 0.5


def test_a_head_alone_takes_larger_steps():
    body, head = (judge(RATES, curve(slope=200.0), Goal.of(2.0, head_alone=alone)) for alone in (False, True))
    assert head.rate == pytest.approx(body.rate * PATH / PATH_OF_A_HEAD)


def test_the_ramp_is_even_in_the_logarithm_around_the_prior():
    rates = Ramp(1e-4, steps=12).rates
    assert (rates[0], rates[-1]) == (pytest.approx(1e-4 / BELOW), pytest.approx(1e-4 * ABOVE))
    ratios = [after / before for before, after in pairwise(rates)]
    assert ratios == pytest.approx([ratios[0]] * 11)


@pytest.mark.parametrize("method", ["full", {"name": "partial", "blocks": 1}, {"name": "partial", "blocks": 0}])
def test_weights_and_random_draws_stand_where_they_stood(tmp_path, method):
    prepared = prepared_run(tmp_path, method=method)
    before = {name: tensor.clone() for name, tensor in prepared.model.module.named_parameters()}
    state = randomness.capture()
    found = probe_rates(prepared, steps=12)
    assert len(found.rates) == len(found.changes) == len(found.smooth) <= 12
    assert randomness.capture() == state
    for name, tensor in prepared.model.module.named_parameters():
        assert torch.equal(tensor, before[name]), name
        assert tensor.grad is None


def test_the_first_point_compares_the_weights_with_themselves(tmp_path):
    assert probe_rates(prepared_run(tmp_path), steps=12).changes[0] == pytest.approx(0.0, abs=1e-6)


def test_a_ruined_model_ends_the_ramp_early(tmp_path):
    prepared = prepared_run(tmp_path, train={"clip": None})
    found = probe_rates(prepared, steps=40)
    assert all(math.isfinite(change) for change in found.changes)
    assert found.rates[-1] <= Ramp(prepared.hyper.prior.value, steps=40).rates[-1]
