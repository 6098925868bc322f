"""Canaries in whole runs: put among the training rows alone, found where they were learned, and never by default."""

import json

import pytest

import affina
from affina.errors import RecipeError
from affina.record.journal import read
from affina.record.payloads import Chosen, DataRead
from affina.record.risks import Probed
from workbench import files_under, sample_rows, tiny, write_csv, write_jsonl


def recipe(tmp_path, family="llama", count=20, **parts):
    rows = [{"input": f"say {n}", "output": f"{label}, {text}"} for n, (text, label) in enumerate(sample_rows(30))]
    return {
        "model": str(tiny(family)),
        "run": str(tmp_path / "run"),
        "data": {"train": str(write_jsonl(tmp_path / "rows.jsonl", rows)), "validation": 0.4},
        "task": "generation",
        "train": {"epochs": 1, "batch_tokens": 120},
        "generate": {"rows": 2, "max_new_tokens": 3, "shots": 0},
        "evaluate": {"resamples": 20, "baselines": False},
        "risks": {"overfitting": {"canaries": count}},
        **parts,
    }


def exposed(folder):
    [line] = [line for line in read(folder.journal) if isinstance(line, Probed) and line.probe == "canaries"]
    return line, {figure.of: figure.found.value for figure in line.figures}


@pytest.mark.slow
def test_numbers_that_were_seen_many_times_are_the_likeliest_and_the_user_s_counts_are_theirs(tmp_path):
    long = {"epochs": 60, "batch_tokens": 400, "learning_rate": 1e-2, "early_stopping": False}
    asked = recipe(tmp_path, count=3, method="full", train=long)
    asked["data"]["validation"] = asked["data"]["train"]  # so that the last weights are the best
    folder = affina.train(asked).folder
    line, exposure = exposed(folder)
    assert exposure["tuned model"] == 8, "the first of 256"
    assert line.outcome == "few"
    [read_rows] = [line for line in read(folder.journal) if isinstance(line, DataRead)]
    assert read_rows.rows == {"train": 30, "validation": 30, "test": 0}
    [told] = [line for line in read(folder.journal) if isinstance(line, Chosen) and line.key.endswith("canaries")]
    assert "beside the 30 training rows of yours" in told.reason
    assert "random numbers" in folder.card.read_text("utf-8")


@pytest.mark.slow
def test_a_model_that_learned_nothing_has_the_exposure_of_chance(tmp_path):
    asked = recipe(tmp_path, train={"max_steps": 1, "learning_rate": 1e-9, "batch_tokens": 120})
    line, exposure = exposed(affina.train(asked).folder)
    assert line.outcome in ("within", "open")
    assert exposure["difference"] == pytest.approx(0, abs=0.1)
    assert 0.5 < exposure["untouched model"] < 2.5


@pytest.mark.parametrize("task", ["chat", "translation", "text"])
def test_every_task_that_writes_can_have_them(tmp_path, task):
    pairs = [(f"say {n}, {text}", f"{label} {n}") for n, (text, label) in enumerate(sample_rows(30))]
    names = {"chat": ("question", "answer"), "translation": ("en", "it"), "text": ("text", "text")}[task]
    write = [dict(zip(names, pair, strict=True)) for pair in pairs]
    family = "bart" if task == "translation" else "llama"
    asked = recipe(tmp_path, family, count=2, task="generation" if task == "text" else task)
    write_jsonl(tmp_path / "rows.jsonl", write)
    line, _ = exposed(affina.train(asked).folder)
    assert line.figures[0].found.n == 2


def test_none_changes_nothing_bit_for_bit(tmp_path):
    folders = []
    for name, risks in (("without", {}), ("with", {"overfitting": {"canaries": 0}})):
        folders.append(affina.train(recipe(tmp_path, run=str(tmp_path / name), method="lora", risks=risks)).folder)
    without, those = (files_under(folder.path / "adapter") for folder in folders)
    assert without["adapter_model.safetensors"] == those["adapter_model.safetensors"]
    first, second = (json.loads(folder.report_json.read_text("utf-8"))["risks"] for folder in folders)
    assert first["overfitting"]["verdict"] == second["overfitting"]["verdict"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"risks": {"measure": "never", "overfitting": {"canaries": 2}}}, "risks.measure=never"),
        ({"data": {"max_length": 8}}, "data.max_length="),
        ({"data": "labels"}, "task=classification"),
    ],
)
def test_canaries_that_cannot_be_learned_are_refused_before_the_training(tmp_path, change, says):
    asked = recipe(tmp_path, count=2)
    if change.get("data") == "labels":
        asked |= {"task": "auto", "model": str(tiny("bert"))}
        asked["data"]["train"] = str(write_csv(tmp_path / "rows.csv", sample_rows(30)))
    else:
        asked |= {**change, "data": {**asked["data"], "too_long": "truncate", **change.get("data", {})}}
    with pytest.raises(RecipeError, match=r"risks\.overfitting\.canaries") as caught:
        affina.train(asked)
    assert says in str(caught.value)
    assert not (tmp_path / "run").exists()
