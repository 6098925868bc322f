"""The layers of a model that a low-rank update fits: products with a matrix, and tables of embeddings.

A family keeps a matrix in one of three ways: as torch's `Linear`, transposed as GPT-2's `Conv1D`, or as an `Embedding`.
A matrix that several modules share is one layer. What an embedding's rows are multiplied by (Gemma, BART) is read off
its output. This module changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from affina.errors import ModelError, Problem
from affina.models.packed import PackedLinear, is_product, packed_in

LayerKind = Literal["linear", "transposed", "embedding"]

_CLOSE: Final = 1e-6
"""Relative: what one rounding of a product may change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One stored matrix, and the modules that use it.

    Attributes:
        path: of the first module that has it.
        paths: of all of them.
        modules: the modules, in the same order.
        kind: how the matrix is kept: [out, in], [in, out] (transposed), or [rows, width] (embedding).
        inputs: features that come in; of an embedding its rows.
        outputs: features that come out.
        factor: what an embedding's rows are multiplied by on their way out.
    """

    path: str
    paths: tuple[str, ...]
    modules: tuple[Any, ...]
    kind: LayerKind
    inputs: int
    outputs: int
    factor: float = 1.0

    @property
    def weight(self) -> nn.Parameter:
        """The stored matrix, in its own layout; of a packed one the bytes."""
        weight: nn.Parameter = self.modules[0].weight
        return weight

    @property
    def is_packed(self) -> bool:
        """Whether the matrix is kept in four bits: nothing can be added to it."""
        return isinstance(self.modules[0], PackedLinear)


def layers_of(module: Any) -> tuple[Layer, ...]:
    """Every layer of a model that a low-rank update fits, in the model's order; its output layer is none of them.

    Raises:
        ModelError: the model's weights are quantized.
    """
    _check_plain(module)
    output = module.get_output_embeddings()
    groups: dict[tuple[int, LayerKind], list[tuple[str, Any]]] = {}
    for path, child in module.named_modules():
        kind = _kind(child)
        if kind is not None and child is not output:
            groups.setdefault((id(child.weight), kind), []).append((path, child))
    return tuple(_layer(members, kind) for (_, kind), members in groups.items())


def _kind(child: nn.Module) -> LayerKind | None:
    """How a module keeps its matrix; None where it has none, or does something else with it than we know."""
    if isinstance(child, nn.Embedding):
        return "embedding"
    if isinstance(child, PackedLinear):
        return "transposed" if child.transposed else "linear"
    if is_product(child):
        return "transposed" if isinstance(child, Conv1D) else "linear"
    return None


def _layer(members: Sequence[tuple[str, Any]], kind: LayerKind) -> Layer:
    paths, modules = zip(*members, strict=True)
    first, second = modules[0].shape if isinstance(modules[0], PackedLinear) else modules[0].weight.shape
    return Layer(
        path=paths[0],
        paths=paths,
        modules=modules,
        kind=kind,
        inputs=second if kind == "linear" else first,
        outputs=first if kind == "linear" else second,
        factor=_factor(modules[0]) if kind == "embedding" else 1.0,
    )


def _factor(table: nn.Embedding) -> float:
    """What the rows are multiplied by; not a number (NaN) where something else is done with them."""
    if type(table).forward is nn.Embedding.forward:
        return 1.0
    with torch.no_grad():
        rows = torch.arange(min(4, table.num_embeddings), device=table.weight.device)
        try:
            given: Tensor = table(rows).double()
        except Exception:  # a family's own code, which may count positions in what it is given
            return float("nan")
        stored = table.weight[rows].double()
        if given.shape != stored.shape:
            return float("nan")
        factor = float((given * stored).sum() / stored.square().sum().clamp(min=1e-300))
        same = float((given - factor * stored).abs().max()) <= _CLOSE * float(given.abs().max())
    if not same:
        return float("nan")
    return 1.0 if abs(factor - 1) <= _CLOSE else factor


def _check_plain(module: Any) -> None:
    """Refuse weights that are no plain numbers: an update cannot be added to them.

    Raises:
        ModelError: naming the first of them.
    """
    said = module.config.to_dict().get("quantization_config")
    ours = packed_in(module)
    odd = next((name for name, weight in module.named_parameters() if name not in ours and _is_packed(weight)), None)
    if odd is None and not said:
        return
    raise ModelError(
        Problem(
            where=f"a model of the kind {type(module).__name__}",
            expected="weights in float32, float16 or bfloat16",
            found=f"quantized weights ({odd})" if odd else "quantized weights (config.json has a quantization_config)",
            fix="choose the checkpoint that they were made from; quantize=nf4 packs it for LoRA",
        )
    )


def _is_packed(weight: nn.Parameter) -> bool:
    return type(weight) is not nn.Parameter or not weight.is_floating_point() or weight.element_size() == 1
