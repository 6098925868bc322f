"""Prompt-tuning by its contract, and with peft as its oracle."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch

from affina.errors import ModelError, RecipeError
from affina.methods import prompt
from affina.methods.prompt import start_of
from affina.models.classifier import load_classifier
from affina.models.heads import hidden_states
from affina.models.language import load_language_model
from affina.models.source import locate
from affina.models.starts import common_tokens
from affina.models.writing import HowToWrite, write
from affina.recipe.method_specs import PromptSpec
from method_cases import ALL, APART, LABELS, TEXTS, WRITERS, Case, apart_as_vectors, case, distance
from workbench import tiny

LENGTH = 4


@functools.cache
def tokenizer_of(name: str) -> Any:
    family, _, kind = name.partition("/")
    family = family if kind != "apart" else "gpt2"
    return load_classifier(locate(str(tiny(family))), LABELS).tokenizer


def attach(made: Case, name: str = "gpt2/write", **spec) -> prompt.SoftPrompt:
    torch.manual_seed(3)
    options = {"length": LENGTH, "init": "vocabulary"} | spec
    return prompt.attach(made.module, made.anatomy, PromptSpec(**options), tokenizer=tokenizer_of(name))


def bits(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.named_parameters()}


@pytest.mark.parametrize("name", ALL)
def test_only_the_prompt_and_the_head_move_and_disabled_is_the_base(name):
    made = case(name)
    with torch.no_grad():
        base = made.logits()
        states = hidden_states(made.module, made.inputs) if made.kind == "classify" else None
    before = bits(made.module)
    attached = attach(made, name)
    head = {key for key in before if made.anatomy.part_of(key) == "head"}
    assert set(attached.state_dict()) == head | {"prompt_embeddings"}
    start = attached.prompt.detach().clone()
    with torch.no_grad():
        prompted = made.logits()
        assert prompted.shape == base.shape
        assert not torch.equal(prompted, base)
        with attached.disabled():
            assert torch.equal(made.logits(), base)
        assert torch.equal(made.logits(), prompted)
    attached.train()
    optimizer = torch.optim.AdamW([{"params": list(g.parameters.values())} for g in attached.parameter_groups()], 0.01)
    made.loss().backward()
    optimizer.step()
    after = bits(made.module)
    assert all(torch.equal(before[key], after[key]) for key in before.keys() - head)
    assert ((attached.prompt - start).abs().amin(dim=1) > 0).all()
    attached.eval()
    if states is not None:
        with torch.no_grad(), attached.disabled():
            assert torch.equal(hidden_states(made.module, made.inputs), states)


def test_groups_have_no_weight_decay_on_the_prompt():
    groups = attach(case("bert/classify"), "bert/classify").parameter_groups()
    assert [group.decays for group in groups if group.part == "body"] == [False]
    assert any(group.part == "head" for group in groups)


@pytest.mark.parametrize("name", ALL)
def test_padding_on_the_right_changes_nothing_for_a_row(name):
    made = case(name, double=True)
    attach(made, name)
    with torch.no_grad():
        whole = made.logits()
        for row, length in enumerate(made.inputs["attention_mask"].sum(dim=1).tolist()):
            alone = {
                key: value[row : row + 1] if key == "decoder_input_ids" else value[row : row + 1, :length]
                for key, value in made.inputs.items()
            }
            logits = made.module(**alone).logits[0]
            ours = whole[row, :length] if made.kind == "write" else whole[row]
            assert distance(ours, logits) < 1e-8


@pytest.mark.parametrize("name", WRITERS)
def test_padding_on_the_left_changes_nothing_for_a_row(name):
    made = case(name, double=True)
    attach(made, name)
    width, lengths = made.inputs["input_ids"].shape[1], made.inputs["attention_mask"].sum(dim=1).tolist()
    with torch.no_grad():
        whole = made.logits()
        shifted = {key: value.clone() for key, value in made.inputs.items()}
        for row, length in enumerate(lengths):
            for key, value in made.inputs.items():
                shifted[key][row] = torch.roll(value[row], width - length)
        left = made.module(**shifted, use_cache=False).logits
        for row, length in enumerate(lengths):
            assert distance(left[row, width - length :], whole[row, :length]) < 1e-8


@pytest.mark.parametrize("name", WRITERS)
def test_a_cache_gives_what_the_whole_gives(name):
    """Prefill and steps, rows padded on the left, positions as generation hands them over."""
    family = name.partition("/")[0]
    model = load_language_model(locate(str(tiny(family))))
    made = case(name)
    plain = prompts_written(model)
    torch.manual_seed(3)
    attached = prompt.attach(
        model.module, made.anatomy, PromptSpec(length=LENGTH, init="vocabulary"), tokenizer=model.tokenizer
    )
    with torch.no_grad():
        attached.prompt.mul_(20)
    together = prompts_written(model)
    assert together == [written for text in TEXTS for written in prompts_written(model, (text,))]
    assert together != plain
    for text, tokens in zip(TEXTS, together, strict=True):
        assert tokens == greedy(model, text)
    with attached.disabled():
        assert prompts_written(model) == plain


def prompts_written(model: Any, texts: tuple[str, ...] = TEXTS) -> list[str]:
    ids = [model.tokenizer(text)["input_ids"] for text in texts]
    return [written.text for written in write(model, ids, HowToWrite(most_tokens=6))]


def greedy(model: Any, text: str) -> str:
    """The same without a cache: all of it anew for every token."""
    ids = model.tokenizer(text, return_tensors="pt")["input_ids"]
    start = ids.shape[1]
    with torch.no_grad():
        for _ in range(6):
            logits = model.module(input_ids=ids, use_cache=False).logits[:, -1]
            ids = torch.cat([ids, logits.argmax(dim=-1, keepdim=True)], dim=1)
            if int(ids[0, -1]) == model.tokenizer.eos_token_id:
                break
    return model.tokenizer.decode(ids[0, start:], skip_special_tokens=True, clean_up_tokenization_spaces=False)


@pytest.mark.parametrize("name", APART)
def test_an_encoder_decoder_generates_with_beams(name):
    made = case(name, double=True)
    attach(made, name)
    ids, mask = made.inputs["input_ids"], made.inputs["attention_mask"]
    options = {"max_new_tokens": 5, "min_new_tokens": 5, "do_sample": False, "num_beams": 2}
    with torch.no_grad():
        together = made.module.generate(input_ids=ids, attention_mask=mask, **options)
        length = int(mask[2].sum())
        alone = made.module.generate(input_ids=ids[2:, :length], attention_mask=mask[2:, :length], **options)
        assert torch.equal(together[2:], alone)
        check_likeliest(made)


def check_likeliest(made: Case) -> None:
    """What is generated greedily is what scoring the whole finds likeliest, token by token."""
    ids, mask = made.inputs["input_ids"], made.inputs["attention_mask"]
    options = {"max_new_tokens": 5, "do_sample": False, "num_beams": 1, "eos_token_id": None}
    told = made.module.generate(input_ids=ids, attention_mask=mask, **options)
    scored = made.module(input_ids=ids, attention_mask=mask, decoder_input_ids=told[:, :-1]).logits
    assert torch.equal(scored.argmax(dim=-1), told[:, 1:])


@pytest.mark.parametrize("name", ["llama/write", "gpt_neox/write", "qwen2/write"])
def test_activation_checkpointing_gives_the_same_gradients(name):
    found = []
    for checkpointed in (False, True):
        made = case(name, double=True)
        attached = attach(made, name)
        if checkpointed:
            made.module.activation_checkpointing_enable()
        attached.train()
        torch.manual_seed(0)
        made.loss().backward()
        found.append(attached.prompt.grad)
    assert distance(found[1], found[0]) < 1e-9


peft = pytest.importorskip("peft")


def peft_model(made: Case, attached: prompt.SoftPrompt) -> Any:
    """peft's model around a fresh copy, with our tensors copied in."""
    kind = {"classify": "SEQ_CLS", "write": "CAUSAL_LM", "apart": "SEQ_2_SEQ_LM"}[made.kind]
    config = peft.PromptTuningConfig(
        task_type=kind,
        num_virtual_tokens=LENGTH,
        token_dim=attached.prompt.shape[1],
        num_transformer_submodules=1,
        num_attention_heads=4,
        num_layers=3,
        modules_to_save=list(made.anatomy.head) or None,
    )
    theirs = peft.get_peft_model(made.module, config).eval().to(attached.prompt.dtype)
    with torch.no_grad():
        theirs.prompt_encoder["default"].embedding.weight.copy_(attached.prompt)
    return theirs


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("double", [True, False], ids=["float64", "float32"])
@pytest.mark.parametrize("name", ALL)
def test_one_step_gives_pefts_loss_and_gradients(name, double):
    """On rows without padding: peft counts positions of padding, too."""
    made = case(name, double=double, texts=(TEXTS[0],))
    twin = made.twin()
    attached = attach(made, name)
    theirs = peft_model(twin, attached)
    loss = made.loss()
    raw = theirs(**made.inputs).logits
    other = made.loss(raw[:, LENGTH:] if made.kind == "write" else raw)
    loss.backward()
    other.backward()
    near = 1e-9 if double else 1e-5
    assert abs(float(loss.detach() - other.detach())) <= near * abs(float(other.detach()))
    weight = theirs.prompt_encoder["default"].embedding.weight
    assert apart_as_vectors([attached.prompt.grad], [weight.grad]) <= near


def test_starts():
    made = case("bert/classify")
    tokenizer = tokenizer_of("bert/classify")
    table = made.module.get_input_embeddings().weight.detach()

    def started(texts=LABELS, **spec):
        torch.manual_seed(0)
        again = case("bert/classify")
        options = PromptSpec(**{"length": LENGTH} | spec)
        return prompt.attach(again.module, again.anatomy, options, tokenizer=tokenizer, texts=texts).prompt.detach()

    labels = started()
    for row, label in enumerate(LABELS):
        ids = tokenizer(label, add_special_tokens=False)["input_ids"]
        assert torch.allclose(labels[row], table[ids].mean(dim=0))
    assert any(torch.equal(labels[3], table[token]) for token in common_tokens(tokenizer))
    words = started(text="my card")
    ids = tokenizer("my card", add_special_tokens=False)["input_ids"]
    assert torch.equal(words, table[[ids[place % len(ids)] for place in range(LENGTH)]])
    drawn = started(texts=())
    assert all(any(torch.equal(row, table[token]) for token in common_tokens(tokenizer)) for row in drawn)
    assert not set(common_tokens(tokenizer)) & set(tokenizer.all_special_ids)
    random = started(init="random")
    assert -0.5 <= float(random.min()) < float(random.max()) <= 0.5
    assert started(length=2).shape[0] == 2
    assert start_of(PromptSpec(), LABELS).value == "texts"
    assert start_of(PromptSpec(), ()).value == "vocabulary"


def test_what_is_refused_is_named_and_nothing_is_attached():
    made = case("bert/classify")
    tokenizer = tokenizer_of("bert/classify")

    def refused(kind: type[Exception], says: str, texts=(), **spec):
        with pytest.raises(kind, match=says):
            prompt.attach(
                made.module, made.anatomy, PromptSpec(**spec), tokenizer=tokenizer, texts=texts, max_length=64
            )
        assert all("forward" not in vars(child) for child in made.module.modules())
        assert all(parameter.requires_grad for parameter in made.module.parameters())

    refused(RecipeError, "method.length", length=64)
    refused(RecipeError, "method.init", init="texts")
    refused(ModelError, "embeddings in the place of words", length=63)  # two tokens more than the positions


def test_the_room_that_a_prompt_takes_is_known():
    assert attach(case("bert/classify"), "bert/classify").taken == LENGTH


@pytest.mark.parametrize("name", ["bert/classify", "llama/classify"])
def test_state_goes_into_another_model_and_gives_the_same(name):
    first, second = case(name), case(name)
    one, two = attach(first, name), attach(second, name, init="random")
    two.load_state_dict({key: tensor.clone() for key, tensor in one.state_dict().items()})
    with torch.no_grad():
        assert torch.equal(first.logits(), second.logits())
    with pytest.raises(KeyError):
        two.load_state_dict({})
