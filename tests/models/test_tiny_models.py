"""The models that the tests train: the same ones in every process, or a thin margin fails now and then."""

from __future__ import annotations

import pytest

from tiny_models import APART, make_apart, make_tiny
from workbench import files_under


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2", "bart"])
def test_a_tiny_model_is_the_same_each_time(tmp_path, family):
    """The trainers of tokenizers may not be: WordPiece's takes the letters of words in an order of chance."""
    make = make_apart if family in APART else make_tiny
    one, two = (files_under(make(family, tmp_path / name)) for name in ("one", "two"))
    assert {"model.safetensors", "tokenizer.json"} <= set(one)
    assert [name for name in one if one[name] != two[name]] == []
