"""The risks as a stage of a run: what is measured, what is left out and why, and what is refused before a training."""

import json
import shutil

import pytest

import affina
from affina.errors import RecipeError
from affina.pipeline import execute
from affina.record.journal import read
from affina.record.payloads import Finished
from affina.record.risks import Probed
from workbench import sample_rows, tiny, write_csv, write_jsonl

pytestmark = pytest.mark.slow  # whole runs, one after another

TEXTS = "\n\n".join(f"my card number {number} has not arrived yet, where is it" for number in range(25))


def recipe(tmp_path, family="bert", **parts):
    if family in ("bert", "gpt2"):
        data = {"train": str(write_csv(tmp_path / "rows.csv", sample_rows(60))), "validation": 0.4}
    else:
        rows = [
            {"input": f"say {number}", "output": f"{label}, {text}"}
            for number, (text, label) in enumerate(sample_rows(60))
        ]
        data = {"train": str(write_jsonl(tmp_path / "rows.jsonl", rows)), "validation": 0.4}
        parts = {"task": "generation", "generate": {"rows": 2, "max_new_tokens": 3, "shots": 0}, **parts}
    return {
        "model": str(tiny(family)),
        "run": str(tmp_path / "run"),
        "data": {**data, **parts.pop("data", {})},
        "train": {"epochs": 1, "batch_tokens": 120, **parts.pop("train", {})},
        "evaluate": {"resamples": 20, "baselines": False},
        **parts,
    }


def probed(folder):
    return {line.probe: line for line in read(folder.journal) if isinstance(line, Probed)}


def by_risk(folder):
    return {line.risk: line for line in read(folder.journal) if isinstance(line, Probed)}


@pytest.mark.parametrize("method", ["full", "partial", "lora", "prompt", "prefix"])
def test_a_classifier_s_risks(tmp_path, method):
    folder = affina.train(recipe(tmp_path, method=method, risks={"measure": "always"})).folder
    found = by_risk(folder)
    assert found.keys() == {"overfitting", "forgetting", "bias"}
    over, forgot = found["overfitting"], found["forgetting"]
    assert over.figures[-3].found.n == over.figures[-2].found.n == 24, "as many training rows as validation rows"
    assert forgot.figures[0].metric == "similarity_change"
    assert "risks" in next(line for line in read(folder.journal) if isinstance(line, Finished)).seconds
    plain = json.loads(folder.report_json.read_text("utf-8"))["risks"]
    assert [plain[risk]["verdict"] for risk in plain] == [over.outcome, forgot.outcome, "unmeasured"]
    assert plain["bias"]["not_measured"]


@pytest.mark.parametrize("family", ["llama", "bart"])
def test_a_writer_s_risks(tmp_path, family):
    over, words, forgot = probed(affina.train(recipe(tmp_path, family, risks={"measure": "always"})).folder).values()
    assert [figure.metric for figure in over.figures[-3:]] == ["loss"] * 3
    assert [figure.metric for figure in forgot.figures][::4] == ["foretelling_rise", "divergence"]
    assert (words.risk, words.figures[0].metric, words.figures[0].found.n) == ("overfitting", "reproduced", 24)
    assert words.figures[0].found.value == 0, "a random model says nothing by heart"


def test_a_model_that_says_the_label_s_name(tmp_path):
    words = recipe(tmp_path, "gpt2", risks={"measure": "always"}, task={"name": "classification", "form": "words"})
    found = by_risk(affina.train(words).folder)
    assert "accuracy" in [figure.metric for figure in found["overfitting"].figures]
    assert found["forgetting"].figures[0].metric == "foretelling_rise"


def test_the_user_s_texts_are_read_before_and_after(tmp_path):
    (tmp_path / "mine.txt").write_text(TEXTS, encoding="utf-8")
    risks = {"forgetting": {"texts": str(tmp_path / "mine.txt")}}
    found = probed(affina.train(recipe(tmp_path, "llama", risks=risks)).folder)
    own = found["texts of mine.txt"]
    assert own.figures[0].found.n == 25
    assert own.outcome in ("flagged", "open", "within")
    assert next(line for name, line in found.items() if name.startswith("texts that")).outcome == "unmeasured"


def test_a_short_training_has_no_probes_that_would_take_long_beside_it(tmp_path):
    found = by_risk(affina.train(recipe(tmp_path)).folder)
    assert found["overfitting"].outcome != "unmeasured", "a few rows are read in no time"
    assert "none of 24 validation rows has one of the terms" in found["bias"].why
    assert found["forgetting"].outcome == "unmeasured"
    assert "risks.measure=always" in found["forgetting"].why
    longer = recipe(tmp_path, run=str(tmp_path / "longer"), train={"epochs": 60, "early_stopping": False})
    assert by_risk(affina.train(longer).folder)["forgetting"].outcome != "unmeasured"


def test_a_recipe_that_wants_none_has_none_and_it_is_said(tmp_path):
    folder = affina.train(recipe(tmp_path, risks={"measure": "never"})).folder
    assert {line.why for line in by_risk(folder).values()} == {"the recipe says risks.measure=never"}
    assert "risks.measure=never" in folder.card.read_text("utf-8")


def test_a_base_model_that_is_gone_costs_the_run_nothing_and_is_named(tmp_path, monkeypatch):
    shutil.copytree(tiny("bert"), tmp_path / "base")
    measure = execute.measure_risks

    def without_base(*given):
        shutil.rmtree(tmp_path / "base")
        measure(*given)

    monkeypatch.setattr(execute, "measure_risks", without_base)
    asked = recipe(tmp_path, model=str(tmp_path / "base"), method="full", risks={"measure": "always"})
    folder = affina.train(asked).folder
    found = by_risk(folder)
    assert found["forgetting"].outcome == "unmeasured"
    assert str(tmp_path / "base") in found["forgetting"].why
    assert found["overfitting"].figures
    assert str(tmp_path) not in folder.card.read_text("utf-8")


def test_a_base_that_does_not_fit_beside_the_tuned_model(tmp_path, monkeypatch):
    monkeypatch.setattr("affina.runtime.machine.free_memory", lambda _: 1000)
    found = by_risk(affina.train(recipe(tmp_path, method="full", risks={"measure": "always"})).folder)
    assert "are free" in found["forgetting"].why
    assert found["overfitting"].figures


@pytest.mark.parametrize(
    ("family", "risks", "says"),
    [
        ("llama", {"forgetting": {"texts": "nowhere.txt"}}, "no such file"),
        ("bert", {"forgetting": {"texts": "mine.txt"}}, "answers by a head"),
        ("bart", {"forgetting": {"texts": "mine.txt"}}, "reads with an encoder"),
        ("llama", {"measure": "never", "forgetting": {"texts": "mine.txt"}}, "risks.measure=never"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_the_training(tmp_path, monkeypatch, family, risks, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").write_text(TEXTS, encoding="utf-8")
    with pytest.raises(RecipeError, match=r"risks\.forgetting\.texts") as caught:
        affina.train(recipe(tmp_path, family, risks=risks))
    assert says in str(caught.value).lower()
    assert not (tmp_path / "run").exists()


def test_the_same_seed_finds_the_same(tmp_path):
    found = []
    for name in ("one", "two"):
        asked = recipe(tmp_path, "llama", run=str(tmp_path / name), risks={"measure": "always"})
        found.append([line.figures for line in probed(affina.train(asked).folder).values()])
    assert found[0] == found[1]
