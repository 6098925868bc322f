"""Labels that were swapped are found, clean ones are left alone, and the rows stay in one fold with their repeats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affina.data.rows import Row
from affina.evaluation.label_errors import FOLDS, MOST_LISTED, find_label_errors, fold_of, out_of_fold, suspects


def planted(rate, *, rows=600, classes=3, spread=0.5):
    draw = np.random.default_rng(0)
    clean = draw.integers(0, classes, rows)
    features = (np.eye(classes)[clean] * 3 + draw.normal(0, spread, (rows, classes))).astype(np.float32)
    swapped = draw.random(rows) < rate
    given_labels = np.where(swapped, (clean + draw.integers(1, classes, rows)) % classes, clean)
    texts = [
        Row({"text": f"text {n} from me@example.com", "label": f"l{label}"}, "a.csv", n + 1, n + 2)
        for n, label in enumerate(given_labels)
    ]
    return features, texts, swapped


@pytest.mark.parametrize("rate", [0.05, 0.1])
def test_swapped_labels_are_found(rate):
    features, rows, swapped = planted(rate)
    (finding,), check, listed = find_label_errors(features, rows, ["l0", "l1", "l2"], of=10_000, seed=0)
    found = {int(one.where.split("row ")[1].split(" ")[0]) - 1 for one in listed}
    assert len(found & set(np.flatnonzero(swapped))) >= 0.8 * swapped.sum()  # the count is cautious
    assert found - set(np.flatnonzero(swapped)) == set()
    assert finding.count == len(listed)
    assert (check.rows, check.of) == (600, 10_000)
    assert "labelled 'l" in finding.examples[0]
    assert "[e-mail]" in finding.examples[0]
    assert "me@" not in finding.examples[0]
    assert all(one.likely != one.label for one in listed)


def test_labels_that_are_right_are_left_alone():
    features, rows, _ = planted(0.0, spread=0.2)
    findings, check, listed = find_label_errors(features, rows, ["l0", "l1", "l2"], of=600, seed=0)
    assert (findings, listed) == ((), ())
    assert "100.0% of the rows their own label" in check.how


def test_the_record_names_so_many():
    features, rows, _ = planted(0.5)
    (finding,), _, listed = find_label_errors(features, rows, ["l0", "l1", "l2"], of=600, seed=0)
    assert len(listed) == min(finding.count, MOST_LISTED)


def test_the_surest_come_first():
    probabilities = np.array([[0.9, 0.1], [0.1, 0.9], [0.45, 0.55], [0.02, 0.98], [0.8, 0.2], [0.3, 0.7]])
    wrong, likely = suspects(probabilities, [0, 0, 0, 0, 0, 1])
    assert wrong.tolist() == [3, 1]
    assert likely.tolist() == [1, 1]


@given(st.lists(st.integers(0, 3), min_size=5, max_size=40))
def test_units_stay_in_one_fold_and_classes_are_dealt_evenly(targets):
    units = [(place,) for place in range(len(targets))]
    folds = fold_of(units, targets)
    for label in set(targets):
        counts = np.bincount(folds[np.array(targets) == label], minlength=FOLDS)
        assert counts.max() - counts.min() <= 1
    pairs = [tuple(range(place, min(place + 2, len(targets)))) for place in range(0, len(targets), 2)]
    folds = fold_of(pairs, targets)
    assert all(len({folds[place] for place in pair}) == 1 for pair in pairs)


def test_each_row_is_judged_by_a_probe_that_did_not_see_it():
    features, rows, _ = planted(0.0)
    targets = [int(row.fields["label"][1]) for row in rows]
    folds = fold_of([(place,) for place in range(len(rows))], targets)
    before = out_of_fold(features, targets, folds, classes=3)
    changed = features.copy()
    changed[folds == 2] *= -5
    after = out_of_fold(changed, targets, folds, classes=3)
    assert not np.allclose(before[folds == 2], after[folds == 2])
    targets_two = [(target + 1) % 3 if fold == 2 else target for target, fold in zip(targets, folds, strict=True)]
    again = out_of_fold(features, targets_two, folds, classes=3)
    assert np.allclose(before[folds == 2], again[folds == 2])


def test_one_fold_alone_says_nothing():
    found = out_of_fold(np.zeros((3, 2), np.float32), [0, 1, 0], np.zeros(3, dtype=np.int64), classes=2)
    assert suspects(found, [0, 1, 0])[0].tolist() == []
