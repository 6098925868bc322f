"""Counterfactual swaps: hand-made answers, and methods that were not trained change nothing."""

import numpy as np
import pytest
import torch
from risk_cases import KEEPING, SAMPLING, attach, classifier, look_through, train_a_little, value

from affina.data.identity.swapping import Swapper
from affina.data.identity.terms import terms_for
from affina.data.rows import Row
from affina.evaluation.judging.classes import ClassJudge
from affina.evaluation.predictions import logits_of
from affina.evaluation.probing import Prober
from affina.record.risks import DIFFERENCE, PROBED, TUNED, UNTOUCHED
from affina.risks.swaps import FLIPS, GAP, Swaps, Views
from affina.tasks.classification import Classification

SWAPPER = Swapper(terms_for(None, "en").value)
LABELS = ("card", "fee", "refund")
ROWS = [Row({"text": f"{name} lost card {number}", "label": LABELS[number % 5 % 3]}, "a.csv", number, 0)
        for number, name in enumerate(["he", "she", "John", "Mary", "her father"] * 6)]  # fmt: skip
PAIRS = SWAPPER.rows(ROWS)


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
    pairs = [(ROWS[0], ROWS[1])] * 40
    probe = Swaps(pairs, views=Views(lambda _: np.concatenate([ours, theirs])), sampling=SAMPLING, notes=("so",))
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
    probe = Swaps([(ROWS[0], ROWS[1])] * 40, views=Views(lambda _: next(answers)), sampling=SAMPLING, notes=())
    probe.before()
    found = probe.after()
    assert [value(found, FLIPS, of).value for of in (TUNED, UNTOUCHED, DIFFERENCE)] == [1.0, 0.0, 1.0]
    assert value(found, GAP, DIFFERENCE).value == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("count", "turned", "outcome"), [(19, 19, "few"), (40, 0, "open"), (100, 0, "within"), (100, 20, "flagged")]
)
def test_the_outcome(count, turned, outcome):
    ours = np.tile([0.6, 0.4], (count, 1))
    theirs = np.where(np.arange(count)[:, None] < turned, [0.4, 0.6], [0.6, 0.4])
    probe = Swaps(
        [(ROWS[0], ROWS[1])] * count, views=Views(lambda _: np.concatenate([ours, theirs])), sampling=SAMPLING, notes=()
    )
    probe.before()
    assert probe.after().outcome == outcome
