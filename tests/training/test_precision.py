"""Precision: what is refused and why, and what loss scaling does with an overflow."""

import math

import pytest
import torch
from torch import nn

from affina.errors import DeviceError
from affina.runtime import machine
from affina.training import precision
from affina.training.precision import Precision, choose
from affina.values import Resolved

CPU = torch.device("cpu")
PRODUCT_SECONDS = precision.product_seconds
"""As it is outside tests, where nothing stands in for it."""


@pytest.mark.parametrize(("name", "flag"), [("bf16", "avx512_bf16"), ("fp16", "avx512_fp16")])
def test_reduced_precision_needs_the_instructions(monkeypatch, name, flag):
    monkeypatch.setattr(machine, "cpu_flags", lambda: frozenset({"avx2"}))
    with pytest.raises(DeviceError) as caught:
        choose(name, CPU)
    text = str(caught.value)
    assert "train.precision" in text
    assert flag in text
    assert "train.precision=fp32" in text
    monkeypatch.setattr(machine, "cpu_flags", lambda: frozenset({"avx2", flag}))
    assert choose(name, CPU).value == name


def test_auto_is_fp32_where_bf16_would_be_emulated(monkeypatch):
    monkeypatch.setattr(machine, "cpu_flags", lambda: frozenset({"avx2"}))
    monkeypatch.setattr(precision, "product_seconds", None)
    for begun in (None, Resolved("bf16", "as it was")):
        chosen = choose("auto", CPU, begun=lambda begun=begun: begun)
        assert chosen.value == "fp32"
        assert "emulated" in chosen.reason


@pytest.mark.parametrize(("reduced", "expected"), [(0.0006, "bf16"), (0.0008, "fp32"), (0.02, "fp32")])
def test_auto_takes_what_the_device_is_fast_at(monkeypatch, reduced, expected):
    monkeypatch.setattr(machine, "cpu_flags", lambda: frozenset({"amx_bf16"}))
    monkeypatch.setattr(precision, "product_seconds", lambda _: [0.004, reduced])
    chosen = choose("auto", CPU)
    assert chosen.value == expected
    assert f"{1e3 * reduced:.2g} ms in bf16 and 4 ms in fp32" in chosen.reason
    for begun in (Resolved("fp32", "as it was"), Resolved("bf16", "as it was")):
        assert choose("auto", CPU, begun=lambda begun=begun: begun) is begun


def test_a_product_takes_some_time():
    assert all(0 < seconds < 10 for seconds in PRODUCT_SECONDS(CPU))


def one_step(precision, weight, optimizer, factor):
    with precision.autocast():
        loss = (weight * factor).sum()
    precision.backward(loss)
    precision.unscale(optimizer)
    return precision.step(optimizer)


def test_fp16_skips_an_overflow_and_halves_the_scale():
    weight = nn.Parameter(torch.ones(4))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    precision = Precision("fp16", CPU)
    assert precision.scales
    assert one_step(precision, weight, optimizer, 1.0) == 65536
    moved = weight.detach().clone()
    assert not torch.equal(moved, torch.ones(4))
    optimizer.zero_grad()
    assert one_step(precision, weight, optimizer, math.inf) == 32768
    assert torch.equal(weight, moved)


def test_the_scale_doubles_after_2000_good_steps():
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.0)
    precision = Precision("fp16", CPU)
    scales = [one_step(precision, weight, optimizer, 1.0) for _ in range(2000)]
    assert scales[-2] == 65536
    assert scales[-1] == 131072


def test_the_loss_scale_is_part_of_the_state():
    one, other = Precision("fp16", CPU), Precision("fp16", CPU)
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.0)
    one_step(one, weight, optimizer, math.inf)
    other.load_state(one.state())
    assert other.state() == one.state()
    assert other.state()["scale"] == 32768


def test_fp32_and_bf16_do_not_scale():
    assert not Precision("fp32", CPU).scales
    assert not Precision("bf16", CPU).scales
    assert Precision("fp32", CPU).state() == {}
