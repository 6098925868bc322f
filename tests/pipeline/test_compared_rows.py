"""How many rows a model is compared with itself on: within the allowance, and all that it allows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from affina.pipeline.compared_rows import compared_rows, mean_tokens
from affina.record.risks import Probed
from affina.risks.allowance import Allowance


def run(train: int, validation: int, *, lengths: tuple[int, int] = (10, 20)) -> SimpleNamespace:
    rows = {"train": [None] * train, "validation": [None] * validation}
    sizes = {split: np.full(len(part), length) for (split, part), length in zip(rows.items(), lengths, strict=True)}
    return SimpleNamespace(rows=rows, recipe=SimpleNamespace(seed=0), subject=SimpleNamespace(lengths=sizes))


@pytest.mark.parametrize(
    ("train", "validation", "allowed", "expected"),
    [
        (5_000, 800, None, (800, 800)),
        (5_000, 5_000, None, (1_000, 1_000)),
        (100, 800, None, (100, 800)),
        (5_000, 800, 6_000, (200, 200)),
        (100, 800, 6_000, (100, 250)),
        (100, 800, 3_000, (100, 100)),
        (100, 240, 6_000, (100, 240)),
    ],
)
def test_what_the_training_rows_lack_is_read_of_the_validation_rows(monkeypatch, train, validation, allowed, expected):
    monkeypatch.setattr("affina.pipeline.compared_rows.own_count", len)
    allowance = Allowance(1, bounded=allowed is not None)
    monkeypatch.setattr(Allowance, "tokens", lambda *_: float("inf") if allowed is None else allowed)
    whole = run(train, validation)
    found = compared_rows(whole, allowance, each=mean_tokens(whole))
    assert tuple(len(found[split]) for split in ("train", "validation")) == expected
    assert len(set(found["validation"])) == expected[1]


def test_too_little_training_is_not_measured(monkeypatch):
    monkeypatch.setattr("affina.pipeline.compared_rows.own_count", len)
    whole = run(100, 800)
    assert isinstance(compared_rows(whole, Allowance(100, bounded=True), each=mean_tokens(whole)), Probed)
