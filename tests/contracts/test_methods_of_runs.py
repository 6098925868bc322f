"""Every task with every method and kind of model, from rows to what is shipped: what a method promises of a run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import affina as api
from affina.errors import InputError, RecipeError
from affina.methods.base import Mergeable
from affina.pipeline import attempts
from affina.pipeline.attaching import instead
from affina.pipeline.training import build_loop
from affina.planning.activations import look
from affina.planning.changes import changes_of
from affina.planning.estimate import setup_of
from affina.recipe.load import check_recipe
from affina.record import journal
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.record.payloads import ModelLoaded, Scores
from runs_of_methods import METHODS, MODELS, outputs, prepared_of, recipe_of, stopped_and_gone_on
from workbench import affina, tiny

CASES = [(task, family, method) for task, families in MODELS.items() for family in families for method in METHODS]
WHOLE = [case for case in CASES if case[2] == "lora" or case[1] == MODELS[case[0]][0]]
"""Each task with each method, and each family with LoRA, which ships two models: for what takes a whole command."""
CORRELATIONS = ("r2", "pearson", "spearman")


def train(folder: Path, *case: str):
    write = folder / "recipe.json"
    write.write_text(json.dumps(recipe_of(folder, *case)), encoding="utf-8")
    shutil.copy(write, folder / "recipe.yaml")  # JSON is YAML
    ended = affina("train", folder / "recipe.yaml")
    assert ended.status == 0, ended.err
    return journal.read(RunFolder(folder / "run").journal)


@pytest.mark.parametrize(("task", "family", "method"), CASES)
def test_what_trains_moves_and_nothing_else(tmp_path, task, family, method):
    run = prepared_of(tmp_path, task, family, method)
    before = {name: tensor.detach().clone() for name, tensor in run.model.module.named_parameters()}
    start = {name: tensor.clone() for name, tensor in run.attached.state_dict().items()}
    with run.attached.disabled():
        base = outputs(run)
    if method == "lora":
        assert torch.equal(outputs(run), base)
    with Journal(tmp_path / "record.jsonl", observers=()) as record:
        build_loop(run, RunFolder(tmp_path / "checkpoints-of"), record).run()
    ended = run.attached.state_dict()
    assert [name for name in start if torch.equal(start[name], ended[name])] == []
    frozen = {name: tensor for name, tensor in run.model.module.named_parameters() if name not in start}
    assert frozen
    assert all(torch.equal(tensor, before[name]) for name, tensor in frozen.items())
    assert not torch.equal(outputs(run), base)
    if isinstance(run.attached, Mergeable):
        found = outputs(run)
        with run.attached.merged():
            assert torch.allclose(outputs(run), found, rtol=1e-5)
        assert torch.equal(outputs(run), found)


@pytest.mark.parametrize(("task", "family", "method"), WHOLE)
def test_what_is_shipped_is_what_was_measured(tmp_path, task, family, method):
    records = train(tmp_path, task, family, method)
    folder = RunFolder(tmp_path / "run")
    assert {path.name for path in folder.shipped} == ({"model", "adapter"} if method == "lora" else {"adapter"})
    assert all(path.is_file() for path in folder.shipped_cards)
    tuned = next(record for record in records if isinstance(record, Scores) and record.who == "tuned")
    # a correlation with predictions that are nearly the same number is mostly their rounding
    reported = {name: figure.value for name, figure in tuned.metrics.items() if name not in CORRELATIONS}
    assert evaluated(tmp_path, reported) == pytest.approx(reported, rel=1e-5)
    if method == "lora":
        shutil.rmtree(folder.model)
        assert evaluated(tmp_path, reported) == pytest.approx(reported, rel=1e-4, abs=1e-6)
    loaded = next(record for record in records if isinstance(record, ModelLoaded))
    best = load_file(next(folder.checkpoints.glob("best-*")) / "trained.safetensors")
    assert loaded.trained == sum(tensor.numel() for tensor in best.values())


def evaluated(folder: Path, names: Iterable[str]) -> dict[str, float]:
    found = affina("evaluate", folder / "run", folder / "test.csv", "--json")
    assert found.status == 0, found.err
    return {name: json.loads(found.out)["metrics"][name]["value"] for name in names}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("task", "family"), [("classification", "bert"), ("generation", "t5")])
def test_a_second_start_is_the_base_with_other_draws(tmp_path, task, family, method):
    run = prepared_of(tmp_path, task, family, method)
    start = {name: tensor.clone() for name, tensor in run.attached.state_dict().items()}
    with run.attached.disabled():
        base = outputs(run)
    with torch.no_grad():
        for tensor in run.attached.state_dict().values():
            tensor.add_(1.0)
    again = attempts.start_again(run)
    if method == "lora":
        assert torch.equal(outputs(again), base) or task == "classification"
    again = {name: tensor.clone() for name, tensor in attempts.start_again(run).attached.state_dict().items()}
    twice = attempts.start_again(run).attached.state_dict()
    assert all(torch.equal(again[name], twice[name]) for name in start)
    assert all(abs(float(tensor.mean() - start[name].mean())) < 0.5 for name, tensor in again.items())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("task", "family"), [("classification", "bert"), ("chat", "llama")])
def test_stopped_and_resumed_equals_uninterrupted(tmp_path, monkeypatch, task, family, method):
    begin = partial(prepared_of, tmp_path, task, family, method)
    whole, again = stopped_and_gone_on(begin, tmp_path, monkeypatch)
    assert all(torch.equal(again[name], tensor) for name, tensor in whole.items())


def test_lora_without_merging_ships_the_adapter_alone(tmp_path):
    recipe = recipe_of(tmp_path, "chat", "llama", "lora") | {"export": {"merge": False}}
    api.train(recipe)
    folder = RunFolder(tmp_path / "run")
    assert folder.shipped == (folder.adapter,)
    talk = api.chat(folder.path)
    assert talk.opened.attached is not None
    assert isinstance("".join(talk.say_to_base("where is order 7")), str)


@pytest.mark.parametrize(
    ("method", "merge", "says"),
    [
        ("prompt", True, "stands before every text"),
        ("prefix", True, "stands before every text"),
        ("full", False, "trains the model's own weights"),
    ],
)
def test_merging_what_cannot_be_merged_is_refused(tmp_path, method, merge, says):
    given = recipe_of(tmp_path, "classification", "bert", "lora")
    given |= {"export": {"merge": merge}, "method": METHODS.get(method, {"name": method})}
    with pytest.raises(RecipeError, match=says):
        api.train(given)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("family", "method", "says"),
    [
        ("bert", {"name": "lora", "rank": 99}, "method.rank=32"),
        ("bert", {"name": "lora", "targets": "nothing"}, "take of these"),
        ("bert", {"name": "prompt", "length": 64}, "method.length="),
        ("bert", {"name": "prefix", "length": 64}, "method.length="),
        ("deberta-v2", {"name": "prefix"}, "method=lora"),
    ],
)
def test_what_a_model_cannot_take_is_refused_with_the_fix(tmp_path, family, method, says):
    given = recipe_of(tmp_path, "classification", family, "lora") | {"method": method}
    with pytest.raises(InputError, match=says):
        api.train(given)
    assert not (tmp_path / "run").exists()


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize("method", METHODS)
def test_the_adapter_loads_with_peft_as_the_card_says(tmp_path, method):
    train(tmp_path, "classification", "bert", method)
    folder = RunFolder(tmp_path / "run").adapter
    card = (folder / "README.md").read_text(encoding="utf-8")
    lines = card.partition("from peft import")[2].partition("```")[0]
    lines = "from peft import" + lines.replace("THIS_FOLDER", str(folder)).replace("THE_BASE_MODEL", str(tiny("bert")))
    made: dict[str, Any] = {}
    exec(lines, made)  # noqa: S102 - what the card says
    texts = ["where is my card", "please send me the new address of the bank"]
    with torch.no_grad():
        rows = [made["model"](**made["tokenizer"](text, return_tensors="pt")).logits.softmax(-1)[0] for text in texts]
    ours = api.predict(tmp_path / "run", texts)
    for row, said in zip(rows, ours, strict=True):
        assert row.tolist() == pytest.approx(list(said.probabilities.values()), abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_plan_looks_at_other_methods_and_puts_the_run_s_own_back(tmp_path, method):
    run = prepared_of(tmp_path, "classification", "bert", method)
    trains = {name: tensor.requires_grad for name, tensor in run.model.module.named_parameters()}
    before, setup = outputs(run), setup_of(run, look(run))
    found = changes_of(run, look(run))
    assert torch.equal(outputs(run), before)
    assert trains == {name: tensor.requires_grad for name, tensor in run.model.module.named_parameters()}
    assert setup.trained == 4 * sum(tensor.numel() for tensor in run.attached.state_dict().values())
    with instead(run, check_recipe({"method": "full", "data": {"train": "rows.csv"}}).method) as full:
        assert full.attached.state_dict().keys() == dict(run.model.module.named_parameters()).keys()
        offered = {change.words for change in changes_of(full, look(full))}
    assert ("method=lora",) in offered
    assert found
