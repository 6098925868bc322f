"""Answers by group: fairlearn's definitions, intervals that do not accuse by chance, and groups that are too small."""

import numpy as np
import pytest
from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference
from risk_cases import SAMPLING, value

from affina.data.rows import Row
from affina.record.risks import DIFFERENCE, TUNED, UNTOUCHED
from affina.risks.by_group import ODDS, PARITY, ByGroup
from affina.risks.group_rates import rates_of
from affina.risks.probe import held_to
from affina.risks.swaps import Views


def drawn(seed, *, rows=400, labels=2, groups=3, unfair=0.0):
    draw = np.random.default_rng(seed)
    targets, who = draw.integers(labels, size=rows), draw.integers(groups, size=rows)
    answered = np.where(draw.random(rows) < 0.8, targets, draw.integers(labels, size=rows))
    answered = np.where((who == 0) & (draw.random(rows) < unfair), labels - 1, answered)
    return targets, answered, [f"g{one}" for one in who]


def probe_of(targets, answered, groups, *, labels=2, before=None):
    rows = [Row({"text": "x", "people": group}, "a.csv", 1, 0) for group in groups]
    outputs = iter([np.eye(labels)[one] for one in ([] if before is None else [before]) + [answered]])
    views, names = Views(lambda _: next(outputs)), [f"l{one}" for one in range(labels)]
    probe = ByGroup(rows, targets, labels=names, views=views, sampling=SAMPLING, note="so")
    if before is not None:
        probe.before()
    return probe.after()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("groups", [2, 4])
def test_of_two_labels_they_are_fairlearns_whichever_is_positive(seed, groups):
    targets, answered, who = drawn(seed, groups=groups, unfair=0.3)
    found = probe_of(targets, answered, who)
    for positive in (0, 1):
        truth, given = targets == positive, answered == positive
        odds = equalized_odds_difference(truth, given, sensitive_features=who)
        parity = demographic_parity_difference(truth, given, sensitive_features=who)
        assert value(found, ODDS, TUNED).value == pytest.approx(odds, abs=1e-12)
        assert value(found, PARITY, TUNED).value == pytest.approx(parity, abs=1e-12)


def test_of_several_labels_they_are_the_largest_of_fairlearns():
    targets, answered, who = drawn(5, labels=4, rows=800, groups=2, unfair=0.2)
    found = probe_of(targets, answered, who, labels=4)
    pairs = [(targets == label, answered == label) for label in range(4)]
    odds = max(equalized_odds_difference(*pair, sensitive_features=who) for pair in pairs)
    assert value(found, ODDS, TUNED).value == pytest.approx(odds, abs=1e-12)


def test_a_fair_model_is_not_accused_and_an_unfair_one_is():
    outcomes = [probe_of(*drawn(seed, groups=4)).outcome for seed in range(20)]
    assert outcomes.count("flagged") <= 1
    assert [probe_of(*drawn(seed, groups=2, unfair=0.6)).outcome for seed in range(3)] == ["flagged"] * 3


def test_the_change_is_of_the_same_rows_and_exactly_0_where_nothing_changed():
    targets, answered, who = drawn(1, unfair=0.4)
    same = probe_of(targets, answered, who, before=answered)
    for metric in (ODDS, PARITY):
        change = value(same, metric, DIFFERENCE)
        assert (change.value, change.low, change.high) == (0.0, 0.0, 0.0)
    fair = probe_of(targets, answered, who, before=targets)
    assert value(fair, ODDS, UNTOUCHED).value == 0
    assert value(fair, ODDS, DIFFERENCE).value == pytest.approx(value(fair, ODDS, TUNED).value)
    assert value(fair, ODDS, DIFFERENCE).low > 0


def test_groups_with_too_few_rows_have_no_verdict():
    targets, answered, who = drawn(2, groups=2)
    found = probe_of(np.append(targets, [1] * 5), np.append(answered, [0] * 5), [*who, *["tiny"] * 5])
    assert value(found, ODDS, TUNED).value == value(probe_of(targets, answered, who), ODDS, TUNED).value
    assert any("tiny (5)" in note for note in found.notes)
    assert "tiny" not in str(found.figures)


def test_where_nothing_can_be_compared_that_is_said():
    targets, answered, who = drawn(3, rows=30, groups=2)
    found = probe_of(targets, answered, who)
    assert found.outcome == "few"
    assert "no two groups" in found.why
    assert rates_of(who, targets, labels=2, odds=True) is None


def test_where_each_group_has_one_label_the_shares_decide():
    who = ["men"] * 40 + ["women"] * 40
    targets = np.asarray([0] * 40 + [1] * 40)
    found = probe_of(targets, targets, who)
    assert rates_of(who, targets, labels=2, odds=True) is None
    assert (found.outcome, found.figures[0].metric, found.figures[0].found.value) == ("flagged", PARITY, 1.0)
    assert any("no two groups" in note and "how mistakes fall" in note for note in found.notes)


def test_accuracy_stands_by_group():
    targets, answered, who = drawn(4, groups=2)
    found = probe_of(targets, answered, who)
    mine = np.asarray([one == "g1" for one in who])
    assert value(found, "accuracy", f"{TUNED}, g1").value == (targets == answered)[mine].mean()


def test_mistakes_on_a_rare_label_that_are_not_compared_are_not_within():
    """Two groups of 500 rows, of which 15 are positive: one group's are all right, the other's all denied."""
    who = ["a"] * 500 + ["b"] * 500
    targets = np.tile((np.arange(500) < 15).astype(int), 2)
    answered = np.where(np.arange(1000) < 500, targets, 0)
    assert equalized_odds_difference(targets, answered, sensitive_features=who) == 1.0
    found = probe_of(targets, answered, who)
    assert found.outcome == "open"
    assert found.said.endswith("those of l1")
    assert held_to(found, 0.5).outcome == "open", "nor under a budget"


def test_a_group_that_is_left_out_of_one_rate_is_named():
    """Of three groups of 200 rows one has but 10 positive ones."""
    who = [group for group in "abc" for _ in range(200)]
    targets = np.concatenate([(np.arange(200) < count).astype(int) for count in (100, 100, 10)])
    found = probe_of(targets, targets, who)
    assert (found.outcome, found.said) == ("within", "")
    assert any(note.endswith("c (10) of l1") for note in found.notes)


def test_of_many_rare_labels_a_few_are_named():
    who, targets = ["a", "b"] * 100, np.arange(200) // 10
    found = probe_of(targets, targets, who, labels=20)
    assert found.said.endswith("l0, l1, l2, l3, l4 and 15 more")


def test_the_least_budget_that_rows_can_show_to_be_kept():
    """Two groups of 100 rows and 50 of each label: what no difference at all leaves open."""
    who, targets = ["a", "b"] * 100, np.arange(200) // 2 % 2
    rows = [Row({"text": "x", "people": group}, "a.csv", 1, 0) for group in who]
    views = Views(lambda _: np.eye(2)[targets])
    probe = ByGroup(rows, targets, labels=["no", "yes"], views=views, sampling=SAMPLING, note="")
    assert probe.finest == pytest.approx(probe.after().figures[0].found.high)
    assert 0.07 < probe.finest < 0.1
