"""A second run of the same rows, model and recipe: what comes before its first step is taken over, bit for bit."""

import json
import shutil

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

import affina
from affina.pipeline.answering.subject import Answering
from affina.record.journal import read
from affina.record.payloads import Chosen, Evaluated, RowResults, Scores, Step
from workbench import sample_rows, tiny, write_csv, write_jsonl

METHODS = ["full", {"name": "partial", "blocks": 0}, "prefix"]


def recipe(tmp_path, name, family="bert", *, words=30, **parts):
    writes = family == "llama"
    rows = [{"input": f"say {n}", "output": f"{label}, {text}"} for n, (text, label) in enumerate(sample_rows(words))]
    data = write_jsonl(tmp_path / "rows.jsonl", rows) if writes else write_csv(tmp_path / "rows.csv", sample_rows(60))
    return {
        "model": str(tiny(family)),
        "run": str(tmp_path / name),
        "data": {"train": str(data), "validation": 0.3},
        "evaluate": {"resamples": 20},
        "risks": {"measure": "never"},
        **({"task": "generation", "generate": {"rows": 2, "max_new_tokens": 3, "shots": 0}} if writes else {}),
        **parts,
        "train": {"epochs": 2, "batch_tokens": 120, **parts.get("train", {})},
    }


def trained(tmp_path, name, family="bert", **parts):
    folder = affina.train(recipe(tmp_path, name, family, **parts)).folder
    return folder, read(folder.journal)


def of_kind(records, *kinds):
    return [record for record in records if isinstance(record, kinds)]


def takes_over(records):
    return any(record.key == "train.reuse" for record in of_kind(records, Chosen))


def steps(records):
    return [(record.loss, record.gradient_norm, record.learning_rate) for record in of_kind(records, Step)]


def weights(folder):
    return load_file(max(folder.checkpoints.glob("step-*")) / "trained.safetensors")


@pytest.mark.parametrize(
    ("family", "method"),
    [
        ("bert", "lora"),
        ("llama", "full"),
        *(pytest.param("bert", method, marks=pytest.mark.slow) for method in METHODS),
    ],
)
def test_a_second_run_is_the_first_one_bit_for_bit(reused, tmp_path, family, method):
    (first, one), (second, two) = (trained(tmp_path, name, family, method=method) for name in ("one", "two"))
    assert (takes_over(one), takes_over(two)) == (False, True)
    assert steps(one) == steps(two)
    for kind in (Evaluated, Scores, RowResults):
        assert of_kind(one, kind) == of_kind(two, kind)
    tensors = weights(first)
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in weights(second).items())


def test_nothing_is_measured_again(reused, tmp_path, monkeypatch):
    trained(tmp_path, "one")

    def never(*_):
        raise AssertionError("measured again")

    monkeypatch.setattr(Answering, "baselines", never)
    monkeypatch.setattr(Answering, "start_head", never)
    assert takes_over(trained(tmp_path, "two")[1])
    with pytest.raises(AssertionError, match="measured again"):
        trained(tmp_path, "three", train={"reuse": False})


@pytest.mark.parametrize(
    "parts",
    [
        {"train": {"dropout": 0.3}},
        *(pytest.param(one, marks=pytest.mark.slow) for one in ({"seed": 1}, {"method": "lora"})),
    ],
)
def test_another_recipe_measures_for_itself(reused, tmp_path, parts):
    trained(tmp_path, "one")
    assert not takes_over(trained(tmp_path, "two", **parts)[1])


def test_a_changed_row_or_version_measures_for_itself(reused, tmp_path, monkeypatch):
    trained(tmp_path, "one")
    asked = recipe(tmp_path, "two")
    path = tmp_path / "rows.csv"
    path.write_text(path.read_text("utf-8").replace("where is my card", "where was my card", 1), encoding="utf-8")
    assert not takes_over(read(affina.train(asked).folder.journal))
    assert takes_over(trained(tmp_path, "three")[1])
    monkeypatch.setattr("affina.pipeline.kept_starts.code_hash", lambda: "of another version")
    assert not takes_over(trained(tmp_path, "four")[1])


@pytest.mark.parametrize(
    "name", ["lines.jsonl", *(pytest.param(one, marks=pytest.mark.slow) for one in ("head.safetensors", "state.json"))]
)
def test_a_damaged_start_is_measured_again(reused, tmp_path, name):
    trained(tmp_path, "one")
    [entry] = reused.iterdir()
    (entry / name).write_bytes(b"damaged")
    assert not takes_over(trained(tmp_path, "two")[1])
    assert takes_over(trained(tmp_path, "three")[1])


def test_a_run_that_is_stopped_goes_on_as_ever(reused, tmp_path):
    _, whole = trained(tmp_path, "one", train={"checkpoint_every": 1})
    stopped = recipe(tmp_path, "two", train={"checkpoint_every": 1})

    def at_the_second(record):
        if isinstance(record, Step) and record.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(affina.errors.Interrupted):
        affina.train(stopped, observers=[at_the_second])
    resumed = read(affina.train(stopped).folder.journal)
    assert takes_over(resumed)
    assert steps(resumed) == steps(whole)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SafetensorError("No space left on device")])
def test_a_cache_without_room_costs_a_run_nothing(reused, tmp_path, monkeypatch, error):
    def full(*_):
        raise error

    monkeypatch.setattr("affina.pipeline.kept_starts.save_file", full)
    folder, _ = trained(tmp_path, "one")
    assert folder.report.is_file()
    assert not takes_over(trained(tmp_path, "two")[1])


def test_another_configuration_of_the_same_weights_measures_for_itself(reused, tmp_path):
    asked = [{**recipe(tmp_path, name), "model": str(tmp_path / "model")} for name in ("one", "two")]
    shutil.copytree(tiny("bert"), tmp_path / "model")
    affina.train(asked[0])
    path = tmp_path / "model" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "hidden_act": "relu"}), encoding="utf-8")
    assert not takes_over(read(affina.train(asked[1]).folder.journal))
