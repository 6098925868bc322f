"""The units of a regression's head: folded in and out exactly, and kept by a run that goes on from a finished one."""

import json

import pytest
import torch

from affina.models.base import base_tensors
from affina.models.classifier import load_classifier
from affina.models.heads import head_logits, hidden_states
from affina.models.saving import save_model
from affina.models.settings import HeadSpec
from affina.models.source import locate
from affina.models.units import PLAIN, Units, as_shipped
from workbench import tiny

HEAD = HeadSpec(labels=("score",), problem="regression", mean=60.0, deviation=80.0)
TEXTS = ["where is my card", "a fee of ten, why was I charged a fee for this and that?"]


def load(family, head=HEAD, folder=None):
    torch.manual_seed(0)
    return load_classifier(locate(str(folder or tiny(family))), head)


def logits(found):
    inputs = found.tokenizer(TEXTS, return_tensors="pt", padding=True)
    with torch.no_grad():
        return head_logits(found.module, hidden_states(found.module, inputs), inputs)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "gpt2", "llama", "modernbert"])
def test_the_head_in_the_users_units_is_the_same_function_and_comes_back_bit_for_bit(family):
    found = load(family)
    has_bias = found.module.get_submodule(found.anatomy.output).bias is not None
    assert found.units == (Units(60.0, 80.0) if has_bias else Units(0.0, 100.0))
    before = {name: tensor.clone() for name, tensor in found.module.state_dict().items()}
    found.module.double()
    standard = logits(found)
    with as_shipped(found.module, found.anatomy, found.units):
        folded = logits(found)
    assert torch.allclose(folded, found.units.shift + found.units.scale * standard, rtol=1e-12, atol=1e-10)
    assert torch.equal(logits(found), standard)
    found.module.float()
    assert all(torch.equal(tensor, before[name]) for name, tensor in found.module.state_dict().items())


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_a_run_that_goes_on_from_another_counts_the_same_numbers_in_its_own_units(family, tmp_path):
    first = load(family)
    with as_shipped(first.module, first.anatomy, first.units):
        said = logits(first)
        save_model(first.module, first.tokenizer, tmp_path / "model")
    other = HeadSpec(labels=("score",), problem="regression", mean=-3.0, deviation=2.0)
    second = load(family, other, tmp_path / "model")
    assert second.new_parameters == ()
    assert second.units != first.units
    assert torch.allclose(second.units.shift + second.units.scale * logits(second), said, rtol=1e-4, atol=1e-3)
    base = base_tensors(second)
    assert all(torch.equal(tensor, base[name]) for name, tensor in second.module.named_parameters())
    assert load(family, HeadSpec(labels=("other",), problem="regression"), tmp_path / "model").new_parameters


def test_a_head_is_kept_for_the_same_task_alone():
    assert load("bert", HeadSpec(labels=("a", "b"))).units == PLAIN


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2", "llama"])
@pytest.mark.parametrize(("mean", "deviation"), [(1e7, 1.0), (-3e9, 50.0), (1e40, 1e38), (1e-35, 1e-36)])
def test_numbers_that_float32_cannot_hold_keep_their_digits_in_standard_units(family, mean, deviation, tmp_path):
    head = HeadSpec(labels=("score",), problem="regression", mean=mean, deviation=deviation)
    first = load(family, head)
    assert first.units == Units(mean, deviation)
    with as_shipped(first.module, first.anatomy, first.units):
        save_model(first.module, first.tokenizer, tmp_path / "model")
    again = load(family, HeadSpec(labels=("score",), problem="regression"), tmp_path / "model")
    assert again.new_parameters == ()
    assert again.units == first.units
    assert torch.allclose(logits(again), logits(first), atol=1e-6)
    onwards = load(family, head, tmp_path / "model")
    assert onwards.units == first.units
    assert torch.allclose(logits(onwards), logits(first), atol=1e-6)


@pytest.mark.parametrize("mean", [2000.0, 8000.0])
def test_what_float32_holds_is_shipped_in_the_users_own_units(mean, tmp_path):
    first = load("bert", HeadSpec(labels=("score",), problem="regression", mean=mean, deviation=1.0))
    with as_shipped(first.module, first.anatomy, first.units):
        save_model(first.module, first.tokenizer, tmp_path / "model")
        assert torch.allclose(logits(first).mean(), torch.tensor(mean), atol=1.0)
    assert "label_units" not in json.loads((tmp_path / "model" / "config.json").read_text())
    assert load("bert", HeadSpec(labels=("score",), problem="regression"), tmp_path / "model").units == PLAIN


def test_a_head_that_was_shipped_in_standard_units_goes_on_in_those_of_other_numbers(tmp_path):
    first = load("bert", HeadSpec(labels=("score",), problem="regression", mean=1e7, deviation=1.0))
    with as_shipped(first.module, first.anatomy, first.units):
        save_model(first.module, first.tokenizer, tmp_path / "model")
    other = HeadSpec(labels=("score",), problem="regression", mean=1e7 + 2, deviation=4.0)
    second = load("bert", other, tmp_path / "model")
    assert second.units == Units(1e7 + 2, 4.0)
    said, says = (1e7 + logits(first).double()), second.units.shift + second.units.scale * logits(second).double()
    assert torch.allclose(said, says, rtol=0, atol=1e-5)
    with as_shipped(second.module, second.anatomy, second.units):
        assert second.module.config.to_dict()["label_units"] == {"shift": 1e7 + 2, "scale": 4.0}
    with as_shipped(second.module, second.anatomy, Units(5.0, 2.0)):
        assert "label_units" not in second.module.config.to_dict()
