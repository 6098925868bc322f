"""What tests of kept states share: short runs of tiny models whose frozen blocks are run once."""

from contextlib import contextmanager

import pytest
import torch

from affina.pipeline.keeping import CACHE, with_kept
from affina.pipeline.stepping_over import with_frozen_states
from affina.record import journal
from affina.record.folder import RunFolder
from affina.record.payloads import Evaluated, Step
from affina.training import checkpoint
from affina.training import loop as loop_module
from bench_of_loops import prepared_run, start_loop
from workbench import sample_rows, write_jsonl

ROWS = 27
TOP = {"name": "partial", "blocks": 1}
HEAD = {"name": "partial", "blocks": 0}
UPPER = {"name": "lora", "blocks": 1, "targets": ["linear"]}


def in_double(prepared):
    """The run in float64, with its frozen blocks kept or not as its recipe says."""
    prepared.model.module.double()
    for group in prepared.attached.parameter_groups():
        for tensor in group.parameters.values():
            tensor.data = tensor.data.double()
    return with_kept(prepared, begun=lambda: None)


def texts(tmp_path):
    rows = [{"prompt": text, "completion": " ".join(reversed(text.split()))} for text, _ in sample_rows(ROWS)]
    return {
        "task": "generation",
        "data": {"train": str(write_jsonl(tmp_path / "texts.jsonl", rows)), "validation": 0.2, "test": "none"},
    }


def run_of(tmp_path, *, cache, double=False, **parts):
    parts["train"] = {"cache": cache, **parts.get("train", {})}
    prepared = prepared_run(tmp_path, rows=ROWS, **parts)
    return in_double(prepared) if double else prepared


def trained(prepared, folder):
    """Losses, gradients' norms, evaluations and weights of a whole run."""
    with with_frozen_states(prepared, RunFolder(folder)) as run:
        loop, steps = start_loop(run, folder)
        run.frozen.fill(loop.journal)
        assert bool(list(folder.glob("frozen-blocks-*"))) == (prepared.kept is not None and bool(prepared.kept.at(0)))
        loop.run()
    records = journal.read(RunFolder(folder).journal)
    metrics = [list(one.metrics.values()) for one in records if isinstance(one, Evaluated)]
    weights = torch.cat([tensor.flatten() for tensor in prepared.attached.state_dict().values()])
    return [(step.loss, step.gradient_norm) for step in steps], metrics, weights


def what_happened(folder):
    found = []
    for record in journal.read(folder.journal):
        if isinstance(record, Step):
            found.append((record.step, record.loss, record.gradient_norm, record.learning_rate, record.rows))
        elif isinstance(record, Evaluated):
            found.append((record.step, record.metrics, record.best))
    return found


def weights_of(prepared):
    return {name: tensor.clone() for name, tensor in prepared.attached.state_dict().items()}


def stopped(prepared, folder, monkeypatch, *, step):
    """A run that is stopped after `step` steps."""
    with with_frozen_states(prepared, folder) as run:
        loop, _ = start_loop(run, folder.path)
        run.frozen.fill(loop.journal)

        @contextmanager
        def deferred():
            yield lambda: loop.step == step

        with monkeypatch.context() as patched:
            patched.setattr(loop_module, "deferred", deferred)
            loop.run()


def check_same(folder, **parts):
    """A run in float64 that keeps states is the one that does not; the first is given back."""
    kept = run_of(folder, cache=True, double=True, **parts)
    assert kept.kept is not None, kept.choices[CACHE]
    losses, metrics, weights = trained(kept, folder / "kept")
    whole = run_of(folder, cache=False, double=True, **parts)
    assert whole.kept is None
    expected, theirs, goal = trained(whole, folder / "whole")
    assert len(losses) >= 3
    for one, other in zip(losses, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-9)
    for one, other in zip(metrics, theirs, strict=True):
        assert one == pytest.approx(other, rel=1e-6)  # logits leave the model in float32
    assert float((weights - goal).norm() / goal.norm()) < 1e-9
    assert not list((folder / "kept").glob("*frozen-blocks*"))
    return kept


def gone_on(prepared, folder):
    """A stopped run, from its last checkpoint to its end."""
    place = folder.last()
    journal.cut(folder.journal, position=checkpoint.load_state(place).journal)
    with with_frozen_states(prepared, folder) as run:
        loop, _ = start_loop(run, folder.path)
        loop.resume(place)
        run.frozen.fill(loop.journal, step=loop.step)
        loop.run()


def check_equal(prepared, folder, whole, expected):
    """A run's weights and record are another's, bit for bit."""
    again, goal = weights_of(prepared), weights_of(whole)
    assert all(torch.equal(again[name], goal[name]) for name in goal)
    assert what_happened(folder) == what_happened(expected)
    assert not list(folder.path.glob("*frozen-blocks*"))
