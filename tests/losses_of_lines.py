"""What tests of batches share: the loss of some batches and its gradient, as one vector."""

from __future__ import annotations

import torch
from torch import Tensor

from affina.models.language import LanguageModel
from affina.tasks.lessons import Reading
from affina.tasks.lines import Lines


def loss_and_gradient(model: LanguageModel, batches: list[Lines]) -> tuple[float, Tensor]:
    """The summed loss of the batches, and the gradient of all parameters that have one."""
    model.module.zero_grad()
    reading, total = Reading(model), 0.0
    for batch in batches:
        loss, _ = reading.loss(model.states(batch.inputs), model.output, batch)
        loss.backward()
        total += loss.item()
    found = [parameter.grad.flatten() for parameter in model.module.parameters() if parameter.grad is not None]
    return total, torch.cat(found)
