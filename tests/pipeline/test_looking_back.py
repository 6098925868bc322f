"""The step back: what it calls a run that was not better, and when a run is said to have ended too early."""

from types import SimpleNamespace

import pytest

from affina.pipeline import looking_back
from affina.record.payloads import Measured, Scores


def outcome(**changes):
    given = {"best_step": 5, "stopped": "end of the plan", "improving": False, "falling": False, "start_loss": 2.0,
             "kept_loss": 1.0}  # fmt: skip
    return SimpleNamespace(**(given | changes))


def prepared(**train):
    def resolved(value):
        return SimpleNamespace(value=value)

    hyper = SimpleNamespace(epochs=resolved(2.0), metric=resolved("accuracy"))
    recipe = SimpleNamespace(train=SimpleNamespace(**({"max_steps": None, "learning_rate": "auto"} | train)))
    return SimpleNamespace(hyper=hyper, recipe=recipe)


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
    (found,) = looking_back._shortfalls(prepared(), outcome(), scores)
    assert found.startswith(f"the tuned model is {said} the linear probe")
