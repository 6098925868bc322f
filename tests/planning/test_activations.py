"""What a few tokens tell of what large batches keep."""

from __future__ import annotations

import gc

import pytest
import torch

from affina.planning import activations
from affina.planning.activations import Shape, look
from forecasts import prepared_run

LARGE = Shape(5, 48)
FAMILIES = ("bert", "gpt2", "llama", "roberta", "distilbert", "modernbert", "deberta-v2")


def counted(prepared, shape):
    """Bytes that a training pass of this shape saves."""
    batch = prepared.subject.rows_of(shape.length, count=shape.rows)
    prepared.attached.train()
    return activations._count(prepared, prepared.subject.work(prepared).loss, batch)[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_large_batch_is_told_from_small_ones(tmp_path, family):
    prepared = prepared_run(tmp_path, "method=full", family=family)
    said = look(prepared).saved(LARGE)
    assert said == pytest.approx(counted(prepared, LARGE), rel=0.1)


@pytest.mark.parametrize("family", ["bert", "gpt2"])
@pytest.mark.parametrize("method", ["prompt", "prefix"])
def test_what_stands_before_each_row_is_counted_for_each(tmp_path, family, method):
    prepared = prepared_run(tmp_path, f"method={{name: {method}, length: 20}}", family=family)
    batch = Shape(32, 8)
    assert look(prepared).saved(batch) == pytest.approx(counted(prepared, batch), rel=0.1)


def test_nothing_is_saved_below_a_frozen_cut(tmp_path):
    saved = [
        look(prepared_run(tmp_path, method)).saved(LARGE)
        for method in ("method=full", "method={name: partial, blocks: 2}", "method={name: partial, blocks: 0}")
    ]
    assert saved[0] > 1.3 * saved[1] > 4 * saved[2]


def test_the_run_is_not_touched(tmp_path):
    prepared = prepared_run(tmp_path, "method=full")
    before = {name: tensor.clone() for name, tensor in prepared.attached.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    look(prepared)
    assert torch.equal(torch.rand(4), expected)
    assert all(torch.equal(tensor, before[name]) for name, tensor in prepared.attached.state_dict().items())
    assert not prepared.model.module.training
    assert all(parameter.grad is None for parameter in prepared.model.module.parameters())


def test_nothing_of_it_stays_in_memory(tmp_path):
    """What a graph saved lay in a circle through C++: every run of a process left a model's worth of it behind."""
    prepared = prepared_run(tmp_path)

    def with_graph():
        gc.collect()
        return sum(type(one) is torch.Tensor and one.grad_fn is not None for one in gc.get_objects())

    before = with_graph()
    look(prepared)
    assert with_graph() == before
