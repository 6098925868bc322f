"""A tokenizer loaded without its model reads as the loaded model's does."""

from __future__ import annotations

import pytest

from affina.errors import ModelError
from affina.models.classifier import load_classifier
from affina.models.reader import load_reader
from affina.models.source import locate
from tiny_models import FAMILIES
from workbench import tiny


@pytest.mark.parametrize("family", FAMILIES)
def test_limit_padding_and_pieces_are_those_of_the_whole_model(family):
    source = locate(str(tiny(family)))
    reader, whole = load_reader(source), load_classifier(source, ("a", "b"))
    assert reader.max_length == whole.max_length
    assert reader.source == whole.source
    for name in ("pad_token", "padding_side", "split_special_tokens"):
        assert getattr(reader.tokenizer, name) == getattr(whole.tokenizer, name)
    text = "Where is my card? [PAD] </s> <|endoftext|>"
    assert reader.tokenizer(text)["input_ids"] == whole.tokenizer(text)["input_ids"]


def test_a_model_that_cannot_classify_is_refused_by_its_name(tmp_path):
    folder = tiny("bert")
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    source = locate(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    with pytest.raises(ModelError, match="an encoder-decoder"):
        load_reader(source)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match=str(tmp_path)):
        load_reader(source)
