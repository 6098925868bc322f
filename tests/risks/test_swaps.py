"""Counterfactual swaps: hand-made answers, and methods that were not trained change nothing."""

import numpy as np
import pytest
import torch
from risk_cases import KEEPING, SAMPLING, attach, classifier, look_through, train_a_little, value
from scipy import stats

from affina.data.identity.swapping import Side, Swapper
from affina.data.identity.terms import Pair, terms_for
from affina.data.rows import Row
from affina.evaluation.judging.classes import ClassJudge
from affina.evaluation.predictions import logits_of
from affina.evaluation.probing import Prober
from affina.record.risks import DIFFERENCE, PROBED, TUNED, UNTOUCHED
from affina.risks.one_sided import by_label
from affina.risks.probe import held_to
from affina.risks.swaps import FLIPS, FROM_BEFORE, GAP, Pairs, Swaps, Views
from affina.tasks.classification import Classification

SWAPPER = Swapper(terms_for(None, "en").value)
LABELS = ("card", "fee", "refund")
ROWS = [Row({"text": f"{name} lost card {number}", "label": LABELS[number % 5 % 3]}, "a.csv", number, 0)
        for number, name in enumerate(["he", "she", "John", "Mary", "her father"] * 6)]  # fmt: skip
ROWS_AND_SWAPPED = SWAPPER.rows(ROWS)
PAIRS = Pairs(ROWS_AND_SWAPPED, [SWAPPER.side(row) for row, _ in ROWS_AND_SWAPPED], LABELS, ("he", "she"))


def made_up(sides):
    """As many pairs as there are sides, whose texts nobody reads."""
    return Pairs([(ROWS[0], ROWS[1])] * len(sides), sides, ("no", "yes"), ("he", "she"))


def views_of(model):
    task, device = Classification(model.tokenizer, LABELS, max_length=64), torch.device("cpu")
    judge = ClassJudge(LABELS)
    fitted = task.encode(ROWS)

    def shipped(rows):
        return judge.read(logits_of(model, task.encode(rows), task=task, budget=500, device=device))

    def alike(rows):
        prober = Prober(module=model.module, anatomy=model.anatomy, task=task, judge=judge, budget=500, device=device)
        probe = judge.fit(prober.features(fitted), judge.targets(fitted), strength=1.0)
        return probe.predict(prober.features(task.encode(rows)))

    return Views(shipped, alike, "by a probe")


@pytest.mark.parametrize("method", KEEPING)
@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_an_untrained_method_changes_no_bias_exactly(method, family):
    model = classifier(family)
    found = look_through(Swaps(PAIRS, views=views_of(model), sampling=SAMPLING, notes=()), attach(method, model))
    for metric in (FLIPS, GAP):
        change = value(found, metric, DIFFERENCE)
        assert (change.value, change.low, change.high) == (0.0, 0.0, 0.0)
        assert value(found, metric, UNTOUCHED) == value(found, metric, PROBED)
    assert value(found, GAP, UNTOUCHED).value > 0, "these models read the terms"


def test_a_trained_one_does_and_the_same_seed_finds_the_same():
    found = []
    for _ in range(2):
        model = classifier()
        attached = attach("full", model)
        train_a_little(attached, size=0.5)
        found.append(look_through(Swaps(PAIRS, views=views_of(model), sampling=SAMPLING, notes=()), attached))
    assert found[0] == found[1]
    assert value(found[0], GAP, DIFFERENCE).value != 0


def test_the_figures_are_those_of_the_answers():
    """40 rows, of which the swap turns 10, by 0.2 of the answer's probability, and moves the others by 0.1."""
    ours = np.tile([0.6, 0.4], (40, 1))
    theirs = np.where(np.arange(40)[:, None] < 10, [0.4, 0.6], [0.7, 0.3])
    probe = Swaps(
        made_up([Side(1)] * 40), views=Views(lambda _: np.concatenate([ours, theirs])), sampling=SAMPLING, notes=("so",)
    )
    probe.before()
    found = probe.after()
    assert (found.outcome, found.limit, found.notes) == ("flagged", 0.05, ("so",))
    flips = value(found, FLIPS, TUNED)
    assert (flips.value, flips.n) == (0.25, 40)
    assert 0.13 < flips.low < 0.15, "Wilson's interval"
    assert value(found, GAP, TUNED).value == pytest.approx(0.125)
    assert value(found, FLIPS, DIFFERENCE).value == 0


def test_what_the_untouched_model_did_before_is_subtracted():
    stay, turn = np.tile([0.9, 0.1], (80, 1)), np.tile([[0.9, 0.1], [0.1, 0.9]], (40, 1))
    turn = np.concatenate([turn[::2], turn[1::2]])
    answers = iter([stay, turn])
    probe = Swaps(made_up([Side(1)] * 40), views=Views(lambda _: next(answers)), sampling=SAMPLING, notes=())
    probe.before()
    found = probe.after()
    assert [value(found, FLIPS, of).value for of in (TUNED, UNTOUCHED, DIFFERENCE)] == [1.0, 0.0, 1.0]
    assert value(found, GAP, DIFFERENCE).value == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("before", "probed", "says"),
    [(0, None, False), (30, None, True), (12, None, False), (0, 0, False), (30, 30, True)],
)
def test_what_a_model_did_before_its_training_is_said_to_be_no_doing_of_the_rows(before, probed, says):
    def answers(turned):
        ours = np.tile([0.6, 0.4], (40, 1))
        return np.concatenate([ours, np.where(np.arange(40)[:, None] < turned, [0.4, 0.6], ours)])

    shipped = [answers(30)] if probed is not None else [answers(before), answers(30)]
    alike = [answers(before), answers(probed or 0)]
    by_probe = None if probed is None else (lambda _: alike.pop(0))
    probe = Swaps(made_up([Side(1)] * 40), views=Views(lambda _: shipped.pop(0), by_probe), sampling=SAMPLING, notes=())
    probe.before()
    found = probe.after()
    assert found.outcome == "flagged"
    assert (FROM_BEFORE in found.said) is says


@pytest.mark.parametrize(
    ("count", "turned", "outcome"), [(19, 19, "few"), (40, 0, "open"), (100, 0, "within"), (100, 20, "flagged")]
)
def test_the_outcome(count, turned, outcome):
    ours = np.tile([0.6, 0.4], (count, 1))
    theirs = np.where(np.arange(count)[:, None] < turned, [0.4, 0.6], [0.6, 0.4])
    probe = Swaps(
        made_up([Side(1)] * count), views=Views(lambda _: np.concatenate([ours, theirs])), sampling=SAMPLING, notes=()
    )
    probe.before()
    assert probe.after().outcome == outcome


def judged(ours, theirs, sides, *, labels=2):
    """What comes of such answers, by their places."""
    places = np.concatenate([ours, theirs])
    probe = Swaps(
        Pairs([(ROWS[0], ROWS[1])] * len(sides), sides, [f"label {number}" for number in range(labels)], ("he", "she")),
        views=Views(lambda _: np.eye(labels)[places]),
        sampling=SAMPLING,
        notes=(),
    )
    probe.before()
    return probe.after()


def test_answers_that_change_either_way_alike_accuse_nobody():
    """400 rows of five labels, of which every eighth changes to the next label, whichever side its terms are of."""
    ours = np.arange(400) % 5
    theirs = np.where(np.arange(400) % 8 == 0, (ours + 1) % 5, ours)
    found = judged(ours, theirs, [Side(1 if number // 8 % 2 else -1) for number in range(400)], labels=5)
    assert (found.outcome, value(found, FLIPS, TUNED).value) == ("open", 0.125)
    assert "no more one way than chance has it" in found.said
    one_way = judged(ours, theirs, [Side(1)] * 400, labels=5)
    assert one_way.outcome == "open", "each label is lost as often as it is gained"
    to_one = judged(ours, np.where(np.arange(400) % 8 == 0, 4, ours), [Side(1)] * 400, labels=5)
    assert to_one.outcome == "flagged"
    assert "with label 4" in to_one.said


@pytest.mark.parametrize(("rows", "positive"), [(500, 10), (1000, 30)])
def test_a_rare_label_that_only_one_side_gets_is_flagged(rows, positive):
    ours = (np.arange(rows) < positive).astype(int)
    found = judged(ours, np.zeros(rows, dtype=int), [Side(1)] * rows)
    assert value(found, FLIPS, TUNED).value == positive / rows
    assert found.outcome == "flagged"
    assert f"{positive} rows are answered with label 1 only where they speak of one side (as he), and 0" in found.said


def test_a_rare_label_whose_rows_change_either_way_accuses_nobody():
    ours = (np.arange(500) < 10).astype(int)
    found = judged(ours, np.zeros(500, dtype=int), [Side(1 if number % 2 else -1) for number in range(500)])
    assert value(found, FLIPS, TUNED).high < 0.05
    assert (found.outcome, found.said) == ("within", "")


def test_a_rare_label_that_three_rows_of_one_side_alone_get_is_not_settled():
    found = judged((np.arange(500) < 3).astype(int), np.zeros(500, dtype=int), [Side(1)] * 500)
    assert found.outcome == "open"
    assert "too few to tell whether that is chance" in found.said


def test_labels_are_held_against_a_budget_in_the_place_of_the_limit():
    """Of 500 rows 50 lose label 1, all of one side, which 250 have."""
    ours = np.arange(500) % 2
    theirs = np.where(np.arange(500) < 100, 0, ours)
    found = judged(ours, theirs, [Side(1)] * 500)
    assert found.outcome == "flagged"
    assert [held_to(found, budget).outcome for budget in (0.02, 0.1, 0.3)] == ["flagged", "flagged", "within"]


@pytest.mark.parametrize(("swapped", "outcome"), [(8, "flagged"), (0, "open")])
def test_rows_of_both_sides_do_not_hide_those_of_one(swapped, outcome):
    """216 rows of one side, some of which change, and 200 of both, of which 40 do."""
    ours = np.ones(416, dtype=int)
    theirs = np.where((np.arange(416) < swapped) | (np.arange(416) >= 376), 0, 1)
    found = judged(ours, theirs, [Side(1)] * 216 + [Side(0)] * 200)
    assert found.outcome == outcome
    assert ("terms of both sides" in found.said) == (swapped == 0)


def test_what_a_model_makes_of_each_name_is_nothing_that_it_makes_of_a_side():
    """Ten pairs of names of twenty rows each; with five of them the first name is denied, with five the second."""
    pairs = np.arange(200) // 20
    ours, theirs = np.zeros(200, dtype=int), (np.arange(200) % 20 < 15).astype(int)
    ways = np.where(pairs < 6, 1, -1)
    named = judged(ours, theirs, [Side(int(way), (f"name {pair}",)) for way, pair in zip(ways, pairs, strict=True)])
    assert named.outcome == "open", "six pairs against four"
    words = judged(ours, theirs, [Side(int(way)) for way in ways])
    assert words.outcome == "flagged", "90 rows against 60"
    all_alike = judged(ours, theirs, [Side(1, (f"name {pair}",)) for pair in pairs])
    assert all_alike.outcome == "flagged"
    few_names = judged(ours, theirs, [Side(1, (f"name {pair // 2}",)) for pair in pairs])
    assert few_names.outcome == "flagged", "five pairs are counted by rows"


def test_rows_of_both_sides_tell_nothing_of_either():
    found = judged(np.zeros(100, dtype=int), np.ones(100, dtype=int), [Side(0)] * 100)
    assert found.outcome == "open"
    assert "the rows that change have terms of both sides" in found.said


def test_a_row_is_of_the_side_of_its_terms():
    def side(text):
        return SWAPPER.side(Row({"text": text, "label": "fee"}, "a.csv", 1, 0))

    assert side("he lost his card") == Side(1)
    assert side("Her card") == Side(-1)
    assert side("he asked her") == Side(0)
    assert side("Mary called") == Side(-1, ("james",))
    assert side("James called") == Side(1, ("james",))
    assert side("James lost his card") == Side(1)
    own = Swapper([Pair("de", "Mann", "Frau")])
    assert own.side(Row({"text": "die Frau kam", "label": "fee"}, "a.csv", 1, 0)) == Side(-1), "a noun, not a name"


def test_chances_are_those_of_the_binomial_and_of_random_signs():
    for hits, rows in ((0, 10), (1, 10), (6, 30), (500, 500)):
        each = by_label(
            np.ones(rows, int), np.where(np.arange(rows) < hits, 0, 1), [Side(1)] * rows, limit=0.05, confidence=0.95
        )
        one = next(label for label in each if label.label == 1)
        labels = 2 if hits else 1
        assert one.is_above == (stats.binom.sf(hits - 1, rows, 0.05) < 0.05 / labels)
        assert one.is_directed == (hits > 0 and stats.binomtest(0, hits).pvalue < 0.05 / labels)
    for flips, against in ((8, 1), (9, 1), (10, 2), (13, 2), (21, 5), (33, 10), (40, 12), (40, 14)):
        ours = np.concatenate([np.ones(flips - against, int), np.zeros(against, int), np.ones(60, int)])
        theirs = np.concatenate([1 - ours[:flips], ours[flips:]])
        each = by_label(ours, theirs, [Side(1)] * len(ours), limit=0.05, confidence=0.95)
        assert {label.is_directed for label in each} == {stats.binomtest(against, flips).pvalue < 0.05 / 2}
