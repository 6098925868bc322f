"""A run with budgets, from its recipe to what it ships: the candidates, the one exported, and where none fits."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import affina
from affina.errors import AffinaError, Interrupted, RecipeError
from affina.models.base import base_tensors
from affina.models.language import load_language_model
from affina.models.source import locate
from affina.pipeline import search
from affina.pipeline.naming.namer import Namer
from affina.pipeline.naming.subject import WITHOUT_ENDS
from affina.record.folder import RunFolder
from affina.record.journal import read
from affina.record.payloads import Finished
from affina.record.risks import Probed
from affina.record.searched import Searched, Tried
from affina.training import checkpoint
from workbench import affina as command
from workbench import sample_rows, tiny, write_csv, write_jsonl

STRENGTHS = (1.0, 0.5)
RANDOM = ({}, {"head_start": "random"})
"""Of a model that writes, and of one with a new head: a probe of these rows is not passed in a few epochs."""


@pytest.fixture(autouse=True)
def few_candidates(monkeypatch):
    monkeypatch.setattr(search, "STRENGTHS", STRENGTHS)
    monkeypatch.setattr(search, "FINER", 1)


def recipe(tmp_path, family="llama", **parts):
    if family == "bert":
        data = {"train": str(write_csv(tmp_path / "rows.csv", sample_rows(80)))}
    else:
        rows = [{"input": f"say {number}", "output": label} for number, (_, label) in enumerate(sample_rows(80))]
        data = {"train": str(write_jsonl(tmp_path / "rows.jsonl", rows))}
        parts = {"task": "generation", "generate": {"rows": 2, "max_new_tokens": 3, "shots": 0}, **parts}
    return {
        "model": str(tiny(family)),
        "run": str(tmp_path / "run"),
        "data": {**data, "validation": 0.4, **parts.pop("data", {})},
        "train": {"epochs": 4, "batch_tokens": 160, "learning_rate": 3e-3, **parts.pop("train", {})},
        "evaluate": {"resamples": 20, "baselines": False},
        "risks": {"forgetting": {"budget": "90%"}},
        **parts,
    }


def of_kind(folder, kind):
    return [line for line in read(folder.journal) if isinstance(line, kind)]


def test_the_best_within_the_budget_is_what_is_shipped_measured_and_told(tmp_path):
    ended = command("train", *in_words(recipe(tmp_path, method="full", data={"test": 0.2})), "--gate")
    assert ended.status == 0, "the gate lets it pass"
    folder = RunFolder(tmp_path / "run")
    tried, [found] = of_kind(folder, Tried), of_kind(folder, Searched)
    assert [one.strength for one in tried[:3]] == [1.0, 0.5, tried[2].strength]
    assert 0.5 < tried[2].strength < 1.0
    assert [one.step for one in tried[3:]] == sorted(one.step for one in tried[3:]), "earlier weights"
    chosen = next(one for one in tried if one.name == found.exported)
    assert chosen.score.value == min(one.score.value for one in tried if one.fits)
    assert found.unseen
    assert (found.baseline, found.metric, found.candidates) == ("untouched model", "loss", len(tried))
    forgot = next(line for line in of_kind(folder, Probed) if line.risk == "forgetting")
    assert (forgot.limit, forgot.is_budget) == (0.9, True)
    assert forgot.figures[0] == chosen.held[0].figure, "of the model that is shipped, and the base was read once"
    plain = json.loads(folder.report_json.read_text("utf-8"))["budgets"]
    assert plain["exported"] == found.exported
    assert found.exported in folder.card.read_text("utf-8")
    page = folder.report.read_text("utf-8")
    assert "candidates-tried" in page
    assert "Pareto front" in page
    assert of_kind(folder, Finished)[0].seconds["search"] > 0


@pytest.mark.parametrize(
    ("family", "method"),
    [
        ("llama", "lora"),
        pytest.param("bert", "full", marks=pytest.mark.slow),
        pytest.param("bart", "partial", marks=pytest.mark.slow),
    ],
)
def test_a_candidate_on_the_line_is_shipped_as_it_was_measured(tmp_path, monkeypatch, family, method):
    monkeypatch.setattr(search, "best_of", lambda tried: next(one for one in tried if one.strength == 0.5))
    folder = affina.train(recipe(tmp_path, family, method=method, train=RANDOM[family == "bert"])).folder
    tuned = checkpoint.load_best(folder, step=of_kind(folder, Tried)[0].step)
    start = checkpoint.load_snapshot(folder, step=0)
    if method == "lora":
        shipped = load_file(folder.adapter / "adapter_model.safetensors")
        factor = next(name for name in tuned if name.endswith("lora_B.weight"))
        assert torch.equal(next(tensor for name, tensor in shipped.items() if name.endswith(factor)), tuned[factor] / 2)
        return
    shipped = load_file(folder.model / "model.safetensors")
    names = [name for name in tuned if name in shipped and "classifier" not in name and "pooler" not in name]
    assert names
    for name in names:
        torch.testing.assert_close(shipped[name], (start[name] + tuned[name]) / 2)


@pytest.mark.parametrize("family", ["bert", *(pytest.param(one, marks=pytest.mark.slow) for one in ("llama", "bart"))])
def test_the_line_begins_at_the_base_and_a_new_head_at_the_linear_probe(tmp_path, family):
    asked = recipe(tmp_path, family, method="full", train=RANDOM[family == "bert"])
    folder = affina.train(asked).folder
    start = checkpoint.load_snapshot(folder, step=0)
    base = load_language_model(locate(str(tiny(family)))) if family != "bert" else None
    if base is not None:
        assert all(torch.equal(start[name], tensor) for name, tensor in base_tensors(base).items())
        return
    [found] = of_kind(folder, Searched)
    assert found.baseline.startswith("linear probe on the untouched model")
    assert found.began.value > 0.5, "the head at the line's beginning is fitted, though the training began at random"


@pytest.mark.parametrize("with_ends", [False, True])
def test_labels_in_words_gain_over_the_untouched_model_as_the_report_asks_it(tmp_path, monkeypatch, with_ends):
    def outputs(self, rows, **_):
        sure = np.eye(len(self.asking.labels))
        right = [self.asking.labels.index(row.fields["label"]) for row in rows]
        return sure[right if self.ended == with_ends else np.zeros(len(rows), dtype=int)] * 0.9 + 0.01

    monkeypatch.setattr(Namer, "outputs", outputs)
    monkeypatch.setattr(search, "STRENGTHS", (1.0,))
    asked = recipe(tmp_path, "bert", method="lora", train={"epochs": 1}, risks={"overfitting": {"budget": "90%"}})
    words = {"task": {"name": "classification", "form": "words"}, "model": str(tiny("llama"))}
    evaluate = {**asked["evaluate"], "metric": "accuracy"}
    folder = affina.train({**asked, **words, "evaluate": evaluate}).folder
    [found] = of_kind(folder, Searched)
    assert found.baseline == ("untouched model" if with_ends else WITHOUT_ENDS)
    assert found.began.value == 1


@pytest.mark.slow
def test_a_prompt_has_no_line_and_is_chosen_among_earlier_weights(tmp_path):
    folder = affina.train(recipe(tmp_path, method="prompt")).folder
    tried, [found] = of_kind(folder, Tried), of_kind(folder, Searched)
    assert [one.strength for one in tried] == [1.0] + [None] * (len(tried) - 1)
    assert len(tried) > 2
    assert any("earlier weights alone" in note for note in found.notes)


def test_where_none_fits_nothing_is_shipped_and_the_gate_fails(tmp_path):
    asked = recipe(tmp_path, "bert", method="full", risks={"forgetting": {"budget": "0.001%"}}, train=RANDOM[1])
    words = in_words(asked)
    ended = command("train", *words, "--gate", "--json")
    assert ended.status == 3, ended.err
    assert "keeps every budget" in ended.err
    told = json.loads(ended.out)["budgets"]
    assert (told["passed"], told["exported"]) == (False, None)
    folder = RunFolder(tmp_path / "run")
    assert not folder.shipped
    assert folder.over_budget.model.is_dir()
    for card in (folder.card, folder.over_budget.model / "README.md"):
        assert "This model has not passed" in card.read_text("utf-8")
    with pytest.raises(AffinaError, match="over-budget") as caught:
        affina.predict(folder.path, "a text")
    assert caught.value.exit_status == 2


def test_a_gate_wants_a_budget(tmp_path):
    words = [word for word in in_words(recipe(tmp_path, method="lora")) if not word.startswith("risks")]
    ended = command("train", *words, "--gate")
    assert ended.status == 2
    assert "risks.forgetting.budget=5%" in ended.err
    assert not (tmp_path / "run").exists()


def in_words(asked):
    """The same for the command line: the data first, then keys."""
    return [asked["data"]["train"], *(f"{key}={value}" for key, value in flat(asked) if key != "data.train")]


def flat(tree, above=""):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


@pytest.mark.slow
def test_a_run_that_was_stopped_in_its_search_goes_on(tmp_path):
    asked = recipe(tmp_path, method="full")
    whole = affina.train({**asked, "run": str(tmp_path / "whole")})

    def stop(record):
        if isinstance(record, Tried) and record.strength == 0.5:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        affina.train(asked, observers=[stop])
    again = affina.train(asked)
    assert again.scores == whole.scores
    bare = [[(one.name, one.score, one.gain, one.held) for one in of_kind(run.folder, Tried)] for run in (whole, again)]
    assert bare[0] == bare[1]
    assert of_kind(again.folder, Searched)[0].exported == of_kind(whole.folder, Searched)[0].exported


@pytest.mark.parametrize(
    ("family", "risks", "says"),
    [
        ("llama", {"measure": "never", "forgetting": {"budget": "5%"}}, "risks.measure=never"),
        ("llama", {"bias": {"budget": "2pp"}}, "a probe of bias"),
        ("llama", {"forgetting": {"budget": 0}}, "a share above 0"),
        ("llama", {"forgetting": {"budget": -0.1}}, "a share above 0"),
        ("llama", {"forgetting": {"budget": 5}}, "a share above 0"),
        ("llama", {"forgetting": {"budget": "2pp"}}, "a share above 0"),
        ("llama", {"bias": {"budget": "2%"}}, "percentage points"),
        ("llama", {"overfitting": {"budget": True}}, "a share above 0"),
    ],
)
def test_budgets_that_nothing_can_be_held_against_are_refused_before_the_training(tmp_path, family, risks, says):
    with pytest.raises(RecipeError, match=r"risks\.\w+\.budget") as caught:
        affina.train(recipe(tmp_path, family, risks=risks))
    assert says in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_few_validation_rows_cannot_tell_which_candidate_gains(tmp_path):
    with pytest.raises(RecipeError, match="20 validation rows or more"):
        affina.train(recipe(tmp_path, data={"validation": 0.1}))


def test_a_risk_without_any_probe_is_told_before_rows_are_asked_for(tmp_path):
    with pytest.raises(RecipeError, match="a probe of bias that this model has"):
        affina.train(recipe(tmp_path, risks={"bias": {"budget": "2pp"}}, data={"validation": 0.1}))
