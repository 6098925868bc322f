"""Loss per token, perplexity and bits per byte by hand and by the model's own forward; two models row by row."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from affina.evaluation.perplexity import NAMES, Statistics, measure, parts, score, statistics
from affina.models.language import LanguageModel, load_language_model
from affina.models.source import locate
from affina.record.row_results import RowResults
from affina.reporting.paired import paired
from affina.tasks.lessons import Lesson, Passage, Reading
from affina.tasks.target_text import target_bytes
from tiny_models import make_bart, make_tiny

ROWS = Statistics(np.asarray([4.0, 1.0, 0.0]), np.asarray([3.0, 1.0, 0.0]), np.asarray([8.0, 2.0, 0.0]))
FAMILIES = ("gpt2", "llama", "opt", "bart")


TEXTS = ("my card is lost", "why was I charged a fee for this transfer", "no", "the machine kept my card")


def lessons(model: LanguageModel) -> list[Lesson]:
    end = model.tokenizer.eos_token
    if model.reads_apart:
        return [Lesson(f"yes {text}", (), source=text) for text in TEXTS]
    return [Lesson(f"{text}: yes {text}{end}", ((len(text) + 1, 2 * len(text) + 6 + len(end)),)) for text in TEXTS]


@pytest.fixture(params=FAMILIES)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> LanguageModel:
    folder = make_bart(tmp_path) if request.param == "bart" else make_tiny(request.param, tmp_path)
    made = load_language_model(locate(str(folder)))
    made.module.double()
    return made


def test_by_hand() -> None:
    found = dict(zip(NAMES, measure(ROWS, np.ones(3)).tolist(), strict=True))

    assert found["loss"] == 5 / 4
    assert found["perplexity"] == pytest.approx(math.exp(5 / 4))
    assert found["bits_per_byte"] == pytest.approx(5 / math.log(2) / 10)


def test_a_row_counts_as_often_as_it_is_drawn() -> None:
    assert measure(ROWS, np.asarray([0.0, 2.0, 1.0]))[0] == 1.0


def test_rows_without_a_target_say_nothing() -> None:
    empty = Statistics(np.zeros(2), np.zeros(2), np.zeros(2))

    assert score(empty, resamples=5, confidence=0.9, seed=0) == {}


def test_intervals_hold_the_values_and_are_the_same_for_the_same_seed() -> None:
    chance = np.random.default_rng(0)
    tokens = chance.integers(1, 30, 200).astype(float)
    rows = Statistics(tokens * chance.uniform(1, 3, 200), tokens, tokens * 4)
    found = score(rows, resamples=200, confidence=0.95, seed=1)

    assert found == score(rows, resamples=200, confidence=0.95, seed=1)
    assert tuple(found) == NAMES
    for one in found.values():
        assert one.low < one.value < one.high
        assert one.n == 200
    assert found["perplexity"].low == pytest.approx(math.exp(found["loss"].low))


def test_each_rows_losses_are_the_models_own_whatever_lies_beside_it(model: LanguageModel) -> None:
    reading, given, done = Reading(model), lessons(model), list[int]()
    passages = reading.encode(given)
    sizes = target_bytes(model, given, passages)
    rows = statistics(model, reading, passages, sizes=sizes, budget=50, progress=done.append)

    for place, passage in enumerate(passages):
        batch = reading.collate([passage], rows=[0])
        logits = model.module(**batch.inputs).logits[0]
        own = torch.nn.functional.cross_entropy(logits, batch.targets[0], reduction="sum", ignore_index=-100)
        assert rows.nats[place] == pytest.approx(own.item(), rel=1e-9)
        assert rows.tokens[place] == passage.targets
    assert len(done) > 1
    assert done[-1] == len(passages)


def test_the_bytes_are_those_of_what_is_learned_without_the_end_token(model: LanguageModel) -> None:
    given = lessons(model)
    passages = Reading(model).encode(given)
    end = model.tokenizer.eos_token
    if model.reads_apart:
        expected = [len(lesson.text) for lesson in given]
    else:
        expected = [len(lesson.text[slice(*lesson.learned[0])].removesuffix(end)) for lesson in given]

    assert target_bytes(model, given, passages) == expected


def decoder(folder: Path) -> tuple[LanguageModel, Reading]:
    made = load_language_model(locate(str(make_tiny("gpt2", folder))))
    return made, Reading(made)


def test_bytes_are_not_characters_and_every_byte_of_a_cut_character_counts_once(tmp_path: Path) -> None:
    made, reading = decoder(tmp_path)
    lesson = Lesson("ask: naïve 日本 🙂", ((4, 15),))
    passages = reading.encode([lesson])

    assert passages[0].targets > 10  # a tokenizer of bytes cuts these characters
    assert target_bytes(made, [lesson], passages) == [len(" naïve 日本 🙂".encode())]


def test_what_is_cut_and_what_nothing_foretells_has_no_bytes(tmp_path: Path) -> None:
    made, reading = decoder(tmp_path)
    lesson = Lesson("my card is lost", ((0, 15),))
    whole = reading.encode([lesson])[0]
    tokens = [made.tokenizer.decode([token]) for token in whole.ids]
    short = Reading(made, max_length=4).encode([lesson])

    assert target_bytes(made, [lesson], [whole]) == [15 - len(tokens[0])]
    assert target_bytes(made, [lesson], short) == [len("".join(tokens[1:4]))]


def test_a_lead_token_makes_the_first_word_foretold(tmp_path: Path) -> None:
    made, _ = decoder(tmp_path)
    lesson = Lesson("my card is lost", ((0, 15),))
    lead = Passage((0, *Reading(made).encode([lesson])[0].ids), (False, *(True,) * 20))

    assert target_bytes(made, [lesson], [lead]) == [15]


def test_what_an_encoder_decoders_answer_loses_by_a_limit_has_no_bytes(tmp_path: Path) -> None:
    made = load_language_model(locate(str(make_bart(tmp_path))))
    lesson = Lesson("my card is lost", (), source="why")
    passages = Reading(made, max_length=3).encode([lesson])

    assert passages[0].cut_learned
    assert target_bytes(made, [lesson], passages) == [len(made.tokenizer.decode(passages[0].ids))] != [15]


@pytest.mark.parametrize("metric", NAMES)
def test_two_models_are_compared_row_by_row(metric: str) -> None:
    chance = np.random.default_rng(0)
    tokens = chance.integers(1, 30, 100).astype(float)
    nats = tokens * chance.uniform(1, 3, 100)
    first, second = (Statistics(nats * by, tokens, tokens * 4) for by in (1.0, 0.97))
    names = tuple(f"{number:08x}" for number in range(100))
    ours, theirs = (RowResults(who="x", split="test", rows=names, values={}, parts=parts(s)) for s in (first, second))
    found = paired(ours, theirs, metric)
    place = NAMES.index(metric)

    assert found is not None
    expected = (measure(first, np.ones(100)) - measure(second, np.ones(100)))[place]
    assert found.difference.value == pytest.approx(expected)
    assert found.settled  # each row is better, though the two intervals overlap
