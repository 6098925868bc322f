"""The range test: what a curve speaks for, and that looking leaves no trace in the model or the random draws."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from affina.pipeline.rates import probe_rates
from affina.runtime import randomness
from affina.training.range_test import ABOVE, BELOW, MARGIN, NEAR, Ramp, judge
from bench_of_loops import prepared_run

RATES = tuple(10 ** (-6 + place / 8) for place in range(33))


def curve(*, best: float, depth: float, noise: float = 0.0) -> list[float]:
    """A loss that falls towards `best`, and rises steeply beyond it."""
    draw = torch.Generator().manual_seed(3)
    jitter = (noise * torch.randn(len(RATES), generator=draw)).tolist()
    return [
        (-depth * (rate / best) if rate <= best else 5 * math.log(rate / best) - depth) + wobble
        for rate, wobble in zip(RATES, jitter, strict=True)
    ]


@pytest.mark.parametrize("best", [1e-5, 1e-4, 1e-3])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_the_rate_lies_the_margin_below_the_lowest_point(best, noise):
    found = judge(RATES, curve(best=best, depth=0.5, noise=noise))
    assert found.rate == pytest.approx(found.lowest / MARGIN)
    assert best / 2 < found.lowest <= best * 1.01


def test_a_curve_that_does_not_fall_speaks_for_no_rate():
    assert judge(RATES, curve(best=1e-3, depth=0.0, noise=0.05)[:25]).rate is None
    assert judge(RATES, [0.01 * place for place in range(33)]).rate is None


def test_one_lucky_batch_is_not_a_fall():
    changes = curve(best=1e-3, depth=0.0, noise=0.05)[:25]
    changes[20] = -0.12
    assert judge(RATES[:25], changes).rate is None


def test_the_rate_to_train_with_lies_half_way_to_the_prior_but_near_the_curve():
    found = judge(RATES, curve(best=1e-3, depth=0.5))
    assert found.meet(found.rate) == pytest.approx(found.rate)
    assert found.meet(found.rate * 4) == pytest.approx(found.rate * 2)
    assert found.meet(found.rate * 1e4) == pytest.approx(found.rate * NEAR)
    assert found.meet(found.rate / 1e4) == pytest.approx(found.rate / NEAR)
    assert judge(RATES, [0.0] * len(RATES)).meet(0.5) == 0.5


def test_the_ramp_is_even_in_the_logarithm_around_the_prior():
    rates = Ramp(1e-4, steps=12).rates
    assert (rates[0], rates[-1]) == (pytest.approx(1e-4 / BELOW), pytest.approx(1e-4 * ABOVE))
    ratios = [after / before for before, after in pairwise(rates)]
    assert ratios == pytest.approx([ratios[0]] * 11)


@pytest.mark.parametrize("method", ["full", {"name": "partial", "blocks": 1}, {"name": "partial", "blocks": 0}])
def test_weights_and_random_draws_stand_where_they_stood(tmp_path, method):
    prepared = prepared_run(tmp_path, method=method)
    before = {name: tensor.clone() for name, tensor in prepared.classifier.module.named_parameters()}
    state = randomness.capture()
    found = probe_rates(prepared, steps=12)
    assert len(found.rates) == len(found.changes) == len(found.smooth) <= 12
    assert randomness.capture() == state
    for name, tensor in prepared.classifier.module.named_parameters():
        assert torch.equal(tensor, before[name]), name
        assert tensor.grad is None


def test_the_first_point_compares_the_weights_with_themselves(tmp_path):
    prepared = prepared_run(tmp_path, train={"dropout": 0.0})
    assert probe_rates(prepared, steps=12).changes[0] == pytest.approx(0.0, abs=1e-6)


def test_a_ruined_model_ends_the_ramp_early(tmp_path):
    prepared = prepared_run(tmp_path, train={"clip": None})
    found = probe_rates(prepared, steps=40)
    assert all(math.isfinite(change) for change in found.changes)
    assert found.rates[-1] <= Ramp(prepared.hyper.prior.value, steps=40).rates[-1]
