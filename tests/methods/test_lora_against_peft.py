"""peft as the oracle: with its tensors copied in, one step gives its loss and its gradients; and its counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from affina.methods import lora, prefix, prompt
from affina.methods.lora import names_of
from affina.models.language import load_language_model
from affina.models.source import locate
from affina.recipe.method_specs import LoraSpec, PrefixSpec, PromptSpec
from method_cases import ALL, Case, apart_as_vectors, case

peft = pytest.importorskip("peft")
pytestmark = pytest.mark.filterwarnings("ignore")


def both(made: Case, spec: LoraSpec) -> tuple[lora.LowRank, Any]:
    """Our LoRA, and peft's on a copy of the model with the same tensors; peft trains no head here."""
    twin = made.twin()
    ours = lora.attach(made.module, made.anatomy, spec)
    config = peft.LoraConfig(
        r=spec.rank,
        lora_alpha=lora.alpha_of(spec).value,
        target_modules=[path for update in ours.updates for path in update.layer.paths],
        lora_dropout=spec.dropout,
        use_rslora=spec.rslora,
        fan_in_fan_out=any(update.layer.kind == "transposed" for update in ours.updates),
    )
    theirs = peft.get_peft_model(twin.module, config, autocast_adapter_dtype=False).eval()
    with torch.no_grad():
        for update in ours.updates:
            a, b = factors(theirs, update)
            b.normal_(std=0.1)
            a.normal_(std=0.1)
            update.a.copy_(a)
            update.b.copy_(b)
    return ours, theirs


def factors(theirs: Any, update: Any) -> tuple[torch.Tensor, torch.Tensor]:
    layer = theirs.base_model.model.get_submodule(update.layer.path)
    if update.layer.kind == "embedding":
        return layer.lora_embedding_A["default"], layer.lora_embedding_B["default"]
    return layer.lora_A["default"].weight, layer.lora_B["default"].weight


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("t5/write", ("q", "v")),
        ("t5/write", ("q", "k", "v", "o")),
        ("llama/write", ("q_proj",)),
        ("bart/write", ("fc1",)),
    ],
)
def test_a_name_chooses_the_layers_that_it_chooses_in_peft(name, targets):
    made = case(name)
    twin = made.twin()
    ours = lora.attach(made.module, made.anatomy, LoraSpec(rank=2, targets=tuple(targets)))
    theirs = peft.get_peft_model(twin.module, peft.LoraConfig(r=2, target_modules=list(targets)))
    chosen = {path.removeprefix("base_model.model.") for path, _ in theirs.named_modules() if path.endswith(".lora_A")}
    assert {path for update in ours.updates for path in update.layer.paths} == {
        path.removesuffix(".lora_A") for path in chosen
    }


@pytest.mark.parametrize("spec", [{"rslora": True}, {"targets": ("attention", "embeddings")}], ids=["linear", "some"])
@pytest.mark.parametrize("double", [True, False], ids=["float64", "float32"])
@pytest.mark.parametrize("name", ALL)
def test_one_step_gives_pefts_loss_and_gradients(name, double, spec):
    made = case(name, double=double)
    ours, theirs = both(made, LoraSpec(**{"rank": 4, "alpha": 6} | spec))
    if any(len(update.layer.paths) > 1 for update in ours.updates):
        pytest.skip("peft gives each of the modules that share a table an update of its own")
    ours.eval()
    loss, other = made.loss(), made.loss(theirs(**made.inputs).logits)
    loss.backward()
    other.backward()
    near = 1e-9 if double else 1e-5
    assert abs(float(loss - other)) <= near * abs(float(other))
    mine = [factor.grad for update in ours.updates for factor in (update.a, update.b)]
    assert apart_as_vectors(mine, [f.grad for u in ours.updates for f in factors(theirs, u)]) <= near


@pytest.mark.parametrize("name", ["llama/write", "gpt2/write", "t5/apart", "bart/apart", "gpt_neox/write", "opt/write"])
def test_all_linear_trains_as_many_parameters_as_pefts(name):
    made = case(name)
    twin = made.twin()
    ours = lora.attach(made.module, made.anatomy, LoraSpec(rank=4))
    theirs = peft.get_peft_model(twin.module, peft.LoraConfig(r=4, target_modules="all-linear"))
    wanted = {
        key.replace("base_model.model.", "").replace(".default", ""): tensor.shape
        for key, tensor in theirs.named_parameters()
        if tensor.requires_grad
    }
    outside = {key for key in wanted if made.anatomy.part_of(key) != "block"}  # OPT's projections beside the blocks
    found = {key: tensor.shape for key, tensor in ours.state_dict().items()}
    assert found == {key: shape for key, shape in wanted.items() if key not in outside}
    assert not outside or name == "opt/write"


def test_counts_on_the_starter_decoder_are_the_papers():
    try:
        model = load_language_model(locate("starter/decoder"))
    except Exception as error:
        pytest.skip(f"the starter is not here: {error}")
    for spec, expected in (({}, 2_442_240), ({"targets": ("q_proj", "v_proj")}, 460_800)):
        attached = lora.attach(model.module, model.anatomy, LoraSpec(rank=8, **spec))
        assert sum(tensor.numel() for tensor in attached.state_dict().values()) == expected
        for update in attached.updates:
            update.detach()
    for method, spec, expected in (
        (prompt, PromptSpec(length=20, init="vocabulary"), 20 * 576),
        (prefix, PrefixSpec(length=10, reparameterise=False), 10 * 2 * 30 * 3 * 64),
    ):
        model = load_language_model(locate("starter/decoder"))
        tokens = method.attach(model.module, model.anatomy, spec, tokenizer=model.tokenizer)
        assert sum(tensor.numel() for tensor in tokens.state_dict().values()) == expected
    assert names_of("a.b", False) == ("a.b.lora_A.weight", "a.b.lora_B.weight")
