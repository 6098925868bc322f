"""Training answers that are written word for word, beside those that were never seen."""

from dataclasses import replace

import pytest
from risk_cases import value, writer
from tokenizers import Regex, normalizers

from affina.models.ending import end_tokens
from affina.models.writing import Written, read_back
from affina.risks.memorising import CUT_CHARACTER, LEAST_ROWS, MOST_ROWS, Memorised, reproduces
from affina.tasks.lessons import Lesson, Reading


def found(train, unseen):
    sides = {"train": train, "validation": unseen}
    return Memorised(sides.__getitem__, confidence=0.95).after()


def test_a_model_that_gives_its_rows_away_is_flagged():
    result = found([True] * 30 + [False] * 10, [True] * 2 + [False] * 38)
    assert result.outcome == "flagged"
    assert value(result, "reproduced", "difference").value == pytest.approx(0.7)
    assert value(result, "reproduced", "training rows").value == pytest.approx(0.75)


def test_answers_that_are_given_to_everybody_are_not_memorised():
    assert found([True] * 40, [True] * 40).outcome == "within"


@pytest.mark.parametrize("rows", [LEAST_ROWS, MOST_ROWS])
def test_none_of_as_many_rows_as_are_asked_for_is_within_the_limit(rows):
    assert found([False] * rows, [False] * rows).outcome == "within"


def test_few_rows_and_no_rows():
    assert found([True] * 10, [False] * 10).outcome == "few"
    assert found([], [False] * 40).outcome == "unmeasured"


@pytest.mark.parametrize(
    ("text", "ended", "same"),
    [
        (" It is on its way. ", True, True),
        ("It is on", True, False),
        ("It is on", False, True),
        ("It is off", False, False),
        ("", False, False),
        ("It is on its way. And", False, False),
        ("It is on its \ufffd", False, True),
        ("It is on its \ufffd", True, False),
        ("\ufffd", False, False),
    ],
)
def test_what_is_word_for_word(text, ended, same):
    assert reproduces(Written(text, 5, ended), Written("It is on its way.", 5, ended=True)) is same


@pytest.mark.parametrize(
    ("text", "ended", "same"),
    [("It is on its way. And more", False, True), ("It is on", False, True), ("It is on", True, False)],
)
def test_an_answer_that_was_learned_in_part_is_compared_as_far_as_it_was(text, ended, same):
    assert reproduces(Written(text, 5, ended), Written("It is on its w", 5, ended=False)) is same


FOLDED = ("Your order is late.\nWe are sorry.", "5½ euro…  for 2 m²")
ACCENTED = "Perché l'ordine è in ritardo? 🙂 Verrà più tardi, così è già andata in città"


def folding(model):
    """A tokenizer that folds blanks and letters, as those of T5, mT5 and NLLB do."""
    blanks = normalizers.Replace(Regex(r"\s+"), " ")
    model.tokenizer.backend_tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), blanks])
    return model


@pytest.mark.parametrize("text", FOLDED)
def test_what_a_tokenizer_folds_is_word_for_word_all_the_same(text):
    model = folding(writer("t5"))
    [passage] = Reading(model).encode([Lesson(text, (), source="why")])
    learned = read_back(model, passage.ids, end_tokens(model))
    assert learned.ended
    assert learned.text != text
    assert reproduces(learned, learned)
    assert reproduces(replace(learned, text=learned.text[:9], ended=False), learned)


@pytest.mark.parametrize("family", ["llama", "t5"])
def test_a_cut_within_a_character_is_a_cut(family):
    model = writer(family)
    ids = (*model.tokenizer(ACCENTED, add_special_tokens=False)["input_ids"], model.tokenizer.eos_token_id)
    learned = read_back(model, ids, end_tokens(model))
    cut = [read_back(model, ids[:end], []) for end in range(1, len(ids))]
    assert sum(CUT_CHARACTER in one.text for one in cut) > 8
    assert all(reproduces(one, learned) for one in cut)
    other = read_back(model, ids[::-1], [])
    assert not reproduces(other, learned)
