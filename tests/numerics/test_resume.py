"""Stopped and resumed at any step equals uninterrupted, bit for bit: losses, weights, evaluations, stopping step."""

import shutil
import weakref

import pytest
import torch

from affina.errors import Interrupted, RunError
from affina.record import journal
from affina.record.folder import RunFolder
from affina.record.payloads import Evaluated, Event, Step
from affina.runtime import products
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
    "regularised": {"l2_sp": 0.1, "mixout": 0.5, "r_drop": 1.0, "neftune": 5.0, "epochs": 1},
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
    place = folder.last()
    journal.cut(folder.journal, position=checkpoint.load_state(place).journal)
    loop, _ = start_loop(prepared, folder.path)
    loop.resume(place)
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


@pytest.mark.skipif(products._missing() is not None, reason="this torch has no oneDNN to choose")
def test_resume_is_exact_with_the_products_of_onednn(tmp_path, monkeypatch):
    """Of these tiny models all products are given to it, which leaves small ones to torch."""
    made, real = [], products._by_onednn
    parts = {"seed": 1, "products": "onednn"}
    with pytest.MonkeyPatch.context() as own:
        own.setattr(products, "LEAST_ROWS", 1)
        own.setattr(products, "LEAST_SUMS", 1)
        own.setattr(products, "_by_onednn", lambda *given: made.append(1) or real(*given))
        weights, events, _ = train_whole(tmp_path, parts)
        again, same_events, _ = train_in_parts(tmp_path, parts, monkeypatch, step=3)
    assert len(made) > 100
    assert all(torch.equal(again[name], weights[name]) for name in weights)
    assert same_events == events


def test_another_seed_is_another_run(tmp_path):
    """The comparison can fail: it is not comparing runs in which nothing is random."""
    _, one, _ = train_whole(tmp_path, {"seed": 1})
    shutil.rmtree(tmp_path / "whole")
    _, other, _ = train_whole(tmp_path, {"seed": 2})
    assert one != other


def test_nothing_that_was_read_of_a_checkpoint_is_held_while_training_goes_on(tmp_path, monkeypatch):
    """Weights and moments are three times the model: a resumed run held them once more beside its own."""
    read, alive = [], []
    for name in ("load_trained", "load_moments"):
        load = getattr(checkpoint, name)

        def watched(place, load=load):
            tensors = load(place)
            read.extend(weakref.ref(tensor) for tensor in tensors.values())
            return tensors

        monkeypatch.setattr(checkpoint, name, watched)
    step = loop_module.Loop._train_step

    def counted(self, window):
        alive.append(sum(tensor() is not None for tensor in read))
        step(self, window)

    parts = {"train": SETTINGS["plain"]}
    folder = RunFolder(tmp_path / "parts")
    loop, _ = start_loop(prepared_run(tmp_path, **parts), folder.path)
    stop_at.loop = loop
    with monkeypatch.context() as patched:
        stop_at(patched, 1)
        with pytest.raises(Interrupted):
            loop.run()
    loop.journal.close()
    monkeypatch.setattr(loop_module.Loop, "_train_step", counted)
    loop, _ = start_loop(prepared_run(tmp_path, **parts), folder.path)
    loop.resume(folder.last())
    loop.run()

    assert len(read) > 10
    assert alive[0] == 0


@pytest.mark.parametrize("name", [checkpoint.TRAINED, checkpoint.OPTIMIZER])
def test_a_checkpoint_that_was_cut_off_is_named_before_anything_is_written(tmp_path, name):
    folder = RunFolder(tmp_path / "whole")
    loop, _ = start_loop(prepared_run(tmp_path, train=SETTINGS["plain"]), folder.path)
    loop.run()
    file = folder.last() / name
    file.write_bytes(file.read_bytes()[:-100])

    with pytest.raises(RunError, match="remove this folder"):
        checkpoint.load_state(folder.last())


STAGED = {
    "gradual": {"unfreezing": "gradual", "stage_epochs": 0.4, "layer_decay": 2.6},
    "chain-thaw": {"unfreezing": "chain_thaw", "stage_epochs": 0.3},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", STAGED)
def test_resumed_at_any_step_of_any_stage_equals_uninterrupted(tmp_path, monkeypatch, kind):
    train = {"schedule": "slanted_triangular", "epochs": 2.5, "early_stopping": {"patience": 50}}
    parts = {"method": {"name": "full", **STAGED[kind]}, "train": train, "seed": 2}
    weights, events, outcome = train_whole(tmp_path, parts)
    begun = unfrozen(tmp_path / "whole")
    assert len(begun) == {"gradual": 5, "chain-thaw": 6}[kind]
    for step in range(1, outcome.steps):
        again, same_events, _ = train_in_parts(tmp_path, parts, monkeypatch, step=step)
        assert all(torch.equal(again[name], weights[name]) for name in weights), step
        assert same_events == events, step
        assert unfrozen(tmp_path / "parts") == begun, step
        shutil.rmtree(tmp_path / "parts")


def unfrozen(folder):
    """The stages that the record tells of."""
    found = (record for record in journal.read(RunFolder(folder).journal) if isinstance(record, Event))
    return [(event.step, event.text) for event in found if event.name == loop_module.UNFROZEN]
