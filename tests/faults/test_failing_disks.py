"""Whichever write, fsync, rename or removal of a run fails, and however: the same command goes on to the same bits."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import affina as api
from affina.errors import AffinaError, ResourceError
from affina.record.folder import RunFolder
from affina.record.journal import read, read_known
from affina.record.payloads import Finished
from faults_of_disks import KINDS, Disk, KilledError
from workbench import bits, sample_rows, tiny, write_csv

EVERY = int(os.environ.get("AFFINA_DISK_EVERY", "12"))
"""How many operations further the next one that fails is; 1 takes half an hour."""
WORDS = (
    "run=run",
    "train.max_steps=4",
    "train.batch_tokens=150",
    "train.checkpoint_every=1",
    "train.dropout=0.1",
    "evaluate.per_epoch=2",
    "evaluate.resamples=5",
    "evaluate.baselines=false",
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv(Path("good.csv"), sample_rows(40))


def train():
    return api.train("good.csv", [f"model={tiny()}", *WORDS])


def fail(kind, at):
    """Train on a disk that fails at an operation."""
    disk = Disk(kind, at=at)
    with disk.held(), pytest.raises(KilledError if kind == "killed" else ResourceError) as caught:
        train()
    assert kind == "killed" or "make room" in str(caught.value)


def check_goes_on(expected, *, at, kind):
    run = RunFolder(Path("run"))
    if run.journal.is_file():
        read_known(run.journal)
    finished = run.journal.is_file() and any(isinstance(r, Finished) for r in read(run.journal))
    if finished:  # what is left is the report
        api.report(run.path)
    else:
        train()
    assert bits(run) == expected, (kind, at)
    assert run.report.is_file()
    shutil.rmtree("run")


def operations():
    """How many there are in a run that nothing fails in, its bits, and what each of them is."""
    counted = Disk("killed")
    with counted.held():
        result = train()
    expected = bits(result.folder)
    shutil.rmtree("run")
    return counted.names, expected


def test_a_disk_that_fails_at_some_operations_leaves_a_run_that_goes_on():
    names, expected = operations()
    kinds = {name: [at for at, other in enumerate(names, start=1) if other == name] for name in dict.fromkeys(names)}
    assert {"put", "sync", "rename", "save", "remove"} <= set(kinds)
    for places in kinds.values():
        at = places[len(places) // 2]
        fail("killed", at)
        check_goes_on(expected, at=at, kind="killed")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_fails_at_any_operation_leaves_a_run_that_goes_on(kind):
    names, expected = operations()
    count = sum(name not in ("remove", "unlink") for name in names) if kind != "killed" else len(names)
    for at in range(1 + list(KINDS).index(kind) % EVERY, count + 1, EVERY):
        try:
            fail(kind, at)
            check_goes_on(expected, at=at, kind=kind)
        except AffinaError as error:
            raise AssertionError(f"{kind} at {at}") from error
