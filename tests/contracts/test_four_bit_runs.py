"""Whole runs beside matrices in four bits: measured, stopped, shipped and opened again as any other."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch

import affina as api
from affina.errors import RecipeError
from affina.models.packed import PackedLinear
from affina.pipeline.beginning import MATRICES
from affina.pipeline.prepare import prepare
from affina.pipeline.prepared import Prepared
from affina.recipe.load import check_recipe
from affina.record import journal
from affina.record.folder import RunFolder
from affina.record.payloads import Chosen, Event, Scores, Started
from affina.record.starts import ModelLoaded
from affina.runtime import four_bits as libraries
from runs_of_methods import METHODS, recipe_of, stopped_and_gone_on

CASES = (
    ("classification", "bert", "lora"),
    ("classification", "gpt2", "prefix"),
    ("regression", "llama", "lora"),
    ("chat", "llama", "lora"),
    ("chat", "llama", "prompt"),
    ("translation", "bart", "lora"),
)


def four_bits(folder: Path, case: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    return recipe_of(folder, *case) | {"quantize": "nf4"} | more


def begun(recipe: dict[str, Any]) -> Prepared:
    return prepare(check_recipe(recipe), notify=lambda _: None)


def records_of(run: Path, kind: type) -> list[Any]:
    return [record for record in journal.read_known(RunFolder(run).journal).records if isinstance(record, kind)]


def chosen(run: Path) -> dict[str, Any]:
    return {record.key: record.value for record in records_of(run, Chosen)}


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_what_is_opened_again_is_what_was_measured(case, tmp_path):
    api.train(four_bits(tmp_path, case))

    said = api.evaluate(tmp_path / "run", tmp_path / "test.csv").scores.metrics
    [tuned] = [record for record in records_of(tmp_path / "run", Scores) if record.who == "tuned"]
    assert {name: figure.value for name, figure in said.items()} == pytest.approx(
        {name: figure.value for name, figure in tuned.metrics.items()}, rel=1e-6
    )
    assert chosen(tmp_path / "run")["quantize"] == "nf4"
    assert not (tmp_path / "run" / "model").exists()


@pytest.mark.parametrize("case", CASES[:1] + CASES[3:4], ids="-".join)
def test_a_stopped_run_goes_on_bit_for_bit(case, tmp_path, monkeypatch):
    recipe = four_bits(tmp_path, case)

    whole, parts = stopped_and_gone_on(lambda: begun(recipe), tmp_path, monkeypatch)

    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_stopped_run_of_an_optimizer_in_eight_bits_goes_on_bit_for_bit(tmp_path, monkeypatch):
    recipe = recipe_of(tmp_path, *CASES[0]) | {"method": "full"}
    recipe["train"] |= {"optimizer": "adamw_8bit"}

    whole, parts = stopped_and_gone_on(lambda: begun(recipe), tmp_path, monkeypatch)

    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert "approximate" in begun(recipe).choices["train.optimizer"].reason


def test_an_optimizer_whose_library_is_not_there_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(libraries.importlib.util, "find_spec", lambda _: None)
    recipe = recipe_of(tmp_path, *CASES[0])
    recipe["train"] |= {"optimizer": "adamw_8bit"}

    with pytest.raises(RecipeError) as caught:
        api.train(recipe)

    assert caught.value.problems[0].where == "recipe key train.optimizer"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_the_blocks_are_packed_and_the_head_is_not(case, tmp_path):
    run = begun(four_bits(tmp_path, case))

    packed = {path for path, child in run.model.module.named_modules() if isinstance(child, PackedLinear)}
    assert packed
    assert all(run.model.anatomy.part_of(f"{path}.weight") == "block" for path in packed)
    before = {path: run.model.module.get_submodule(path).weight.clone() for path in packed}
    run.attached.train()
    run.subject.work(run).loss(run.subject.work(run).batch([0, 1])).sum().backward()
    assert all(torch.equal(before[path], run.model.module.get_submodule(path).weight) for path in packed)


@pytest.mark.parametrize("method", ["full", "partial"])
def test_a_method_that_trains_the_matrices_is_refused(method, tmp_path):
    with pytest.raises(RecipeError) as caught:
        begun(four_bits(tmp_path, CASES[3], method=method))

    assert f"method {method}" in caught.value.problems[0].found
    assert not (tmp_path / "run").exists()


def test_a_merge_is_refused_and_a_method_left_open_is_lora(tmp_path):
    with pytest.raises(RecipeError) as caught:
        begun(four_bits(tmp_path, CASES[3], export={"merge": True}))
    assert "four bits" in caught.value.problems[0].found

    run = begun(four_bits(tmp_path, CASES[3], method="auto"))
    assert run.method.name == "lora"
    assert "four bits" in run.choices["method"].reason


def test_an_adapter_beside_whole_matrices_afterwards_is_told(tmp_path):
    api.train(four_bits(tmp_path, CASES[3]))
    recipe = recipe_of(tmp_path, *CASES[3]) | {"model": str(tmp_path / "run"), "run": str(tmp_path / "on")}

    assert MATRICES not in begun(recipe | {"quantize": "nf4"}).choices
    merged = begun(recipe | {"method": METHODS["prompt"]}).choices[MATRICES]
    assert "four bits" in merged.value
    assert "merged" in merged.reason

    api.train(recipe)
    assert f"- {MATRICES}: whole, where the adapter was trained beside matrices in four bits" in (
        tmp_path / "on" / "card.md"
    ).read_text("utf-8")


def test_the_record_and_the_card_say_so(tmp_path):
    api.train(four_bits(tmp_path, CASES[0]))

    [loaded] = records_of(tmp_path / "run", ModelLoaded)
    [started] = records_of(tmp_path / "run", Started)
    assert started.versions["bitsandbytes"] == metadata.version("bitsandbytes")
    whole = begun(recipe_of(tmp_path, *CASES[0]))
    assert loaded.parameters == sum(parameter.numel() for parameter in whole.model.module.parameters())
    card = (tmp_path / "run" / "card.md").read_text("utf-8")
    assert "load_in_4bit=True" in card
    assert "llm_int8_skip_modules" in card
    assert not [event for event in records_of(tmp_path / "run", Event) if "error" in event.text]
