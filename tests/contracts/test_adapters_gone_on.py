"""A run that goes on from an adapter that a run of Affina shipped: what it begins with, changes, and ships."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import affina as api
from affina.pipeline import attempts
from affina.pipeline.prepare import prepare
from affina.pipeline.prepared import Prepared
from affina.pipeline.training import build_loop
from affina.recipe.load import check_recipe, load_recipe
from affina.record import journal
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.record.risks import Probed
from affina.record.starts import ModelLoaded
from runs_of_methods import METHODS, finished, outputs, recipe_of, rows_of, stopped_and_gone_on
from workbench import tiny, write_csv

pytestmark = pytest.mark.slow  # whole runs, one after another

KINDS = (("classification", "bert"), ("multi_label", "roberta"), ("regression", "llama"), ("chat", "llama"))
CASES = [(*kind, method) for kind in (*KINDS, ("generation", "t5")) for method in METHODS]
EACH = [case for case in CASES if case[0] in ("classification", "chat", "generation")]
"""An encoder, a decoder and an encoder-decoder with each method."""


def going_on(folder: Path, case: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    """A recipe that leaves the method to the adapter of a finished run of the same kind."""
    recipe = recipe_of(folder, *case) | {"model": str(finished(*case))} | more
    return {key: value for key, value in recipe.items() if key != "method" or "method" in more}


def begun(recipe: dict[str, Any]) -> Prepared:
    return prepare(check_recipe(recipe), notify=lambda _: None)


def kept(run: Path) -> dict[str, torch.Tensor]:
    """The tensors of the adapter that a run shipped, by their names there."""
    return load_file(run / "adapter" / "adapter_model.safetensors")


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_it_begins_with_what_the_adapter_holds(tmp_path, case):
    """What is measured before the first step is what `affina evaluate` says of the adapter on the same rows."""
    recipe = going_on(tmp_path, case)
    recipe["data"] |= {"validation": recipe["data"].pop("test")}
    run = begun(recipe)
    run.attached.eval()
    first = run.subject.work(run).evaluate()
    said = api.evaluate(finished(*case), tmp_path / "test.csv").scores.metrics
    key = "rmse" if case[0] == "regression" else "loss"
    assert first[key] == pytest.approx(said[key].value, rel=1e-5)


@pytest.mark.parametrize("case", EACH, ids="-".join)
def test_a_step_moves_every_trained_tensor_and_nothing_else(tmp_path, case):
    run = begun(going_on(tmp_path, case))
    assert run.method.name == case[2]
    before = {name: tensor.detach().clone() for name, tensor in run.model.module.named_parameters()}
    start = {name: tensor.clone() for name, tensor in run.attached.state_dict().items()}
    own = kept(finished(*case)).values()
    assert sum(tensor.numel() for tensor in own) == sum(tensor.numel() for tensor in start.values())
    found = outputs(run)
    with Journal(tmp_path / "record.jsonl", observers=()) as record:
        build_loop(run, RunFolder(tmp_path / "checkpoints-of"), record).run()
    ended = run.attached.state_dict()
    assert [name for name in start if torch.equal(start[name], ended[name])] == []
    frozen = {name: tensor for name, tensor in run.model.module.named_parameters() if name not in start}
    assert frozen
    assert all(torch.equal(tensor, before[name]) for name, tensor in frozen.items())
    if not run.subject.outputs:  # a head is no part of what it came as
        tuned = outputs(run)
        with run.attached.as_it_came():
            assert torch.equal(outputs(run), found)
        assert torch.equal(outputs(run), tuned)
        assert not torch.equal(tuned, found)
    attempts.start_again(run)
    assert torch.equal(outputs(run), found)


@pytest.mark.parametrize("case", EACH, ids="-".join)
def test_stopped_and_gone_on_equals_uninterrupted(tmp_path, monkeypatch, case):
    whole, again = stopped_and_gone_on(lambda: begun(going_on(tmp_path, case)), tmp_path, monkeypatch)
    assert all(torch.equal(again[name], tensor) for name, tensor in whole.items())


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize("case", EACH, ids="-".join)
def test_what_it_ships_opens_again_without_the_run_before_and_goes_on_itself(tmp_path, case):
    before = tmp_path / "before"
    shutil.copytree(finished(*case), before)
    merge = {"merge": False} if case[2] == "lora" else {}
    api.train(going_on(tmp_path, case) | {"model": str(before), "export": merge})
    shutil.rmtree(before)
    run = tmp_path / "run"
    assert kept(run).keys() == kept(finished(*case)).keys()
    reported = journal.read(RunFolder(run).journal)
    tuned = next(record for record in reported if getattr(record, "who", "") == "tuned")
    found = api.evaluate(run, tmp_path / "test.csv").scores.metrics
    assert found["loss"].value == pytest.approx(tuned.metrics["loss"].value, rel=1e-5)
    loaded = next(record for record in reported if isinstance(record, ModelLoaded))
    assert (loaded.reference, loaded.base) == (str(before), str(tiny(case[1])))
    third = begun(going_on(tmp_path, case) | {"model": str(run / "adapter")})
    assert third.model.source.without_adapter.reference == str(tiny(case[1]))


@pytest.mark.parametrize("method", METHODS)
def test_its_resolved_recipe_is_the_same_run(tmp_path, method):
    case = ("classification", "bert", method)
    api.train(going_on(tmp_path, case))
    again = load_recipe(tmp_path / "run" / "recipe.yaml", overrides=[f"run={tmp_path / 'again'}"])
    api.train(again)
    ours, theirs = kept(tmp_path / "run"), kept(tmp_path / "again")
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("method", METHODS)
def test_for_other_labels_the_output_layer_starts_anew_and_the_rest_goes_on(tmp_path, method):
    case = ("classification", "bert", method)
    recipe, told = going_on(tmp_path, case), []
    other = [(text, f"other {label}") for text, label in rows_of("classification", 30)]
    write_csv(tmp_path / "train.csv", other)
    write_csv(tmp_path / "test.csv", other[:9])
    run = prepare(check_recipe(recipe), notify=told.append)
    assert any("was trained for other labels and starts anew" in text for text in told)
    assert run.subject.has_new_head
    found, own = run.attached.state_dict(), kept(finished(*case))
    prefix = "base_model.model." if method == "lora" else "base_model."
    same = [name for name in found if torch.equal(found[name].cpu(), own.get(f"{prefix}{name}", torch.empty(0)))]
    assert {"bert.pooler.dense.weight", "bert.pooler.dense.bias"} <= set(same)
    assert not [name for name in same if name.startswith("classifier")]
    assert method != "lora" or len(same) == len(found) - 2


def test_for_the_same_labels_nothing_is_said_of_a_new_head(tmp_path):
    told: list[str] = []
    run = prepare(check_recipe(going_on(tmp_path, ("classification", "bert", "lora"))), notify=told.append)
    assert told == []
    assert not run.subject.has_new_head


def test_what_the_model_had_is_the_adapter_s_in_the_report_and_in_the_chat(tmp_path):
    """The zero-shot baseline and `/base` are the model as it came, as for a whole model that is trained again."""
    case = ("chat", "llama", "prompt")
    recipe = going_on(tmp_path, case)
    recipe["evaluate"] |= {"baselines": True}
    recipe["generate"] |= {"shots": 0}
    recipe["train"] |= {"max_steps": 2}
    scores = api.train(recipe).baselines["zero_shot"]
    said = api.evaluate(finished(*case), tmp_path / "test.csv").scores.metrics
    assert scores.metrics["loss"].value == pytest.approx(said["loss"].value, rel=1e-5)
    text = "where is order 7"
    talk, before = api.chat(tmp_path / "run"), api.chat(finished(*case))
    assert "".join(talk.say_to_base(text)) == "".join(before.say(text))


def test_the_choice_and_its_reason_are_recorded(tmp_path):
    run = begun(going_on(tmp_path, ("classification", "bert", "prefix")))
    assert run.choices["method"].value == "prefix"
    assert "goes on training" in run.choices["method"].reason
    assert str(tiny("bert")) in run.choices["model (adapter)"].reason
    assert run.choices["method.length"].value == 3
    assert "dropped after training" in run.choices["method.reparameterise"].reason
    run = begun(going_on(tmp_path, ("classification", "bert", "lora")))
    assert (run.choices["method.rank"].value, run.choices["method.targets"].value) == (4, "linear")
    assert json.dumps(run.method.model_dump(mode="json")["targets"]) == '["linear"]'


@pytest.mark.parametrize("case", [("chat", "llama", "prompt"), ("classification", "bert", "lora")], ids="-".join)
def test_what_was_forgotten_is_measured_since_the_adapter(tmp_path, case):
    """A run that moved next to nothing forgot next to nothing, however far the adapter before is from its base."""
    recipe = going_on(tmp_path, case, risks={"measure": "always"})
    recipe["train"] |= {"max_steps": 1, "learning_rate": 1e-9}
    api.train(recipe)
    records = journal.read(RunFolder(tmp_path / "run").journal)
    [found] = [record for record in records if isinstance(record, Probed) and record.risk == "forgetting"]
    assert found.figures[0].found.value == pytest.approx(0, abs=1e-6)
