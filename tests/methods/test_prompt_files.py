"""Virtual tokens in PEFT's layout, both ways."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from test_prompt import LENGTH, peft_model, tokenizer_of

from affina.errors import ModelError
from affina.methods import prompt
from affina.methods.virtual_files import attach_prompt, save_prompt
from affina.models.adapters import BaseName, read_adapter
from affina.models.first_position import states_for_head
from affina.models.heads import head_logits
from affina.recipe.method_specs import PromptSpec
from method_cases import ALL, TEXTS, Case, case, distance, put_on, randomise

peft = pytest.importorskip("peft")
pytestmark = pytest.mark.filterwarnings("ignore")


def trained(name: str) -> tuple[Case, prompt.SoftPrompt]:
    made = case(name, texts=(TEXTS[0],))
    torch.manual_seed(3)
    spec = PromptSpec(length=LENGTH, init="vocabulary")
    attached = prompt.attach(made.module, made.anatomy, spec, tokenizer=tokenizer_of(name))
    with torch.no_grad():
        randomise(attached.state_dict())
    return made, attached


def logits(made: Case, module: Any = None) -> torch.Tensor:
    with torch.no_grad():
        if module is None:
            return made.logits()
        raw = module(**made.inputs).logits
        return raw[:, LENGTH:] if made.kind == "write" else raw


@pytest.mark.parametrize("name", ALL)
def test_what_we_write_gives_the_same_logits_in_peft_and_here(name, tmp_path):
    made, attached = trained(name)
    save_prompt(attached, made.anatomy, tmp_path)
    theirs = peft.PeftModel.from_pretrained(case(name).module, tmp_path).eval()
    assert distance(logits(made, theirs), logits(made)) < 1e-5
    again = case(name, texts=(TEXTS[0],))
    put_on(attach_prompt, again, read_adapter(tmp_path))
    assert torch.equal(logits(again), logits(made))


@pytest.mark.parametrize("name", ["bert/classify", "llama/classify", "gpt2/write", "t5/apart"])
def test_what_peft_saved_gives_the_same_logits_here(name, tmp_path):
    made, attached = trained(name)
    theirs = peft_model(case(name), attached)
    with torch.no_grad():
        for parameter in theirs.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn_like(parameter))
        expected = logits(made, theirs)
    theirs.save_pretrained(tmp_path)
    again = case(name, texts=(TEXTS[0],))
    put_on(attach_prompt, again, read_adapter(tmp_path))
    assert distance(logits(again), expected) < 1e-5


@pytest.mark.parametrize("name", ["bert/classify", "distilbert/classify"])
def test_the_short_way_of_the_last_block_reads_what_the_head_reads(name):
    made, _ = trained(name)
    assert made.anatomy.first_alone
    with torch.no_grad():
        whole = logits(made)
        short = states_for_head(made.module, made.anatomy, made.inputs)
        assert short.shape[1] == 1
        assert distance(head_logits(made.module, short, made.inputs), whole) < 1e-5


def test_what_does_not_fit_is_refused_by_name_and_nothing_is_attached(tmp_path):
    made, attached = trained("bert/classify")
    save_prompt(attached, made.anatomy, tmp_path, base=BaseName(hub_id="someone/something"))
    adapter = read_adapter(tmp_path)

    def refused(says: str, name: str = "bert/classify", change: Any = None, **config: Any) -> None:
        other = case(name)
        if change is not None:
            with torch.no_grad():
                change(other.module)
        given = type(adapter)(
            where=adapter.where,
            config=dict(adapter.config) | config,
            tensors=adapter.tensors,
            fingerprint=adapter.fingerprint,
        )
        with pytest.raises(ModelError, match=says):
            put_on(attach_prompt, other, given)
        assert all("forward" not in vars(child) for child in other.module.modules())

    refused("peft_type P_TUNING", peft_type="P_TUNING")
    refused("prompt_embeddings", num_virtual_tokens=99)
    refused("new_feature", new_feature=3)
    refused("other weights", change=lambda module: module.bert.encoder.layer[0].output.dense.weight.mul_(1.1))
    refused("score.weight, which would be random", name="llama/classify")
