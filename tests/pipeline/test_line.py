"""Every family through the whole line: trained, exported, loaded by plain transformers, same predictions."""

import json
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

import affina
from tiny_models import FAMILIES
from workbench import sample_rows, tiny, write_csv

TEXTS = ["where is my card", "a fee of ten, why was I charged a fee for this and that?", "new address"]


def train(tmp_path, family, *, epochs=1, **parts):
    data = write_csv(tmp_path / "rows.csv", sample_rows(60))
    return affina.train(
        {
            "model": str(tiny(family)),
            "run": str(tmp_path / "run"),
            "data": {"train": str(data), "validation": 0.2, "test": 0.2},
            "train": {"epochs": epochs, "batch_tokens": 120},
            "evaluate": {"resamples": 20, "baselines": False},
            **parts,
        }
    )


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_trains_reloads_and_predicts_the_same_in_plain_transformers(tmp_path, family):
    result = train(tmp_path, family)
    ours = affina.predict(result.folder.path, TEXTS)
    module = AutoModelForSequenceClassification.from_pretrained(result.folder.model).eval()
    tokenizer = AutoTokenizer.from_pretrained(result.folder.model)
    with torch.no_grad():
        logits = module(**tokenizer(TEXTS, return_tensors="pt", padding=True)).logits.double()
    labels = [module.config.id2label[place] for place in range(len(module.config.id2label))]
    theirs = logits.softmax(dim=-1).numpy()
    mine = np.array([[prediction.probabilities[label] for label in labels] for prediction in ours])
    assert np.abs(mine - theirs).max() < 1e-5 * max(1.0, float(logits.abs().max()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        classify = pipeline("text-classification", model=str(result.folder.model))
        found = classify(TEXTS, batch_size=2)
    assert [answer["label"] for answer in found] == [prediction.label for prediction in ours]
    assert [answer["score"] for answer in found] == pytest.approx(mine.max(axis=1).tolist(), abs=1e-5)


@pytest.mark.parametrize("method", ["full", {"name": "partial", "blocks": 1}, {"name": "partial", "blocks": 0}])
def test_the_best_weights_are_exported_not_the_last(tmp_path, method):
    result = train(tmp_path, "bert", epochs=2, method=method)
    best = load_file(next(result.folder.checkpoints.glob("best-*")) / "trained.safetensors")
    exported = load_file(result.folder.model / "model.safetensors")
    assert best.keys() <= exported.keys()
    assert all(torch.equal(exported[name], tensor) for name, tensor in best.items())


def test_two_texts_a_row(tmp_path):
    rows = [(text, f"second {number}", label) for number, (text, label) in enumerate(sample_rows(60))]
    data = write_csv(tmp_path / "pairs.csv", rows, header="premise,hypothesis,label")
    result = affina.train(
        {
            "model": str(tiny("bert")),
            "run": str(tmp_path / "run"),
            "data": {"train": str(data)},
            "train": {"epochs": 1},
            "evaluate": {"resamples": 20},
        }
    )
    unlabelled = write_csv(tmp_path / "new.csv", [row[:2] for row in rows[:5]], header="premise,hypothesis")
    found = affina.predict(result.folder.path, unlabelled, out=tmp_path / "out.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["label"] for line in lines] == [prediction.label for prediction in found]
    tokenizer = AutoTokenizer.from_pretrained(result.folder.model)
    module = AutoModelForSequenceClassification.from_pretrained(result.folder.model).eval()
    with torch.no_grad():
        inputs = tokenizer(
            [row[0] for row in rows[:5]], [row[1] for row in rows[:5]], return_tensors="pt", padding=True
        )
        theirs = module(**inputs).logits.softmax(dim=-1)
    mine = torch.tensor([list(prediction.probabilities.values()) for prediction in found])
    assert torch.allclose(mine, theirs, atol=1e-5)
