"""Which attributes a text states, misses and invents."""

from __future__ import annotations

import pytest

from affina.evaluation.slot_notation import parse_slots
from affina.evaluation.slot_phrases import learn, load_phrases, phrases_of
from affina.evaluation.slots import count, coverages, not_judged, score, told

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
        ("name: Zizzi\nrating: 5 out of 5\nfamily: yes\n", STARS),
        ("name: Zizzi, rating: 5 out of 5, family: yes", STARS),
        ("name=Zizzi,rating=5 out of 5,family=yes", STARS),
        ("name: Blue Spice, the, area: city centre", (("name", "Blue Spice, the"), ("area", "city centre"))),
        ("opens: 10:30\nname:\narea: x", (("opens", "10:30"), ("name", ""), ("area", "x"))),
        ("name: Zizzi, " * 600, ()),
        ("name[Blue Spice, the], area[city centre]", (("name", "Blue Spice, the"), ("area", "city centre"))),
        ("name: ", (("name", ""),)),
        ("name[Zizzi], name[Zizzi], name[Aromi]", (("name", "Zizzi"), ("name", "Aromi"))),
        ('{"name": "Zizzi", "rating": "5 out of 5", "family": "yes"}', STARS),
        (
            '{"a": {"b": 3, "c": true}, "d": ["x", "y"], "e": null}',
            (("a.b", "3"), ("a.c", "true"), ("d", "x"), ("d", "y")),
        ),
        ('{"name": "Zizzi"', ()),
        ('["name", "Zizzi"]', ()),
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
    for value in ("yes", "no", "true", "", "0"):
        found = learn(ROWS[:3]).coverage(f"Zizzi {value}", (STARS[0], ("family", value)))

        assert found.unjudged == (("family", value),)
        assert found.stated == STARS[:1]
        assert found.missed == ()


def test_yes_is_judged_where_the_training_texts_have_words_for_it() -> None:
    phrases = learn(ROWS)

    assert phrases.coverage("Zizzi is kid friendly", STARS).unjudged == ()
    assert phrases.coverage("Zizzi", STARS).missed == STARS[1:]


def test_a_short_value_is_stated_by_its_own_word_but_is_no_sign_of_an_invention() -> None:
    phrases = learn([((("type", "pub"),), "a pub"), ((("type", "restaurant"),), "a restaurant")])

    assert phrases.coverage("a pub", (("type", "pub"),)).stated == (("type", "pub"),)
    assert phrases.coverage("a pub", (("type", "restaurant"),)).invented == ()
    assert phrases.coverage("a restaurant", (("type", "pub"),)).invented == (("type", "restaurant"),)


def test_phrases_are_the_same_after_a_way_through_a_file() -> None:
    phrases = learn([*ROWS, ((("near", "Café Adriatic, the"),), "near the Café Adriatic, The")])
    found = load_phrases(phrases.dump())

    assert dict(found.meanings) == dict(phrases.meanings)
    assert found.coverage("Kid friendly", STARS) == phrases.coverage("Kid friendly", STARS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"phrases": [',
        "[]",
        "{}",
        '{"phrases": 3}',
        '{"phrases": ["Zizzi"]}',
        '{"phrases": [{"phrase": "zizzi"}]}',
        '{"phrases": [{"phrase": "zizzi", "attribute": "name", "value": ["Zizzi"]}]}',
    ],
)
def test_a_text_that_holds_no_phrases_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        load_phrases(text)


INPUTS = ["name[Zizzi], rating[5 out of 5], kids[yes]", "name[Aromi], rating[1 out of 5], kids[no]", "no attributes"]
TEXTS = ["Zizzi, rated 1 out of 5", "Aromi, rated 1 out of 5", "Zizzi"]


def test_the_figures_by_hand() -> None:
    """Four of six slots can be looked for; of these one is missed, and one value is there unasked."""
    phrases = learn(ROWS[:8])
    found = coverages(phrases, INPUTS, TEXTS)
    metrics = score(count(found), resamples=20, confidence=0.9, seed=0)

    assert found[2] is None
    assert {name: one.value for name, one in metrics.items()} == {
        "slot_error": 2 / 4,
        "slot_missed": 1 / 4,
        "slot_invented": 1 / 4,
        "slot_unjudged": 2 / 6,
    }
    assert [told(one) for one in found] == [
        "stated: name[Zizzi]; missed: rating[5 out of 5]; invented: rating[1 out of 5]; not judged: kids[yes]",
        "all 2 stated; not judged: kids[no]",
        "",
    ]
    assert not_judged(phrases, INPUTS).startswith("not judged: 2 of 6 slots, of kids (2): values such as yes or no")
    assert not_judged(phrases, INPUTS[2:]) == ""


def test_without_a_slot_to_judge_there_is_no_figure() -> None:
    found = count(coverages(learn(ROWS[:3]), ["kids[yes]", "words"], ["yes", "words"]))

    assert score(found, resamples=5, confidence=0.9, seed=0) == {}
    assert told(coverages(learn(ROWS[:3]), ["kids[yes]"], ["yes"])[0]) == "not judged: kids[yes]"


@pytest.mark.parametrize(
    "given",
    [
        "Summarize: the quick brown fox",
        "Question: what is the time?",
        "https://example.com/page",
        "Title: the fox\nText: the quick brown fox jumps over the lazy dog and away it runs",
    ],
)
def test_texts_with_a_heading_are_no_attributes(given: str) -> None:
    assert phrases_of([(f"{given} {number}", "a text") for number in range(100)]) is None


def test_an_attribute_that_texts_are_written_by_and_do_not_say_is_not_judged() -> None:
    names, styles = ("Zizzi", "Aromi"), ("formal", "casual")
    pairs = [(f"name: {name} | style: {style}", f"{name} is here") for name in names for style in styles] * 20
    phrases = phrases_of(pairs)
    assert phrases is not None
    assert phrases.unsaid == {"style"}
    assert load_phrases(phrases.dump()).unsaid == {"style"}
    [found] = coverages(phrases, [pairs[0][0]], ["Zizzi is here"])
    assert told(found) == "all 1 stated; not judged: style[formal]"
    assert phrases_of([(f"style: {style} | tone: dry", f"text {n}") for n in range(20) for style in styles]) is None


def test_one_attribute_in_brackets_is_one() -> None:
    assert phrases_of([("name[Zizzi]", "Zizzi is here")] * 20) is not None
    assert phrases_of([("name: Zizzi\narea: riverside", "Zizzi is by the river")] * 20) is not None


def test_inputs_that_are_no_attributes_teach_nothing() -> None:
    pairs = [("name[Zizzi]", "Zizzi")] * 9

    assert phrases_of([*pairs, ("words", "x")]) is not None
    assert phrases_of([*pairs, ("words", "x"), ("words", "y")]) is None
    assert phrases_of([]) is None


def test_few_texts_teach_no_phrase() -> None:
    found = learn(ROWS[:8]).coverage("a five star place", STARS[1:2])

    assert found.missed == STARS[1:2]
