"""A model that would stop a run is refused when it is loaded; one that only looks odd is made to work."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoTokenizer

from affina.errors import ModelError
from affina.models import trial
from affina.models.classifier import load_classifier
from affina.models.heads import head_logits, hidden_states
from affina.models.saving import save_model
from affina.models.source import locate
from tiny_models import CORPUS, FAMILIES, ODD_FAMILIES, POSITIONS, make_tiny

LONG = " ".join(CORPUS * 2)


def load(folder: Path, **options):
    return load_classifier(locate(str(folder)), ("a", "b"), **options)


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load(folder)
    problem = caught.value.problems[0]
    assert str(folder) in problem.where
    assert problem.fix
    return str(caught.value)


def edit(path: Path, **values) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")


@pytest.mark.parametrize(
    "odd",
    [{"return_dict": False}, {"output_attentions": True}, {"output_hidden_states": True}, {"use_cache": True}],
    ids=lambda odd: next(iter(odd)),
)
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_what_a_configuration_asks_to_be_given_beside_the_logits_does_no_harm(family, odd, tmp_path):
    folder = make_tiny(family, tmp_path / "given")
    edit(folder / "config.json", **odd)
    loaded = load(folder)
    inputs = loaded.tokenizer(list(CORPUS), padding=True, return_tensors="pt")
    with torch.no_grad():
        whole = loaded.module(**inputs)
        halves = head_logits(loaded.module, hidden_states(loaded.module, inputs), inputs)
    assert list(whole) == ["logits"]
    assert torch.equal(halves, whole.logits)
    save_model(loaded.module, loaded.tokenizer, tmp_path / "saved")
    saved = AutoConfig.from_pretrained(tmp_path / "saved")
    assert (saved.return_dict, saved.output_attentions, saved.output_hidden_states) == (True, False, False)


def test_odd_families_are_refused_or_said_before_anything_is_written(tmp_path):
    told: dict[str, list[str]] = {family: [] for family in ODD_FAMILIES}
    assert "a LongformerForSequenceClassification: its head needs more" in refusal(
        make_tiny("longformer", tmp_path / "longformer")
    )
    load(make_tiny("xlnet", tmp_path / "xlnet"), notify=told["xlnet"].append)
    assert "answers differently when a text is padded" in told["xlnet"][0]


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_no_word_about_padding_where_it_changes_nothing(family, tmp_path):
    told: list[str] = []
    load(make_tiny(family, tmp_path), notify=told.append)
    assert told == []


def test_whatever_a_familys_own_code_raises_is_an_error_that_names_the_model(tmp_path, monkeypatch):
    folder = make_tiny("bert", tmp_path / "bert")

    def fail(_):
        raise AttributeError("no such thing\nand more")

    monkeypatch.setattr(trial, "describe", fail)
    assert "a BertForSequenceClassification: it stops with AttributeError: no such thing" in refusal(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["embeddings.word_embeddings.weight", "encoder.layer.2.output.dense.bias"])
def test_weights_that_are_no_numbers_are_refused_by_name(tmp_path, value, name):
    folder = make_tiny("bert", tmp_path / "bert")
    weights = load_file(folder / "model.safetensors")
    weights[name].view(-1)[5] = value
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert f"1 of {weights[name].numel():,} in bert.{name}" in refusal(folder)


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2"])
def test_a_token_without_a_row_is_refused(tmp_path, family):
    folder = make_tiny(family, tmp_path / family)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    size = len(tokenizer)
    tokenizer.add_tokens([f"tok{number}" for number in range(310 - size)])
    tokenizer.save_pretrained(folder)
    said = refusal(folder)
    assert "numbered below 300" in said
    assert "'tok" in said


@pytest.mark.parametrize("family", ["bert", "roberta", "llama"])
def test_a_special_token_without_a_row_is_read_as_text(tmp_path, family):
    folder = make_tiny(family, tmp_path / "given")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": [f"<new{number}>" for number in range(200)]})
    tokenizer.add_special_tokens({"pad_token": "<added>"})
    tokenizer.save_pretrained(folder)
    loaded = load(folder)
    save_model(loaded.module, loaded.tokenizer, tmp_path / "saved")
    for tokenizer in (loaded.tokenizer, AutoTokenizer.from_pretrained(tmp_path / "saved")):
        assert tokenizer.pad_token_id < 300
        inputs = tokenizer(["card <new199> <added>", "card"], padding=True, return_tensors="pt")
        assert int(inputs["input_ids"].max()) < 300


@pytest.mark.parametrize("limit", [-1, 0, 10**30])
def test_a_tokenizers_limit_that_is_none_is_not_used(tmp_path, limit):
    folder = make_tiny("bert", tmp_path / "bert")
    edit(folder / "tokenizer_config.json", model_max_length=limit)
    assert load(folder).max_length == POSITIONS


def test_measuring_a_long_text_says_nothing(tmp_path):
    loaded = load(make_tiny("bert", tmp_path / "bert"))
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append
    logger = logging.getLogger("transformers")
    logger.addHandler(handler)
    try:
        assert len(loaded.tokenizer(LONG)["input_ids"]) > loaded.tokenizer.model_max_length
    finally:
        logger.removeHandler(handler)
    assert records == []
