"""Verb: demo. The main job on data that comes with Affina: ten intents of customers who write to an online shop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from typing import Final

from affina.pipeline.execute import RunResult
from affina.record.journal import Observer
from affina.verbs.train import train

SHARES: Final = ("data.validation=0.15", "data.test=0.3")
"""More rows held out than a tenth: of 480 messages a tenth would tell little."""


def demo(
    overrides: Sequence[str] = (),
    *,
    observers: Sequence[Observer] = (),
    notify: Callable[[str], None] = lambda _: None,
) -> RunResult:
    """Fine-tune the starter encoder on the shipped messages; about a minute on two CPU cores.

    Args:
        overrides: recipe words, as for `train`.
        observers: shown every record.
        notify: told of slow work before the first record.
    """
    with resources.as_file(resources.files("affina.demo") / "support.csv") as path:
        return train(str(path), [*SHARES, *overrides], observers=observers, notify=notify)
