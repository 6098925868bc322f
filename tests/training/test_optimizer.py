"""AdamW: the first step shows bias correction, groups their rates and decay, and the state travels by name."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from affina.errors import RecipeError
from affina.methods.base import ParameterGroup
from affina.runtime import four_bits
from affina.training.optimizer import MOMENTS, Optimizer, Rates
from affina.training.schedule import slanted_triangular


def make(decay=0.0):
    weight = nn.Parameter(torch.ones(3, 2))
    bias = nn.Parameter(torch.ones(2))
    head = nn.Parameter(torch.ones(4))
    groups = (
        ParameterGroup("body", True, {"weight": weight}),
        ParameterGroup("body", False, {"bias": bias}),
        ParameterGroup("head", False, {"head": head}),
    )
    return Optimizer(groups, Rates(body=0.01, head=0.1, weight_decay=decay)), (weight, bias, head)


def run_step(optimizer, tensors, factor=1.0, gradient=0.3):
    for tensor in tensors:
        tensor.grad = torch.full_like(tensor, gradient)
    optimizer.set_factor(factor)
    optimizer.adamw.step()
    optimizer.clear()


def test_the_first_step_is_the_learning_rate_itself():
    # with bias correction |step| = rate, without it would be 3.16 times as large (papers: bias correction)
    optimizer, (weight, bias, head) = make()
    run_step(optimizer, (weight, bias, head), factor=0.5)
    assert torch.allclose(1 - weight, torch.full_like(weight, 0.005), rtol=1e-4)
    assert torch.allclose(1 - bias, torch.full_like(bias, 0.005), rtol=1e-4)
    assert torch.allclose(1 - head, torch.full_like(head, 0.05), rtol=1e-4)


def test_only_matrices_decay():
    optimizer, (weight, bias, _) = make(decay=0.5)
    run_step(optimizer, (weight, bias, _), gradient=1e-30)
    assert torch.allclose(weight, torch.full_like(weight, 1 - 0.01 * 0.5), rtol=1e-5)
    assert torch.equal(bias, torch.ones_like(bias))


def test_state_travels_by_name_and_goes_on_bit_for_bit():
    one, tensors = make(decay=0.1)
    run_step(one, tensors)
    other, copies = make(decay=0.1)
    with torch.no_grad():
        for tensor, copy in zip(tensors, copies, strict=True):
            copy.copy_(tensor)
    state = {name: tensor.clone() for name, tensor in one.state_dict().items()}
    assert set(state) == {
        f"{key}/{name}" for key in ("step", "exp_avg", "exp_avg_sq") for name in ("weight", "bias", "head")
    }
    other.load_state_dict(state)
    for gradient in (0.2, -0.7):
        run_step(one, tensors, gradient=gradient)
        run_step(other, copies, gradient=gradient)
    for tensor, copy in zip(tensors, copies, strict=True):
        assert torch.equal(tensor, copy)


def test_an_unknown_name_is_refused():
    optimizer, _ = make()
    with pytest.raises(KeyError):
        optimizer.load_state_dict({"exp_avg/other": torch.zeros(1)})


def test_what_is_frozen_has_no_moments_and_starts_anew():
    optimizer, tensors = make()
    run_step(optimizer, tensors)
    weight, bias, head = tensors
    weight.requires_grad_(False)
    optimizer.release()
    assert {path.partition("/")[2] for path in optimizer.state_dict()} == {"bias", "head"}
    before = weight.clone()
    run_step(optimizer, (bias, head))
    assert torch.equal(weight, before)
    weight.requires_grad_(True)
    run_step(optimizer, tensors)
    assert torch.allclose(before - weight, torch.full_like(weight, 0.01), rtol=1e-4)  # a first step again


def test_each_layer_s_peak_is_the_one_above_over_the_decay_in_float64():
    # eta^(l-1) = eta^l / 2.6 (Howard & Ruder 2018, 3.1), times the slanted triangle at t = 200 of T = 1000 (3.2)
    groups = [ParameterGroup("body", True, {str(n): nn.Parameter(torch.ones(1))}, 2.6**-n) for n in range(4)]
    optimizer = Optimizer(groups, Rates(body=0.01, head=0.026, weight_decay=0.0))
    optimizer.set_factor(slanted_triangular(200, total=1000, cut=100))
    found = [group["lr"] for group in optimizer.adamw.param_groups]
    by_hand = [0.00892361111111111, 0.0034321581196581196, 0.0013200608152531229, 0.000507715698174278]
    assert found == pytest.approx(by_hand, rel=1e-14)


def make_large(kind, numbers=8_192):
    torch.manual_seed(0)
    weight, bias = nn.Parameter(torch.randn(numbers // 64, 64)), nn.Parameter(torch.ones(3))
    groups = (ParameterGroup("body", True, {"weight": weight}), ParameterGroup("head", False, {"bias": bias}))
    return Optimizer(groups, Rates(body=1e-3, head=1e-2, weight_decay=0.1), kind), (weight, bias)


def walk(optimizer, tensors, steps, *, seed):
    drawn = torch.Generator().manual_seed(seed)
    for step in range(steps):
        for tensor in tensors:
            tensor.grad = torch.randn(tensor.shape, generator=drawn) + 0.5
        optimizer.set_factor(1 - step / 100)
        optimizer.adamw.step()
        optimizer.clear()


def test_in_eight_bits_it_walks_nearly_the_same_way_with_a_quarter_of_the_moments():
    plain, packed = make_large("adamw"), make_large("adamw_8bit")
    start = plain[1][0].detach().clone()
    for optimizer, tensors in (plain, packed):
        walk(optimizer, tensors, 30, seed=1)
    moved, otherwise = (weights.detach() - start for weights in (plain[1][0], packed[1][0]))
    assert float((moved - otherwise).norm() / moved.norm()) < 0.1
    assert torch.allclose(plain[1][1], packed[1][1], rtol=1e-4)  # a small tensor's moments stay as they are
    sizes = [
        sum(tensor.numel() * tensor.element_size() for name, tensor in one.state_dict().items() if "qmap" not in name)
        for one, _ in (plain, packed)
    ]
    assert sizes[1] < 0.27 * sizes[0]
    numbers = plain[1][0].numel()
    assert sizes[1] / 4 == pytest.approx(MOMENTS["adamw_8bit"] * numbers, rel=0.01)


def test_moments_in_eight_bits_travel_by_name_and_go_on_bit_for_bit():
    one, tensors = make_large("adamw_8bit")
    walk(one, tensors, 3, seed=2)
    other, copies = make_large("adamw_8bit")
    with torch.no_grad():
        for tensor, copy in zip(tensors, copies, strict=True):
            copy.copy_(tensor)
    other.load_state_dict({name: tensor.clone() for name, tensor in one.state_dict().items()})
    for optimizer, moved in ((one, tensors), (other, copies)):
        walk(optimizer, moved, 3, seed=3)
    assert all(torch.equal(tensor, copy) for tensor, copy in zip(tensors, copies, strict=True))


def test_moments_in_eight_bits_of_several_tensors_can_be_saved(tmp_path):
    weights = {name: nn.Parameter(torch.randn(80, 64)) for name in ("one", "other")}
    groups = (ParameterGroup("body", True, weights),)
    optimizer = Optimizer(groups, Rates(body=1e-3, head=1e-2, weight_decay=0.1), "adamw_8bit")
    walk(optimizer, list(weights.values()), 2, seed=4)
    save_file(optimizer.state_dict(), tmp_path / "state.safetensors")
    assert len(load_file(tmp_path / "state.safetensors")) == 2 * 7


def test_a_library_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(four_bits.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(RecipeError) as caught:
        make_large("adamw_8bit")
    assert caught.value.problems[0].where == "recipe key train.optimizer"
