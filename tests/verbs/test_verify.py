"""`affina verify`: what it says of a sound run, of a finished one, and of what it cannot look at."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

import affina as api
from runs_of_methods import METHODS, MODELS, WRITING, recipe_of
from workbench import affina, check_refused, files_under, sample_rows, tiny, write_csv

EVERY = {**METHODS, "full": {"name": "full"}, "partial": {"name": "partial", "blocks": 1}}
CASES = [(task, family, method) for task, families in MODELS.items() for family in families for method in EVERY]
ALWAYS = ("trained", "resume", "accumulation", "batches", "apart", "own forward", "disabled")


def recipe_for(folder, task, family, method, **parts):
    return recipe_of(folder, task, family, "lora") | {"method": EVERY[method], **parts}


@pytest.mark.slow
@pytest.mark.parametrize(("task", "family", "method"), CASES)
def test_every_task_with_every_method_keeps_what_is_promised(tmp_path, task, family, method):
    found = api.verify(recipe_for(tmp_path, task, family, method))
    assert [one for one in found.guarantees if one.standing == "failed"] == []
    standing = {one.name: one.standing for one in found.guarantees}
    assert {name: standing[name] for name in ALWAYS} == dict.fromkeys(ALWAYS, "passed")
    assert (standing["ends"] == "passed") == (task in WRITING)
    assert (standing["merge"] == "passed") == (method == "lora")
    assert (standing["adapter reloaded"] == "passed") == (method in METHODS)
    assert (standing["plain transformers"] == "passed") == (method not in ("prompt", "prefix"))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "parts"),
    [
        ("bert", {"method": {"name": "full", "unfreezing": "gradual", "stage_epochs": 0.4, "layer_decay": 2.6}}),
        ("bert", {"train": {"l2_sp": 0.1, "mixout": 0.5, "r_drop": 1.0, "neftune": 5.0, "accumulate": 3}}),
        ("gpt2", {"task": {"name": "classification", "form": "words"}, "train": {"label_smoothing": 0.1}}),
    ],
    ids=["layers in turn", "regularised", "words"],
)
def test_what_acts_inside_the_loop_keeps_it_too(tmp_path, family, parts):
    found = api.verify(recipe_for(tmp_path, "classification", family, "full") | parts, float64=True)
    assert [one for one in found.guarantees if one.standing == "failed"] == []
    bounds = {one.name: one.bound for one in found.guarantees}
    assert bounds["accumulation"] == bounds["batches"] == 1e-9


@pytest.mark.parametrize(
    "train", [{"replay": True}, {"ewc": 10.0}, {"rec_adam": True}], ids=lambda train: next(iter(train))
)
def test_a_run_that_holds_on_to_its_model_can_be_looked_at(tmp_path, train):
    found = api.verify(recipe_for(tmp_path, "chat", "llama", "full", train=train))
    assert [one for one in found.guarantees if one.standing == "failed"] == []
    assert next(one for one in found.guarantees if one.name == "resume").standing == "passed"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    api.train(recipe_for(folder, "classification", "bert", "full"))
    return folder


def test_a_finished_run_is_asked_again_and_left_as_it_was(finished):
    before = files_under(finished)
    ended = affina("verify", finished / "run", "--rows", "6")
    assert ended.status == 0, ended.out + ended.err
    assert "ok     recorded" in ended.out
    assert "not applicable: method full trains every tensor: none is frozen" in ended.out
    assert "checks passed" in ended.out
    assert files_under(finished) == before


def test_a_shipped_model_that_was_changed_is_seen(finished, tmp_path, monkeypatch):
    shutil.copytree(finished / "run", tmp_path / "run")
    weights = tmp_path / "run/model/model.safetensors"
    tensors = load_file(weights)
    tensors["classifier.weight"] = torch.flip(tensors["classifier.weight"], dims=[0])
    save_file(tensors, weights, metadata={"format": "pt"})
    monkeypatch.setattr("affina.verbs.verify.check_all", lambda *_, **__: None)  # the others look at other models
    ended = affina("verify", tmp_path / "run", "--json")
    assert ended.status == 3
    [check] = json.loads(ended.out)["checks"]
    assert (check["name"], check["standing"]) == ("recorded", "failed")


def test_changed_data_are_said_and_no_silent_pass(finished, tmp_path, monkeypatch):
    rows = (finished / "test.csv").read_text(encoding="utf-8")
    monkeypatch.setattr("affina.verbs.verify.check_all", lambda *_, **__: None)
    try:
        (finished / "test.csv").write_text(rows + '"one more card","card"\n', encoding="utf-8")
        found = api.verify(finished / "run")
    finally:
        (finished / "test.csv").write_text(rows, encoding="utf-8")
    [check] = found.guarantees
    assert check.standing == "not applicable"
    assert "is not the file any more" in check.said


def damaged(folder):
    path = folder / "run/record.jsonl"
    path.write_bytes(b"{not a record}\n" + path.read_bytes())


def unfinished(folder):
    shutil.rmtree(folder / "run/model")


def unrecorded(folder):
    (folder / "run/record.jsonl").unlink()


def cut_short(folder):
    weights = folder / "run/model/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (damaged, "line 1"),
        (unfinished, "has not written one yet"),
        (unrecorded, "the record of a run"),
        (cut_short, "a whole file"),
    ],
    ids=["damaged", "unfinished", "unrecorded", "cut short"],
)
def test_a_run_that_cannot_be_looked_at_is_refused(finished, tmp_path, harm, says):
    shutil.copytree(finished / "run", tmp_path / "run")
    harm(tmp_path)
    before = files_under(tmp_path)
    check_refused(affina("verify", tmp_path / "run"), tmp_path, before, says=[says])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("model=nowhere/at-all/here",), ["nowhere/at-all/here"]),
        (("--rows", "1"), ["fewer make no batch"]),
        (("--rows", "2", "train.epocs=3"), ["train.epocs"]),
    ],
    ids=["model gone", "one row", "unknown key"],
)
def test_what_cannot_be_used_is_refused_before_anything_is_measured(tmp_path, words, says):
    write_csv(tmp_path / "rows.csv", sample_rows(30))
    before = files_under(tmp_path)
    model = () if words[0].startswith("model") else (f"model={tiny()}",)
    check_refused(affina("verify", tmp_path / "rows.csv", *model, *words), tmp_path, before, says=says)


def test_other_keys_for_a_run_are_refused(finished):
    before = files_under(finished)
    ended = affina("verify", finished / "run", "method=lora")
    check_refused(ended, finished, before, says=["looked at as it was trained", "recipe.yaml"])
