"""Prefixes on disk: in PEFT's layout wherever PEFT computes the same, and said where not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from test_prefix import ATTENDED, LENGTH, NAMES, every, peft_model
from test_prompt import tokenizer_of

from affina.errors import ModelError
from affina.methods import prefix
from affina.methods.prefix_files import attach_prefix, layout_of, save_prefix
from affina.models.adapters import read_adapter
from affina.recipe.method_specs import PrefixSpec
from method_cases import APART, TEXTS, Case, case, distance, put_on, randomise

peft = pytest.importorskip("peft")
pytestmark = pytest.mark.filterwarnings("ignore")

OURS = (*ATTENDED, "big_bird/classify")
"""What PEFT cannot load, or loads and computes something else with."""


def trained(name: str, **spec) -> tuple[Case, prefix.TunedPrefix]:
    made = case(name, texts=(TEXTS[0],))
    torch.manual_seed(3)
    options = PrefixSpec(**{"length": LENGTH, "width": 16} | spec)
    attached = prefix.attach(made.module, made.anatomy, options, tokenizer=tokenizer_of(name))
    with torch.no_grad():
        randomise(attached.state_dict())
    return made, attached


def logits(made: Case, module: Any = None) -> torch.Tensor:
    with torch.no_grad():
        return made.logits() if module is None else module(**made.inputs).logits


@pytest.mark.parametrize(("name", "stacks"), every(NAMES))
def test_what_we_write_gives_the_same_logits_in_peft_or_is_refused_there(name, stacks, tmp_path):
    made, attached = trained(name, **stacks)
    layout = save_prefix(attached, made.anatomy, tmp_path)
    assert (layout.value == "affina") == (name in OURS or stacks != {})
    assert layout.reason
    if layout.value == "peft":
        theirs = peft.PeftModel.from_pretrained(case(name).module, tmp_path).eval()
        assert distance(logits(made, theirs), logits(made)) < 1e-5
    else:
        with pytest.raises((KeyError, ValueError)):
            peft.PeftModel.from_pretrained(case(name).module, tmp_path)
    again = case(name, texts=(TEXTS[0],))
    read = put_on(attach_prefix, again, read_adapter(tmp_path))
    assert distance(logits(again), logits(made)) < 1e-5
    assert not any("transform" in key for key in read.state_dict())


@pytest.mark.parametrize("network", [False, True], ids=["direct", "network"])
@pytest.mark.parametrize("name", ["bert/classify", "llama/classify", "llama/write", "gpt2/write", "opt/write", *APART])
def test_what_peft_saved_gives_the_same_logits_here(name, network, tmp_path):
    made, attached = trained(name)
    options = {"prefix_projection": True, "encoder_hidden_size": 16} if network else {}
    torch.manual_seed(5)
    theirs = peft_model(case(name), attached, **options)
    with torch.no_grad():
        for parameter in theirs.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn_like(parameter))
        expected = logits(made, theirs)
    theirs.save_pretrained(tmp_path)
    again = case(name, texts=(TEXTS[0],))
    put_on(attach_prefix, again, read_adapter(tmp_path))
    assert distance(logits(again), expected) < 1e-5


def test_a_decoder_of_its_own_with_an_even_number_of_layers_is_written_in_our_layout():
    made, attached = trained("bart/apart")
    stack = attached.stacks["decoder"]
    attached.stacks["decoder"] = type(stack)(words=stack.words[:2], cached=True, place=stack.place)
    assert layout_of(attached, made.anatomy).value == "affina"
    assert "one prefix for two" in layout_of(attached, made.anatomy).reason


def test_what_does_not_fit_is_refused_and_nothing_is_attached(tmp_path):
    made, attached = trained("llama/write")
    save_prefix(attached, made.anatomy, tmp_path)
    adapter = read_adapter(tmp_path)

    def refused(says: str, name: str = "llama/write", **config: Any) -> None:
        other = case(name)
        given = type(adapter)(where="there", config=dict(adapter.config) | config, tensors=adapter.tensors)
        with pytest.raises(ModelError, match=says):
            put_on(attach_prefix, other, given, absent=())
        assert all("forward" not in vars(child) for child in other.module.modules())

    refused("PROMPT_TUNING", peft_type="PROMPT_TUNING")
    refused("for this model", name="gpt2/write")
    refused("for this model", num_virtual_tokens=2)
    refused("DebertaV2", name="deberta-v2/classify")
