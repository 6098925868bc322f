"""Labels that go with identity terms or with groups: found where they are planted, and clean rows are not accused."""

import numpy as np
import pytest
from scipy import stats

from affina.data.identity.swapping import Swapper
from affina.data.identity.terms import terms_for
from affina.data.rows import Row
from affina.evaluation.associations import GROUPS, SIMILAR, SMALL, TERMS, UNGROUPED, look_at_groups, look_at_terms
from affina.evaluation.chance import fisher

MEN, WOMEN = ("James", "John", "Robert", "Michael"), ("Mary", "Patricia", "Jennifer", "Linda")
SWAPPER = Swapper(terms_for(None, "en").value)


def planted(strength, seed, *, rows=300, labels=("bad", "good")):
    """Rows with a name each; the label agrees with its gender in 0.5 + strength / 2 of them."""
    draw, found = np.random.default_rng(seed), []
    for number in range(rows):
        woman = draw.random() < 0.5
        label = labels[int(draw.integers(len(labels)))]
        if draw.random() < strength:
            label = labels[int(woman)]
        name = (WOMEN if woman else MEN)[draw.integers(4)]
        found.append(
            Row({"text": f"{name} wrote", "label": label, "people": "f" if woman else "m"}, "a.csv", number, 0)
        )
    return found


@pytest.mark.parametrize(
    ("hits", "rows"),
    [((3, 9), (20, 20)), ((0, 5), (25, 30)), ((10, 10), (20, 20)), ((150, 90), (300, 280)), ((0, 0), (20, 20))],
)
def test_fisher_is_scipys(hits, rows):
    table = [[hits[0], rows[0] - hits[0]], [hits[1], rows[1] - hits[1]]]
    assert fisher(hits, rows) == pytest.approx(stats.fisher_exact(table).pvalue, rel=1e-6)


@pytest.mark.parametrize("strength", [0.3, 0.6, 0.9])
def test_a_planted_association_is_found(strength):
    for seed in range(5):
        rows = planted(strength, seed)
        findings, [check] = look_at_terms(rows, SWAPPER, seed=0)
        assert [finding.name for finding in findings] == [TERMS]
        assert "300 of 300 training rows" in check.how
        assert "James" in findings[0].examples[0] or "John" in str(findings[0].examples)
        by_group, _ = look_at_groups({"train": rows}, "gender")
        assert [finding.name for finding in by_group] == [GROUPS]


@pytest.mark.parametrize("labels", [("bad", "good"), tuple("abcdef")])
def test_clean_rows_are_not_accused(labels):
    accused = np.zeros(2)
    for seed in range(40):
        rows = planted(0.0, 1000 + seed, rows=600, labels=labels)
        accused += [bool(look_at_terms(rows, SWAPPER, seed=0)[0]), bool(look_at_groups({"train": rows}, "gender")[0])]
    assert accused.max() <= 2, "5% of 40; of 300 seeds 2.7% to 3.7%"


def test_too_few_rows_are_no_side():
    rows = [
        Row({"text": f"{name} wrote", "label": label}, "a.csv", 1, 0)
        for name, label in [("James", "a"), ("Mary", "b")] * 19
    ]
    findings, [check] = look_at_terms(rows, SWAPPER, seed=0)
    assert findings == ()
    assert "no two sides" in check.how


def test_rows_with_both_sides_say_nothing():
    both = [Row({"text": "James met Mary", "label": "a"}, "a.csv", 1, 0)] * 50
    rows = planted(0.0, 3) + both
    assert look_at_terms(rows, SWAPPER, seed=0)[0] == look_at_terms(planted(0.0, 3), SWAPPER, seed=0)[0]


def test_the_figures_of_a_difference():
    rows = [("James", "a")] * 30 + [("James", "b")] * 10 + [("Mary", "a")] * 10 + [("Mary", "b")] * 30
    made = [Row({"text": f"{name} wrote", "label": label}, "a.csv", 1, 0) for name, label in rows]
    [finding], _ = look_at_terms(made, SWAPPER, seed=0)
    assert finding.count == 2, "of the sides, and of the one pair"
    assert "'a': 75% of 40 rows with James, 25% of 40 with Mary (50 points more, 2" in finding.examples[1]


def test_small_groups_are_named():
    rows = planted(0.0, 1)
    lonely = [Row({"text": "x", "label": "good", "people": "other"}, "a.csv", 1, 0)] * 3
    findings, [check] = look_at_groups({"train": rows + lonely, "validation": (), "test": tuple(rows)}, "gender")
    small = next(finding for finding in findings if finding.name == SMALL)
    assert small.examples == ("other: 3 train rows, 0 test rows",)
    assert small.count == 1, "a group that is small in both splits is one small group"
    assert "of 3, with fewer than 20 rows" in small.meaning
    assert "other 3 (1%)" in check.how


def test_rows_without_a_group_are_counted():
    rows = planted(0.0, 1)
    for row in rows[::3]:
        row.fields["people"] = ""
    splits = {"train": rows, "validation": tuple(rows[:10]), "test": tuple(planted(0.0, 2))}
    findings, [check] = look_at_groups(splits, "gender")
    [empty] = [finding for finding in findings if finding.name == UNGROUPED]
    assert empty.count == 104
    assert [told.split(", the first ")[0] for told in empty.examples] == [
        "train: 100 of 300 rows",
        "validation: 4 of 10 rows",
    ]
    assert rows[0].where in empty.examples[0]
    assert (check.rows, check.of) == (200, 300)
    assert "%), and 100 of 300 rows without a value; validation" in check.how
    assert "test: f" in check.how or "test: m" in check.how
    assert not [one for one in look_at_groups({"train": planted(0.0, 1)}, "gender")[0] if one.name == UNGROUPED]


def test_a_split_without_any_group_says_so():
    bare = [Row({"text": "x", "label": "good"}, "b.csv", 1, 0)] * 5
    _, [check] = look_at_groups({"train": planted(0.0, 1), "test": bare}, "gender")
    assert "test: 5 of 5 rows without a value" in check.how


@pytest.mark.parametrize("twin", ["F", " f", "\uff46"])
def test_groups_that_differ_in_case_alone_are_told(twin):
    rows = planted(0.0, 1)
    next(row for row in rows if row.fields["people"] == "f").fields["people"] = twin
    [alike] = [finding for finding in look_at_groups({"train": rows}, "gender")[0] if finding.name == SIMILAR]
    assert alike.count == 2
    assert f"{twin!r} (1 rows)" in alike.examples[0]


def test_the_advice_is_what_helps_there():
    rows = planted(0.9, 1)
    [by_term], _ = look_at_terms(rows, SWAPPER, seed=0)
    [by_group], _ = look_at_groups({"train": rows}, "gender")
    assert "data.swap_terms=true" in by_term.advice
    assert "write data.reweigh=true" in by_group.advice
    assert "swap_terms" not in by_group.advice
    [weighed], _ = look_at_groups({"train": rows}, "gender", reweighed=True)
    assert "write data.reweigh" not in weighed.advice


def test_of_many_groups_the_largest_are_told():
    rows = [
        Row({"text": "x", "label": "good", "people": f"group {size}"}, "a.csv", 1, 0)
        for size in range(1, 9)
        for _ in range(size)
    ]
    _, [check] = look_at_groups({"train": rows}, "town")
    assert "group 8 8 (22%)" in check.how
    assert "and 3 more groups with 6 rows" in check.how
    assert "group 3" not in check.how


def test_of_many_rows_some_are_looked_at(monkeypatch):
    monkeypatch.setattr("affina.evaluation.associations.MOST_ROWS", 100)
    _, [check] = look_at_terms(planted(0.5, 1), SWAPPER, seed=0)
    assert (check.rows, check.of) == (100, 300)
    assert "100 of 100 training rows" in check.how
