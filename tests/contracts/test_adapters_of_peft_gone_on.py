"""Runs that begin with an adapter that PEFT saved: the same model, trained further, shipped so that PEFT loads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
)

import affina as api
from affina.errors import ModelError, RecipeError
from affina.pipeline import attempts
from affina.pipeline.prepare import prepare
from affina.pipeline.prepared import Prepared
from affina.recipe.load import check_recipe
from method_cases import distance, randomise
from runs_of_methods import METHODS, outputs, recipe_of
from workbench import tiny

peft = pytest.importorskip("peft")
pytestmark = pytest.mark.filterwarnings("ignore")

LABELS = ("address", "card", "fee")
KINDS = {"classification": ("bert", "SEQ_CLS"), "chat": ("llama", "CAUSAL_LM"), "generation": ("t5", "SEQ_2_SEQ_LM")}
CASES = [(task, method) for task in KINDS for method in METHODS]
TEXT = "where is my card"


def base_of(task: str) -> Any:
    folder = tiny(KINDS[task][0])
    if task == "classification":
        names = dict(enumerate(LABELS))
        return AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3, id2label=names)
    return (AutoModelForSeq2SeqLM if task == "generation" else AutoModelForCausalLM).from_pretrained(folder)


def config_of(task: str, method: str, **more: Any) -> Any:
    kind = KINDS[task][1]
    if method == "lora":
        return peft.LoraConfig(task_type=kind, **({"r": 4, "lora_alpha": 6, "target_modules": "all-linear"} | more))
    make = peft.PromptTuningConfig if method == "prompt" else peft.PrefixTuningConfig
    return make(task_type=kind, num_virtual_tokens=3, **more)


def saved(folder: Path, task: str, method: str, *, labels: bool = True, **more: Any) -> Any:
    """A model with an adapter of PEFT's, saved into `folder` as its users do."""
    torch.manual_seed(6)
    model = peft.get_peft_model(base_of(task), config_of(task, method, **more)).eval()
    with torch.no_grad():
        randomise({name: held for name, held in model.named_parameters() if held.requires_grad})
    model.save_pretrained(folder)
    if labels and task == "classification":
        model.config.save_pretrained(folder)
    return model


def begun(folder: Path, adapter: Path, task: str, **more: Any) -> Prepared:
    recipe = recipe_of(folder, task, KINDS[task][0], "lora") | {"model": str(adapter)} | more
    if "method" not in more:
        recipe.pop("method")
    return prepare(check_recipe(recipe), notify=lambda _: None)


def asked(tokenizer: Any, task: str) -> dict[str, torch.Tensor]:
    inputs = dict(tokenizer(TEXT, return_tensors="pt", return_token_type_ids=False))
    return inputs | ({"decoder_input_ids": inputs["input_ids"][:, :3]} if task == "generation" else {})


def logits(module: Any, inputs: dict[str, torch.Tensor], task: str) -> torch.Tensor:
    with torch.no_grad():
        made = module(**inputs).logits
    return (
        made if task == "classification" else made[:, -inputs.get("decoder_input_ids", inputs["input_ids"]).shape[1] :]
    )


@pytest.mark.parametrize(("task", "method"), CASES)
def test_training_begins_with_the_model_that_peft_had(tmp_path, task, method):
    theirs = saved(tmp_path / "adapter", task, method)
    run = begun(tmp_path, tmp_path / "adapter", task)
    assert run.method.name == method
    run.attached.eval()
    inputs = asked(run.model.tokenizer, task)
    assert distance(logits(run.model.module, inputs, task), logits(theirs, inputs, task)) < 1e-5
    assert not run.subject.has_new_head


@pytest.mark.parametrize(("task", "method"), CASES)
def test_what_is_shipped_loads_in_peft_and_a_step_moved_all_of_it(tmp_path, task, method):
    saved(tmp_path / "adapter", task, method)
    recipe = recipe_of(tmp_path, task, KINDS[task][0], method) | {"model": str(tmp_path / "adapter")}
    recipe.pop("method")
    recipe["train"] |= {"early_stopping": False, "epochs": 2}
    if method == "lora":
        recipe |= {"export": {"merge": False}}
    api.train(recipe)
    shipped = tmp_path / "run" / "adapter"
    config = json.loads((shipped / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] is None, "a folder's name means nothing on another machine"
    if config["peft_type"].startswith("AFFINA"):
        return
    theirs = peft.PeftModel.from_pretrained(base_of(task), shipped).eval()
    again = begun(tmp_path, shipped, task)
    again.attached.eval()
    inputs = asked(again.model.tokenizer, task)
    assert distance(logits(again.model.module, inputs, task), logits(theirs, inputs, task)) < 1e-5


@pytest.mark.parametrize("labels", [True, False])
def test_without_the_labels_the_head_is_not_guessed(tmp_path, labels):
    saved(tmp_path / "adapter", "classification", "lora", labels=labels)
    told: list[str] = []
    recipe = recipe_of(tmp_path, "classification", "bert", "lora") | {
        "model": str(tmp_path / "adapter"),
        "method": "auto",
    }
    run = prepare(check_recipe(recipe), notify=told.append)
    assert run.subject.has_new_head is not labels
    assert any("has no config.json" in text for text in told) is not labels


def test_an_update_of_the_pooler_becomes_a_part_of_the_head(tmp_path):
    """PEFT's update of a layer named `dense` is one of the pooler too, which is trained whole here."""
    theirs = saved(tmp_path / "adapter", "classification", "lora", target_modules=["query", "dense"])
    assert any("pooler" in name for name in load_file(tmp_path / "adapter" / "adapter_model.safetensors"))
    run = begun(tmp_path, tmp_path / "adapter", "classification")
    run.attached.eval()
    inputs = asked(run.model.tokenizer, "classification")
    found = logits(run.model.module, inputs, "classification")
    assert distance(found, logits(theirs, inputs, "classification")) < 1e-5
    attempts.start_again(run)
    run.attached.eval()
    assert torch.equal(logits(run.model.module, inputs, "classification"), found)


def test_a_writer_s_adapter_goes_on_in_a_classifier_with_a_new_head(tmp_path):
    saved(tmp_path / "adapter", "chat", "lora")
    recipe = recipe_of(tmp_path, "classification", "llama", "lora") | {"model": str(tmp_path / "adapter")}
    run = prepare(check_recipe({**recipe, "method": "auto"}), notify=lambda _: None)
    assert run.subject.has_new_head
    state = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    own = run.attached.state_dict()
    assert all(torch.equal(own[name.removeprefix("base_model.model.")], held) for name, held in state.items())


def test_a_classifier_s_adapter_is_refused_where_texts_are_written(tmp_path):
    model = AutoModelForSequenceClassification.from_pretrained(tiny("llama"), num_labels=3)
    peft.get_peft_model(model, peft.LoraConfig(task_type="SEQ_CLS", r=2)).save_pretrained(tmp_path / "adapter")
    with pytest.raises(ModelError, match="one of a classifier"):
        begun(tmp_path, tmp_path / "adapter", "chat")


@pytest.mark.parametrize("task", KINDS)
def test_full_fine_tuning_begins_with_the_adapter_merged(tmp_path, monkeypatch, task):
    monkeypatch.setenv("AFFINA_CACHE", str(tmp_path / "cache"))
    theirs = saved(tmp_path / "adapter", task, "lora")
    told: list[str] = []
    recipe = recipe_of(tmp_path, task, KINDS[task][0], "lora") | {"model": str(tmp_path / "adapter"), "method": "full"}
    run = prepare(check_recipe(recipe), notify=told.append)
    assert any("is merged into" in text for text in told)
    run.attached.eval()
    inputs = asked(run.model.tokenizer, task)
    assert distance(logits(run.model.module, inputs, task), logits(theirs, inputs, task)) < 1e-5
    assert not run.subject.has_new_head
    before = outputs(run)
    with torch.no_grad():
        part_of = run.model.anatomy.part_of
        randomise({name: held for name, held in run.attached.state_dict().items() if part_of(name) != "head"})
    with run.attached.disabled():  # the base of a run is what it began with
        assert torch.equal(outputs(run), before)
    again: list[str] = []
    prepare(check_recipe(recipe), notify=again.append)
    assert any("(once)" in text for text in told)
    assert not any("(once)" in text for text in again)


def test_a_prefix_begins_beside_a_merged_adapter_and_opens_again(tmp_path, monkeypatch):
    monkeypatch.setenv("AFFINA_CACHE", str(tmp_path / "cache"))
    saved(tmp_path / "adapter", "classification", "lora")
    recipe = recipe_of(tmp_path, "classification", "bert", "prefix") | {"model": str(tmp_path / "adapter")}
    scores = api.train(recipe).scores.metrics
    found = api.evaluate(tmp_path / "run", tmp_path / "test.csv").scores.metrics
    assert found["loss"].value == pytest.approx(scores["loss"].value, rel=1e-5)


def test_a_classifier_without_labels_is_not_merged(tmp_path, monkeypatch):
    monkeypatch.setenv("AFFINA_CACHE", str(tmp_path / "cache"))
    saved(tmp_path / "adapter", "classification", "lora", labels=False)
    with pytest.raises(ModelError, match=r"config\.json that says what the outputs"):
        begun(tmp_path, tmp_path / "adapter", "classification", method="full")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"rank_pattern": {"query": 2}}, "rank_pattern"),
        ({"target_modules": ["query"], "modules_to_save": ["classifier", "word_embeddings"]}, "trained whole"),
        ({"trainable_token_indices": [1, 2]}, "trainable_token_indices"),
    ],
)
def test_features_that_we_do_not_have_are_refused_by_name(tmp_path, settings, says):
    saved(tmp_path / "adapter", "classification", "lora", **settings)
    for method in ("auto", "full"):
        with pytest.raises(ModelError, match=says):
            begun(tmp_path, tmp_path / "adapter", "classification", method=method)


def test_a_missing_head_is_refused_by_name(tmp_path):
    saved(tmp_path / "adapter", "classification", "lora")
    path = tmp_path / "adapter" / "adapter_model.safetensors"
    save_file({name: held for name, held in load_file(path).items() if "classifier" not in name}, path)
    with pytest.raises(ModelError, match=r"classifier\.weight.*random numbers"):
        begun(tmp_path, tmp_path / "adapter", "classification")


def test_an_adapter_of_a_kind_that_we_do_not_have_is_refused_by_name(tmp_path):
    model = AutoModelForCausalLM.from_pretrained(tiny("llama"))
    peft.get_peft_model(model, peft.IA3Config(task_type="CAUSAL_LM")).save_pretrained(tmp_path / "adapter")
    with pytest.raises(ModelError, match="peft_type IA3"):
        begun(tmp_path, tmp_path / "adapter", "chat")


def test_a_base_that_is_not_there_is_said_with_whose_it_is(tmp_path):
    saved(tmp_path / "adapter", "chat", "lora")
    path = tmp_path / "adapter" / "adapter_config.json"
    config = json.loads(path.read_text())
    for base, says in (("/nowhere/at/all", "the base model of the adapter"), (None, "base_model_name_or_path")):
        path.write_text(json.dumps(config | {"base_model_name_or_path": base}))
        with pytest.raises(ModelError, match=says) as caught:
            begun(tmp_path, tmp_path / "adapter", "chat")
        assert str(path) in caught.value.problems[0].fix


@pytest.mark.parametrize(
    ("method", "asks", "key", "holds"),
    [
        ("lora", {"rank": 8}, "method.rank", "4"),
        ("lora", {"alpha": 12}, "method.alpha", "6"),
        ("lora", {"rslora": True}, "method.rslora", "false"),
        ("lora", {"targets": "attention"}, "method.targets", "linear"),
        ("lora", {"blocks": 1}, "method.targets", "linear"),
        ("lora", {"init": "gaussian"}, "method.init", "none of them starts anew"),
        ("prompt", {"length": 5}, "method.length", "3"),
        ("prompt", {"text": "a text"}, "method.text", "none of them starts anew"),
        ("prefix", {"length": 5}, "method.length", "3"),
        ("prefix", {"reparameterise": True}, "method.reparameterise", "dropped after training"),
        ("prefix", {"stacks": "both"}, "method.stacks", "decoder"),
    ],
)
def test_a_key_that_says_otherwise_than_the_adapter_is_refused(tmp_path, method, asks, key, holds):
    saved(tmp_path / "adapter", "classification", method)
    with pytest.raises(RecipeError) as caught:
        begun(tmp_path, tmp_path / "adapter", "classification", method={"name": method} | asks)
    problem = caught.value.problems[0]
    assert problem.where == f"recipe key {key}"
    assert holds in problem.expected
    assert str(tmp_path / "adapter") in problem.expected
    assert f"leave {key}" in problem.fix


def test_a_key_that_says_the_same_or_how_to_train_is_taken(tmp_path):
    saved(tmp_path / "adapter", "classification", "lora", lora_dropout=0.25)
    asks = {"rank": 4, "alpha": "auto", "targets": "linear", "blocks": "all", "rate_ratio": 4}
    run = begun(tmp_path, tmp_path / "adapter", "classification", method={"name": "lora"} | asks)
    assert (run.method.alpha, run.method.dropout, run.method.rate_ratio) == (6, 0.25, 4)
    run = begun(tmp_path, tmp_path / "adapter", "classification", method={"name": "lora", "dropout": 0})
    assert run.method.dropout == 0


@pytest.mark.parametrize("method", ["prompt", "prefix"])
@pytest.mark.parametrize("other", ["full", "partial", "lora"])
def test_virtual_tokens_go_on_in_no_other_method(tmp_path, method, other):
    saved(tmp_path / "adapter", "classification", method)
    with pytest.raises(RecipeError) as caught:
        begun(tmp_path, tmp_path / "adapter", "classification", method=other)
    problem = caught.value.problems[0]
    assert problem.found == other
    assert "leave method out" in problem.fix
    assert str(tiny("bert")) in problem.fix
