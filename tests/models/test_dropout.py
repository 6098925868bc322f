"""Fast dropout: the rate, the scale, independence, the gradient, and its place in a model."""

import pytest
import torch
from torch import nn

from affina.models.classifier import load_classifier
from affina.models.dropout import LaneDropout
from affina.models.source import locate
from tiny_models import FAMILIES
from workbench import tiny

N = 400_000


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9, 0.0001])
def test_the_rate_and_the_mean(rate):
    torch.manual_seed(0)
    out = LaneDropout(rate)(torch.ones(N))
    dropped = float((out == 0).float().mean())
    assert abs(dropped - rate) < 5 * (rate * (1 - rate) / N) ** 0.5 + 1 / 65536
    kept = out[out != 0]
    assert torch.equal(kept, kept[:1].expand_as(kept))
    rounded = round(rate * 65536) / 65536
    assert float(kept[0]) == pytest.approx(1 / (1 - rounded), rel=1e-6)


def test_neighbours_are_independent_across_all_lanes():
    torch.manual_seed(1)
    dropped = (LaneDropout(0.3)(torch.ones(N)) == 0).double().reshape(-1, 4)
    centred = dropped - dropped.mean(dim=0)
    correlation = (centred.T @ centred) / len(dropped) / 0.21
    assert (correlation - torch.eye(4)).abs().max() < 0.02
    shifted = (dropped[:-1].flatten() - 0.3) @ (dropped[1:].flatten() - 0.3) / N / 0.21
    assert abs(float(shifted)) < 0.02


def test_the_gradient_passes_where_the_value_did():
    states = torch.randn(7, 5, 3, requires_grad=True)
    out = LaneDropout(0.4)(states)
    out.sum().backward()
    assert torch.equal(states.grad == 0, out == 0)
    assert torch.allclose(states.grad * states.detach(), out.detach())


def test_the_seed_decides_and_evaluation_changes_nothing():
    layer, states = LaneDropout(0.5), torch.randn(33)
    torch.manual_seed(5)
    one = layer(states)
    torch.manual_seed(5)
    assert torch.equal(layer(states), one)
    assert layer.eval()(states) is states
    assert LaneDropout(0.0)(states) is states


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_type_of_the_states_is_kept(dtype):
    assert LaneDropout(0.1)(torch.randn(10, dtype=dtype)).dtype == dtype


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_it_is_in_every_loaded_model_and_adds_no_weights(family):
    module = load_classifier(locate(str(tiny(family))), ("a", "b"), dropout=0.3).module
    kinds = [type(child) for child in module.modules()]
    assert nn.Dropout not in kinds
    rates = {child.p for child in module.modules() if isinstance(child, LaneDropout)}
    assert rates <= {0.3, 0.0}
    assert not any(isinstance(child, LaneDropout) and child.training for child in module.modules())
