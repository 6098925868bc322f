"""Verb: demo. The main job on data that comes with Affina: ten intents of customers who write to an online shop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources

from affina.pipeline.execute import RunResult
from affina.record.journal import Observer
from affina.verbs.train import train


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
        return train(str(path), overrides, observers=observers, notify=notify)
