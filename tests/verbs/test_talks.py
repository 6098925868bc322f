"""What a talk shows of an answer."""

import pytest

from affina.verbs.chat import _from_first_letter


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["Hel", "lo ", "you"], ["Hel", "lo ", "you"]),
        ([" Hel", "lo"], ["Hel", "lo"]),
        ([" ", "\n", " Hello", " ", "you"], ["Hello", " ", "you"]),
        ([" "], []),
    ],
)
def test_an_answer_begins_with_its_first_letter(pieces, shown):
    assert list(_from_first_letter(iter(pieces))) == shown
