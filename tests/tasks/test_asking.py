"""A text is cut where it would leave no room for its label; the cue and the name never are."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import normalizers

from affina.data.rows import Row
from affina.errors import ModelError
from affina.models.language import LanguageModel, load_language_model
from affina.models.source import locate
from affina.tasks.asking import Asking
from affina.tasks.lessons import Reading
from tiny_models import make_apart, make_tiny

LABELS = ("card", "refund of a fee", "a")
LONG = "my card has not arrived yet, where is it " * 8


def load(family: str, folder: Path) -> LanguageModel:
    return load_language_model(locate(str(make_apart("t5", folder) if family == "t5" else make_tiny(family, folder))))


def row(*texts: str, label: str = "card") -> Row:
    return Row({**dict(zip(("text", "text_pair"), texts, strict=False)), "label": label}, "a.csv", 1, 2)


@pytest.mark.parametrize("family", ["llama", "t5"])
@pytest.mark.parametrize("label", LABELS)
def test_a_long_text_keeps_its_cue_and_its_label_and_fills_the_limit(family: str, label: str, tmp_path: Path) -> None:
    model = load(family, tmp_path)
    asking = Asking(model, LABELS, limit=40)
    lesson = asking.lesson(row(LONG, label=label))
    [passage] = Reading(model).encode([lesson])
    asked = asking.question(row(LONG)).text

    assert asked.endswith("\nLabel:")
    assert LONG.startswith(asked.removesuffix("\nLabel:"))
    assert max(len(passage.ids), len(passage.source)) <= 40
    own = tuple(token for token, learned in zip(passage.ids, passage.learned, strict=True) if learned)
    assert model.tokenizer.decode(own, skip_special_tokens=True).strip() == label
    assert own[-1] == model.tokenizer.eos_token_id
    if label == LABELS[1]:  # the longest one: no room is left unused
        assert max(len(passage.ids), len(passage.source)) >= 38


def test_what_fits_stays_as_it_is(tmp_path: Path) -> None:
    short = row("where is my card")
    assert Asking(load("gpt2", tmp_path), LABELS, limit=40).fitting(short) is short
    assert Asking(load("gpt2", tmp_path / "again"), LABELS, limit=None).fitting(row(LONG)) == row(LONG)


def test_of_a_pair_the_longer_text_is_cut(tmp_path: Path) -> None:
    found = Asking(load("gpt2", tmp_path), LABELS, limit=48).fitting(row("where is it", LONG))
    assert found.fields["text"] == "where is it"
    assert len(found.fields["text_pair"]) < len(LONG)


def test_shots_are_cut_like_questions(tmp_path: Path) -> None:
    asking = Asking(load("gpt2", tmp_path), LABELS, limit=40)
    shot = row(LONG, label="refund of a fee")
    assert asking.question(row("hi"), shots=[shot]).text == (
        f"{asking.question(shot).text} refund of a fee\n\nhi\nLabel:"
    )


def test_lengths_count_the_longest_label_and_cut_nothing(tmp_path: Path) -> None:
    model = load("llama", tmp_path)
    [length] = Asking(model, LABELS, limit=20).lengths([row(LONG, label="a")])
    whole = f"{LONG}\nLabel: refund of a fee</s>"
    assert length == len(model.tokenizer(whole)["input_ids"])


def test_labels_that_are_the_same_tokens_are_refused(tmp_path: Path) -> None:
    model = load("gpt2", tmp_path)
    model.tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    with pytest.raises(ModelError) as refused:
        Asking(model, ("Card", "fee", "card"), limit=None)
    assert "'Card' and 'card', which are the same tokens" in str(refused.value)


@pytest.mark.parametrize("text", ["\U0001f600" * 30, "x", "card " * 40])
def test_at_the_shortest_limit_there_is_room_for_something_of_each_text(text: str, tmp_path: Path) -> None:
    model = load("gpt2", tmp_path)
    asking = Asking(model, LABELS, limit=Asking(model, LABELS, limit=None).least)
    [passage] = Reading(model).encode([asking.lesson(row(text, text, label=LABELS[1]))])
    assert len(passage.ids) <= (asking.limit or 0)
    assert all(asking.fitting(row(text, text)).texts)
