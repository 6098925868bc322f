"""The output layer of a language model, as arithmetic: from hidden states to logits, position by position.

Nearly every family is one matrix product, perhaps with a bias, a constant factor and a soft cap. Where that is so, the
loss can be computed in chunks with gradients by hand (`tasks.token_loss`), and no tensor of tokens x vocabulary ever
exists. Which factor and cap a model has is read off its own logits, when it is loaded, and checked against them; a
model that is anything else makes all its logits itself (`OwnLogits`), and that is said.

This module computes no loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, final

import torch
from torch import Tensor
from torch.nn import functional

from affina.errors import ModelError, Problem

CLOSE: Final = 1e-5
"""Of the largest logit: what the order of float32 sums may change."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LinearOutput:
    """logits = cap * tanh((factor * (hidden @ weight.T + bias) + shift) / cap), the parts that are None left out.

    Attributes:
        weight: [vocabulary, width], the parameter itself, so that what trains and what is tied stays so.
        bias: [vocabulary], a parameter of the layer.
        factor: what the product is multiplied by; 1 in most families.
        shift: [vocabulary], a constant of BART's kin that does not train.
        cap: Gemma 2's soft cap.
    """

    weight: Tensor
    bias: Tensor | None = None
    factor: float = 1.0
    shift: Tensor | None = None
    cap: float | None = None

    @property
    def vocabulary(self) -> int:
        """How many logits a position has."""
        return self.weight.shape[0]

    def product(self, hidden: Tensor) -> Tensor:
        """[N, width] to [N, vocabulary], before factor, shift and cap."""
        return functional.linear(hidden, self.weight, self.bias)

    def __call__(self, hidden: Tensor) -> Tensor:
        """[N, width] to logits [N, vocabulary], with a graph."""
        logits = self.product(hidden) * self.factor
        logits = logits if self.shift is None else logits + self.shift
        return logits if self.cap is None else torch.tanh(logits / self.cap) * self.cap


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLogits:
    """Stands for the output layer where the model has made its logits itself: the states are the logits."""

    vocabulary: int
    """How many logits a position has."""

    def __call__(self, hidden: Tensor) -> Tensor:
        """[N, vocabulary], unchanged."""
        return hidden


OutputLayer = LinearOutput | OwnLogits


class _ReachedError(Exception):
    """The forward pass has come to the output layer."""

    def __init__(self, states: Tensor) -> None:
        super().__init__()
        self.states = states


def last_states(module: Any, inputs: Mapping[str, Any]) -> Tensor:
    """What enters the output layer; the layer itself is not run.

    Whatever a family does before its output layer (T5 scales, others project) is in it. Gradients flow.

    Args:
        module: a causal or an encoder-decoder language model (transformers).
        inputs: its arguments.

    Returns:
        [B, T, width].

    Raises:
        ModelError: the model never comes to its output layer.
    """

    def stop(_: Any, arguments: tuple[Tensor, ...]) -> None:
        raise _ReachedError(arguments[0])

    handle = module.get_output_embeddings().register_forward_pre_hook(stop)
    try:
        module(**inputs, use_cache=False)
    except _ReachedError as reached:
        return reached.states
    finally:
        handle.remove()
    raise ModelError(
        Problem(
            where=f"a model of the kind {type(module).__name__}",
            expected="a language model that ends in its output layer",
            found="a forward pass that never comes to it",
            fix="choose a model of another kind, such as starter/decoder",
        )
    )


def read_output_layer(module: Any, inputs: Mapping[str, Any]) -> LinearOutput | None:
    """The model's output layer as one product, or None where its logits are something else.

    Args:
        module: a causal or an encoder-decoder language model (transformers), in evaluation mode.
        inputs: a few tokens, as the model's arguments.
    """
    layer: Any = module.get_output_embeddings()
    if not isinstance(layer, torch.nn.Linear):
        return None
    with torch.no_grad():
        logits = module(**inputs, use_cache=False).logits.flatten(0, 1)
        hidden = last_states(module, inputs).flatten(0, 1)
        shift = dict(module.named_buffers()).get("final_logits_bias")
        found = LinearOutput(
            weight=layer.weight,
            bias=layer.bias,
            shift=None if shift is None else shift.reshape(-1),
            cap=module.config.get_text_config().to_dict().get("final_logit_softcapping"),
        )
        found = replace(found, factor=_factor(found, hidden, logits))
        moved = float((found(hidden) - logits).abs().max())
    return found if moved <= CLOSE * float(logits.abs().max()) else None


def _factor(found: LinearOutput, hidden: Tensor, logits: Tensor) -> float:
    """The constant that the family multiplies its product by, the best one in the least squares."""
    wanted = logits.double()
    if found.cap is not None:
        wanted = torch.atanh((wanted / found.cap).clamp(-1 + 1e-12, 1 - 1e-12)) * found.cap
    if found.shift is not None:
        wanted = wanted - found.shift
    product = found.product(hidden).double()
    factor = float((wanted * product).sum() / product.square().sum().clamp(min=1e-300))
    return 1.0 if abs(factor - 1) <= CLOSE else factor
