"""Multi-label and regression: targets, and the loss as a sum and a count."""

import pytest
import torch
from torch.nn import functional

from affina.data.rows import Row
from affina.models.classifier import load_classifier
from affina.models.settings import HeadSpec
from affina.models.source import locate
from affina.models.units import Units
from affina.tasks.multi_label import MultiLabel, positive_weights
from affina.tasks.regression import Regression
from bench_of_loops import gradients, prepared_run
from workbench import sample_rows, tiny, write_csv

LABELS = ("a", "b", "c")


@pytest.fixture(scope="module")
def tokenizer():
    return load_classifier(locate(str(tiny("bert"))), HeadSpec(labels=LABELS)).tokenizer


def rows(*cells):
    return [Row({"text": f"card {n}", **({} if cell is None else {"label": cell})}, "t.csv", n, n + 1)
            for n, cell in enumerate(cells, start=1)]  # fmt: skip


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 2.0, 7.0], dtype=torch.float64)])
def test_the_loss_of_label_sets_is_the_sum_and_the_count(tokenizer, weights, smoothing):
    task = MultiLabel(tokenizer, LABELS, max_length=64, positive_weights=weights, label_smoothing=smoothing)
    examples = task.encode(rows('["a", "c"]', "[]", '["b"]', None))
    assert [example.target for example in examples] == [(0, 2), (), (1,), None]
    batch = task.collate(examples, rows=range(4))
    logits = torch.randn(4, 3, dtype=torch.float64)
    total, count = task.loss(torch.zeros(4, 1, 1), lambda _: logits, batch)
    truth = torch.tensor([[1.0, 0, 1], [0, 0, 0], [0, 1, 0]], dtype=torch.float64)
    smooth = truth * (1 - smoothing) + smoothing / 2
    each = functional.binary_cross_entropy_with_logits(logits[:3], smooth, reduction="none")
    factors = torch.ones(3, 3) if weights is None else truth * weights + (1 - truth)
    assert float(total) == pytest.approx(float((each * factors).sum()), rel=1e-12)
    assert count == pytest.approx(float(factors.sum())) == task.weight(batch)


def test_positive_weights_make_both_sides_weigh_the_same():
    weights = positive_weights({"a": 10, "b": 50, "c": 100}, LABELS, rows=100)
    assert weights.tolist() == [9.0, 1.0, 1.0]


def test_the_loss_of_numbers_is_in_standard_units(tokenizer):
    task = Regression(tokenizer, ("score",), max_length=64, units=Units(10.0, 4.0))
    examples = task.encode(rows("10.0", "18.0", None))
    assert [example.target for example in examples] == [10.0, 18.0, None]
    batch = task.collate(examples, rows=range(3))
    total, count = task.loss(torch.zeros(3, 1, 1), lambda _: torch.tensor([[0.5], [1.0], [9.0]]), batch)
    assert (float(total), count) == (0.25 + 1.0, 2.0)
    assert task.weight(batch) == 2.0


@pytest.mark.parametrize("task", ["multi_label", "regression"])
@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_micro_batches_give_the_gradient_of_the_large_batch(tmp_path, task, weights):
    if task == "regression" and weights == "balanced":
        pytest.skip("a number has no weight")
    labels = [label if task == "multi_label" else f"{len(text)}.5" for text, label in sample_rows(40)]
    labels = [
        f"{label}|card" if place % 3 == 0 and task == "multi_label" else label for place, label in enumerate(labels)
    ]
    write_csv(tmp_path / "rows.csv", zip([text for text, _ in sample_rows(40)], labels, strict=True))
    spec = {"name": task, **({"class_weights": weights} if task == "multi_label" else {})}
    prepared = prepared_run(tmp_path, family="gpt2", task=spec, method="full")
    prepared.model.module.double()
    whole = gradients(prepared, [list(range(24))])
    assert whole.norm() > 0
    parts = gradients(prepared, [[0], [1, 2, 3, 4], list(range(5, 24))])
    assert float((whole - parts).norm() / whole.norm()) < 1e-9
