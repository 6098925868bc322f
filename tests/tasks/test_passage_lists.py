"""Passages in flat arrays are the passages, and lessons that are read together are those read one by one."""

from __future__ import annotations

import pytest

from affina.models.language import load_language_model
from affina.models.source import locate
from affina.tasks import lessons
from affina.tasks.lessons import Lesson, Reading
from affina.tasks.passage_lists import Cut, PassageLists
from tiny_models import APART, make_apart, make_tiny

TEXTS = ("my card is lost", "why was I charged a fee for this transfer", "no", "refund")


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen2", *APART])
def test_lessons_read_together_and_kept_flat_are_those_read_one_by_one(tmp_path, monkeypatch, family):
    monkeypatch.setattr(lessons, "READ_AT_ONCE", 3)
    made = load_language_model(locate(str((make_apart if family in APART else make_tiny)(family, tmp_path))))
    source = "the machine kept my card" if made.reads_apart else None
    given = [Lesson(text, ((0, 2), (3, len(text))), source=source, plain=len(text) < 9) for text in TEXTS]
    for limit in (None, 3):
        reading = Reading(made, max_length=limit)
        alone = [reading.encode([lesson])[0] for lesson in given]
        assert reading.encode(given) == alone
        lists = PassageLists(below=len(made.tokenizer))
        for passage in Reading(made).encode(given):
            lists.add(passage)
        whole = lists.whole()
        flat = Cut([(whole, place) for place in (3, 1, 0, 2)], reading.cut)
        assert list(flat) == [alone[place] for place in (3, 1, 0, 2)]
        assert flat[-2:] == [alone[0], alone[2]]
        assert all(type(one) is bool for one in flat[1].learned)
        assert list(whole) == Reading(made).encode(given)
