"""Rows that cannot be trained on are refused by name; what is only odd is counted and explained."""

from __future__ import annotations

import pytest

from affina.data.checks import check_known_labels, drop_empty_texts, found_blank
from affina.data.labelling.single import SingleLabels, check_training_labels
from affina.data.rows import Row, is_blank
from affina.errors import DataError


def rows_of(*pairs, file="a.csv", second=None):
    extra = {} if second is None else {"text_pair": second}
    return tuple(
        Row({"text": text, "label": label, **extra}, file, number, number + 1)
        for number, (text, label) in enumerate(pairs, start=1)
    )


def labelled(*labels):
    return rows_of(*((f"text {number}", label) for number, label in enumerate(labels)))


def problems_of(rows):
    with pytest.raises(DataError) as caught:
        check_training_labels(rows, column="label")
    assert all(problem.fix for problem in caught.value.problems)
    return caught.value.problems


def test_good_labels_pass():
    check_training_labels(labelled("a", "b", "a", "b"), column="label")
    check_training_labels(labelled(*"0123" * 4), column="label")
    check_training_labels(labelled("1.5", "a", "1.5", "a"), column="label")
    check_training_labels(labelled(*["new york", "york", "new", "rome"] * 2), column="label")


def test_empty_labels():
    problems = problems_of(labelled("a", "", "b", "\u200b", "a", "b"))
    assert [problem.where for problem in problems] == ["a.csv, row 2 (line 3)", "a.csv, row 4 (line 5)"]
    assert problems[0].found == "an empty label"


def test_one_class_only():
    (problem,) = problems_of(labelled("a", "a", "a"))
    assert problem.where == "a.csv, column label"
    assert problem.found == "one label, 'a', in all 3 rows"


def test_labels_seen_once():
    problems = problems_of(labelled("a", "b", "a", "c"))
    assert [problem.where for problem in problems] == ["a.csv, row 2 (line 3)", "a.csv, row 4 (line 5)"]
    assert "'b'" in problems[0].found


def test_a_label_seen_once_is_no_slip_where_the_test_file_has_it_too():
    rows = labelled("a", "b", "a", "c")
    check_training_labels(rows, column="label", attested=frozenset({"b", "c"}))
    with pytest.raises(DataError) as caught:
        check_training_labels(rows, column="label", attested=frozenset({"b"}))
    assert [problem.where for problem in caught.value.problems] == ["a.csv, row 4 (line 5)"]


def test_many_labels_for_few_rows_are_classes_where_the_test_file_has_them_too():
    labels = [f"class {number % 12}" for number in range(14)]
    with pytest.raises(DataError, match="free text or ids"):
        check_training_labels(labelled(*labels), column="label")
    check_training_labels(labelled(*labels), column="label", attested=frozenset(labels))


@pytest.mark.parametrize(
    ("labels", "fix"), [(["0.5", "1", "0.5", "1"], "text or integers"), (["0.0", "1.0"] * 2, "3 and not 3.0")]
)
def test_a_column_of_floats(labels, fix):
    (problem,) = problems_of(labelled("1", *labels))
    assert problem.where == "a.csv, row 2 (line 3), column label"
    assert fix in problem.fix
    assert "regression" in problem.fix


@pytest.mark.parametrize("number", ["-0.5", "1e-3", ".5", "3.", "0,5", "-1,25", ",5", "1,5e3"])
def test_all_ways_to_write_a_float(number):
    (problem,) = problems_of(labelled(number, "1", number, "1"))
    assert f"the number {number};" in problem.found
    assert "regression" in problem.fix


def test_half_stars_with_decimal_commas_are_numbers_and_no_lists_of_labels():
    stars = [f"{half // 2},5" if half % 2 else str(half // 2) for half in range(11)]
    assert "5 with decimals" in problems_of(labelled(*stars * 2))[0].found
    assert "integers, 3 and not" in problems_of(labelled("1,0", "2,0", "1,0", "2,0"))[0].fix


@pytest.mark.parametrize(
    "dates",
    [("2024-01-05", "2024-1-6"), ("5.1.2024", "06.01.2024"), ("1/31/2024", "2/1/2024 10:30"), ("2024-01-05T10:00Z",)],
)
def test_a_column_of_dates(dates):
    (problem,) = problems_of(labelled(*[*dates, "2023-12-31"] * 3))
    assert problem.where == "a.csv, row 1 (line 2), column label"
    assert f"the date '{dates[0]}'; all {len(dates) + 1} labels are dates" in problem.found
    assert "data.label=COLUMN" in problem.fix


def test_versions_and_dates_beside_words_are_labels():
    check_training_labels(labelled(*["1.2.3", "1.2.4"] * 3), column="label")
    check_training_labels(labelled(*["2024-01-05", "undated"] * 3), column="label")


def test_a_column_of_free_text():
    (problem,) = problems_of(labelled(*(f"label {number}" for number in range(20)), "label 1"))
    assert problem.where == "a.csv, column label"
    assert problem.found.startswith("20 different labels in 21 rows")
    assert "data.label" in problem.fix


def test_empty_texts_are_dropped_and_counted():
    kept, (finding,) = drop_empty_texts(rows_of(("x", "a"), (" \n", "b"), ("y", "b")), file="a.csv", split="train")
    assert [row.number for row in kept] == [1, 3]
    assert (finding.name, finding.count, finding.examples) == ("empty_texts", 1, ("a.csv, row 2 (line 3)",))
    assert drop_empty_texts(kept, file="a.csv", split="train") == (kept, ())


UNSEEN = ["", " \t\n", "\u00a0\u3000", "\u200b", "\ufeff", "\u200d\u2060", "\x01\x7f", "\u00ad", "\u2028", "\ufe0f"]


@pytest.mark.parametrize("text", UNSEEN)
def test_texts_that_nobody_can_see_are_empty(text):
    assert is_blank(text)
    rows = rows_of((text, "a"), (f"{text}.{text}", "b"))
    assert [row.number for row in drop_empty_texts(rows, file="a.csv", split="train")[0]] == [2]


@pytest.mark.parametrize("text", ["x", "?", "7", "\U0001f600", "\u0915", "\u200bx", "$", "\U0001fae9"])
def test_one_character_to_see_makes_a_text(text):
    assert not is_blank(text)


def test_an_empty_second_text_counts_as_empty():
    rows = rows_of(("x", "a"), second="") + rows_of(("x", "a"), second="y")
    kept, (finding,) = drop_empty_texts(rows, file="a.csv", split="test")
    assert kept == rows[1:]
    assert finding.name == "empty_texts_in_test"


def test_no_rows_after_cleaning():
    with pytest.raises(DataError) as caught:
        drop_empty_texts(rows_of((" ", "a"), ("", "b")), file="a.csv", split="train")
    (problem,) = caught.value.problems
    assert problem.where == "a.csv"
    assert problem.found == "2 rows, and no text in any of them"
    assert "data.text" in problem.fix


def test_labels_that_training_lacks():
    rows = rows_of(("x", "a"), ("y", "c"), ("z", "d"), ("w", "c"), file="test.csv")
    with pytest.raises(DataError) as caught:
        check_known_labels(rows, known=["a", "b"], train="train.csv")
    first, second = caught.value.problems
    assert first.where == "test.csv, row 2 (line 3) and 1 more row"
    assert second.where == "test.csv, row 3 (line 4)"
    assert "'d'" in second.found
    assert "train.csv" in second.fix
    with pytest.raises(DataError, match=r"test\.csv, row 1 \(line 2\)\n.*\n.*an empty label"):
        SingleLabels().check_known(rows_of(("x", ""), file="test.csv"), known=["a"], train="train.csv")


def test_blank_rows():
    assert found_blank("a.csv", 0, [], split="train") == ()
    (finding,) = found_blank("a.csv", 3, ["a.csv, line 2"], split="train")
    assert (finding.name, finding.count, finding.examples) == ("blank_rows", 3, ("a.csv, line 2",))
    (finding,) = found_blank("a.csv", 3, [], split="test")
    assert (finding.name, finding.count, finding.examples) == ("blank_rows_in_test", 3, ("a.csv",))
