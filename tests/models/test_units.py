"""The units of a regression's head: folded in and out exactly, and kept by a run that goes on from a finished one."""

import pytest
import torch

from affina.models.base import base_tensors
from affina.models.classifier import load_classifier
from affina.models.heads import head_logits, hidden_states
from affina.models.saving import save_model
from affina.models.settings import HeadSpec
from affina.models.source import locate
from affina.models.units import PLAIN, Units, plain
from workbench import tiny

HEAD = HeadSpec(labels=("score",), problem="regression", mean=120.0, deviation=35.0)
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
    assert found.units == (Units(120.0, 35.0) if has_bias else Units(0.0, 125.0))
    before = {name: tensor.clone() for name, tensor in found.module.state_dict().items()}
    found.module.double()
    standard = logits(found)
    with plain(found.module, found.anatomy, found.units):
        folded = logits(found)
    assert torch.allclose(folded, found.units.shift + found.units.scale * standard, rtol=1e-12, atol=1e-10)
    assert torch.equal(logits(found), standard)
    found.module.float()
    assert all(torch.equal(tensor, before[name]) for name, tensor in found.module.state_dict().items())


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_a_run_that_goes_on_from_another_counts_the_same_numbers_in_its_own_units(family, tmp_path):
    first = load(family)
    with plain(first.module, first.anatomy, first.units):
        said = logits(first)
        save_model(first.module, first.tokenizer, tmp_path / "model")
    other = HeadSpec(labels=("score",), problem="regression", mean=-3.0, deviation=0.5)
    second = load(family, other, tmp_path / "model")
    assert second.new_parameters == ()
    assert second.units != first.units
    assert torch.allclose(second.units.shift + second.units.scale * logits(second), said, rtol=1e-4, atol=1e-3)
    base = base_tensors(second)
    assert all(torch.equal(tensor, base[name]) for name, tensor in second.module.named_parameters())
    assert load(family, HeadSpec(labels=("other",), problem="regression"), tmp_path / "model").new_parameters


def test_a_head_is_kept_for_the_same_task_alone():
    assert load("bert", HeadSpec(labels=("a", "b"))).units == PLAIN
