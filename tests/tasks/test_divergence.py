"""KL(base || tuned) with gradients by hand: autograd's, whatever the chunk, and none where nothing has moved."""

from dataclasses import replace

import pytest
import torch

from affina.models.output_layer import LinearOutput
from affina.tasks.divergence import copied, divergences, summed_divergence

VARIANTS = {
    "plain": {},
    "bias": {"bias": True},
    "odd": {"bias": True, "factor": 0.5, "cap": 3.0, "shift": torch.linspace(-1, 1, 11, dtype=torch.float64)},
}


def two_models(variant):
    torch.manual_seed(0)
    parts = dict(VARIANTS[variant])
    if parts.get("bias"):
        parts["bias"] = torch.randn(11, dtype=torch.float64)
    base = LinearOutput(weight=torch.randn(11, 6, dtype=torch.float64), **parts)
    own = {"weight": base.weight, "bias": base.bias}
    leaf = {name: tensor.clone().requires_grad_() for name, tensor in own.items() if tensor is not None}
    tuned = replace(base, **{name: tensor + 0.3 * torch.randn_like(tensor) for name, tensor in leaf.items()})
    states = torch.randn(7, 6, dtype=torch.float64)
    moved = (states + 0.2 * torch.randn_like(states)).requires_grad_()
    return (states, base), (moved, tuned), [moved, *leaf.values()]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("chunk", [1, 30, 10**6])
def test_the_summed_divergence_has_autograd_s_value_and_gradients(variant, chunk):
    base, tuned, leaves = two_models(variant)
    before, after = (torch.log_softmax(output(states), dim=-1) for states, output in (base, tuned))
    plain = (before.exp() * (before - after)).sum()
    expected = torch.autograd.grad(plain, leaves, retain_graph=True)
    found = summed_divergence(base, tuned, chunk=chunk)
    assert float(found.detach()) == pytest.approx(float(plain.detach()), rel=1e-12)
    assert float(found.detach()) == pytest.approx(float(divergences(base, tuned).sum()), rel=1e-12)
    for one, other in zip(torch.autograd.grad(found, leaves), expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-13)


def test_where_nothing_has_moved_there_is_nothing_to_pull():
    (states, base), _, _ = two_models("odd")
    same = states.clone().requires_grad_()
    found = summed_divergence((states, base), (same, base))
    assert float(found.detach()) == 0.0
    assert torch.equal(*torch.autograd.grad(found, [same]), torch.zeros_like(states))


def test_what_trains_is_copied_and_what_stands_still_is_not():
    weight = torch.randn(3, 2, requires_grad=True)
    layer = LinearOutput(weight=weight, shift=torch.zeros(3))
    kept = copied(layer)
    with torch.no_grad():
        weight.add_(1.0)
    assert not torch.equal(kept.weight, weight)
    still = LinearOutput(weight=weight.detach())
    assert copied(still).weight.data_ptr() == still.weight.data_ptr()
