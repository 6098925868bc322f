"""What a run begins with, where a finished LoRA run shipped its adapter and the merged model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel

import affina as api
from affina.errors import ModelError
from affina.models.source import fingerprint
from affina.pipeline.beginning import with_adapter
from affina.pipeline.prepare import prepare
from affina.planning.activations import look
from affina.planning.changes import changes_of
from affina.recipe.load import check_recipe
from affina.record.folder import RunFolder
from runs_of_methods import finished, outputs, recipe_of
from workbench import tiny

CASE = ("classification", "bert", "lora")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("lora")
    api.train(recipe_of(folder, *CASE))
    assert len(RunFolder(folder / "run").shipped) == 2
    return folder / "run"


def begun(folder: Path, model: Path, *, told: list[str] | None = None, **more: Any):
    recipe = recipe_of(folder, *CASE) | {"model": str(model), "method": "auto"} | more
    return prepare(check_recipe(recipe), notify=(told if told is not None else []).append)


@pytest.mark.parametrize("method", ["auto", "lora"])
def test_the_run_goes_on_in_its_own_method(tmp_path, run, method):
    found = begun(tmp_path, run, method=method)
    assert found.method.name == "lora"
    assert found.method.rank == 4
    assert found.model.source.without_adapter.reference == str(tiny("bert"))


@pytest.mark.parametrize("method", ["full", "partial", "prefix"])
def test_another_method_takes_the_merged_model_that_it_shipped(tmp_path, run, method):
    told: list[str] = []
    found = begun(tmp_path, run, method=method, told=told)
    assert [text for text in told if "is merged into" in text] == told
    assert len(told) == 1
    assert found.model.source.folder == run / "model"
    assert found.model.source.adapter is None


def test_the_merged_model_alone_is_a_whole_model_that_a_new_adapter_begins_beside(tmp_path, run):
    found = begun(tmp_path, run / "model", method={"name": "lora", "rank": 2})
    assert found.method.rank == 2
    with found.attached.disabled():
        alone = outputs(found)
    assert torch.equal(outputs(found), alone)


def test_a_prefix_that_goes_on_without_its_network_learns_at_the_rate_of_one(tmp_path):
    found = begun(tmp_path, finished("classification", "bert", "prefix"), train={"epochs": 1})
    assert not found.method.reparameterise
    assert "without its network" in found.hyper.learning_rate.reason


def test_a_plan_proposes_nothing_that_the_adapter_cannot_be(tmp_path, run):
    gone_on = begun(tmp_path, run)
    offered = {word for change in changes_of(gone_on, look(gone_on)) for word in change.words}
    assert "method=lora" not in offered
    assert any(word.startswith("method={name: partial") for word in offered)
    prefix = begun(tmp_path, finished("classification", "bert", "prefix"))
    before = outputs(prefix)
    offered = {word for change in changes_of(prefix, look(prefix)) for word in change.words}
    assert not any(word.startswith("method=") for word in offered)
    assert torch.equal(outputs(prefix), before)


def test_a_check_reads_rows_as_the_adapter_s_model_does(tmp_path, run):
    recipe_of(tmp_path, *CASE)
    for model in (run, finished("classification", "bert", "prefix")):
        found = api.check(tmp_path / "train.csv", [f"model={model}"])
        assert found.audited.lengths is not None


def away_from_its_run(run: Path, folder: Path, base: Path) -> Path:
    """The adapter of a run, which says by `adapter_config.json` alone that it stands beside `base`."""
    copy = Path(shutil.copytree(run / "adapter", folder))
    (copy / "affina.json").unlink()
    config = json.loads((copy / "adapter_config.json").read_text())
    (copy / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": str(base)}))
    return copy


@pytest.mark.parametrize(
    ("case", "other", "config", "expected"),
    [
        (CASE, "gpt2", True, "the BertForSequenceClassification that"),
        (CASE, "gpt2", False, "updates of layers that this base model has"),
        (CASE, "t5", True, "the BertForSequenceClassification that"),
        (("classification", "bert", "prefix"), "gpt2", False, "a head trained whole"),
        (("chat", "llama", "lora"), "bert", True, "all the weights of a LlamaForCausalLM"),
        (("chat", "llama", "prefix"), "gpt2", False, "positions of"),
    ],
)
def test_a_base_of_another_kind_is_named_with_the_file_that_names_it(tmp_path, case, other, config, expected):
    copy = away_from_its_run(finished(*case), tmp_path / "away", tiny(other))
    if not config:
        (copy / "config.json").unlink()
    with pytest.raises(ModelError) as caught:
        prepare(
            check_recipe(recipe_of(tmp_path, *case) | {"model": str(copy), "method": "auto"}), notify=lambda _: None
        )
    [problem] = caught.value.problems
    assert str(copy) in problem.where
    assert problem.where.endswith(f"beside the base {tiny(other)}")
    assert expected in problem.expected
    assert problem.fix.endswith(f"the base's name stands in {copy / 'adapter_config.json'}")
    assert "belongs to its weights" not in problem.fix


def test_the_head_of_an_adapter_for_a_base_of_another_size_names_that(tmp_path, run):
    other = Path(shutil.copytree(tiny("bert"), tmp_path / "wider"))
    config = AutoConfig.from_pretrained(other)
    config.hidden_size *= 2
    AutoModel.from_config(config).save_pretrained(other)
    copy = away_from_its_run(run, tmp_path / "away", other)
    (copy / "config.json").unlink()
    with pytest.raises(ModelError, match="pooler") as caught:
        begun(tmp_path, copy)
    assert f"beside the base {other}" in caught.value.problems[0].where


def test_a_changed_adapter_is_another_model(tmp_path, run):
    """What a run began with is compared before it goes on."""
    copy = Path(shutil.copytree(run / "adapter", tmp_path / "adapter"))
    base = f'"base_model_name_or_path": "{tiny("bert")}"'
    config = copy / "adapter_config.json"
    config.write_text(config.read_text().replace('"base_model_name_or_path": null', base))
    first = fingerprint(with_adapter(str(copy)))
    assert first == fingerprint(with_adapter(str(copy)))
    weights = copy / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert fingerprint(with_adapter(str(copy))) != first
