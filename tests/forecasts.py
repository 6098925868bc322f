"""What the tests of planning share: tiny runs, prepared, and a forecast made up."""

from __future__ import annotations

from pathlib import Path

from affina.pipeline.prepare import prepare
from affina.pipeline.prepared import Prepared
from affina.planning.forecast import Change, Disk, Forecast, Memory, Time
from affina.recipe.load import load_recipe
from workbench import sample_rows, tiny, write_csv

MIB = 2**20


def recipe_words(folder: Path, *words: str, family: str = "bert", rows: int = 60) -> dict[str, object]:
    """A recipe of a tiny model as nested plain data."""
    data = write_csv(folder / "data.csv", sample_rows(rows))
    base = {"model": str(tiny(family)), "data": {"train": str(data)}, "device": "cpu"}
    return load_recipe(None, overrides=words, base=base).model_dump(mode="json", exclude_unset=True)


def prepared_run(folder: Path, *words: str, family: str = "bert", rows: int = 60) -> Prepared:
    """A tiny run, prepared."""
    return prepare(load_recipe(None, base=recipe_words(folder, *words, family=family, rows=rows)), notify=str)


def forecast(peak: int = 1000 * MIB, *, disk: int = 10 * MIB, device: str = "cpu", steps: int = 9) -> Forecast:
    """A forecast with round figures; what trains is half of a hundred weights."""
    memory = Memory(
        peak=peak,
        least=peak * 8 // 10,
        most=peak * 12 // 10,
        interpreter=300 * MIB,
        stages={"loading": peak // 4, "training": peak},
        parts={"weights, rows, libraries": peak // 4, "activations": peak * 3 // 4},
        how="as made up",
    )
    time = Time(
        per_epoch=10.0,
        least=7.0,
        most=13.0,
        steps=8.0,
        evaluations=1.5,
        writes=0.5,
        cpu_per_epoch=9.0,
        epochs=(3.0, 10.0),
        before=5.0,
        after=2.0,
        how="as made up",
    )
    changes = (
        Change(words=("train.batch_tokens=64", "train.accumulate=4"), peak=peak // 2, costs="time"),
        Change(words=("method={name: partial, blocks: 0}",), peak=peak // 4, costs="the head alone learns"),
    )
    return Forecast(
        key="abc",
        model="a model",
        family="bert",
        method="full",
        device=device,
        precision="fp32",
        parameters=100,
        trained=50,
        parts=1,
        rows={"train": 80, "validation": 10, "test": 0},
        batch_tokens=256,
        longest=40,
        steps_per_epoch=12,
        memory=memory,
        time=time,
        disk=Disk(checkpoints=3 * MIB, model=MIB, record=MIB, peak=disk, least=disk // 2, cached=MIB),
        changes=changes,
        steps=steps,
    )
