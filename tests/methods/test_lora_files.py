"""PEFT's layout both ways: what we write gives the same logits there, what PEFT saved gives the same logits here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from affina.errors import ModelError
from affina.methods import lora
from affina.methods.lora_files import lora_spec, save_lora
from affina.methods.lora_reading import attach_lora
from affina.methods.saved import attach_saved
from affina.models.adapters import BaseName, read_adapter
from affina.recipe.method_specs import LoraSpec
from method_cases import ALL, CLASSIFIERS, Case, case, distance, put_on, randomise, unnoted

peft = pytest.importorskip("peft")
pytestmark = pytest.mark.filterwarnings("ignore")

EVERYTHING = {"targets": ("linear", "embeddings")}


def trained(name: str, **spec) -> tuple[Case, lora.LowRank]:
    made = case(name)
    torch.manual_seed(3)
    attached = lora.attach(made.module, made.anatomy, LoraSpec(**{"rank": 4, "alpha": 6} | spec))
    with torch.no_grad():
        randomise(attached.state_dict())
    return made, attached


def logits(made: Case, module: Any = None) -> torch.Tensor:
    with torch.no_grad():
        return made.logits() if module is None else module(**made.inputs).logits


@pytest.mark.parametrize("spec", [EVERYTHING, {"rslora": True, "blocks": 1}], ids=["embeddings", "upper"])
@pytest.mark.parametrize("name", ALL)
def test_what_we_write_gives_the_same_logits_in_peft(name, spec, tmp_path):
    made, attached = trained(name, **spec)
    save_lora(attached, made.anatomy, tmp_path / "a")
    theirs = peft.PeftModel.from_pretrained(case(name).module, tmp_path / "a").eval()
    assert distance(logits(made, theirs), logits(made)) < 1e-5


@pytest.mark.parametrize("name", ALL)
def test_what_we_write_we_read(name, tmp_path):
    made, attached = trained(name, dropout=0.25, **EVERYTHING)
    save_lora(attached, made.anatomy, tmp_path / "a", base=BaseName(hub_id="someone/something"))
    again = case(name)
    read = put_on(attach_lora, again, read_adapter(tmp_path / "a"))
    assert torch.equal(logits(again), logits(made))
    assert read.state_dict().keys() == attached.state_dict().keys()
    assert (read.spec.rank, read.spec.alpha, read.spec.dropout) == (4, 6.0, 0.25)
    with torch.no_grad(), read.merged():
        assert distance(logits(again), logits(made)) < 1e-5


def saved_by_peft(name: str, folder: Path, **settings) -> tuple[Case, torch.Tensor]:
    made = case(name)
    kind = {"classify": "SEQ_CLS", "write": "CAUSAL_LM", "apart": "SEQ_2_SEQ_LM"}[made.kind]
    keep = list(made.anatomy.head) or None
    options = {"r": 4, "target_modules": "all-linear", "task_type": kind, "modules_to_save": keep} | settings
    torch.manual_seed(4)
    theirs = peft.get_peft_model(made.module, peft.LoraConfig(**options)).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
        expected = theirs(**made.inputs).logits
    theirs.save_pretrained(folder)
    return made, expected


@pytest.mark.parametrize("name", ["llama/write", "gpt2/write"])
def test_an_update_of_the_output_layer_is_named_with_the_way_to_use_it(name, tmp_path):
    saved_by_peft(name, tmp_path, target_modules=["lm_head"])
    with pytest.raises(ModelError, match="lm_head, the output layer") as caught:
        put_on(attach_lora, case(name), read_adapter(tmp_path))
    assert "merge it with peft" in caught.value.problems[0].fix


@pytest.mark.parametrize("name", ALL)
def test_what_peft_saved_gives_the_same_logits_here_and_goes_on_training(name, tmp_path):
    _, expected = saved_by_peft(name, tmp_path)
    again = case(name)
    read = put_on(attach_lora, again, read_adapter(tmp_path))
    assert distance(logits(again), expected) < 1e-5
    again.loss().backward()
    assert all(p.grad is not None for g in read.parameter_groups() for k, p in g.parameters.items() if "lora" in k)


def test_an_embeddings_update_that_peft_saved_beside_the_whole_table_loads(tmp_path):
    _, expected = saved_by_peft("llama/write", tmp_path, target_modules=["embed_tokens", "q_proj"])
    assert any("base_layer" in name for name in load_file(tmp_path / "adapter_model.safetensors"))
    again = case("llama/write")
    put_on(attach_lora, again, read_adapter(tmp_path), absent=())
    assert distance(logits(again), expected) < 1e-5


def refused(folder: Path, *says: str, name: str = "llama/write") -> None:
    made = case(name)
    before = {key: parameter.requires_grad for key, parameter in made.module.named_parameters()}
    with pytest.raises(ModelError) as caught:
        put_on(attach_lora, made, read_adapter(folder))
    for part in (str(folder), *says):
        assert part in str(caught.value), str(caught.value)
    assert all("forward" not in vars(child) for child in made.module.modules())
    assert before == {key: parameter.requires_grad for key, parameter in made.module.named_parameters()}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"rank_pattern": {"q_proj": 2}}, "rank_pattern"),
        ({"alpha_pattern": {"q_proj": 2}}, "alpha_pattern"),
        ({"trainable_token_indices": [1, 2]}, "trainable_token_indices"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights: pissa"),
        ({"lora_bias": True, "target_modules": ["c_attn"]}, "lora_bias"),
        ({"bias": "lora_only"}, "bias: lora_only"),
        ({"layer_replication": [[0, 2], [1, 3]]}, "layer_replication"),
    ],
)
def test_features_that_we_do_not_have_are_refused_by_name(settings, says, tmp_path):
    name = "gpt2/write" if "lora_bias" in settings else "llama/write"
    saved_by_peft(name, tmp_path, **settings)
    refused(tmp_path, says, name=name)


def test_an_adapter_of_another_method_is_refused(tmp_path):
    made = case("llama/write")
    theirs = peft.get_peft_model(made.module, peft.IA3Config(task_type="CAUSAL_LM"))
    theirs.save_pretrained(tmp_path)
    refused(tmp_path, "IA3")


def test_a_layer_trained_whole_that_is_no_head_is_refused(tmp_path):
    saved_by_peft("llama/write", tmp_path, modules_to_save=["embed_tokens"])
    refused(tmp_path, "embed_tokens", "trained whole")


@pytest.mark.parametrize("name", ["bert/classify", "llama/classify"])
def test_a_missing_head_is_refused_by_name_unless_the_base_has_it(name, tmp_path):
    saved_by_peft(name, tmp_path, task_type=None, modules_to_save=None, target_modules=["query", "q_proj"])
    head = "score" if "llama" in name else "classifier"
    refused(tmp_path, head, "random", name=name)
    made = case(name)
    put_on(attach_lora, made, read_adapter(tmp_path), absent=())


def test_a_head_for_other_labels_is_refused(tmp_path):
    made, attached = trained("bert/classify")
    save_lora(attached, made.anatomy, tmp_path)
    change(tmp_path, {"base_model.model.classifier.weight": lambda tensor: tensor[:2]})
    refused(tmp_path, "classifier.weight", "labels", name="bert/classify")


def change(folder: Path, how: dict[str, Any]) -> None:
    path = folder / "adapter_model.safetensors"
    tensors = load_file(path)
    for name, change_of in how.items():
        tensors[name] = change_of(tensors[name]).contiguous()
    save_file(tensors, path)
    unnoted(folder)


def test_an_adapter_for_another_base_is_refused(tmp_path):
    made, attached = trained("llama/write")
    save_lora(attached, made.anatomy, tmp_path, base=BaseName(hub_id="someone/something"))
    refused(tmp_path, "layers that it has not", name="gpt2/write")
    other = case("llama/write")
    with torch.no_grad():
        other.module.model.layers[0].mlp.up_proj.weight.mul_(1.01)
    with pytest.raises(ModelError, match="other weights") as caught:
        put_on(attach_lora, other, read_adapter(tmp_path), absent=())
    assert "someone/something" in str(caught.value)
    name = "base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"
    change(tmp_path, {name: lambda tensor: tensor[:, :-1]})
    refused(tmp_path, "up_proj.lora_A", "4 x 32", "4 x 31")


def test_a_half_of_an_update_is_refused(tmp_path):
    made, attached = trained("llama/write")
    save_lora(attached, made.anatomy, tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    tensors = load_file(path)
    del tensors["base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"]
    save_file(tensors, path)
    unnoted(tmp_path)
    refused(tmp_path, "up_proj", "with A and B")


def test_damaged_files_are_named(tmp_path):
    made, attached = trained("llama/write")
    save_lora(attached, made.anatomy, tmp_path)
    weights, config = tmp_path / "adapter_model.safetensors", tmp_path / "adapter_config.json"
    whole = weights.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:4], b"", b"\xff" * 100):
        weights.write_bytes(content)
        refused(tmp_path, "adapter_model.safetensors", "whole")
    weights.unlink()
    refused(tmp_path, "adapter_model.safetensors", "no such file")
    (tmp_path / "adapter_model.bin").write_bytes(b"pickle")
    refused(tmp_path, "adapter_model.bin", "could run code")
    weights.write_bytes(whole)
    name = next(iter(load_file(weights)))
    change(tmp_path, {name: lambda tensor: tensor.fill_(float("nan"))})
    refused(tmp_path, "NaN", name)
    for text, said in (("{", "adapter_config.json"), ("[]", "no object"), ("{}", "peft_type")):
        config.write_text(text)
        refused(tmp_path, said)
    config.unlink()
    refused(tmp_path, "adapter_config.json", "no such file")


def test_weights_that_are_others_than_were_written_are_not_believed(tmp_path):
    made, attached = trained("llama/write")
    save_lora(attached, made.anatomy, tmp_path)
    weights = tmp_path / "adapter_model.safetensors"
    again = case("llama/write")
    attach_saved(again.module, again.anatomy, tmp_path)
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    other = case("llama/write")
    with pytest.raises(ModelError, match="other bytes") as caught:
        attach_saved(other.module, other.anatomy, tmp_path)
    assert "remove weights_sha256 from affina.json" in str(caught.value)
    refused(tmp_path, "other bytes")
    assert all("forward" not in vars(child) for child in other.module.modules())
    unnoted(tmp_path)
    attach_saved(other.module, other.anatomy, tmp_path)


def test_a_rank_of_zero_in_the_configuration_is_refused(tmp_path):
    made, attached = trained("llama/write")
    save_lora(attached, made.anatomy, tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    for key, value in (("r", 0), ("lora_alpha", 0)):
        (tmp_path / "adapter_config.json").write_text(json.dumps(config | {key: value}))
        refused(tmp_path, "above 0")
    assert lora_spec(read_adapter_with(tmp_path, config)).rank == 4


def read_adapter_with(folder: Path, config: dict[str, Any]) -> Any:
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return read_adapter(folder)


def test_nothing_of_this_machine_is_written(tmp_path):
    made, attached = trained(CLASSIFIERS[0])
    save_lora(attached, made.anatomy, tmp_path)
    for path in tmp_path.glob("*.json"):
        assert "/tmp" not in path.read_text(encoding="utf-8")  # noqa: S108 - looked for
