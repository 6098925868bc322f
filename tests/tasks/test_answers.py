"""The answers within a passage: the longest, with exactly what stood before it when it was learned."""

import pytest

from affina.tasks.answers import Answer, begun, longest_answer
from affina.tasks.lessons import Passage


def passage(learned, source=()):
    return Passage(tuple(range(10, 10 + len(learned))), tuple(mark == "x" for mark in learned), source)


@pytest.mark.parametrize(
    ("learned", "start", "end"),
    [
        ("..xxx..x", 2, 5),  # the first answer is long, the last says little
        ("..x..xxx", 5, 8),
        (".xx.xx", 1, 3),  # of equals the first
        ("xxx", 1, 3),  # nothing stands before the first token
    ],
)
def test_the_longest_of_several_answers(learned, start, end):
    ids = passage(learned).ids
    assert longest_answer(passage(learned)) == Answer(ids[:start], ids[start:end])


@pytest.mark.parametrize("learned", ["", "...", "x.."])
def test_nothing_that_is_learned_after_something(learned):
    assert longest_answer(passage(learned)) is None


@pytest.mark.parametrize(
    ("learned", "wanted", "kept"),
    [("..xxx..x", 2, 4), ("..xxx..x", 4, 8), ("..x..xxx", 2, 6), ("xxx", 1, 1), ("....", 2, 4), ("..x...", 3, 6)],
)
def test_a_passage_up_to_so_many_tokens_that_are_learned(learned, wanted, kept):
    whole = passage(learned, source=(7, 8))
    found = begun(whole, learned=wanted)
    assert (found.ids, found.learned, found.source) == (whole.ids[:kept], whole.learned[:kept], (7, 8))


def test_an_encoder_decoder_s_answer_is_all_that_it_writes():
    assert longest_answer(passage("xxx", source=(7, 8))) == Answer((7, 8), (10, 11, 12))
