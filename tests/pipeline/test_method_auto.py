"""`method: auto`: by the model, by the share of its embeddings, and by the memory that is free."""

import contextlib

import pytest

from affina.pipeline.resolved import resolved_recipe
from affina.recipe import measured_methods
from affina.recipe.measured_methods import Worth
from affina.recipe.method_specs import LoraSpec
from affina.recipe.weight_specs import FullSpec, PartialSpec
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.record.payloads import Started
from affina.runtime import machine
from bench_of_loops import prepared_run
from workbench import sample_rows, write_csv


def sizes_of(prepared):
    found = {"all": 0, "embeddings": 0}
    for name, parameter in prepared.model.module.named_parameters():
        found["all"] += parameter.numel() * parameter.element_size()
        if prepared.model.anatomy.part_of(name) == "embeddings":
            found["embeddings"] += parameter.numel() * parameter.element_size()
    return found


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_where_gradients_and_moments_do_not_fit_it_is_lora(tmp_path, monkeypatch, family):
    usual = prepared_run(tmp_path, family=family)
    sizes = sizes_of(usual)
    share = sizes["embeddings"] / sizes["all"]
    assert usual.method.name == ("partial" if share > 0.3 else "full")
    needed = 3 * (sizes["all"] - (sizes["embeddings"] if share > 0.3 else 0))
    for free, name in ((needed, usual.method.name), (needed - 1, "lora"), (None, usual.method.name)):
        monkeypatch.setattr(machine, "free_memory", lambda _, free=free: free)
        found = prepared_run(tmp_path, family=family)
        assert found.method.name == name
        assert found.choices["method"].value == name
        assert ("are free" in found.choices["method"].reason) == (name == "lora")
    monkeypatch.setattr(machine, "free_memory", lambda _: 0)
    lora = prepared_run(tmp_path, family=family)
    assert lora.choices["method.alpha"].value == 2 * lora.method.rank, "what it leaves open is decided, too"


@pytest.mark.parametrize(
    ("way", "method"),
    [
        ("full", FullSpec()),
        ("embeddings frozen", PartialSpec()),
        ("upper half", PartialSpec(blocks=2)),
        ("head", PartialSpec(blocks=0)),
        ("lora", LoraSpec()),
    ],
)
def test_a_way_that_the_table_has_clearly_ahead_is_taken(tmp_path, monkeypatch, way, method):
    lines = {one: Worth(90.0 if one == way else 80.0, 1.0) for one in measured_methods.WORDS}
    monkeypatch.setattr(measured_methods, "MEASURED", {100: lines})
    found = prepared_run(tmp_path)
    assert len(found.model.anatomy.blocks) in (3, 4)
    assert found.method.model_copy(update={"alpha": "auto"} if way == "lora" else {}) == method
    assert f"{measured_methods.WORDS[way]} 90.0%" in found.choices["method"].reason


def test_a_stopped_run_goes_on_in_its_own_whatever_is_free_now(tmp_path, monkeypatch):
    begun = prepared_run(tmp_path, run=str(tmp_path / "run"))
    started = Started(
        time="",
        versions={},
        machine={},
        asked=begun.recipe.model_dump(mode="json"),
        resolved=resolved_recipe(begun).model_dump(mode="json"),
    )
    (tmp_path / "run").mkdir()
    with contextlib.closing(Journal(RunFolder(tmp_path / "run").journal)) as journal:
        journal.append(started)
    monkeypatch.setattr(machine, "free_memory", lambda _: 0)
    found = prepared_run(tmp_path, run=str(tmp_path / "run"))
    assert found.method == begun.method
    assert "was started" in found.choices["method"].reason
    assert prepared_run(tmp_path, run=str(tmp_path / "other")).method.name == "lora"


def test_a_given_method_is_taken_whatever_is_free(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "free_memory", lambda _: 0)
    assert prepared_run(tmp_path, method="full").method.name == "full"


def test_a_number_is_not_looked_up_among_labels(tmp_path, monkeypatch):
    lines = {one: Worth(90.0 if one == "lora" else 80.0, 1.0) for one in measured_methods.WORDS}
    monkeypatch.setattr(measured_methods, "MEASURED", {100: lines})
    rows = [(text, f"{len(text)}.5") for text, _ in sample_rows(40)]
    data = {"train": str(write_csv(tmp_path / "numbers.csv", rows)), "validation": 0.2, "test": "none"}
    found = prepared_run(tmp_path, data=data, task="regression")
    assert found.method.name in ("full", "partial")
    assert "right" not in found.choices["method"].reason
