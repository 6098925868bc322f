"""Whole classification runs in words, and the baseline that asks the untouched language model for labels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from affina.pipeline.naming import prepare as preparing
from affina.pipeline.naming import untouched
from affina.pipeline.naming.namer import affordable
from affina.record import journal
from affina.record.payloads import Chosen, Evaluated, Event, Scores, Step
from affina.record.row_results import RowResults
from affina.runtime import machine
from workbench import affina, sample_rows, tiny, write_csv

pytestmark = pytest.mark.slow  # whole runs, one after another

QUICK = ("train.epochs=1", "evaluate.resamples=20")
LEARNS = ("train.early_stopping=false", "train.learning_rate=1e-2", "evaluate.per_epoch=1")
NAMES = ("address", "card", "fee")
METRICS = ["accuracy", "macro_f1", "loss", "calibration_error"]


def run_of(folder: Path, *words: str, model: str | Path = "llama", name: str = "run"):
    rows = sample_rows(90)
    write_csv(folder / "train.csv", rows[:60])
    write_csv(folder / "test.csv", rows[60:])
    found = model if isinstance(model, Path) else tiny(model)
    data = (folder / "train.csv", f"data.test={folder / 'test.csv'}")
    ended = affina("train", *data, f"model={found}", f"run={folder / name}", *QUICK, *words)
    assert ended.status == 0, ended.err
    return ended, journal.read(folder / name / "record.jsonl")


def all_of(records, kind):
    return [record for record in records if isinstance(record, kind)]


def scores_of(records):
    return {record.who: record.metrics for record in all_of(records, Scores)}


def chosen_of(records):
    return {record.key: record for record in all_of(records, Chosen)}


def by_hand(folder: Path, text: str, *, apart: bool, ended: bool = True) -> list[float]:
    """The labels' probabilities, from plain transformers and whole texts."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = (AutoModelForSeq2SeqLM if apart else AutoModelForCausalLM).from_pretrained(folder).eval()
    logs = []
    for label in NAMES:
        asked = f"{text}\nLabel:"
        with torch.no_grad():
            if apart:
                wanted = torch.tensor([[*tokenizer(label)["input_ids"], tokenizer.eos_token_id]])
                inputs = tokenizer(asked, return_tensors="pt", return_token_type_ids=False)
                steps = model(**inputs, labels=wanted).logits[0].log_softmax(-1)
                logs.append(float(sum(steps[place, token] for place, token in enumerate(wanted[0]))))
                continue
            start = len(tokenizer(asked)["input_ids"])
            ids = tokenizer(f"{asked} {label}" + (tokenizer.eos_token if ended else ""))["input_ids"]
            steps = model(torch.tensor([ids])).logits[0].log_softmax(-1)
            logs.append(float(sum(steps[place - 1, ids[place]] for place in range(start, len(ids)))))
    return torch.tensor(logs).softmax(0).tolist()


@pytest.mark.parametrize("model", ["gpt2", "bart"])
def test_a_run_in_words_is_measured_as_a_classifier(tmp_path, model):
    words = ("task.form=words", "evaluate.shots=1")
    ended, records = run_of(tmp_path, *words, model=model)

    scores = scores_of(records)
    assert list(scores) == ["majority", "label_scoring", "label_scoring_few_shot", "tuned"]
    assert all(list(metrics) == METRICS for metrics in scores.values())
    assert {record.who: len(record.rows) for record in all_of(records, RowResults)} == dict.fromkeys(scores, 30)
    assert chosen_of(records)["task.form"].value == "words"
    assert chosen_of(records)["evaluate.metric"].value == "accuracy"
    assert set(all_of(records, Evaluated)[-1].metrics) == set(METRICS)
    assert "train.head_learning_rate" not in chosen_of(records)
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "untouched model, zero-shot label scoring" in page
    card = (tmp_path / "run" / "card.md").read_text(encoding="utf-8")
    assert "text-classification" not in card
    assert "Label:" in card
    assert ended.err == ""


@pytest.mark.parametrize("model", ["llama", "t5"])
def test_it_learns_and_is_opened_again_as_the_report_measured_it(tmp_path, model):
    apart = model == "t5"
    _, records = run_of(
        tmp_path, *([] if apart else ["task.form=words"]), *LEARNS, f"train.epochs={24 if apart else 12}", model=model
    )
    scores = scores_of(records)
    assert scores["tuned"]["accuracy"].value > 0.9 > scores["label_scoring"]["accuracy"].value
    assert ("label_scoring_few_shot" in scores) is not apart  # without asking, an encoder-decoder gets no shots

    found = affina("evaluate", tmp_path / "run", tmp_path / "test.csv", "--json")
    metrics = json.loads(found.out)["metrics"]
    assert {name: metrics[name]["value"] for name in METRICS} == pytest.approx(
        {name: scores["tuned"][name].value for name in METRICS}, rel=1e-5
    )
    said = json.loads(affina("predict", tmp_path / "run", "why was I charged a fee", "--json").out)[0]
    assert said["label"] == "fee"
    expected = by_hand(tmp_path / "run" / "model", "why was I charged a fee", apart=apart)
    assert list(said["probabilities"].values()) == pytest.approx(expected, rel=1e-4)


def test_a_text_beyond_the_limit_is_cut_alike_in_training_and_afterwards(tmp_path):
    rows = [(f"{text} {'and so on ' * 12}", label) for text, label in sample_rows(60)]
    write_csv(tmp_path / "long.csv", rows)
    words = ("task.form=words", "data.max_length=32", f"model={tiny('llama')}", f"run={tmp_path / 'run'}", *QUICK)
    ended = affina("train", tmp_path / "long.csv", *words)
    assert ended.status == 0, ended.err
    assert "cut to 32 tokens" in ended.out

    said = affina("predict", tmp_path / "run", rows[0][0], "--json")
    beginning = json.loads(affina("predict", tmp_path / "run", f"{rows[0][0]} and more", "--json").out)
    assert "cut to the run's 32 tokens" in said.err
    assert json.loads(said.out)[0]["probabilities"] == beginning[0]["probabilities"]


def test_pairs_and_packing_and_a_given_loss(tmp_path):
    rows = [(text, f"about {label}", label) for text, label in sample_rows(60)]
    write_csv(tmp_path / "pairs.csv", rows, header="sentence1,sentence2,label")
    words = ("task.form=words", "train.pack=true", "evaluate.metric=loss", f"run={tmp_path / 'run'}")
    ended = affina("train", tmp_path / "pairs.csv", f"model={tiny('llama')}", *words, *QUICK)
    assert ended.status == 0, ended.err
    records = journal.read(tmp_path / "run" / "record.jsonl")
    assert chosen_of(records)["train.pack"].value in ("lines", "beginnings")
    assert set(all_of(records, Evaluated)[0].metrics) == {"loss"}
    assert list(scores_of(records)["tuned"]) == METRICS


def test_too_many_labels_for_few_tokens_choose_by_the_loss():
    accuracy, loss = (preparing._watched(tokens, 10_000, labels=77) for tokens in (9_000.0, 40_000.0))
    assert (accuracy.value, loss.value) == ("accuracy", "loss")
    assert "77 labels for 100 rows would take 40,000 tokens, an epoch 10,000" in loss.reason
    assert preparing._watched(4_000.0, 100, labels=3).value == "accuracy"  # a few seconds are always there


def test_what_is_scored_takes_no_longer_than_it_may():
    assert affordable(1_000_000, share=0.25, each=1_000) == 750
    assert affordable(10, share=0.25, each=1_000) == 100


# A head on a model that writes: the same model is asked for the labels.


def test_a_decoder_with_a_head_has_to_beat_being_asked(tmp_path):
    ended, records = run_of(tmp_path, "evaluate.shots=1")
    scores = scores_of(records)
    assert list(scores) == ["majority", "linear_probe", "label_scoring", "label_scoring_few_shot", "tuned"]
    assert chosen_of(records)["task.form"].value == "head"

    rows = sample_rows(90)[60:]
    shares = np.array([by_hand(tiny("llama"), text, apart=False, ended=False) for text, _ in rows])
    truth = np.array([NAMES.index(label) for _, label in rows])
    found = next(record for record in all_of(records, RowResults) if record.who == "label_scoring")
    assert found.predicted == tuple(shares.argmax(axis=1).tolist())
    assert scores["label_scoring"]["loss"].value == pytest.approx(
        float(-np.log(shares[np.arange(len(rows)), truth]).mean()), rel=1e-4
    )
    assert "label scoring" in ended.out


def test_the_training_does_not_depend_on_who_was_asked_before(tmp_path):
    _, asked = run_of(tmp_path, "train.dropout=0.1", model="gpt2", name="asked")
    _, alone = run_of(tmp_path, "train.dropout=0.1", "evaluate.baselines=false", model="gpt2", name="alone")
    assert set(scores_of(alone)) == {"majority", "tuned"}
    assert [step.loss for step in all_of(asked, Step)] == [step.loss for step in all_of(alone, Step)]


def test_fewer_rows_are_drawn_where_all_would_take_long_and_are_compared_row_by_row(tmp_path, monkeypatch):
    monkeypatch.setattr(untouched, "affordable", lambda *_, **__: 12)
    ended, records = run_of(tmp_path, "evaluate.shots=0")
    rows = {record.who: record for record in all_of(records, RowResults)}
    assert len(rows["label_scoring"].rows) == 12
    assert set(rows["label_scoring"].rows) <= set(rows["tuned"].rows)
    assert scores_of(records)["label_scoring"]["accuracy"].n == 12
    assert "drawn by the seed out of 30" in chosen_of(records)["evaluate (rows of label scoring)"].reason
    assert "(12 " in ended.out
    assert "rows)" in ended.out
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert page.count("Untouched model, zero-shot label scoring") >= 1  # in the table of pairs


def test_without_an_output_layer_the_model_is_not_asked_and_that_is_said(tmp_path):
    folder = shutil.copytree(tiny("llama"), tmp_path / "backbone")
    tensors = load_file(folder / "model.safetensors")
    del tensors["lm_head.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    _, records = run_of(tmp_path, model=folder)
    assert list(scores_of(records)) == ["majority", "linear_probe", "tuned"]
    told = [event.text for event in all_of(records, Event) if event.name == "label scoring"]
    assert len(told) == 1
    assert "lm_head.weight" in told[0]


def test_without_the_memory_it_is_left_out_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "free_memory", lambda _: 1_000_000)
    _, records = run_of(tmp_path)
    assert "label_scoring" not in scores_of(records)
    told = [event.text for event in all_of(records, Event) if event.name == "label scoring"]
    assert len(told) == 1
    assert "MiB are needed for it beside the run, 1 are free" in told[0]


@pytest.mark.parametrize(
    ("model", "words", "says"),
    [
        (
            "llama",
            ["task.form=words", "task.class_weights=balanced"],
            "task.class_weights, with labels learned in words",
        ),
        ("llama", ["task.form=words", "train.head_learning_rate=1e-3"], "train.head_learning_rate"),
        ("llama", ["task.form=words", "train.head_start=probe"], "train.head_start"),
        ("llama", ["task.form=words", "method={name: partial, blocks: 0}"], "no weight would train"),
        ("llama", ["task.form=words", "generate.shots=2"], "shots are evaluate.shots"),
        ("llama", ["task.form=words", "evaluate.metric=perplexity"], "accuracy"),
        ("llama", ["task={name: multi_label, form: words}"], "it is for task=classification"),
        ("bert", ["task.form=words"], "a model that writes"),
        ("bert", ["evaluate.shots=2"], "evaluate.shots"),
        ("t5", ["task.form=head"], "task.form=words"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, model, words, says):
    write_csv(tmp_path / "train.csv", sample_rows(60))
    ended = affina("train", tmp_path / "train.csv", f"model={tiny(model)}", f"run={tmp_path / 'run'}", *words)
    assert ended.status == 2, ended
    assert says in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "run").exists()


def test_check_shows_the_label_as_what_is_learned(tmp_path):
    write_csv(tmp_path / "train.csv", sample_rows(60))
    ended = affina("check", tmp_path / "train.csv", f"model={tiny('t5')}", "--labels")
    assert ended.status == 0, ended.err
    assert "trained: the tokens between" in ended.out
    assert "confident learning reads a classifier's features" in ended.err
