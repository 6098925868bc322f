"""A regression on numbers that are far from 0: the exported model, the report and the card say the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import affina as api
from affina.errors import DataError
from affina.record.journal import read
from affina.record.payloads import Chosen
from workbench import sample_rows, tiny, write_csv

WORDS = ("train.epochs=2", "train.batch_tokens=150", "evaluate.resamples=20")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows_about(mean, deviation, *, rows=120):
    texts = [text for text, _ in sample_rows(rows)]
    lengths = np.array([len(text) for text in texts], dtype=float)
    standard = (lengths - lengths.mean()) / lengths.std()
    return list(zip(texts, (repr(float(value)) for value in mean + deviation * standard), strict=True))


@pytest.mark.parametrize("family", ["bert", "gpt2"])
@pytest.mark.parametrize(("mean", "deviation"), [(1e7, 1.0), (1e12, 250.0)])
def test_the_exported_model_is_as_good_as_the_report_says(family, mean, deviation):
    rows = rows_about(mean, deviation)
    write_csv(Path("train.csv"), rows[:90])
    write_csv(Path("test.csv"), rows[90:])
    words = [f"model={tiny(family)}", "task=regression", "data.test=test.csv", "run=run", *WORDS]
    result = api.train("train.csv", words)
    again = api.evaluate("run", "test.csv").scores.metrics
    for name in ("rmse", "mae", "r2", "pearson"):
        assert again[name].value == pytest.approx(result.scores.metrics[name].value, rel=1e-4), name
    predicted = np.array([found.value for found in api.predict("run", [text for text, _ in rows[90:]])])
    truth = np.array([float(value) for _, value in rows[90:]])
    assert np.sqrt(np.mean((predicted - truth) ** 2)) == pytest.approx(result.scores.metrics["rmse"].value, rel=1e-5)
    assert with_plain_transformers(rows[90][0]) == pytest.approx(predicted[0], abs=1e-5 * deviation)


def with_plain_transformers(text):
    """By the formula that the card gives."""
    model, tokenizer = (
        AutoModelForSequenceClassification.from_pretrained("run/model"),
        AutoTokenizer.from_pretrained("run/model"),
    )
    units = json.loads(Path("run/model/config.json").read_text())["label_units"]
    with torch.no_grad():
        (logit,) = model(**tokenizer(text, return_tensors="pt")).logits[0].tolist()
    card = Path("run/model/README.md").read_text()
    assert f"{units['shift']!r} + {units['scale']!r} * " in card
    assert f"{units['shift']!r} + {units['scale']!r} * " in Path("run/report.html").read_text()
    return units["shift"] + units["scale"] * logit


def test_near_numbers_are_exported_as_they_are_and_nothing_is_said_of_a_formula():
    write_csv(Path("train.csv"), rows_about(2000.0, 5.0))
    result = api.train("train.csv", [f"model={tiny()}", "task=regression", "run=run", *WORDS])
    records = read(result.folder.journal)
    (units,) = [record for record in records if isinstance(record, Chosen) and record.key == "task (units)"]
    assert units.value == "standardised"
    assert "label_units" not in Path("run/model/config.json").read_text() + Path("run/card.md").read_text()


def test_numbers_too_large_to_be_squared_are_refused_with_their_rows():
    rows = rows_about(0.0, 1.0, rows=40)
    write_csv(Path("train.csv"), [*rows[:7], (rows[7][0], "1e200"), *rows[8:]])
    with pytest.raises(DataError) as refused:
        api.train("train.csv", [f"model={tiny()}", "task=regression", "run=run", *WORDS])
    (problem,) = refused.value.problems
    assert "row 8" in problem.where
    assert "1e+100" in problem.expected
    assert "1e200" in problem.found
