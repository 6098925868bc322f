"""What hangs on a run's steps is said before it starts; steps are laid out for that alone, and once."""

from __future__ import annotations

from pathlib import Path

import pytest

from affina.training.plan import Plan
from forecasts import prepared_run

FULL = "method={name: full, layer_decay: 2.6}"
IN_TURN = "method={name: full, layer_decay: 2.6, unfreezing: gradual}"
LATE = "train.warmup=0.9"


@pytest.mark.parametrize(
    ("words", "laid", "said", "doubts"),
    [
        ((), 0, (), 0),
        ((FULL,), 0, ("method.layer_decay",), 0),
        ((LATE,), 1, ("train.warmup",), 1),
        ((IN_TURN, "train.epochs=9"), 1, ("method.layer_decay", "method.unfreezing"), 0),
        ((IN_TURN, LATE, "train.max_steps=3"), 1, ("method.layer_decay", "method.unfreezing", "train.warmup"), 2),
    ],
)
def test_steps_are_laid_out_where_something_is_said_of_them(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    laid: int,
    said: tuple[str, ...],
    doubts: int,
) -> None:
    plans: list[Plan] = []
    lay_out = Plan.__post_init__
    monkeypatch.setattr(Plan, "__post_init__", lambda plan: (plans.append(plan), lay_out(plan))[1])
    run = prepared_run(tmp_path, *words)

    assert len(plans) == laid
    assert [key for key in run.choices if key.startswith("method.")] == [key for key in said if "method" in key]
    assert run.choices["train.warmup"].reason.startswith("given in the recipe: ") == ("train.warmup" in said)
    assert len([text for text in run.notices if text.startswith(("method.unfreezing=", "train.warmup="))]) == doubts
