"""LoRA by its contract, over every family: untrained it is the base, what is frozen stays, merged equals unmerged."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError
from test_prompt import tokenizer_of
from torch import nn
from transformers import AutoModelForSequenceClassification

from affina.errors import ModelError, RecipeError
from affina.methods import lora
from affina.methods.targets import reached
from affina.models.heads import hidden_states
from affina.models.quiet import quiet
from affina.models.saving import save_model
from affina.recipe.method_specs import LoraSpec
from method_cases import ALL, FEW, Case, case, distance, randomise


def attach(made: Case, **spec) -> lora.LowRank:
    torch.manual_seed(3)
    return lora.attach(made.module, made.anatomy, LoraSpec(**{"rank": 4} | spec))


def bits(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.named_parameters()}


def same_bits(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


EVERYTHING = {"targets": ("linear", "embeddings")}


@pytest.mark.parametrize("spec", [{}, EVERYTHING | {"dropout": 0.5}], ids=["plain", "embeddings"])
@pytest.mark.parametrize("name", ALL)
def test_untrained_it_is_the_base_exactly(name, spec):
    made = case(name)
    with torch.no_grad():
        base = made.logits()
        attach(made, **spec)
        assert torch.equal(made.logits(), base)


@pytest.mark.parametrize("name", ALL)
def test_what_trains_moves_and_what_is_frozen_stays_bit_for_bit(name):
    made = case(name)
    before = bits(made.module)
    attached = attach(made, **EVERYTHING)
    start = {key: tensor.clone() for key, tensor in attached.state_dict().items()}
    groups = attached.parameter_groups()
    optimizer = torch.optim.AdamW([{"params": list(group.parameters.values())} for group in groups], lr=1e-2)
    attached.train()
    for _ in range(2):
        optimizer.zero_grad()
        made.loss().backward()
        optimizer.step()
    after = bits(made.module)
    head = {key for key in before if made.anatomy.part_of(key) == "head"}
    assert all(torch.equal(before[key], after[key]) for key in before.keys() - head)
    still = [key for key, tensor in attached.state_dict().items() if torch.equal(tensor, start[key])]
    # BigBird and others without a pooled head keep a pooler that nothing reads
    assert [key for key in still if "lora" in key] == []
    assert {key for key in still if "pooler" not in key} == set()
    assert head <= attached.state_dict().keys()
    assert sum(len(group.parameters) for group in groups) == len(attached.state_dict())


@pytest.mark.parametrize("spec", [{"rslora": True}, EVERYTHING], ids=["rslora", "embeddings"])
@pytest.mark.parametrize("name", ALL)
def test_merged_equals_unmerged_and_the_stored_weights_come_back(name, spec):
    made = case(name)
    before = bits(made.module)
    with torch.no_grad():
        base = made.logits()
        attached = attach(made, **spec)
        randomise({key: tensor for key, tensor in attached.state_dict().items() if "lora" in key})
        tuned = made.logits()
        assert distance(tuned, base) > 1e-4
        with attached.merged():
            assert not same_bits(bits(made.module), before)
            assert all("forward" not in vars(child) for child in made.module.modules())
            assert distance(made.logits(), tuned) < 1e-5
        assert same_bits(bits(made.module), before)
        assert torch.equal(made.logits(), tuned)


@pytest.mark.parametrize("name", ALL)
def test_disabled_is_the_base_bit_for_bit_and_scaled_has_exact_ends(name):
    made = case(name)
    with torch.no_grad():
        base = made.logits()
        attached = attach(made, **EVERYTHING)
        start = {key: tensor.clone() for key, tensor in attached.state_dict().items()}
        randomise({key: tensor for key, tensor in attached.state_dict().items() if "lora" in key})
        end = {key: tensor.clone() for key, tensor in attached.state_dict().items()}
        tuned = made.logits()
        with attached.disabled():
            assert torch.equal(made.logits(), base)

        def at(strength):
            attached.load_state_dict(attached.scaled(strength, start=start, tuned=end))
            return made.logits()

        whole = attached.updates[0].merged() - attached.updates[0].layer.weight
        assert torch.equal(at(0.0), base)
        assert not torch.equal(at(0.5), tuned)
        half = attached.updates[0].merged() - attached.updates[0].layer.weight
        torch.testing.assert_close(half, whole / 2, rtol=1e-3, atol=1e-6)
        assert torch.equal(at(1.0), tuned)


def test_the_head_is_no_part_of_the_base():
    made = case("bert/classify")
    attached = attach(made)
    with torch.no_grad():
        randomise(attached.state_dict())
        with attached.disabled():
            hidden = hidden_states(made.module, made.inputs)
            tuned = made.logits()
        assert torch.equal(hidden, hidden_states(case("bert/classify").module, made.inputs))
        assert not torch.equal(tuned, case("bert/classify").logits())


@pytest.mark.parametrize("name", FEW)
def test_state_goes_into_another_process_model_and_gives_the_same(name):
    first, second = case(name), case(name)
    one, two = attach(first), attach(second)
    with torch.no_grad():
        randomise(one.state_dict())
        state = {key: tensor.clone() for key, tensor in one.state_dict().items()}
        two.load_state_dict(state)
        assert torch.equal(first.logits(), second.logits())
        state.pop(next(iter(state)))
        with pytest.raises(KeyError):
            two.load_state_dict(state)


@pytest.mark.parametrize("spec", [{}, {"dropout": 0.5}, EVERYTHING], ids=["merged", "two paths", "embeddings"])
@pytest.mark.parametrize("name", ["bert/classify", "llama/write", "gpt2/write", "t5/apart"])
def test_gradient_checkpointing_gives_the_same_gradients(name, spec):
    found = []
    for checkpointed in (False, True):
        made = case(name, double=True)
        attached = attach(made, **spec)
        with torch.no_grad():
            randomise(attached.state_dict())
        if checkpointed:
            made.module.activation_checkpointing_enable()
        attached.train()
        torch.manual_seed(0)
        made.loss().backward()
        found.append({k: p.grad for group in attached.parameter_groups() for k, p in group.parameters.items()})
    for key, gradient in found[0].items():
        if gradient is not None:
            torch.testing.assert_close(found[1][key], gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rows", [1, 2, 40], ids=["two products", "few", "one product"])
@pytest.mark.parametrize("name", ["llama/write", "gpt2/write"])
def test_gradients_by_hand_are_those_of_autograd(name, rows):
    """Numerically, and against the two-path form, on both sides of the number of rows where the sum is less work."""
    made = case(name, double=True, texts=("my card has not arrived yet",) * rows)
    attached = attach(made)
    with torch.no_grad():
        randomise(attached.state_dict())
    made.loss().backward()
    by_hand = {k: p.grad.clone() for g in attached.parameter_groups() for k, p in g.parameters.items()}
    for update in attached.updates:
        update.a.grad = update.b.grad = None
        update.form = lambda _: "two paths"
    made.loss().backward()
    for group in attached.parameter_groups():
        for key, parameter in group.parameters.items():
            torch.testing.assert_close(by_hand[key], parameter.grad, rtol=1e-9, atol=1e-12)


def test_low_precision_and_dropout_take_the_two_paths_and_say_so():
    assert lora.form_of(LoraSpec(), "fp32").value == "merged weight"
    assert lora.form_of(LoraSpec(), "bf16").value == "two paths"
    assert lora.form_of(LoraSpec(dropout=0.1), "fp32").value == "two paths"
    made = case("llama/write")
    attached = attach(made, dropout=0.5)
    entering = torch.zeros(1, 32)
    assert attached.form() == "two paths"
    assert attached.updates[0].form(entering) == "merged weight"  # evaluation drops nothing
    attached.train()
    assert attached.updates[0].form(entering) == "two paths"
    plain = attach(case("llama/write"))
    assert plain.form() == "merged weight"
    plain.train()
    assert plain.updates[0].form(entering) == "merged weight"
    with torch.autocast("cpu", torch.bfloat16):
        assert plain.updates[0].form(entering) == "two paths"
    assert attach(case_in_bfloat16()).form() == "two paths"


def case_in_bfloat16() -> Case:
    made = case("llama/write")
    made.module.bfloat16()
    return made


def test_in_low_precision_the_update_is_not_rounded_away():
    made = case_in_bfloat16()
    attached = attach(made)
    assert {update.a.dtype for update in attached.updates} == {torch.float32}
    with torch.no_grad():
        randomise(attached.state_dict())
    made.loss(made.logits().float()).backward()
    assert all(p.grad.isfinite().all() for g in attached.parameter_groups() for p in g.parameters.values())
    with torch.no_grad(), attached.merged():
        assert {p.dtype for p in made.module.parameters()} == {torch.bfloat16}


def test_dropout_acts_in_training_alone():
    made = case("llama/write")
    attached = attach(made, dropout=0.5)
    with torch.no_grad():
        randomise(attached.state_dict())
        attached.eval()
        assert torch.equal(made.logits(), made.logits())
        attached.train()
        assert not torch.equal(made.logits(), made.logits())


def paths(attached: lora.LowRank) -> set[str]:
    return {update.layer.path for update in attached.updates}


def test_targets():
    blocks = [f"model.layers.{number}" for number in range(3)]
    attention = {f"{block}.self_attn.{part}_proj" for block in blocks for part in "qkvo"}
    rest = {f"{block}.mlp.{part}_proj" for block in blocks for part in ("gate", "up", "down")}
    assert paths(attach(case("llama/write"))) == attention | rest
    assert paths(attach(case("llama/write"), targets="attention")) == attention
    assert paths(attach(case("llama/write"), targets=["q_proj", "v_proj"])) == {p for p in attention if p[-6] in "qv"}
    assert paths(attach(case("llama/write"), blocks=1)) == {p for p in attention | rest if p.startswith(blocks[2])}
    both = paths(attach(case("llama/write"), targets=("attention", "embeddings"), blocks=1))
    assert both == {p for p in attention if p.startswith(blocks[2])} | {"model.embed_tokens"}
    conv = paths(attach(case("gpt2/write")))
    assert {path.partition("h.0.")[2] for path in conv if "h.0." in path} == {
        "attn.c_attn",
        "attn.c_proj",
        "mlp.c_fc",
        "mlp.c_proj",
    }
    assert paths(attach(case("gpt2/write"), targets="wpe")) == {"transformer.wpe"}


@pytest.mark.parametrize("name", ALL)
def test_attention_is_a_part_of_all_products(name):
    some, every = paths(attach(case(name), targets="attention")), paths(attach(case(name)))
    assert some < every
    assert all("att" in path.lower() for path in some)


@pytest.mark.parametrize("name", ["bert/classify", "big_bird/classify", "llama/classify"])
def test_head_and_pooler_are_trained_whole(name):
    attached = attach(case(name))
    head = {key for group in attached.parameter_groups() if group.part == "head" for key in group.parameters}
    assert head
    assert all("lora" not in key for key in head)
    assert not any("pooler" in path or "classifier" in path or "score" in path for path in paths(attached))


def test_below_the_first_updated_block_there_is_no_dropout():
    made = case("bert/classify")
    attach(made, blocks=1).train()
    encoder = made.module.bert
    assert not encoder.embeddings.dropout.training
    assert not encoder.encoder.layer[1].output.dropout.training
    assert encoder.encoder.layer[2].output.dropout.training


def test_start_and_scale():
    plain = attach(case("llama/write"), rank=4, alpha=8)
    assert {update.scale for update in plain.updates} == {2.0}
    assert {update.scale for update in attach(case("llama/write"), alpha=8, rslora=True).updates} == {4.0}
    assert {update.scale for update in attach(case("llama/write"), rank=3).updates} == {2.0}
    for rank in (2, 8):  # constant but for 1 / sqrt(rank), where it grew with the rank
        stable = attach(case("llama/write"), rank=rank, rslora=True).updates
        assert [update.scale for update in stable] == pytest.approx([2 * math.sqrt(8 / rank)] * len(stable))
    assert all((update.b == 0).all() and (update.a != 0).any() for update in plain.updates)
    assert max(float(u.a.detach().abs().max() * math.sqrt(u.layer.inputs)) for u in plain.updates) <= 1
    normal = attach(case("llama/write"), init="gaussian")
    deviation = torch.cat([update.a.detach().flatten() for update in normal.updates]).std()
    assert float(deviation) == pytest.approx(1 / 4, rel=0.1)
    table = attach(case("llama/write"), targets="embeddings").updates[0]
    assert (table.a == 0).all()
    assert (table.b != 0).any()


def test_lora_plus_gives_b_its_own_rate():
    attached = attach(case("bert/classify"), rate_ratio=16, targets=("linear", "embeddings"))
    for group in attached.parameter_groups():
        if group.part == "body":
            assert group.decays
            expected = 16.0 if all(key.endswith("lora_B.weight") for key in group.parameters) else 1.0
            assert group.rate == expected
        else:
            assert group.rate == 1.0
    assert {group.rate for group in attached.parameter_groups()} == {1.0, 16.0}


@pytest.mark.parametrize("name", ["gpt2/write", "t5/apart", "bart/apart"])
def test_tied_embeddings_are_saved_untied_after_a_merge_and_tied_again_in_the_run(name, tmp_path):
    made = case(name)
    assert made.module.config.tie_word_embeddings
    attached = attach(made, targets="embeddings")
    output = made.module.get_output_embeddings()
    with torch.no_grad():
        randomise(attached.state_dict())
        tuned = made.logits()
        with attached.merged(), quiet():
            made.module.save_pretrained(tmp_path)
        plain = type(made.module).from_pretrained(tmp_path).eval()
        assert distance(plain(**made.inputs).logits, tuned) < 1e-5
    assert made.module.get_input_embeddings().weight is output.weight
    assert made.module.config.tie_word_embeddings


@pytest.mark.parametrize("name", ["bert/classify", "gpt2/classify", "llama/classify", "albert/classify"])
def test_a_merged_classifier_is_the_same_in_plain_transformers(name, tmp_path):
    made = case(name)
    attached = attach(made, **EVERYTHING)
    with torch.no_grad():
        randomise(attached.state_dict())
        tuned = made.logits()
        with attached.merged():
            save_model(made.module, tokenizer_of(name), tmp_path)
        with quiet():
            plain = AutoModelForSequenceClassification.from_pretrained(tmp_path)
        assert distance(plain(**made.inputs).logits, tuned) < 1e-5


def refused(name: str, kind: type[Exception], says: tuple[str, ...], **spec) -> None:
    made = case(name)
    before = {key: parameter.requires_grad for key, parameter in made.module.named_parameters()}
    with pytest.raises(kind) as caught:
        attach(made, **spec)
    for part in says:
        assert part in str(caught.value)
    assert all("forward" not in vars(child) for child in made.module.modules())
    assert before == {key: parameter.requires_grad for key, parameter in made.module.named_parameters()}


def test_what_is_refused_is_named_and_nothing_is_attached():
    refused(
        "llama/write", RecipeError, ("method.targets", "'q_prog'", "self_attn.q_proj"), targets=["k_proj", "q_prog"]
    )
    refused("bert/classify", RecipeError, ("'classifier'", "trained whole"), targets="classifier")
    refused("llama/write", RecipeError, ("'lm_head'", "output layer"), targets="lm_head")
    refused("llama/write", RecipeError, ("method.rank", "at most 16", "k_proj"), rank=17)
    refused("llama/write", RecipeError, ("method.blocks", "at most 3"), blocks=4)


def test_alpha_zero_is_refused():
    with pytest.raises(ValidationError, match="alpha"):
        LoraSpec(alpha=0)


def test_quantized_weights_are_refused():
    made = case("llama/write")
    layer = made.module.model.layers[0].mlp.up_proj
    layer.weight = nn.Parameter(layer.weight.detach().to(torch.int8), requires_grad=False)
    with pytest.raises(ModelError, match="quantized") as caught:
        attach(made)
    assert "up_proj" in str(caught.value)
    said = case("llama/write")
    said.module.config.quantization_config = {"quant_method": "gptq", "bits": 4}
    with pytest.raises(ModelError, match="quantization_config"):
        attach(said)


def test_how_much_of_the_blocks_has_an_update_is_said():
    made = case("llama/write")
    some, every = (
        [update.layer for update in attach(case("llama/write"), targets=targets).updates]
        for targets in ("attention", "linear")
    )
    assert reached(made.module, made.anatomy, every) == "21 matrices, 100% of the blocks' weights"
    assert reached(made.module, made.anatomy, some).startswith("12 matrices, ")
    assert "100%" not in reached(made.module, made.anatomy, some)


def test_experts_that_are_kept_in_a_stack_are_said_to_have_none():
    made = case("llama/write")
    layers = [update.layer for update in attach(case("llama/write")).updates]
    made.module.model.layers[0].mlp.experts = torch.nn.Parameter(torch.zeros(4, 32, 32))
    assert "stacks of matrices, such as model.layers.0.mlp.experts, can have none" in reached(
        made.module, made.anatomy, layers
    )
