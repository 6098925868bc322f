"""The shipped messages are what their README says: ten intents, as many of each, no two alike, nothing personal."""

import csv
import itertools
import re
from collections import Counter
from importlib import resources

import pytest


@pytest.fixture(scope="module")
def rows():
    text = (resources.files("affina.demo") / "support.csv").read_text(encoding="utf-8")
    reader = csv.DictReader(text.splitlines())
    assert reader.fieldnames == ["text", "label"]
    return [(row["text"], row["label"]) for row in reader]


def _words(text):
    return frozenset(re.findall(r"\w+", text.lower()))


def test_ten_intents_of_equal_size(rows):
    assert len(rows) == 480
    assert set(Counter(label for _, label in rows).values()) == {48}
    assert len({label for _, label in rows}) == 10


def test_no_two_messages_are_nearly_alike(rows):
    messages = [_words(text) for text, _ in rows]
    closest = max(len(one & other) / len(one | other) for one, other in itertools.combinations(messages, 2))
    assert closest <= 0.7


def test_messages_are_clean_and_name_nobody(rows):
    for text, _ in rows:
        assert text == text.strip()
        assert 2 <= len(text.split()) <= 40
        assert not re.search(r"@|www\.|https?:|\d{6,}|[^\x20-\x7e]", text), text


def test_the_file_is_not_sorted_by_intent(rows):
    changes = sum(before[1] != after[1] for before, after in itertools.pairwise(rows))
    assert changes > 400
