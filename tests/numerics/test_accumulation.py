"""Accumulation is exact: micro-batches with unequal token counts give the gradient of the one large batch."""

import pytest
import torch

from bench_of_loops import gradients, prepared_run, start_loop

ROWS = list(range(24))
WINDOWS = [
    [ROWS[:1], ROWS[1:8], ROWS[8:]],
    [ROWS[:23], ROWS[23:]],
    [[row] for row in ROWS],
]


def distance(one, other):
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("weights", ["none", "balanced"])
@pytest.mark.parametrize("family", ["bert", "modernbert", "gpt2", "llama"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
def test_micro_batches_give_the_gradient_of_the_large_batch(tmp_path, family, dtype, tolerance, weights):
    task = {"name": "classification", "class_weights": weights}
    prepared = prepared_run(tmp_path, family=family, task=task, method="full")
    prepared.model.module.to(dtype)
    whole = gradients(prepared, [ROWS])
    assert whole.norm() > 0
    for window in WINDOWS:
        assert distance(gradients(prepared, window), whole) < tolerance


def test_a_mean_of_means_would_be_seen(tmp_path):
    """The tolerance is not so wide that the usual mistake passes."""
    prepared = prepared_run(tmp_path, method="full")
    prepared.model.module.double()
    whole = gradients(prepared, [ROWS])
    parts = [gradients(prepared, [rows]) for rows in WINDOWS[0]]
    assert distance(sum(parts) / len(parts), whole) > 1e-3


def test_the_loop_itself_takes_the_same_steps_whatever_the_micro_batches(tmp_path):
    """One window of four small micro-batches against one of the whole: same weights after the run, in float64."""
    found = {}
    for name, accumulate, budget in (("one", 1, 4000), ("many", 1000, 60)):
        train = {"accumulate": accumulate, "batch_tokens": budget, "dropout": 0.0, "epochs": 3}
        prepared = prepared_run(tmp_path, method="full", train=train)
        prepared.model.module.double()
        loop, steps = start_loop(prepared, tmp_path / name)
        loop.run()
        assert loop.step == len(steps) == 3  # every epoch is one window
        found[name] = torch.cat([tensor.flatten() for tensor in prepared.attached.state_dict().values()])
    assert distance(found["many"], found["one"]) < 1e-9
