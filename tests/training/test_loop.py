"""The loop's duties besides exactness: what is not finite stops it, the best is kept, the record is true."""

import math

import pytest
import torch

from affina.errors import NonFiniteError
from affina.record import journal
from affina.record.payloads import Evaluated, Event, Step
from affina.training import checkpoint
from affina.training.stepping import Work
from bench_of_loops import prepared_run, start_loop


def spoil(loop, *, step, with_value):
    """Make the loss of the first micro-batch of `step` what it should never be."""
    honest = loop.work

    def loss(batch):
        value = honest.loss(batch)
        return value * with_value if loop.step == step - 1 else value

    loop.work = Work(batch=honest.batch, weight=honest.weight, loss=loss, evaluate=honest.evaluate, where=honest.where)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("step", [1, 4, 9])
def test_without_the_guard_a_loss_that_is_not_finite_stops_the_run_at_its_step(tmp_path, step, value):
    prepared = prepared_run(tmp_path, train={"epochs": 4, "guard": False})
    loop, steps = start_loop(prepared, tmp_path / "run")
    spoil(loop, step=step, with_value=value)
    rows = [row for batch in loop.plan.window(step - 1) for row in batch]
    with pytest.raises(NonFiniteError) as caught:
        loop.run()
    text = str(caught.value)
    assert f"step {step}," in text
    assert prepared.rows["train"][rows[0]].where in text
    assert "train.learning_rate" in text
    assert len(steps) == step - 1
    assert all(torch.isfinite(tensor).all() for tensor in prepared.attached.state_dict().values())
    events = [record for record in journal.read(loop.folder.journal) if isinstance(record, Event)]
    assert all(prepared.rows["train"][row].where in events[-1].text for row in rows)
    assert all(
        torch.isfinite(tensor).all()
        for tensor in checkpoint.load_best(loop.folder, step=loop.stopping.best_step).values()
    )


def test_without_the_guard_a_gradient_that_is_not_finite_stops_the_run_before_the_weights_move(tmp_path):
    prepared = prepared_run(tmp_path, train={"guard": False})
    loop, _ = start_loop(prepared, tmp_path / "run")
    before = {name: tensor.clone() for name, tensor in prepared.attached.state_dict().items()}
    name, spoiled = next(iter(prepared.attached.state_dict().items()))
    parameter = dict(prepared.model.module.named_parameters())[name]
    parameter.register_hook(lambda gradient: gradient * math.nan)
    with pytest.raises(NonFiniteError, match="gradient"):
        loop.run()
    assert all(torch.equal(before[name], tensor) for name, tensor in prepared.attached.state_dict().items())
    assert torch.isfinite(spoiled).all()


def test_a_learning_rate_far_too_high_never_ends_as_done_with_broken_weights(tmp_path):
    prepared = prepared_run(tmp_path, train={"learning_rate": 1e30, "clip": None, "schedule": "constant"})
    loop, _ = start_loop(prepared, tmp_path / "run")
    with pytest.raises(NonFiniteError):
        loop.run()
    for path in loop.folder.checkpoints.glob("*/trained.safetensors"):
        from safetensors.torch import load_file

        assert all(torch.isfinite(tensor).all() for tensor in load_file(path).values())


def test_the_best_evaluation_is_what_is_kept_the_later_one_of_two(tmp_path):
    prepared = prepared_run(tmp_path, train={"epochs": 3})
    loop, _ = start_loop(prepared, tmp_path / "run")
    values = iter([0.3, 0.2, 0.9, 0.4, 0.9, 0.1, 0.3])
    honest, kept = loop.work, {}

    def evaluate():
        value = next(values)
        kept[value] = {name: tensor.clone() for name, tensor in prepared.attached.state_dict().items()}
        return {"accuracy": value}

    loop.work = Work(batch=honest.batch, weight=honest.weight, loss=honest.loss, evaluate=evaluate, where=honest.where)
    outcome = loop.run()
    evaluated = [record for record in journal.read(loop.folder.journal) if isinstance(record, Evaluated)]
    assert [record.best for record in evaluated] == [True, False, True, False, True, False, False]
    assert outcome.best_step == evaluated[4].step
    best = checkpoint.load_best(loop.folder, step=loop.stopping.best_step)
    assert all(torch.equal(best[name], kept[0.9][name]) for name in best)


def test_training_that_only_makes_it_worse_exports_the_start(tmp_path):
    prepared = prepared_run(tmp_path, train={"epochs": 2})
    loop, _ = start_loop(prepared, tmp_path / "run")
    start = {name: tensor.clone() for name, tensor in prepared.attached.state_dict().items()}
    values = iter([0.9, 0.8, 0.7, 0.6, 0.5])
    honest = loop.work
    loop.work = Work(
        batch=honest.batch,
        weight=honest.weight,
        loss=honest.loss,
        evaluate=lambda: {"accuracy": next(values)},
        where=honest.where,
    )
    assert loop.run().best_step == 0
    best = checkpoint.load_best(loop.folder, step=loop.stopping.best_step)
    assert all(torch.equal(best[name], start[name]) for name in start)
    assert not all(torch.equal(start[name], tensor) for name, tensor in prepared.attached.state_dict().items())


def test_the_record_counts_real_tokens_and_rows(tmp_path):
    prepared = prepared_run(tmp_path, train={"epochs": 1})
    loop, _ = start_loop(prepared, tmp_path / "run")
    outcome = loop.run()
    steps = [record for record in journal.read(loop.folder.journal) if isinstance(record, Step)]
    lengths = [len(example.ids) for example in prepared.subject.examples["train"]]
    assert sum(record.tokens for record in steps) == outcome.tokens == sum(lengths)
    assert sum(record.rows for record in steps) == outcome.rows == len(lengths)
    first = [row for batch in loop.plan.window(0) for row in batch]
    assert max(lengths) in [lengths[row] for row in first]


@pytest.mark.parametrize(("keep", "every"), [(1, 2), (3, 1)])
def test_checkpoints_are_written_when_due_and_only_the_newest_are_kept(tmp_path, keep, every):
    prepared = prepared_run(tmp_path, train={"keep": keep, "checkpoint_every": every})
    loop, _ = start_loop(prepared, tmp_path / "run")
    outcome = loop.run()
    due = sorted({*range(every, outcome.steps, every), outcome.steps})  # the last step is always kept
    expected = [f"step-{step:08d}" for step in due[-keep:]]
    assert sorted(path.name for path in loop.folder.checkpoints.glob("step-*")) == expected


def test_clipping_bounds_the_step_and_the_record_shows_the_raw_norm(tmp_path):
    loops = {}
    for clip in (None, 1e-3):
        prepared = prepared_run(tmp_path, train={"clip": clip, "max_steps": 1})
        loop, steps = start_loop(prepared, tmp_path / f"run-{clip}")
        loop.run()
        loops[clip] = steps[0].gradient_norm
    assert loops[None] == loops[1e-3] > 1e-2
