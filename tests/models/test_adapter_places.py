"""Which folders are adapters, and what says which base they stand beside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from affina.errors import ModelError
from affina.models.adapter_places import find_adapter
from affina.models.adapters import BaseName, write_adapter
from affina.recipe.load import check_recipe, dump_recipe
from affina.record.journal import Journal
from affina.record.starts import ModelLoaded


def adapter(folder: Path, base: BaseName, **config: str | None) -> Path:
    held = {"prompt_embeddings": torch.zeros(2, 3)}
    write_adapter(folder, {"peft_type": "PROMPT_TUNING", **config}, held, fingerprint="0", base=base)
    return folder


def run_of(folder: Path, model: str, *, base: str | None = None) -> Path:
    """A run that shipped an adapter."""
    adapter(folder / "adapter", BaseName(hub_id="of/the-hub"))
    (folder / "recipe.yaml").write_text(dump_recipe(check_recipe({"model": model, "data": {"train": "a.csv"}})))
    loaded = ModelLoaded(reference=model, base=base, family="bert", parameters=1, trained=1, fingerprint="0")
    with Journal(folder / "record.jsonl") as journal:
        journal.append(loaded)
    return folder


def test_what_is_no_adapter(tmp_path):
    assert find_adapter("starter/encoder") is None
    assert find_adapter(str(tmp_path)) is None
    whole = adapter(tmp_path / "whole", BaseName())
    save_file({"weight": torch.zeros(1)}, whole / "model.safetensors")
    assert find_adapter(str(whole)) is None


@pytest.mark.parametrize("inside", ["", "adapter"])
@pytest.mark.parametrize(("model", "base"), [("models/mine", None), ("runs/before", "models/mine")])
def test_a_run_s_record_says_what_it_trained_beside(tmp_path, inside, model, base):
    run = run_of(tmp_path / "run", model, base=base)
    found = find_adapter(str(run / inside))
    assert (found.folder, found.base, found.whole) == (run / "adapter", "models/mine", None)
    assert str(run / "recipe.yaml") == str(found.named_in)
    (run / "model").mkdir()
    assert find_adapter(str(run / inside)).whole == str(run / "model")


def test_away_from_its_run_an_adapter_says_itself_what_it_stands_beside(tmp_path):
    hub_id = "HuggingFaceTB/SmolLM2-135M-Instruct"
    starter, named = BaseName(hub_id=hub_id, starter="starter/decoder"), "base_model_name_or_path"
    assert find_adapter(str(adapter(tmp_path / "a", starter, **{named: hub_id}))).base == "starter/decoder"
    assert find_adapter(str(adapter(tmp_path / "b", BaseName(), **{named: "of/the-hub"}))).base == "of/the-hub"


@pytest.mark.parametrize("named", ["sentence-transformers/all-MiniLM-L6-v2", "starter/encoder", "", None])
def test_two_names_of_one_base_are_no_contradiction(tmp_path, named):
    folder = adapter(tmp_path / "a", BaseName(starter="starter/encoder"), base_model_name_or_path=named)
    found = find_adapter(str(folder))
    assert (found.base, found.named_in) == ("starter/encoder", folder / "affina.json")


@pytest.mark.parametrize("named", ["HuggingFaceTB/SmolLM2-135M-Instruct", "starter/decoder", "models/mine"])
@pytest.mark.parametrize("inside", [True, False])
def test_two_bases_are_refused_by_naming_both(tmp_path, named, inside):
    run = run_of(tmp_path / "run", "starter/encoder")
    folder = run / "adapter" if inside else tmp_path / "a"
    adapter(folder, BaseName(starter="starter/encoder"), base_model_name_or_path=named)
    with pytest.raises(ModelError) as caught:
        find_adapter(str(run if inside else folder))
    [problem] = caught.value.problems
    for part in (f"starter/encoder as base in affina.json, {named} as base_model_name_or_path", "adapter_config.json"):
        assert part in problem.found
    assert "sentence-transformers/all-MiniLM-L6-v2" in problem.fix
    assert str(folder / "affina.json") in problem.expected


@pytest.mark.parametrize("base", [None, "", 5, "."])
def test_nothing_usable_says_it(tmp_path, monkeypatch, base):
    folder = adapter(tmp_path / "a", BaseName())
    monkeypatch.chdir(folder)
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": base}))
    with pytest.raises(ModelError, match="base_model_name_or_path") as caught:
        find_adapter(str(folder))
    assert str(path) in caught.value.problems[0].fix
