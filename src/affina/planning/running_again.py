"""How many times as long a step's passes take with the blocks run again in the backward pass: measured.

A quarter of a batch is enough to tell, and fits both ways wherever a whole one fits one way. On a CPU processor time is
compared, which other work on the machine leaves as it is.
"""

from __future__ import annotations

import time
from typing import Final

from affina.models.checkpointing import checkpointing
from affina.pipeline.prepared import Prepared
from affina.pipeline.running_again import can_run_again
from affina.planning.costs import batches_of, costs_of
from affina.training.precision import Precision
from affina.training.stepping import MicroBatch

PAIRS: Final = 3
"""Passes with and without; the quickest of each count."""


def times_as_long(prepared: Prepared) -> float | None:
    """The factor; None where blocks cannot be run again, or none would be. It leaves gradients behind.

    Args:
        prepared: the run, with its model set up either way.
    """
    if not can_run_again(prepared):
        return None
    epoch, weighing = batches_of(prepared), costs_of(prepared)
    middle = sorted(zip(map(weighing.step, epoch.shapes), epoch.places, strict=True))[len(epoch.places) // 2][1]
    batch = prepared.subject.work(prepared).batch(middle[: max(1, len(middle) // 4)])
    prepared.attached.train()
    seconds = {on: [_seconds(prepared, batch, on=on) for _ in range(PAIRS)] for on in (True, False)}
    prepared.attached.eval()
    return min(seconds[True]) / min(seconds[False])


def _seconds(prepared: Prepared, batch: MicroBatch, *, on: bool) -> float:
    clock = time.process_time if prepared.device.type == "cpu" else time.perf_counter
    started = clock()
    with checkpointing(prepared.model.module, on=on):
        with Precision(prepared.precision, prepared.device).autocast():
            loss = prepared.subject.work(prepared).loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
    gradients = (tensor.grad for group in prepared.attached.parameter_groups() for tensor in group.parameters.values())
    sum(float(gradient.sum()) for gradient in gradients if gradient is not None)  # a device is waited for
    return clock() - started
