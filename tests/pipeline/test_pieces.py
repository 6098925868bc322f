"""Texts alone in pieces: nothing is lost, none is longer than the limit, and each but a text's last goes on."""

from __future__ import annotations

import itertools

import pytest

from affina.data.rows import Row
from affina.models.reader import WriterReader, load_writer_reader
from affina.models.source import locate
from affina.pipeline.writing.pieces import divided
from affina.tasks.generation import GOES_ON, Generation
from affina.tasks.lessons import Reading
from workbench import tiny

LIMIT = 24
LONG = "my card has not arrived yet, where is it? " * 12
SHORT = "please change my address"
UNBROKEN = "a" * 200


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def model(request) -> WriterReader:
    return load_writer_reader(locate(str(tiny(request.param))))


def rows_of(*texts: str) -> list[Row]:
    return [Row({"text": text, "label": ""}, "texts.txt", number, number) for number, text in enumerate(texts, start=1)]


@pytest.mark.parametrize("text", [LONG, UNBROKEN, f"{UNBROKEN} {LONG}"])
def test_the_pieces_put_together_are_the_text(model, text):
    found = divided(rows_of(text), model, limit=LIMIT)

    assert "".join(row.fields["text"] for row in found.rows) == text
    assert (found.long, found.pieces) == (1, len(found.rows))
    assert found.pieces > 2


def test_no_piece_is_cut_and_only_the_last_one_ends(model):
    found = divided(rows_of(LONG), model, limit=LIMIT)
    task = Generation(model.tokenizer, continues=True)
    passages = Reading(model, max_length=LIMIT).encode([task.lesson(row) for row in found.rows])

    assert [passage.cut for passage in passages] == [0] * found.pieces
    assert [GOES_ON in row.fields for row in found.rows] == [True] * (found.pieces - 1) + [False]
    end = model.tokenizer.eos_token_id
    assert [passage.ids[-1] == end for passage in passages] == [False] * (found.pieces - 1) + [True]


def test_a_piece_begins_with_a_word_where_there_are_any(model):
    found = divided(rows_of(LONG), model, limit=LIMIT)
    texts = [row.fields["text"] for row in found.rows]

    assert all(left[-1:].isspace() or right[:1].isspace() for left, right in itertools.pairwise(texts))


def test_short_texts_stay_as_they_are_and_in_their_order(model):
    short, long, last = rows = rows_of(SHORT, LONG, SHORT)
    found = divided(rows, model, limit=LIMIT)

    assert found.rows[0] is short
    assert found.rows[-1] is last
    assert {row.where for row in found.rows[1:-1]} == {long.where}
    assert (found.long, found.pieces) == (1, len(found.rows) - 2)
