"""Exact repeats, shared rows and shared groups: all are counted, a few are named, and each is where it says."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from affina.data.audit.balance import find_absent_labels, find_imbalance, find_similar_labels
from affina.data.audit.groups import find_shared_groups
from affina.data.audit.repeats import find_repeats, find_shared, repeated_rows, shared_rows
from affina.data.audit.scan import scan
from affina.data.rows import Row, text_key


def rows_of(*pairs, file="a.csv", second=None):
    extra = {} if second is None else {"text_pair": second}
    return tuple(
        Row({"text": text, "label": label, **extra}, file, number, number + 1)
        for number, (text, label) in enumerate(pairs, start=1)
    )


def scanned(rows, split="train"):
    return scan(rows, split=split, file=rows[0].file if rows else "a.csv")


def test_duplicates_and_conflicts():
    rows = rows_of(("x", "a"), (" x", "a"), ("x ", "b"), ("X", "a"), ("y", "b"), ("y", "b"), ("y", "b"))
    duplicates, conflicts = find_repeats(scanned(rows))
    assert (duplicates.name, duplicates.count) == ("duplicates", 3)
    assert duplicates.examples[0] == "a.csv, row 2 (line 3) repeats row 1"
    assert "data.drop_duplicates=true" in duplicates.advice
    assert (conflicts.name, conflicts.count) == ("conflicting_labels", 3)
    assert conflicts.examples == ("a.csv, row 1 (line 2): a in row 1, b in row 3",)
    in_test = find_repeats(scanned(rows, "test"))
    assert [finding.name for finding in in_test] == ["duplicates_in_test", "conflicting_labels_in_test"]
    assert "drop_duplicates" not in in_test[0].advice


TEXTS = st.lists(st.tuples(st.sampled_from(["x", " x", "y", "z ", "z"]), st.sampled_from("abc")), max_size=30)


@given(TEXTS)
def test_repeated_rows_are_those_that_a_loop_finds(pairs):
    rows = rows_of(*pairs)
    seen, expected = {}, []
    for place, row in enumerate(rows):
        first = seen.setdefault((text_key(row), row.fields["label"]), place)
        if first != place:
            expected.append((place, first))
    repeated, firsts = repeated_rows(scanned(rows))
    assert list(zip(repeated.tolist(), firsts.tolist(), strict=True)) == expected


@given(TEXTS, TEXTS)
def test_shared_rows_are_those_that_a_loop_finds(pairs, others):
    rows, earlier = rows_of(*pairs, file="test.csv"), rows_of(*others)
    first = {}
    for place, row in enumerate(earlier):
        first.setdefault(text_key(row), place)
    expected = [(place, first[text_key(row)]) for place, row in enumerate(rows) if text_key(row) in first]
    shared, firsts = shared_rows(scanned(rows, "test"), scanned(earlier))
    assert list(zip(shared.tolist(), firsts.tolist(), strict=True)) == expected


@given(TEXTS)
def test_conflicts_are_counted_as_a_loop_counts_them(pairs):
    rows = rows_of(*pairs)
    labels = {}
    for row in rows:
        labels.setdefault(text_key(row), set()).add(row.fields["label"])
    expected = sum(len(labels[text_key(row)]) > 1 for row in rows)
    found = {finding.name: finding.count for finding in find_repeats(scanned(rows))} if rows else {}
    assert found.get("conflicting_labels", 0) == expected


def test_second_texts_make_rows_different():
    assert find_repeats(scanned(rows_of(("x", "a"), second="1") + rows_of(("x", "a"), second="2"))) == ()


def test_findings_show_five_examples_and_count_all():
    (finding,) = find_repeats(scanned(rows_of(*[("x", "a")] * 9)))
    assert finding.count == 8
    assert len(finding.examples) == 5


def test_shared_rows():
    train = scanned(rows_of(("x", "a"), ("y", "b")))
    test = rows_of(("z", "a"), (" y ", "a"), ("x", "a"), file="test.csv")
    (finding,) = find_shared(scanned(test, "test"), train)
    assert (finding.name, finding.count) == ("test_rows_in_train", 2)
    assert finding.examples[0] == "test.csv, row 2 (line 3) is a.csv, row 2 (line 3)"
    assert "1 of them with another label there" in finding.meaning
    assert "data.drop_shared=true" in finding.advice
    assert find_shared(scanned(test[:1], "test"), train) == ()
    assert "drop_shared" not in find_shared(scanned(test, "test"), scanned(test, "validation"))[0].advice


def test_the_hash_of_a_text_is_the_same_in_every_process():
    assert scanned(rows_of(("x", "a"))).keys.tolist() == [14015523212396787374]
    assert scanned(()).keys.dtype == np.uint64


def grouped(*groups, file="a.csv"):
    return tuple(
        Row({"text": f"{file} {number}", "label": "a", "group": group}, file, number, number + 1)
        for number, group in enumerate(groups, start=1)
    )


def test_shared_groups():
    train = grouped("u1", "u2", "u2", "")
    test = grouped("u3", "u2", "", "u1", "u2", file="test.csv")
    (finding,) = find_shared_groups(test, train, split="test", other="train")
    assert (finding.name, finding.count) == ("test_groups_in_train", 3)
    assert finding.examples == (
        "test.csv, row 2 (line 3), as a.csv, row 2 (line 3)",
        "test.csv, row 4 (line 5), as a.csv, row 1 (line 2)",
    )
    assert "test rows of 2 groups that the train rows also have" in finding.meaning
    assert find_shared_groups(test[:1], train, split="test", other="train") == ()


def test_files_without_groups_share_none():
    rows = rows_of(("x", "a"), ("y", "b"))
    assert find_shared_groups(rows, grouped("", "u1"), split="test", other="train") == ()
    assert find_shared_groups(grouped("", "u1"), rows, split="test", other="train") == ()


def alone(cell):
    return (cell,)


def labelled(*labels):
    return rows_of(*((f"text {number}", label) for number, label in enumerate(labels)))


def test_labels_that_a_split_lacks():
    (finding,) = find_absent_labels(labelled("a", "c", "a"), ["a", "b", "c", "d"], split="test", labels_of=alone)
    assert (finding.name, finding.count, finding.examples) == ("labels_absent_in_test", 2, ("'b'", "'d'"))
    assert "macro-F1 leaves them out" in finding.meaning
    assert find_absent_labels(labelled("a", "b"), ["a", "b"], split="test", labels_of=alone) == ()
    assert find_absent_labels((), ["a", "b"], split="test", labels_of=alone) == ()


def test_labels_that_look_alike():
    counts = scanned(labelled("Refund", "refund", "re fund", "caf\u00e9", "cafe\u0301", "cafe", "refund")).counts()
    (finding,) = find_similar_labels(counts)
    assert finding.count == 5
    assert finding.examples[0].startswith("'refund' (2 rows) / ")
    assert find_similar_labels({"a": 1, "b": 2}) == ()


@pytest.mark.parametrize(("counts", "rare"), [({"a": 101, "b": 10, "c": 50}, 1), ({"a": 100, "b": 10}, 0)])
def test_labels_with_less_than_a_tenth_of_the_most_frequent_are_rare(counts, rare):
    findings = find_imbalance(counts, rows=sum(counts.values()), hides="accuracy")
    assert [finding.count for finding in findings] == [1] * rare
    for finding in findings:
        assert finding.examples == ("'b': 10 rows",)
        assert "'a' (101 rows, 63%)" in finding.meaning
        assert "evaluate.metric=macro_f1" in finding.advice


def test_the_same_text_with_two_numbers_is_no_contradiction_of_labels():
    rows = rows_of(("x", "2.0"), ("x", "2.5"), ("y", "1.0"), ("y", "4.0"), ("y", "4.0"), ("z", "3.0"), ("w", "9.0"))
    duplicates, differing = find_repeats(scanned(rows), what="number")
    assert "the same text and number" in duplicates.meaning
    assert (differing.name, differing.count) == ("differing_numbers", 5)
    assert "1.75 apart in the median and 3 at the most" in differing.meaning
    values, means = np.array([2.0, 2.5, 1.0, 4.0, 4.0]), np.array([2.25, 2.25, 3.0, 3.0, 3.0])
    assert f"an RMSE of {np.sqrt(np.mean((values - means) ** 2)):.3g} on them" in differing.meaning
    assert differing.examples[0] == "a.csv, row 3 (line 4): 1.0 in row 3, 4.0 in row 4"
    assert "label" not in differing.meaning + differing.advice
    assert find_repeats(scanned(rows_of(("x", "2.0"), ("y", "2.5"))), what="number") == ()
    test = scanned(rows_of(("x", "7.0"), file="b.csv"), "test")
    (shared,) = find_shared(test, scanned(rows), what="number")
    assert "1 of them with another number there" in shared.meaning
