"""Which attributes a text states, misses and invents."""

from __future__ import annotations

import pytest

from affina.evaluation.slots import learn, parse_slots

STARS = (("name", "Zizzi"), ("rating", "5 out of 5"), ("family", "yes"))
RATINGS = {"5 out of 5": "five star", "1 out of 5": "one star"}
FAMILIES = {"yes": "kid friendly", "no": "adults only"}
ROWS = [
    ((("name", name), ("rating", rating), ("family", family)), f"{name} is a {stars} place, {who}.")
    for name in ("Zizzi", "Aromi")
    for rating, stars in RATINGS.items()
    for family, who in FAMILIES.items()
] * 6


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("name[Zizzi], rating[5 out of 5], family[yes]", STARS),
        ("name[Zizzi] | rating[5 out of 5] | family[yes]", STARS),
        ("name: Zizzi | rating: 5 out of 5 | family: yes", STARS),
        ("name = Zizzi; rating = 5 out of 5; family = yes", STARS),
        ("name[Blue Spice, the], area[city centre]", (("name", "Blue Spice, the"), ("area", "city centre"))),
        ("name: ", (("name", ""),)),
        ("just words", ()),
        ("a[b], and some words", ()),
        ("", ()),
    ],
)
def test_attributes_are_read_in_the_notations_people_use(written: str, expected: object) -> None:
    assert parse_slots(written) == expected


def test_a_value_is_stated_by_its_own_words() -> None:
    found = learn(ROWS).coverage("ZIZZI, rated 5 out of 5", STARS)

    assert found.stated == STARS[:2]
    assert found.missed == STARS[2:]
    assert found.invented == ()


def test_a_value_is_stated_by_what_the_training_texts_say_for_it() -> None:
    found = learn(ROWS).coverage("Kid friendly, with five star food: Zizzi", STARS)

    assert found.missed == ()


def test_another_value_is_invented_and_the_given_one_missed() -> None:
    found = learn(ROWS).coverage("Zizzi, rated 1 out of 5", STARS[:2])

    assert found.missed == (("rating", "5 out of 5"),)
    assert ("rating", "1 out of 5") in found.invented


def test_an_attribute_that_the_input_does_not_have_is_invented() -> None:
    found = learn(ROWS).coverage("Zizzi near Aromi", STARS[:1])

    assert found.stated == STARS[:1]
    assert found.invented == (("name", "Aromi"),)


def test_yes_and_no_say_nothing_by_themselves() -> None:
    found = learn(ROWS[:3]).coverage("yes", (("family", "yes"),))

    assert found.missed == (("family", "yes"),)


def test_few_texts_teach_no_phrase() -> None:
    found = learn(ROWS[:8]).coverage("a five star place", STARS[1:2])

    assert found.missed == STARS[1:2]
