"""Products of float32 matrices by oneDNN: the same numbers, while they are in use, and where they are faster."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import affina as api
from affina.errors import DeviceError
from affina.recipe.load import load_recipe
from affina.record.folder import RunFolder
from affina.runtime import machine, products
from affina.values import Resolved
from runs_of_methods import recipe_of

CPU = torch.device("cpu")
CASE = ("classification", "bert", "lora")
FASTEST = products.fastest
"""As it is outside tests, where nothing stands in for it."""
LAID_OUT = {"rows": lambda matrix: matrix, "columns": lambda matrix: matrix.t().contiguous().t()}
needs_onednn = pytest.mark.skipif(products._missing() is not None, reason="this torch has no oneDNN to choose")


@pytest.fixture
def by_onednn(monkeypatch):
    """What is asked of oneDNN, in the order asked."""
    asked, real = [], products._by_onednn

    def noted(left, right, bias=None):
        asked.append((tuple(left.shape), tuple(right.shape), bias is not None))
        return real(left, right, bias)

    monkeypatch.setattr(products, "_by_onednn", noted)
    with products.scoped():
        products.use("onednn")
        yield asked


def drawn(*shape, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)


@needs_onednn
@pytest.mark.parametrize("left", LAID_OUT)
@pytest.mark.parametrize("right", LAID_OUT)
def test_a_product_is_that_of_float64_to_float32(by_onednn, left, right):
    one, other, bias = LAID_OUT[left](drawn(300, 256)), LAID_OUT[right](drawn(256, 320)), drawn(320)
    exact = one.double() @ other.double()
    largest = exact.abs().max()
    assert (one @ other - exact).abs().max() < 1e-6 * largest
    assert (torch.addmm(bias, one, other) - bias - exact).abs().max() < 1e-6 * largest
    assert by_onednn == [((300, 256), (256, 320), False), ((300, 256), (256, 320), True)]


@needs_onednn
def test_a_layer_s_gradients_are_those_of_torch(by_onednn):
    torch.manual_seed(0)
    layer, given = nn.Linear(256, 512), drawn(4, 100, 256)

    def gradients():
        own = given.clone().requires_grad_()
        return torch.autograd.grad(layer(own).square().sum(), [own, *layer.parameters()])

    found = gradients()
    assert len(by_onednn) == 3, "forward, for the input, for the weight"
    products.use("torch")
    for one, other in zip(found, gradients(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * float(other.abs().max()))
    assert len(by_onednn) == 3


TORCHS_OWN = {
    "few rows": lambda: (drawn(4, 4096), drawn(4096, 4096)),
    "small": lambda: (drawn(64, 64), drawn(64, 64)),
    "float64": lambda: (drawn(300, 256, dtype=torch.float64), drawn(256, 320, dtype=torch.float64)),
    "gaps": lambda: (drawn(300, 512)[:, ::2], drawn(256, 320)),
    "one row for all": lambda: (drawn(1, 256).expand(300, 256), drawn(256, 320)),
    "no rows": lambda: (drawn(0, 256), drawn(256, 320)),
}


@needs_onednn
@pytest.mark.parametrize("case", TORCHS_OWN)
def test_what_does_not_fit_stays_torch_s(by_onednn, case):
    one, other = TORCHS_OWN[case]()
    found = one @ other
    products.use("torch")
    assert torch.equal(found, one @ other)
    assert by_onednn == []


@needs_onednn
@pytest.mark.parametrize("other", [drawn(255, 320), drawn(256, 320, 2), drawn(256, 320).double()])
def test_matrices_that_do_not_go_together_are_refused_by_torch(by_onednn, other):
    said = {}
    for name in ("onednn", "torch"):
        products.use(name)
        with pytest.raises(RuntimeError) as caught:
            torch.mm(drawn(300, 256), other)
        with pytest.raises(RuntimeError) as with_bias:
            torch.addmm(drawn(320).double(), drawn(300, 256), drawn(256, 320))
        said[name] = str(caught.value), str(with_bias.value)
    assert said["onednn"] == said["torch"]
    assert by_onednn == []


@needs_onednn
def test_a_sum_that_is_no_bias_stays_torch_s(by_onednn):
    one, other, whole = drawn(300, 256), drawn(256, 320), drawn(300, 320)
    cases = [{"beta": 0.5}, {"alpha": 2.0}, {}]
    added = [drawn(320), drawn(320), whole]
    found = [torch.addmm(bias, one, other, **case) for bias, case in zip(added, cases, strict=True)]
    products.use("torch")
    for got, bias, case in zip(found, added, cases, strict=True):
        assert torch.equal(got, torch.addmm(bias, one, other, **case))
    assert by_onednn == []


@products.scoped()
def _fails():
    products.use("onednn")
    raise ZeroDivisionError


@needs_onednn
def test_they_are_in_use_no_longer_than_they_are_meant_to_be(by_onednn):
    with products.scoped():
        products.use("torch")
        with pytest.raises(ZeroDivisionError):
            _fails()
        assert products._STATE.name == "torch"
    assert products._STATE.name == "onednn", "as the fixture has it"
    products.use("torch")
    drawn(300, 256) @ drawn(256, 320)
    assert by_onednn == []


def test_the_faster_one_is_taken_with_both_speeds_as_the_reason(monkeypatch):
    monkeypatch.setattr(products, "fastest", FASTEST)
    monkeypatch.setattr(products, "_missing", lambda: None)
    found = []
    for torchs in (0.002, 0.0011):
        monkeypatch.setattr(machine, "least_seconds", lambda *_, torchs=torchs: [torchs, 0.001])
        FASTEST.cache_clear()
        found.append(products.choose("auto", CPU))
    FASTEST.cache_clear()
    assert [one.value for one in found] == ["onednn", "torch"]
    assert "453 GFLOP/s by oneDNN, at 226 by torch" in found[0].reason


def test_what_was_given_or_begun_with_is_taken_untimed(monkeypatch):
    monkeypatch.setattr(products, "_missing", lambda: None)
    monkeypatch.setattr(products, "fastest", None)
    begun = Resolved("onednn", "as it was")
    assert products.choose("auto", CPU, begun=lambda: begun) is begun
    assert products.choose("torch", CPU).value == "torch"
    assert products.choose("onednn", CPU).reason == "given in the recipe"
    assert products.choose("onednn", torch.device("cuda")).value == "torch"


def test_without_onednn_torch_s_products_are_taken_and_no_other_can_be_given(monkeypatch):
    monkeypatch.setattr(products, "_missing", lambda: "this build has none")
    assert products.choose("auto", CPU) == Resolved("torch", "this build has none")
    with pytest.raises(DeviceError, match="this build has none") as caught:
        products.choose("onednn", CPU)
    assert caught.value.problems[0].fix == "write products=torch, or leave it out"


def test_products_that_are_wrong_are_not_taken(monkeypatch):
    products._missing.cache_clear()
    monkeypatch.setattr(products, "_by_onednn", lambda left, right, *_: left @ right * 1.001)
    try:
        assert "not exact enough" in products._missing()
    finally:
        products._missing.cache_clear()


@needs_onednn
def test_a_run_says_which_it_used_and_leaves_torch_as_it_was(tmp_path):
    result = api.train(recipe_of(tmp_path, *CASE) | {"products": "onednn"})
    assert load_recipe(RunFolder(result.folder.path).recipe).products == "onednn"
    assert products._STATE.name == "torch"


def test_what_auto_came_to_stands_in_the_run_s_recipe(tmp_path):
    result = api.train(recipe_of(tmp_path, *CASE))
    assert load_recipe(RunFolder(result.folder.path).recipe).products == "torch", "as tests have it"
