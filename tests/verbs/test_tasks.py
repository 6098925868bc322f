"""Multi-label and regression as a user has them: every family and method, exported, evaluated, predicted, checked."""

from __future__ import annotations

import functools
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import affina as api
from affina.errors import Interrupted, RecipeError
from affina.evaluation.judging import sets
from affina.record.folder import RunFolder
from affina.record.journal import read
from affina.record.payloads import STEP_BACK, Chosen, Evaluated, Event, Restarted, Scores, Step
from affina.verbs import train as train_module
from workbench import affina, check_refused, files_under, sample_rows, tiny, write_csv

pytestmark = pytest.mark.slow  # whole runs, one after another

WORDS = ("train.epochs=1", "train.batch_tokens=150", "evaluate.resamples=20")
TEXTS = ["where is my card", "a fee of ten, why was I charged a fee for this and that?", "new address"]
KINDS = ("sets", "numbers")
PRICES = {"card": 150.5, "fee": 270.5, "address": 420.5}


def write_rows(folder):
    rows = sample_rows(120)
    cells = [f"{label}|long" if len(text) > 34 else label for text, label in rows]
    write_csv(folder / "sets.csv", [(text, "" if n % 9 == 0 else cells[n]) for n, (text, _) in enumerate(rows)])
    numbers = [(text, f"{100 + len(text) * 7.5 + n % 5}") for n, (text, _) in enumerate(rows)]
    write_csv(folder / "numbers.csv", numbers)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of each kind that tests read and leave as it is."""
    home = tmp_path_factory.mktemp("trained")
    write_rows(home)

    @functools.cache
    def run(kind):
        words = [f"model={tiny()}", *WORDS, f"run={home / kind}"]
        return api.train(str(home / f"{kind}.csv"), words)

    return run


def train(kind, *more, family="bert"):
    return api.train(f"{kind}.csv", [f"model={tiny(family)}", *WORDS, *more])


def of_kind(result, kind):
    return [record for record in read(RunFolder(result.folder.path).journal) if isinstance(record, kind)]


def plain_logits(run, texts):
    module = AutoModelForSequenceClassification.from_pretrained(run / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(run / "model")
    with torch.no_grad():
        return module.config, module(**tokenizer(texts, return_tensors="pt", padding=True)).logits.double()


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "deberta-v2"])
def test_numbers_are_the_same_in_plain_transformers(family, trained):
    result = trained("numbers") if family == "bert" else train("numbers", family=family)
    config, logits = plain_logits(result.folder.path, TEXTS)
    assert (config.problem_type, config.num_labels, config.id2label) == ("regression", 1, {0: "label"})
    values = [prediction.value for prediction in api.predict(result.folder.path, TEXTS)]
    units = config.to_dict().get("label_units", {"shift": 0.0, "scale": 1.0})
    assert (units["shift"] == 0) == (family in ("bert", "deberta-v2")), "a head without a bias cannot hold the mean"
    assert np.allclose(values, units["shift"] + units["scale"] * logits[:, 0].numpy(), rtol=1e-5)
    assert 100 < values[0] < 500
    assert set(result.scores.metrics) == {"rmse", "mae", "r2", "pearson", "spearman"}
    assert set(result.baselines) == {"mean", "ridge_probe"}


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "deberta-v2"])
def test_sets_of_labels_are_the_same_in_plain_transformers(family, trained):
    result = trained("sets") if family == "bert" else train("sets", family=family)
    config, logits = plain_logits(result.folder.path, TEXTS)
    assert config.problem_type == "multi_label_classification"
    thresholds = torch.tensor([config.label_thresholds[label] for label in config.id2label.values()])
    given = logits.sigmoid() >= thresholds
    theirs = [{label for label, has in zip(config.id2label.values(), row, strict=True) if has} for row in given]
    assert [set(prediction.labels) for prediction in api.predict(result.folder.path, TEXTS)] == theirs
    assert set(config.id2label.values()) == {"card", "fee", "address", "long"}
    assert set(result.baselines) == {"most_frequent_set", "linear_probe"}
    assert [row.label for row in result.scores.classes] == ["address", "card", "fee", "long"]


@pytest.mark.parametrize("kind", KINDS)
def test_evaluate_measures_what_the_run_measured_and_keeps_its_shape(kind):
    lines = Path(f"{kind}.csv").read_text().splitlines()
    Path("rest.csv").write_text("\n".join(lines[:91]))
    Path("test.csv").write_text("\n".join([lines[0], *lines[91:]]))
    result = api.train("rest.csv", [f"model={tiny()}", *WORDS, "data.test=test.csv"])
    ended = affina("evaluate", result.folder.path, "test.csv", "--json")
    found = json.loads(ended.out)
    assert set(found["metrics"]) == set(result.scores.metrics)
    for name, figure in found["metrics"].items():
        assert set(figure) == {"value", "low", "high", "n"}
        assert figure["value"] == pytest.approx(result.scores.metrics[name].value, rel=1e-3, abs=5e-3)
    assert set(found["baselines"]) == set(result.baselines)
    assert affina("evaluate", result.folder.path, "test.csv").status == 0


def test_what_predict_writes(trained):
    labels, numbers = trained("sets").folder.path, trained("numbers").folder.path
    assert affina("predict", labels, "sets.csv", "--out", "out.jsonl").status == 0
    lines = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert len(lines) == 120
    assert set(lines[0]) == {"text", "labels", "probabilities"}
    assert set(lines[0]["probabilities"]) == {"address", "card", "fee", "long"}
    ended = affina("predict", numbers, TEXTS[0], "--json")
    assert set(json.loads(ended.out)[0]) == {"text", "value"}
    shown = affina("predict", numbers, TEXTS[0])
    assert float(shown.out.split()[0]) == pytest.approx(json.loads(ended.out)[0]["value"], rel=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["method=full", "method.blocks=1", "method.blocks=0"])
def test_every_method_trains_every_task_and_lowers_the_loss(kind, method):
    """Each text is one word again and again: even a head alone on random weights can tell these apart."""
    labels = [label for _, label in sample_rows(120)]
    cells = {"sets": lambda n: labels[n] + "|long" * (n % 4 == 0), "numbers": lambda n: str(PRICES[labels[n]] + n % 5)}
    write_csv(Path(f"{kind}.csv"), [(f"{f'{label} ' * 8}{n}", cells[kind](n)) for n, label in enumerate(labels)])
    more = ["method.name=partial"] if "blocks" in method else []
    long = ("train.epochs=4", "train.learning_rate=1e-2", "train.early_stopping=false", "train.head_start=random")
    result = train(kind, method, *more, *long, "evaluate.baselines=false")
    losses = [look.metrics["loss"] for look in of_kind(result, Evaluated)]
    assert min(losses[1:]) < 0.95 * losses[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_finished_run_is_what_another_goes_on_from(kind, trained):
    first = trained(kind)
    second = api.train(f"{kind}.csv", [f"model={first.folder.path}", "run=again", *WORDS, "train.max_steps=1"])
    start = of_kind(second, Evaluated)[0].metrics
    kept = next(look for look in reversed(of_kind(first, Evaluated)) if look.best).metrics
    name = "rmse" if kind == "numbers" else "loss"
    assert start[name] == pytest.approx(kept[name], rel=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_resolved_recipe_runs_the_same_again(kind, trained):
    first = trained(kind)
    again = api.train(first.folder.recipe, ["run=again"])
    assert again.scores == first.scores
    spec = yaml.safe_load(first.folder.recipe.read_text())["task"]
    assert spec["name"] == {"sets": "multi_label", "numbers": "regression"}[kind]
    assert spec.get("separator", "|") == "|"


def test_the_choice_of_the_task_is_printed_with_its_reason(trained):
    result = trained("sets")
    chosen = {record.key: record for record in of_kind(result, Chosen)}
    assert chosen["task"].value == "multi_label"
    assert "divided by '|'" in chosen["task"].reason
    assert chosen["task.separator"].value == "|"
    assert "validation rows" in chosen["task.thresholds (found)"].reason
    numbers = {record.key: record for record in of_kind(trained("numbers"), Chosen)}
    assert "with decimals" in numbers["task"].reason
    assert "deviation" in numbers["task (units)"].reason
    assert numbers["evaluate.metric"].value == "rmse"


@pytest.mark.parametrize("kind", KINDS)
def test_a_start_that_is_stuck_starts_again_and_a_poor_run_says_so(kind):
    result = train(kind, "train.epochs=6", "train.learning_rate=30", "data.test=0.2", "run=stuck")
    (again,) = of_kind(result, Restarted)
    assert {"sets": "most frequent set of labels", "numbers": "mean of the training rows"}[kind] in again.text
    poor = train(kind, "train.learning_rate=1e-9", "train.head_start=random", "data.test=0.25", "run=poor")
    (event,) = [event for event in of_kind(poor, Event) if event.name == STEP_BACK]
    assert "worse than the" in event.text
    assert "probe on the frozen model" in event.text


def test_the_range_test_settles_the_rate_of_a_number(monkeypatch):
    monkeypatch.setattr("affina.pipeline.rates.MOST_SHARE", 2.0)
    for kind in KINDS:
        result = api.train(
            f"{kind}.csv", [f"model={tiny()}", "train.epochs=3", "evaluate.resamples=20", f"run={kind}r"]
        )
        rate = next(record for record in of_kind(result, Chosen) if record.key == "train.learning_rate")
        assert "range test" in rate.reason


@pytest.mark.parametrize("kind", KINDS)
def test_check_and_the_page_are_about_the_task(kind, trained):
    ended = affina("check", f"{kind}.csv", f"model={tiny()}", "--labels")
    assert ended.status == 0
    assert "label errors are not looked for" in ended.err
    assert "label errors (0 of" in " ".join(ended.out.split())
    assert ("numbers from" if kind == "numbers" else "task multi_label, 4 labels") in ended.out
    result = trained(kind)
    page = result.folder.report.read_text()
    assert ("RMSE" if kind == "numbers" else "micro-F1") in page
    assert ("Label by label" in page) == (kind == "sets")
    assert ("Predicted against true" in page) == (kind == "numbers")
    assert "What is mistaken for what" not in page


def test_the_same_text_with_other_sets_or_numbers_is_found():
    same = [("one text", "card|fee"), ("one text", "fee|card"), ("one text", "fee")]
    write_csv(Path("c.csv"), [*sample_rows(60), *same])
    found = json.loads(affina("check", "c.csv", "task=multi_label", f"model={tiny()}", "--json").out)
    names = {finding["name"]: finding["count"] for finding in found["findings"]}
    assert (names["conflicting_labels"], names["duplicates"]) == (3, 1)
    assert set(found["labels"]) == {"address", "card", "fee"}
    assert found["task"] == "multi_label"


@pytest.mark.parametrize(
    ("kind", "words", "says"),
    [
        ("numbers", ("evaluate.metric=accuracy",), ("evaluate.metric, with the task regression", "rmse")),
        ("sets", ("evaluate.metric=rmse",), ("with the task multi_label", "micro_f1")),
        ("numbers", ("train.label_smoothing=0.1",), ("train.label_smoothing",)),
        ("numbers", ("task.class_weights=balanced",), ("task.class_weights",)),
        ("sets", ("task=regression",), ("a finite number",)),
        ("sets", ("task.separator=json",), ("a list",)),
        ("sets", ("task=summaries",), ("classification, multi_label, regression, chat, generation, translation",)),
        ("sets", ("task=translation",), ("clear columns for the source and the target",)),
        ("sets", ("task=multi_label", "task.decimal=comma"), ("task.decimal", "class_weights, name, separator")),
        ("sets", ("task.thresholds=1.5",), ("task.thresholds",)),
    ],
)
def test_keys_that_are_not_for_the_task(folder, kind, words, says):
    before = files_under(folder)
    check_refused(affina("train", f"{kind}.csv", f"model={tiny()}", *words), folder, before, says=says)


def test_the_thresholds_of_a_run_are_not_those_of_the_test_rows(monkeypatch):
    seen = []
    original = sets.choose_thresholds

    def watched(found, truth, *, policy):
        seen.append(len(truth))
        return original(found, truth, policy=policy)

    monkeypatch.setattr(sets, "choose_thresholds", watched)
    result = train("sets", "data.validation=0.2", "data.test=0.3")
    rows = {record.who: record for record in of_kind(result, Scores)}
    assert rows["tuned"].metrics["micro_f1"].n == 36
    assert set(seen) == {24}


@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_run_goes_on_as_if_it_had_never_stopped(kind, monkeypatch):
    whole = train(kind, "run=whole", "evaluate.per_epoch=2")
    original = train_module.execute

    def stopped(prepared, place, *, observers, before):
        def observe(record):
            if isinstance(record, Step) and record.step == 4:
                os.kill(os.getpid(), signal.SIGINT)

        return original(prepared, place, observers=(*observers, observe), before=before)

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "execute", stopped)
        with pytest.raises(Interrupted):
            train(kind, "run=cut", "evaluate.per_epoch=2")
    resumed = train(kind, "run=cut", "evaluate.per_epoch=2")
    assert resumed.scores == whole.scores
    weights = [(run.folder.model / "model.safetensors").read_bytes() for run in (whole, resumed)]
    assert weights[0] == weights[1]


def test_weighted_labels_and_given_thresholds():
    result = train("sets", "task.class_weights=balanced", "task.thresholds=0.7")
    assert next(record for record in of_kind(result, Chosen) if record.key == "evaluate.metric").value == "macro_f1"
    config, _ = plain_logits(result.folder.path, TEXTS[:1])
    assert set(config.label_thresholds.values()) == {0.7}


def test_columns_of_0_and_1_from_the_command_line():
    rows = [(text, *(str(int(name in label)) for name in ("card", "fee"))) for text, label in sample_rows(60)]
    write_csv(Path("columns.csv"), rows, header="text,card,fee")
    result = api.train("columns.csv", [f"model={tiny()}", *WORDS, "data.label=[card, fee]"])
    assert api.evaluate(result.folder.path, "columns.csv").scores.metrics["micro_f1"].n == 60
    again = api.train(result.folder.recipe, ["run=again"])
    assert again.scores == result.scores
    with pytest.raises(RecipeError, match="one column"):
        api.train("columns.csv", ["data.label=[card, fee]", "task=classification"])
