"""Running a model over many rows: sorted by length, without gradients, the results back in the rows' order.

This module does not know what was trained or how; `run_over` gets even the forward pass as a function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affina.data.batching import by_length
from affina.errors import NonFiniteError, Problem
from affina.models.classifier import Classifier
from affina.models.first_position import states_for_head
from affina.models.heads import head_logits
from affina.runtime import heap
from affina.tasks.base import Batch, Example, Task

Forward = Callable[[Batch], Tensor]
"""A batch on the device to one row of numbers for each example: logits, or features."""
Where = Callable[[int], str]
Around = Callable[[Batch], AbstractContextManager[None]]
"""What is on while a batch is run, whose rows are places in the examples."""
MOST_NAMED: Final = 3
"""Rows that an error names; further ones are counted."""


def nothing(_: Batch) -> AbstractContextManager[None]:
    """Nothing is on."""
    return nullcontext()


def run_over(
    examples: Sequence[Example], forward: Forward, *, task: Task, budget: int, where: Where | None = None
) -> NDArray[np.float32]:
    """Apply `forward` to all examples.

    Args:
        examples: what to run over; at least one.
        forward: one batch to [batch, anything].
        task: collates the batches.
        budget: tokens in a batch, padding included, at most.
        where: names the row at a place in `examples`, for the error.

    Returns:
        [examples, anything], float32, in the order of `examples`; every number in it is finite.

    Raises:
        NonFiniteError: the model gave something else for an example.
    """
    lengths = [len(example.ids) for example in examples]
    found: list[tuple[list[int], Tensor]] = []
    kept_small = heap.Heap(largest=1)
    with torch.inference_mode():
        for places in by_length(lengths, budget=budget):
            batch = task.collate([examples[place] for place in places], rows=places)
            found.append((places, forward(batch).float().cpu()))
            kept_small.settle()
    result = np.empty((len(examples), found[0][1].shape[1]), dtype=np.float32)
    for places, values in found:
        result[places] = values.numpy()
    check_finite(result, where)
    return result


def check_finite(result: NDArray[Any], where: Where | None) -> None:
    """Stop at rows for which a model gave what is no number.

    Raises:
        NonFiniteError: naming the first of them.
    """
    bad = np.flatnonzero(~np.isfinite(result).all(axis=1)).tolist()
    if not bad:
        return
    named = "the model's output" if where is None else "; ".join(where(place) for place in bad[:MOST_NAMED])
    more = f"; and {len(bad) - MOST_NAMED:,} more" if where is not None and len(bad) > MOST_NAMED else ""
    raise NonFiniteError(
        Problem(
            where=named + more,
            expected="finite numbers from the model for every text",
            found=f"infinity, or what is not a number, for {len(bad):,} of {len(result):,} texts",
            fix="use another model; where training made it so, train again with a lower train.learning_rate",
        )
    )


def logits_of(  # noqa: PLR0913 - all named at the call
    classifier: Classifier,
    examples: Sequence[Example],
    *,
    task: Task,
    budget: int,
    device: torch.device,
    where: Where | None = None,
    around: Around = nothing,
) -> NDArray[np.float32]:
    """The logits that a model gives; what they mean is the task's judge's.

    Args:
        classifier: the model, on `device` and in evaluation mode.
        examples: what to classify; at least one.
        task: collates the batches.
        budget: tokens in a batch, padding included, at most.
        device: where the model is.
        where: names the row at a place in `examples`, for the error.
        around: what is on while a batch is run.

    Returns:
        [examples, outputs].

    Raises:
        NonFiniteError: a logit is infinite or not a number.
    """

    def forward(batch: Batch) -> Tensor:
        batch = batch.to(device)
        with around(batch):
            hidden = states_for_head(classifier.module, classifier.anatomy, batch.inputs)
            return head_logits(classifier.module, hidden, batch.inputs)

    return run_over(examples, forward, task=task, budget=budget, where=where)
