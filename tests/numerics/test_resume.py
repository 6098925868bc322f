"""Stopped and resumed at any step equals uninterrupted, bit for bit: losses, weights, evaluations, stopping step."""

import shutil

import pytest
import torch

from affina.errors import Interrupted
from affina.record import journal
from affina.record.folder import RunFolder
from affina.record.payloads import Evaluated, Step
from affina.training import checkpoint
from affina.training import loop as loop_module
from bench_of_loops import prepared_run, start_loop

ROWS = 27
"""Enough for several steps in each of two epochs."""
SETTINGS = {
    "plain": {},
    "accumulated": {"accumulate": 3},
    "early": {"early_stopping": {"patience": 2}, "epochs": 6, "learning_rate": 3e-2},
    "slanted": {"schedule": "slanted_triangular", "label_smoothing": 0.1},
}


def stop_at(monkeypatch, step):
    """Make the loop see a Ctrl-C once `step` steps are done."""
    from contextlib import contextmanager

    @contextmanager
    def deferred():
        yield lambda: stop_at.loop.step == step

    monkeypatch.setattr(loop_module, "deferred", deferred)


def trained(prepared):
    return {name: tensor.clone() for name, tensor in prepared.attached.state_dict().items()}


def what_happened(folder):
    """Steps and evaluations as recorded, without the clock."""
    found = []
    for record in journal.read(RunFolder(folder).journal):
        if isinstance(record, Step):
            found.append((record.step, record.loss, record.gradient_norm, record.learning_rate, record.rows))
        elif isinstance(record, Evaluated):
            found.append((record.step, record.metrics, record.best))
    return found


def train_whole(tmp_path, parts):
    prepared = prepared_run(tmp_path, rows=ROWS, **parts)
    loop, _ = start_loop(prepared, tmp_path / "whole")
    outcome = loop.run()
    return trained(prepared), what_happened(tmp_path / "whole"), outcome


def train_in_parts(tmp_path, parts, monkeypatch, *, step):
    folder = RunFolder(tmp_path / "parts")
    prepared = prepared_run(tmp_path, **parts)
    loop, _ = start_loop(prepared, folder.path)
    stop_at.loop = loop
    stop_at(monkeypatch, step)
    with pytest.raises(Interrupted):
        loop.run()
    loop.journal.close()
    monkeypatch.undo()
    torch.manual_seed(12345)  # what the process draws in between must not matter
    prepared = prepared_run(tmp_path, **parts)
    loaded = checkpoint.load(folder.last())
    journal.cut(folder.journal, position=loaded[0].journal)
    loop, _ = start_loop(prepared, folder.path)
    loop.resume(loaded)
    outcome = loop.run()
    return trained(prepared), what_happened(folder.path), outcome


@pytest.mark.parametrize("setting", SETTINGS)
def test_resumed_at_any_step_equals_uninterrupted(tmp_path, monkeypatch, setting):
    parts = {"train": SETTINGS[setting], "seed": 3}
    weights, events, outcome = train_whole(tmp_path, parts)
    assert outcome.steps > 3
    if setting == "early":
        assert outcome.stopped == "early stopping"
    for step in range(1, outcome.steps):
        again, same_events, same_outcome = train_in_parts(tmp_path, parts, monkeypatch, step=step)
        assert all(torch.equal(again[name], weights[name]) for name in weights), step
        assert same_events == events, step
        assert same_outcome.steps == outcome.steps
        assert same_outcome.best_step == outcome.best_step
        shutil.rmtree(tmp_path / "parts")


@pytest.mark.parametrize("method", ["full", {"name": "partial", "blocks": 1}, {"name": "partial", "blocks": 0}])
def test_resume_is_exact_for_every_method(tmp_path, monkeypatch, method):
    parts = {"method": method, "seed": 1}
    weights, events, _ = train_whole(tmp_path, parts)
    again, same_events, _ = train_in_parts(tmp_path, parts, monkeypatch, step=3)
    assert all(torch.equal(again[name], weights[name]) for name in weights)
    assert same_events == events


def test_another_seed_is_another_run(tmp_path):
    """The comparison can fail: it is not comparing runs in which nothing is random."""
    _, one, _ = train_whole(tmp_path, {"seed": 1})
    shutil.rmtree(tmp_path / "whole")
    _, other, _ = train_whole(tmp_path, {"seed": 2})
    assert one != other
