"""Prefix-tuning by its contract, and with peft as its oracle."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from test_prompt import bits, check_likeliest, greedy, tokenizer_of
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from affina.errors import ModelError, RecipeError
from affina.methods import prefix
from affina.models.anatomy_of_writers import describe_writer
from affina.models.attended_prefix import AttendedPrefix
from affina.models.first_position import states_for_head
from affina.models.heads import head_logits
from affina.models.language import load_language_model
from affina.models.source import locate
from affina.models.writing import HowToWrite, write
from affina.recipe.method_specs import PrefixSpec
from method_cases import ALL, APART, LABELS, TEXTS, WRITERS, Case, apart_as_vectors, case, distance, randomise
from tiny_models import BLOCKS, VOCABULARY
from workbench import tiny

LENGTH = 4
NAMES = tuple(name for name in ALL if not name.startswith("deberta"))
ATTENDED = ("distilbert/classify", "albert/classify", "modernbert/classify")
CACHED = tuple(name for name in NAMES if name not in (*ATTENDED, "big_bird/classify"))  # its head is lost on peft
DIRECT = {"reparameterise": False}
WAYS = pytest.mark.parametrize("spec", [DIRECT, {"width": 16}], ids=["direct", "network"])


def attach(made: Case, name: str, **spec) -> prefix.TunedPrefix:
    torch.manual_seed(3)
    options = PrefixSpec(**{"length": LENGTH} | spec)
    return prefix.attach(made.module, made.anatomy, options, tokenizer=tokenizer_of(name), texts=LABELS)


def every(names: tuple[str, ...]) -> list[Any]:
    """Families, and encoder-decoders with prefixes in both stacks too."""
    both = [pytest.param(name, {"stacks": "both"}, id=f"{name}-both") for name in names if name in APART]
    return [pytest.param(name, {}, id=name) for name in names] + both


@pytest.mark.parametrize("name", ["bert/classify", "llama/write"])
def test_both_stacks_are_refused_where_there_is_one(name):
    made = case(name)
    before = bits(made.module)
    with pytest.raises(RecipeError, match="one stack of blocks") as caught:
        attach(made, name, stacks="both")
    assert "leave method.stacks out" in caught.value.problems[0].fix
    assert all(torch.equal(before[name], tensor) for name, tensor in bits(made.module).items())


@WAYS
@pytest.mark.parametrize(("name", "stacks"), every(NAMES))
def test_only_the_prefix_and_the_head_move_and_disabled_is_the_base(name, stacks, spec):
    made = case(name)
    with torch.no_grad():
        base = made.logits()
    before = bits(made.module)
    attached = attach(made, name, **spec, **stacks)
    head = {key for key in before if made.anatomy.part_of(key) == "head"}
    own = set(attached.state_dict()) - head
    assert len(own) == (1 if spec == DIRECT else 5) * (2 if stacks else 1)
    start = {key: tensor.clone() for key, tensor in attached.state_dict().items()}
    with torch.no_grad():
        moved = made.logits()
        assert moved.shape == base.shape
        assert not torch.equal(moved, base)
        with attached.disabled():
            assert torch.equal(made.logits(), base)
        assert torch.equal(made.logits(), moved)
    attached.train()
    groups = attached.parameter_groups()
    assert not any(group.decays for group in groups if group.part == "body")
    optimizer = torch.optim.AdamW([{"params": list(group.parameters.values())} for group in groups], lr=0.01)
    made.loss().backward()
    optimizer.step()
    after = bits(made.module)
    assert all(torch.equal(before[key], after[key]) for key in before.keys() - head)
    assert all(not torch.equal(attached.state_dict()[key], start[key]) for key in own)


@pytest.mark.parametrize(("name", "stacks"), every(NAMES))
def test_padding_on_the_right_changes_nothing_for_a_row(name, stacks):
    made = case(name, double=True)
    attach(made, name, **DIRECT, **stacks)
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
    attach(made, name, **DIRECT)
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


@WAYS
@pytest.mark.parametrize("name", WRITERS)
def test_a_prefix_of_real_words_is_those_words_before_the_input(name, spec):
    """Rotation, grouped queries, positions and the network's start, all at once."""
    made = case(name, double=True, texts=(TEXTS[0],))
    tokenizer = tokenizer_of(name)
    ids = made.inputs["input_ids"]
    words = tokenizer("where is it", add_special_tokens=False)["input_ids"][:LENGTH]
    with torch.no_grad():
        expected = made.module(input_ids=torch.cat([torch.tensor([words]), ids], dim=1)).logits[:, len(words) :]
        attach(made, name, text="where is it", **spec | {"length": len(words)})
        assert distance(made.logits(), expected) < 1e-8


@pytest.mark.parametrize("name", WRITERS)
def test_a_cache_gives_what_the_whole_gives(name):
    model = load_language_model(locate(str(tiny(name.partition("/")[0]))))
    made = case(name)
    plain = written(model)
    torch.manual_seed(3)
    spec = PrefixSpec(length=LENGTH, reparameterise=False)
    attached = prefix.attach(model.module, made.anatomy, spec, tokenizer=model.tokenizer)
    with torch.no_grad():
        randomise({key: tensor for key, tensor in attached.state_dict().items() for _ in range(9)})
        attached.makers["decoder"].embedding.weight.mul_(8)
    together = written(model)
    assert together != plain
    for text, answer in zip(TEXTS, together, strict=True):
        assert [answer] == written(model, (text,))
        assert answer == greedy(model, text)
    with attached.disabled():
        assert written(model) == plain


def written(model: Any, texts: tuple[str, ...] = TEXTS) -> list[str]:
    ids = [model.tokenizer(text)["input_ids"] for text in texts]
    return [answer.text for answer in write(model, ids, HowToWrite(most_tokens=6))]


@pytest.mark.parametrize("stacks", ["decoder", "both"])
@pytest.mark.parametrize("name", APART)
def test_an_encoder_decoder_generates_with_beams_as_it_scores(name, stacks):
    made = case(name, double=True)
    attach(made, name, stacks=stacks, **DIRECT)
    ids, mask = made.inputs["input_ids"], made.inputs["attention_mask"]
    options = {"max_new_tokens": 5, "min_new_tokens": 5, "do_sample": False}
    with torch.no_grad():
        beams = made.module.generate(input_ids=ids, attention_mask=mask, num_beams=2, **options)
        length = int(mask[2].sum())
        one = {"input_ids": ids[2:, :length], "attention_mask": mask[2:, :length]}
        alone = made.module.generate(**one, num_beams=2, **options)
        assert torch.equal(beams[2:], alone)
        cached = made.module.generate(input_ids=ids, attention_mask=mask, num_beams=1, **options)
        steps = made.module.generate(input_ids=ids, attention_mask=mask, num_beams=1, use_cache=False, **options)
        assert torch.equal(cached, steps)
        check_likeliest(made)


def test_the_network_starts_as_the_words_as_far_as_its_width_goes():
    made = case("llama/write")
    attached = attach(made, "llama/write", width=16)
    wanted = prefix.flat(attached.stacks["decoder"].words)
    assert distance(attached.rows()["decoder"], wanted) < 1e-5
    random = attach(case("llama/write"), "llama/write", init="random", width=16)
    assert distance(random.rows()["decoder"], wanted) > 0.1


@pytest.mark.parametrize("name", ["bert/classify", "distilbert/classify"])
def test_the_short_way_of_the_last_block_is_not_taken(name):
    made = case(name)
    assert made.anatomy.first_alone
    attached = attach(made, name)
    with torch.no_grad():
        hidden = states_for_head(made.module, made.anatomy, made.inputs)
        assert hidden.shape[1] > 1
        assert torch.equal(head_logits(made.module, hidden, made.inputs), made.logits())
        with attached.disabled():
            assert states_for_head(made.module, made.anatomy, made.inputs).shape[1] == 1


@pytest.mark.parametrize("name", ["distilbert/classify", "modernbert/classify"])
def test_activation_checkpointing_of_an_encoder_gives_the_same_gradients(name):
    found = []
    for checkpointed in (False, True):
        made = case(name, double=True)
        attached = attach(made, name, **DIRECT)
        if checkpointed:
            made.module.activation_checkpointing_enable()
        attached.train()
        torch.manual_seed(0)
        made.loss().backward()
        found.append(attached.makers["decoder"].embedding.weight.grad)
    assert distance(found[1], found[0]) < 1e-9


@pytest.mark.parametrize("name", ["llama/write", "gpt2/write", "bert/classify", "t5/apart"])
def test_activation_checkpointing_is_refused_where_it_would_drop_the_prefix(name):
    made = case(name)
    attached = attach(made, name)
    made.module.activation_checkpointing_enable()
    attached.train()
    with pytest.raises(RecipeError, match="checkpointing"):
        made.loss()
    attached.eval()
    made.loss()


def test_what_is_refused_is_named_and_nothing_is_attached():
    made = case("deberta-v2/classify")
    with pytest.raises(ModelError, match="DebertaV2"):
        attach(made, "deberta-v2/classify")
    assert all(parameter.requires_grad for parameter in made.module.parameters())
    other = case("bert/classify")
    with pytest.raises(RecipeError, match=r"method\.length"):
        prefix.attach(
            other.module, other.anatomy, PrefixSpec(length=64), tokenizer=tokenizer_of("bert/classify"), max_length=64
        )
    assert all("forward" not in vars(child) for child in [*made.module.modules(), *other.module.modules()])


def test_layers_that_forget_their_beginning_take_no_prefix():
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    sizes = {**size, "intermediate_size": 48, "vocab_size": VOCABULARY}
    for window, refused in ((8, True), (None, False)):
        module = AutoModelForCausalLM.from_config(
            AutoConfig.for_model("mistral", sliding_window=window, **sizes)
        ).eval()
        arguments = (module, describe_writer(module), PrefixSpec(length=LENGTH))
        if refused:
            with pytest.raises(ModelError, match="Mistral"):
                prefix.attach(*arguments, tokenizer=tokenizer_of("llama/write"))
        else:
            prefix.attach(*arguments, tokenizer=tokenizer_of("llama/write"))


@WAYS
@pytest.mark.parametrize("name", ["bert/classify", "llama/write", "distilbert/classify", "t5/apart"])
def test_state_goes_into_another_model_and_gives_the_same(name, spec):
    first, second = case(name), case(name)
    one, two = attach(first, name, **spec), attach(second, name, init="random", **spec)
    two.load_state_dict({key: tensor.clone() for key, tensor in one.state_dict().items()})
    with torch.no_grad():
        assert torch.equal(first.logits(), second.logits())
    with pytest.raises(KeyError):
        two.load_state_dict({})


peft = pytest.importorskip("peft")


def peft_model(made: Case, attached: prefix.TunedPrefix, **settings) -> Any:
    """peft's model around a fresh copy."""
    kind = {"classify": "SEQ_CLS", "write": "CAUSAL_LM", "apart": "SEQ_2_SEQ_LM"}[made.kind]
    layers, _, heads, _, size = attached.stacks["decoder"].words.shape
    config = peft.PrefixTuningConfig(
        task_type=kind,
        num_virtual_tokens=LENGTH,
        token_dim=heads * size,
        num_transformer_submodules=2 if made.kind == "apart" else 1,
        num_attention_heads=heads,
        num_layers=layers,
        modules_to_save=list(made.anatomy.head) or None,
        **settings,
    )
    return peft.get_peft_model(made.module, config).eval().to(next(made.module.parameters()).dtype)


@pytest.mark.filterwarnings("ignore")
@WAYS
@pytest.mark.parametrize("double", [True, False], ids=["float64", "float32"])
@pytest.mark.parametrize("name", CACHED)
def test_one_step_gives_pefts_loss_and_gradients(name, double, spec):
    made = case(name, double=double, texts=(TEXTS[0],))
    twin = made.twin()
    attached = attach(made, name, **spec)
    network = {} if spec == DIRECT else {"prefix_projection": True, "encoder_hidden_size": spec["width"]}
    theirs = peft_model(twin, attached, **network)
    encoder = theirs.prompt_encoder["default"]
    maker = attached.makers["decoder"]
    encoder.load_state_dict(maker.state_dict())
    order = pefts_order(made, maker)
    with torch.no_grad():
        for key, tensor in encoder.named_parameters():
            tensor.copy_(reordered(key, tensor.clone(), order))
    loss, other = made.loss(), made.loss(theirs(**made.inputs).logits)
    loss.backward()
    other.backward()
    near = 1e-9 if double else 1e-5
    assert abs(float(loss.detach() - other.detach())) <= near * abs(float(other.detach()))
    ours = [reordered(key, tensor.grad, order) for key, tensor in maker.named_parameters()]
    assert apart_as_vectors(ours, [tensor.grad for tensor in encoder.parameters()]) <= near


def pefts_order(made: Case, maker: Any) -> torch.Tensor:
    """Where each of peft's columns is among ours: in encoder-decoders it reads the layers in another order."""
    width = maker().shape[1]
    columns = torch.arange(width).view(BLOCKS, -1)
    # of three layers, two copies end to end, two in a row for each, the first read: layer 1 reads 2, layer 2 reads 1
    return columns[[0, 2, 1]].flatten() if made.kind == "apart" else columns.flatten()


def reordered(key: str, tensor: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    if key == "embedding.weight" and tensor.shape[1] == len(order):
        return tensor[:, order]
    return tensor[order] if key.startswith("transform.2") else tensor


def test_a_prefix_that_is_taken_off_leaves_nothing_that_runs():
    part = AutoModel.from_pretrained(tiny("bert"))
    made = []
    attended = AttendedPrefix(part, [], lambda: made.append(1) or torch.zeros(0))
    read = {"input_ids": torch.ones(1, 3, dtype=torch.long)}
    attended.attach()
    part(**read)
    assert made == [1]
    attended.detach()
    part(**read)
    assert made == [1]
