"""What a tokenizer puts around a text stays, whatever is beyond a limit."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers.processors import TemplateProcessing

from affina.models.language import LanguageModel, load_language_model
from affina.models.source import locate
from affina.tasks.lessons import Lesson, Question, Reading
from affina.tasks.text_ends import Ends, ends_of
from tiny_models import make_bart

LEAD, TAIL = (1,), (2, 3)
WHOLE = (1, 10, 11, 12, 13, 2, 3)


@pytest.mark.parametrize(
    ("ids", "room", "from_end", "kept"),
    [
        (WHOLE, 7, True, WHOLE),
        (WHOLE, 5, True, (1, 10, 11, 2, 3)),
        (WHOLE, 5, False, (1, 12, 13, 2, 3)),
        ((10, 11, 12, 2, 3), 3, True, (10, 2, 3)),
        ((10, 11, 12), 2, False, (11, 12)),
        (WHOLE, 3, True, (1, 10, 11)),
        (WHOLE, 0, False, (3,)),
    ],
)
def test_what_is_beyond_is_taken_from_the_text(ids, room, from_end, kept):
    found = Ends(LEAD, TAIL).shorten(ids, room, from_end=from_end)
    assert found == kept
    assert len(found) <= max(1, room)


def test_without_ends_a_text_is_cut_as_it_is():
    assert Ends().shorten(WHOLE, 2, from_end=True) == (1, 10)
    assert Ends().shorten(WHOLE, 2, from_end=False) == (2, 3)


@pytest.mark.parametrize(
    ("whole", "bare", "ends"),
    [
        ([1, 7, 8, 2], [7, 8], Ends((1,), (2,))),
        ([7, 8, 2], [7, 8], Ends((), (2,))),
        ([7, 8], [7, 8], Ends()),
        ([9, 8, 2], [7, 8], Ends()),
    ],
)
def test_ends_are_what_a_tokenizer_adds(whole, bare, ends):
    def tokenizer(_, add_special_tokens=True):
        return {"input_ids": whole if add_special_tokens else bare}

    assert ends_of(tokenizer) == ends


@pytest.fixture
def with_ends(tmp_path: Path) -> LanguageModel:
    """An encoder-decoder whose tokenizer puts a token before and one after what is read."""
    model = load_language_model(locate(str(make_bart(tmp_path))))
    tokens = [(str(model.tokenizer.convert_ids_to_tokens(place)), place) for place in (1, 0)]
    template = TemplateProcessing(single=f"{tokens[0][0]} $A {tokens[1][0]}", special_tokens=tokens)
    model.tokenizer.backend_tokenizer.post_processor = template
    return model


def test_what_an_encoder_reads_keeps_its_ends_in_training_and_when_it_is_asked(with_ends: LanguageModel) -> None:
    text = "where is my card " * 20
    whole = Reading(with_ends).ask(Question(text))
    short = Reading(with_ends, max_length=9)
    assert (whole[0], whole[-1]) == (1, 0)

    [passage] = short.encode([Lesson("here", (), source=text)])

    assert passage.source == (*whole[:8], 0)
    assert passage.cut == len(whole) - 9
    assert short.ends.shorten(whole, 9, from_end=True) == passage.source
    assert short.ends.shorten(whole, 9, from_end=False) == (1, *whole[-8:])
