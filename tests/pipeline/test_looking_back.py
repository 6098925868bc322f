"""The step back: what it calls a run that was not better, and when a run is said to have ended too early."""

from types import SimpleNamespace

import pytest

from affina.evaluation.language import UNFAMILIAR
from affina.pipeline import looking_back
from affina.pipeline.looking_back import Reached
from affina.record.payloads import Finding, Measured, Scores
from affina.record.row_results import RowResults
from affina.reporting.verdict import verdict


def outcome(**changes):
    given = {"best_step": 5, "stopped": "end of the plan", "improving": False, "falling": False, "start_loss": 2.0,
             "kept_loss": 1.0}  # fmt: skip
    return SimpleNamespace(**(given | changes))


def prepared(**train):
    def resolved(value):
        return SimpleNamespace(value=value)

    hyper = SimpleNamespace(epochs=resolved(2.0), metric=resolved("accuracy"))
    recipe = SimpleNamespace(train=SimpleNamespace(**({"max_steps": None, "learning_rate": "auto"} | train)))
    recipe.evaluate = SimpleNamespace(confidence=0.95)
    return SimpleNamespace(hyper=hyper, recipe=recipe, findings=())


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        ({"improving": True}, "still getting better"),
        ({"falling": True}, "the validation loss was still falling"),
        ({}, None),
        ({"falling": True, "stopped": "early stopping"}, None),
        ({"falling": True, "best_step": 0}, None),
    ],
)
def test_a_run_whose_loss_still_falls_ended_too_early(ended, said):
    found = looking_back._ended_early(prepared(), outcome(**ended))
    assert (found is None) if said is None else (said in found[0] and found[1] == "train.epochs=4")


def scored(who, value, half):
    figure = Measured(value=value, low=value - half, high=value + half, n=100)
    return Scores(who=who, split="test", metrics={"accuracy": figure})


@pytest.mark.parametrize(
    ("tuned", "half", "said"), [(0.80, 0.05, "not better than"), (0.60, 0.05, "worse than"), (0.82, 0.05, "level with")]
)
def test_worse_is_only_said_where_the_rows_settle_it(monkeypatch, tuned, half, said):
    monkeypatch.setattr(looking_back, "is_given", lambda _: False)
    scores = {item.who: item for item in (scored("linear_probe", 0.82, half), scored("tuned", tuned, half))}
    (found,) = looking_back._shortfalls(prepared(), outcome(), Reached(scores, {}))
    assert found.startswith(f"the tuned model is {said} the linear probe")


def test_the_step_back_and_the_verdict_agree_on_what_the_rows_settle(monkeypatch):
    """Intervals that overlap, and rows that nearly all speak against the tuned model."""
    monkeypatch.setattr(looking_back, "is_given", lambda _: False)
    scores = {item.who: item for item in (scored("linear_probe", 0.82, 0.05), scored("tuned", 0.75, 0.05))}
    rows = {
        "linear_probe": by_row("linear_probe", right=82),
        "tuned": by_row("tuned", right=75),
    }
    (said,) = looking_back._shortfalls(prepared(), outcome(), Reached(scores, rows))
    assert verdict(scores, chosen_metric="accuracy", rows=rows).outcome == "worse"
    assert "worse than the linear probe" in said


def by_row(who, *, right):
    values = tuple(float(place < right) for place in range(100))
    return RowResults(who=who, split="test", rows=tuple(f"{n:08x}" for n in range(100)), values={"accuracy": values})


def test_rows_in_another_language_than_the_models_are_the_likeliest_cause(monkeypatch):
    monkeypatch.setattr(looking_back, "is_given", lambda _: False)
    run = prepared()
    run.findings = (
        Finding(
            name=UNFAMILIAR,
            count=9,
            meaning="m seems not to be made for the language of these texts, which looks like Italian: pieces of 2.1",
            advice="choose a model that was trained on the language (model=...), or expect less of it",
        ),
    )
    cause, following = looking_back._cause(run, outcome(improving=True), None)
    assert cause == "m seems not to be made for the language of these texts, which looks like Italian"
    assert "model=" in following
    assert "getting better" in looking_back._cause(prepared(), outcome(improving=True), None)[0]
