"""What was learned by heart: the rule on figures computed by hand, its false alarms, and its power."""

import numpy as np
import pytest
from risk_cases import SAMPLING, value

from affina.errors import NonFiniteError
from affina.evaluation.judging.base import Sampling
from affina.evaluation.judging.classes import ClassJudge
from affina.evaluation.judging.numbers import NumberJudge
from affina.evaluation.judging.sets import SetJudge
from affina.evaluation.perplexity import Statistics
from affina.risks.overfitting import LIMIT, OfAnswers, OfTexts, Side, compare
from affina.risks.probe import held_to


def side(now, before, *, are_all=False):
    """Rows that are right (1) or wrong (0), now and before."""
    now, before = (np.asarray(part, dtype=float) for part in (now, before))
    return Side(
        len(now),
        lambda weights: np.array([weights @ now / weights.sum()]),
        lambda weights: np.array([weights @ before / weights.sum()]),
        are_all=are_all,
    )


def right(share, rows):
    return np.arange(rows) < round(share * rows)


def compared(train, unseen, sampling=SAMPLING):
    return compare(train, unseen, names=("accuracy",), decisive="accuracy", sampling=sampling)


def test_the_share_that_is_lost_is_of_what_was_learned():
    found = compared(side(right(0.9, 200), right(0.5, 200)), side(right(0.6, 200), right(0.5, 200)))
    assert value(found, "lost_elsewhere").value == pytest.approx(1 - 0.1 / 0.4)
    assert value(found, "accuracy", "training rows").value == pytest.approx(0.9)
    assert value(found, "accuracy", "validation rows").value == pytest.approx(0.6)
    assert value(found, "accuracy", "difference").value == pytest.approx(0.3)
    assert found.figures[0].metric == "lost_elsewhere"
    assert found.outcome == "flagged"


def test_what_holds_elsewhere_is_not_flagged():
    found = compared(side(right(0.95, 900), right(0.5, 900)), side(right(0.9, 900), right(0.5, 900)))
    assert found.outcome == "within"


def test_all_training_rows_are_no_sample_of_them():
    train, unseen = side(right(0.9, 60), right(0.5, 60), are_all=True), side(right(0.8, 60), right(0.5, 60))
    figure = value(compared(train, unseen), "accuracy", "training rows")
    assert (figure.low, figure.high) == (figure.value, figure.value)
    assert value(compared(train, unseen), "accuracy", "validation rows").low < 0.8


def test_few_rows_settle_nothing():
    found = compared(side(right(1, 300), right(0.5, 300)), side(right(0.5, 19), right(0.5, 19)))
    assert (found.outcome, found.figures[0].found.n) == ("few", 19)


def test_where_nothing_was_learned_nothing_can_be_lost():
    found = compared(side(right(0.5, 100), right(0.5, 100)), side(right(0.4, 100), right(0.5, 100)))
    assert found.outcome == "open"
    assert "nothing that others could lack" in found.why
    assert "lost_elsewhere" not in [figure.metric for figure in found.figures]


@pytest.mark.slow
@pytest.mark.parametrize("rows", [50, 400])
def test_a_run_at_the_limit_is_seldom_flagged(rows):
    draw, flagged, times = np.random.default_rng(5), 0, 300
    for seed in range(times):
        # of 0.45 learned on the training rows a third is lost elsewhere: exactly at the limit
        train = side(draw.random(rows) < 0.95, draw.random(rows) < 0.5)
        unseen = side(draw.random(rows) < 0.8, draw.random(rows) < 0.5)
        sampling = Sampling(resamples=200, confidence=0.95, seed=seed)
        flagged += compared(train, unseen, sampling).outcome == "flagged"
    assert pytest.approx(1 - 0.3 / 0.45) == LIMIT
    assert flagged / times <= 0.05


def test_a_run_that_learned_by_heart_is_found():
    draw, flagged, times = np.random.default_rng(6), 0, 60
    for seed in range(times):
        train = side(np.ones(100), right(0.5, 100), are_all=True)
        unseen = side(draw.random(872) < 0.74, draw.random(872) < 0.5)
        sampling = Sampling(resamples=200, confidence=0.95, seed=seed)
        flagged += compared(train, unseen, sampling).outcome == "flagged"
    assert flagged / times >= 0.95


def of_answers(judge, outputs, targets, *, metric, thresholds=None):
    return OfAnswers(
        judge=judge,
        predict=outputs.__getitem__,
        targets=targets,
        known=targets["train"],
        thresholds=lambda: thresholds,
        metric=metric,
        sampling=SAMPLING,
    ).after()


def one_hot(places, classes, sure=0.9):
    return np.where(np.eye(classes)[places] > 0, sure, (1 - sure) / (classes - 1))


def test_labels_are_counted_from_the_most_frequent_one():
    truth = np.arange(60) % 3
    outputs = {"train": one_hot(truth, 3), "validation": one_hot(np.where(truth == 2, 0, truth), 3)}
    found = of_answers(ClassJudge(("a", "b", "c")), outputs, dict.fromkeys(outputs, truth), metric="accuracy")
    assert value(found, "accuracy", "validation rows").value == pytest.approx(2 / 3)
    assert value(found, "lost_elsewhere").value == pytest.approx(1 - (2 / 3 - 1 / 3) / (1 - 1 / 3))
    assert value(found, "loss", "training rows").value == pytest.approx(-np.log(0.9))
    assert "a guess reaches on the validation rows" in found.notes[0]


def test_a_guess_that_has_the_shares_of_few_rows_by_heart_is_no_start_for_them():
    truth = {"train": (np.arange(100) >= 60).astype(int), "validation": (np.arange(800) >= 400).astype(int)}
    wrong = np.arange(800) % 400 < 100
    outputs = {
        "train": one_hot(truth["train"], 2),
        "validation": one_hot(np.where(wrong, 1 - truth["validation"], truth["validation"]), 2),
    }
    found = of_answers(ClassJudge(("a", "b")), outputs, truth, metric="accuracy")
    assert value(found, "lost_elsewhere").value == pytest.approx(1 - (0.75 - 0.5) / (1 - 0.5))
    assert found.outcome == "flagged"


def test_sets_of_labels_and_numbers_have_their_own_metrics():
    truth = np.tile([[True, False], [True, True], [False, True]], (10, 1))
    outputs = {"train": truth * 0.8 + 0.1, "validation": np.where(truth, 0.4, 0.1)}
    found = of_answers(SetJudge(("a", "b")), outputs, dict.fromkeys(outputs, truth), metric="micro_f1")
    assert value(found, "micro_f1", "training rows").value == 1.0
    assert value(found, "micro_f1", "validation rows").value == 0.0
    numbers = np.linspace(0, 10, 40)
    outputs = {"train": numbers[:, None] + 0.1, "validation": numbers[:, None] + 5}
    for metric in ("rmse", "pearson"):  # a correlation with the mean, which never changes, is not defined
        found = of_answers(NumberJudge(), outputs, dict.fromkeys(outputs, numbers), metric=metric)
        assert value(found, "rmse", "training rows").value == pytest.approx(0.1)
        assert found.outcome == "flagged"


def test_texts_are_counted_from_the_untouched_model():
    rows = np.random.default_rng(0).integers(3, 9, 30).astype(float)
    nats = {"before": 3.0, "train": 1.0, "validation": 2.5}
    losses = {name: Statistics(rows * each, rows, rows) for name, each in nats.items()}
    now = {"train": losses["before"], "validation": losses["before"]}
    probe = OfTexts(lambda split: now[split], trained=300, sampling=SAMPLING)
    probe.before()
    now.update(train=losses["train"], validation=losses["validation"])
    found = probe.after()
    assert value(found, "loss", "training rows").value == pytest.approx(1.0)
    assert value(found, "loss", "difference").value == pytest.approx(-1.5)
    assert value(found, "lost_elsewhere").value == pytest.approx(1 - 0.5 / 2.0)
    assert found.outcome == "flagged"
    assert "untouched model" in found.notes[0]


def test_rows_that_are_all_right_leave_room_for_what_so_few_rows_can_hide():
    """60 of 60 validation rows right: a bootstrap has no width, and a budget of 0.5% is not kept."""
    right = np.ones(60)
    train = Side(100, lambda _: np.asarray([1.0]), are_all=True)
    unseen = Side(60, lambda weights: np.asarray([right @ weights / weights.sum()]), lambda _: np.asarray([0.5]))
    found = compare(train, unseen, names=("accuracy",), decisive="accuracy", sampling=SAMPLING)
    lost = found.figures[0].found
    assert (lost.value, lost.low) == (0.0, 0.0)
    assert lost.high == pytest.approx(2 * (1 - 60 / (60 + 1.959964**2)), rel=1e-4), "Wilson's end, of a gain of 0.5"
    assert (found.outcome, held_to(found, 0.005).outcome) == ("within", "open")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_row_without_a_finite_loss_is_not_a_loss_of_zero(when):
    rows = np.full(40, 10.0)
    odd = np.where(np.arange(40) == 3, np.nan, 2.0)
    nats = {"before": rows, "after": rows / 5} | {when: odd}
    losses = iter([nats["before"]] * 2 + [nats["after"]] * 2)
    probe = OfTexts(lambda _: Statistics(next(losses), rows / 2, rows), trained=300, sampling=SAMPLING)

    def look():
        probe.before()
        probe.after()

    with pytest.raises(NonFiniteError, match="1 of 40 texts"):
        look()
