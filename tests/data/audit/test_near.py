"""Near duplicates: planted ones are found, and texts that only share words are left alone."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affina.data.audit import near
from affina.data.audit.near import find_near
from affina.data.audit.signatures import shingles, signatures
from affina.data.audit.wording import nearly_same, worded
from affina.data.rows import Row

LONG = (
    "the parcel was left in front of the door of my neighbour who is on holiday until the end of the month, and nobody"
    " told me where it was before I called your office for the third time"
)


def rows_of(*texts, file="a.csv", label="x"):
    return tuple(Row({"text": text, "label": label}, file, n, n + 1) for n, text in enumerate(texts, start=1))


def found(**splits):
    return {finding.name: finding for finding in find_near(splits, seed=0)[0]}


NEARLY = [
    ("Is there a limit for top up?", "is there a limit for top-ups"),
    ("need a new passcode", "I need a new passcode!"),
    ("È un caso interessante", "e un caso interessante"),
    ("cirrect information on freemium account", "correct information on freemium account"),
    ("Where is my card?!", "where   is my CARD"),
    ("my cash withdrawal was declined", "my cash withdrawl was declined"),
    ("it s a masterpiece", "it s a masterpeice"),
    (LONG, LONG.replace("holiday", "vacation")),
    ("this surely cannot last for all of the long winter", "this surely can not last for all of the long winter"),
]
DIFFERENT = [
    ("What is a fear of cold ?", "What is a fear of color ?"),
    ("What 's the radio code word for the letter B ?", "What 's the radio code word for the letter F ?"),
    ("refunding order 12", "refunding order 13"),
    ("how do I change my PIN", "how do I change my name"),
    ("my card has not arrived", "my card has arrived"),
    ("what is the origin of the word jj", "what is the origin of the word posh"),
    ("CNN is the abbreviation for what ?", "CPR is the abbreviation for what ?"),
    ("my pin is blocked what do I do", "my pin is unlocked what do I do"),
    ("edit my premium account", "edit my freemium account"),
    ("is it legal to do that here", "is it illegal to do that here"),
    ("how hot for making oat muffins", "how hot for baking oat muffins"),
    ("masterpiece", "masterpeice"),
    ("take 1.5 mg", "take 15 mg"),
    ("a", "b"),
    ("", "b"),
]


@pytest.mark.parametrize("pair", NEARLY)
def test_what_says_the_same_is_found_within_a_split_and_across(pair):
    (finding,) = found(train=rows_of(*pair)).values()
    assert (finding.name, finding.count) == ("near_duplicates", 1)
    assert finding.examples[0].startswith("a.csv, row 2 (line 3) is nearly row 1: ")
    (finding,) = found(train=rows_of(pair[0]), test=rows_of(pair[1], file="t.csv", label="y")).values()
    assert (finding.name, finding.count) == ("test_rows_nearly_in_train", 1)
    assert finding.examples[0].startswith("t.csv, row 1 (line 2) is nearly a.csv, row 1 (line 2): ")
    assert "1 of them with another label" in finding.meaning


@pytest.mark.parametrize("pair", DIFFERENT)
def test_what_only_shares_words_is_left_alone(pair):
    assert found(train=rows_of(*pair)) == {}
    assert found(train=rows_of(pair[0]), test=rows_of(pair[1])) == {}


def test_exact_repeats_are_not_counted_twice():
    assert found(train=rows_of("where is it", "where is it", " where is it")) == {}
    assert found(train=rows_of("where is it"), test=rows_of("where is it ")) == {}
    (finding,) = found(train=rows_of("where is it", "where is it?", "where is it?", "Where is it")).values()
    assert finding.count == 2


def test_both_texts_of_a_pair_must_be_nearly_the_same():
    def pairs(first, second):
        return tuple(
            Row({"text": LONG, "text_pair": other, "label": "x"}, "a.csv", n, n + 1)
            for n, other in enumerate((first, second), start=1)
        )

    assert found(train=pairs("nobody called", "the door is red")) == {}
    assert found(train=pairs("nobody called", "Nobody called."))["near_duplicates"].count == 1


def test_planted_near_duplicates_among_many_rows_and_no_others():
    draw = random.Random(3)  # noqa: S311 - not a secret
    words = ["".join(draw.choices("abcdefghijklmnoprstuvw", k=draw.randint(3, 9))) for _ in range(2_000)]
    texts = [" ".join(draw.choices(words, k=draw.randint(5, 30))) for _ in range(2_000)]
    planted = draw.sample(range(1_000), 100)
    changed = [texts[place].upper().replace(" ", ", ", 2) + "!" for place in planted]
    longer = [place for place in range(1_000, 2_000) if len(texts[place].split()) >= 25][:50]
    changed += [texts[place].replace(texts[place].split()[7], "other", 1) for place in longer]
    findings = found(train=rows_of(*texts), test=rows_of(*changed, file="t.csv"))
    assert {name: finding.count for name, finding in findings.items()} == {"test_rows_nearly_in_train": 150}


def test_personal_data_is_not_shown():
    rows = rows_of("write to jane.doe@example.com now", "Write to jane.doe@example.com now!")
    (finding,) = found(train=rows).values()
    assert "jane" not in finding.examples[0]
    assert "[e-mail]" in finding.examples[0]


def test_too_many_rows_are_sampled_and_it_is_said(monkeypatch):
    monkeypatch.setattr(near, "MOST_ROWS", 40)
    train = rows_of(*map(str, range(50)), *["Where is my card?", "where is my card"] * 30)
    findings, check = find_near({"train": train, "validation": (), "test": rows_of("x") * 30}, seed=0)
    assert (check.rows, check.of) == (40, 140)
    assert "in a sample of 29% of the rows" in findings[0].meaning


def test_nothing_to_compare():
    for rows in ((), rows_of("x")):
        findings, check = find_near({"train": rows, "validation": (), "test": ()}, seed=0)
        assert (findings, check.rows) == ((), len(rows))


@given(st.lists(st.text(max_size=30), min_size=1, max_size=8))
def test_signatures_depend_on_each_text_alone(texts):
    together = signatures(texts)
    for text, signature in zip(texts, together, strict=True):
        assert np.array_equal(signatures([text])[0], signature)


@given(st.text(max_size=60))
def test_a_text_is_nearly_itself(text):
    assert nearly_same((worded(text),), (worded(text.upper() if text.isascii() else text),))


def test_signatures_estimate_the_similarity():
    draw = np.random.default_rng(0)
    letters = [chr(97 + number) for number in draw.integers(0, 26, 3_000)]
    one = "".join(letters[:900])
    for kept in (300, 600, 800):
        other = "".join(letters[:kept] + letters[1_000 : 1_900 - kept])
        mine, theirs = shingles(one), shingles(other)
        exact = len(np.intersect1d(mine, theirs)) / len(np.union1d(mine, theirs))
        estimate = (signatures([one])[0] == signatures([other])[0]).mean()
        assert abs(estimate - exact) < 0.17  # three standard deviations of 70 draws


@pytest.mark.parametrize(
    ("template", "count"), [(LONG + ", order {} of {}", 3_999), ("your order {} was sent on day {} of the week", 0)]
)
def test_rows_of_one_template_do_not_take_for_ever(template, count):
    rows = rows_of(*(template.format(f"{number:06d}", number % 97) for number in range(4_000)))
    started = time.process_time()
    findings = found(train=rows)
    assert sum(finding.count for finding in findings.values()) == count
    assert time.process_time() - started < 20  # comparing each with each would take minutes


def test_a_text_of_ten_million_letters_is_compared_by_its_beginning():
    huge = LONG + " and more" * 1_100_000
    assert found(train=rows_of(huge, huge + " still", "short"))["near_duplicates"].count == 1
