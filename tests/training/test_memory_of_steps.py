"""Memory that runs out in a step: its micro-batches are split, the step is the same, and it is said and kept."""

from dataclasses import replace

import pytest
import torch

from affina.record import journal
from affina.record.folder import RunFolder
from affina.record.guarding import BatchesSplit
from affina.training import checkpoint
from affina.training.plan import split
from bench_of_loops import prepared_run, start_loop

MOST_ROWS = 3
TRAIN = {"batch_tokens": 150, "dropout": 0.0, "checkpoint_every": 1, "keep": 99}


def short_of_memory(loop, *, most=MOST_ROWS, since=3):
    """Forward passes over more rows than this run out of memory, from a step on."""
    honest = loop.work

    def loss(batch):
        if len(batch.rows) > most and loop.step + 1 >= since:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 7 bytes")
        return honest.loss(batch)

    loop.work = replace(honest, loss=loss)


def whole_vector(prepared):
    return torch.cat([tensor.flatten() for tensor in prepared.attached.state_dict().values()])


def double_run(tmp_path, name):
    prepared = prepared_run(tmp_path, method="full", train=TRAIN)
    prepared.model.module.double()
    loop, steps = start_loop(prepared, tmp_path / name)
    return prepared, loop, steps


def test_a_step_that_does_not_fit_is_the_same_step_in_parts(tmp_path):
    prepared, loop, steps = double_run(tmp_path, "whole")
    largest = max(len(rows) for step in range(2, loop.plan.total_steps) for rows in loop.plan.window(step))
    loop.run()
    expected, taken = whole_vector(prepared), [(step.step, step.rows, step.tokens) for step in steps]
    prepared, loop, steps = double_run(tmp_path, "short")
    short_of_memory(loop)
    loop.run()
    told = [record for record in journal.read(loop.folder.journal) if isinstance(record, BatchesSplit)]
    assert [record.parts for record in told] == [2, 4, 8][: len(told)]
    assert told[0].step >= 3
    assert loop.parts >= largest / MOST_ROWS
    assert "can't allocate memory" in told[0].text
    assert [(step.step, step.rows, step.tokens) for step in steps] == taken
    assert float((whole_vector(prepared) - expected).norm() / expected.norm()) < 1e-9


def test_a_resumed_run_keeps_its_parts_and_its_bits(tmp_path):
    prepared, loop, _ = double_run(tmp_path, "run")
    short_of_memory(loop)
    loop.run()
    expected, parts = whole_vector(prepared), loop.parts
    loop.journal.close()
    run = RunFolder(tmp_path / "run")
    journal.cut(run.journal, position=checkpoint.load_state(run.step(4)).journal)
    prepared, loop, _ = double_run(tmp_path, "run")
    loop.resume(run.step(4))
    assert loop.parts > 1
    short_of_memory(loop)
    loop.run()
    assert loop.parts == parts
    assert torch.equal(whole_vector(prepared), expected)


def test_one_row_that_does_not_fit_ends_the_run_as_before(tmp_path):
    _, loop, _ = double_run(tmp_path, "run")
    short_of_memory(loop, most=0)
    with pytest.raises(RuntimeError, match="can't allocate"):
        loop.run()
    assert loop.folder.step(2).is_dir()


def test_parts_hold_the_same_rows_in_their_order():
    window = [[1, 2, 3, 4, 5], [6]]
    assert split(window, 1) == window
    assert split(window, 2) == [[1, 2], [3, 4, 5], [6]]
    assert split(window, 64) == [[1], [2], [3], [4], [5], [6]]
