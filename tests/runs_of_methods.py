"""Runs of every task with every method, as recipes, prepared, and finished: what tests of methods share."""

from __future__ import annotations

import atexit
import functools
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import affina as api
from affina.errors import Interrupted
from affina.pipeline.prepare import prepare
from affina.pipeline.prepared import Prepared
from affina.pipeline.training import build_loop
from affina.recipe.load import check_recipe
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.training import loop as loop_module
from affina.training import sound
from method_cases import randomise, unnoted
from workbench import sample_rows, tiny, write_csv

METHODS = {
    "lora": {"name": "lora", "rank": 4},
    "prompt": {"name": "prompt", "length": 4},
    "prefix": {"name": "prefix", "length": 3, "width": 16},
}
MODELS = {
    "classification": ("bert", "gpt2"),
    "multi_label": ("roberta",),
    "regression": ("bert", "llama"),
    "chat": ("llama",),
    "generation": ("gpt2", "t5"),
    "translation": ("bart",),
}
WRITING = ("chat", "generation", "translation")
ANSWERS = ("It is on its way.", "We pay it back.", "Please write to us.")
HEADERS = {"chat": "prompt,completion", "generation": "prompt,completion", "translation": "source,target"}


def rows_of(task: str, count: int) -> list[tuple[str, str]]:
    if task in WRITING:
        return [(f"where is order {number}", ANSWERS[number % 3]) for number in range(count)]
    rows = sample_rows(count)
    if task == "multi_label":
        return [(text, f"{label}|long" if len(text) > 34 else label) for text, label in rows]
    return [(text, f"{100 + 7.5 * len(text)}") for text, _ in rows] if task == "regression" else rows


def recipe_of(folder: Path, task: str, family: str, method: str) -> dict[str, Any]:
    """A small recipe, its rows written into `folder`."""
    header = HEADERS.get(task, "text,label")
    for split, count in (("train", 30), ("test", 9)):
        write_csv(folder / f"{split}.csv", rows_of(task, count), header=header)
    languages = {"source_language": "en", "target_language": "de"} if task == "translation" else {}
    generate = {"generate": {"max_new_tokens": 4, "rows": 3, "beams": 1}} if task in WRITING else {}
    return generate | {
        "model": str(tiny(family)),
        "run": str(folder / "run"),
        "task": {"name": task, **languages},
        "method": METHODS[method],
        "data": {"train": str(folder / "train.csv"), "validation": 0.2, "test": str(folder / "test.csv")},
        "train": {"epochs": 1, "batch_tokens": 160, "head_start": "random", "restart": False},
        "evaluate": {"resamples": 10, "baselines": False},
    }


def prepared_of(folder: Path, task: str, family: str, method: str) -> Prepared:
    return prepare(check_recipe(recipe_of(folder, task, family, method)), notify=lambda _: None)


def outputs(run: Prepared) -> torch.Tensor:
    """What the model gives for a batch, without dropout."""
    run.attached.eval()
    work = run.subject.work(run)
    with torch.no_grad():
        return work.loss(work.batch([0, 1, 2]))


@functools.cache
def finished(task: str, family: str, method: str) -> Path:
    """The folder of a run that shipped its adapter alone, made once in a test session.

    So few steps may leave it at its start: small random numbers stand in for what a longer training would have moved.
    """
    place = tempfile.TemporaryDirectory(prefix=f"run-{task}-{family}-{method}-")
    atexit.register(place.cleanup)
    folder = Path(place.name)
    alone = {"export": {"merge": False}} if method == "lora" else {}
    api.train(recipe_of(folder, task, family, method) | alone)
    weights = folder / "run" / "adapter" / "adapter_model.safetensors"
    tensors = load_file(weights)
    randomise(tensors)
    save_file(tensors, weights)
    unnoted(weights.parent)
    return folder / "run"


def stopped_and_gone_on(
    begin: Callable[[], Prepared], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """What trains, at the end of a run, and of the same run that was stopped after two steps and gone on with."""

    def run(name: str, *, stop: int | None = None) -> dict[str, torch.Tensor]:
        run = begin()
        place = RunFolder(folder / name)
        last = place.last()
        with Journal(place.journal, observers=()) as record, monkeypatch.context() as patched:
            loop = build_loop(run, place, record)
            if last is not None:
                sound.check(place, last, trains=run.attached.state_dict())
                loop.resume(last)
            patched.setattr(loop_module, "deferred", lambda: nullcontext(lambda: loop.step == stop))
            loop.run()
        return {name: tensor.clone() for name, tensor in run.attached.state_dict().items()}

    whole = run("whole")
    with pytest.raises(Interrupted):
        run("parts", stop=2)
    torch.manual_seed(12345)  # what the process draws in between must not matter
    return whole, run("parts")
