"""What tests of the loop share: a prepared run of a tiny model on a few rows, and its loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from affina.pipeline.beforehand import with_beforehand
from affina.pipeline.prepare import prepare
from affina.pipeline.prepared import Prepared
from affina.pipeline.training import build_loop
from affina.recipe.load import check_recipe
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.record.payloads import Step
from tiny_models import APART
from workbench import sample_rows, tiny, write_csv

WORDS = {"task": {"name": "classification", "form": "words"}}

OPEN: list[Journal] = []
"""Journals of the loops that a test started; closed after each test (conftest)."""


def prepared_run(folder: Path, *, family: str = "bert", rows: int = 40, **parts: Any) -> Prepared:
    """Read and decide everything for a short run; `parts` are sections of the recipe."""
    data = folder / "rows.csv"
    if not data.exists():
        write_csv(data, sample_rows(rows))
    train = {"batch_tokens": 60, "epochs": 2, "learning_rate": 1e-3, "early_stopping": False} | parts.pop("train", {})
    recipe = {
        "model": str(tiny(family)),
        "data": {"train": str(data), "validation": 0.2, "test": "none"},
        "evaluate": {"baselines": False, "resamples": 10, "per_epoch": 2},
        "train": train,
    }
    return prepare(check_recipe(recipe | parts), notify=lambda _: None)


def replaying(
    folder: Path, *, family: str = "gpt2", replay: Any = None, dtype: torch.dtype = torch.float32, **parts: Any
) -> Prepared:
    """A short run of which is kept what its regularisers need of the model as it came; the texts once in a folder."""
    train = {"replay": replay or {}} | parts.pop("train", {})
    words = WORDS if family in ("gpt2", "llama", *APART) else {}
    run = prepared_run(folder, family=family, train=train, **(words | parts))
    run.model.module.to(dtype)
    journal = Journal(folder / "texts.jsonl", observers=())
    OPEN.append(journal)
    return with_beforehand(run, RunFolder(folder / "kept"), journal)


def start_loop(prepared: Prepared, folder: Path):
    """The loop of a prepared run, with its checkpoints and record below `folder`, and the steps it records."""
    steps: list[Step] = []
    run = RunFolder(folder)

    def observe(record):
        if isinstance(record, Step):
            steps.append(record)

    journal = Journal(run.journal, observers=(observe,))
    OPEN.append(journal)
    return build_loop(prepared, run, journal), steps


def gradients(prepared: Prepared, places: list[list[int]]) -> torch.Tensor:
    """The gradient over all trained parameters, one vector, after the micro-batches of one window."""
    loop, _ = start_loop(prepared, Path(prepared.recipe.data.train).parent / "unused")
    loop.attached.eval()  # the same function for every split of the rows: no dropout
    loop.optimizer.clear()
    batches = [loop.work.batch(rows) for rows in places]
    total = sum(loop.work.weight(batch) for batch in batches)
    for batch in batches:
        loop.precision.backward(loop.work.loss(batch) / total)
    return torch.cat([tensor.grad.flatten() for tensor in loop.optimizer.parameters if tensor.grad is not None])
