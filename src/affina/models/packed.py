"""Matrices of a model's blocks in four bits (QLoRA: Dettmers et al. 2023, section 3), so that a larger model fits.

Sixteen levels at the quantiles of a normal distribution (NF4), scaled for each 64 numbers, the scales in eight bits.
The arithmetic of packing is bitsandbytes', an extra. A product is made in the precision of its input, or of autocast,
with the matrix unpacked for it, forward and backward; nothing of a matrix's size is kept. Packed matrices never train.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, final

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from transformers.pytorch_utils import Conv1D

from affina.errors import ModelError, Problem
from affina.models.anatomy import Anatomy
from affina.runtime.four_bits import bitsandbytes

LEVELS: Final = "nf4"
TOGETHER: Final = 64
"""Numbers of a matrix that share a scale."""
SAMPLED: Final = 1024
"""Numbers of each tensor by which a model is known, evenly spaced: training moves all of them."""


def pack(module: Any, anatomy: Anatomy) -> None:
    """Keep the matrices of all blocks in four bits from now on; embeddings, norms, biases and heads stay as they are.

    Args:
        module: the model; changed in place.
        anatomy: its own.

    Raises:
        RecipeError: the library is not installed.
        ModelError: the blocks keep no matrix in a way that we know.
    """
    library = bitsandbytes("quantize")
    done: dict[int, PackedLinear] = {}
    for path in anatomy.blocks:
        block = module.get_submodule(path)
        for name, child in list(block.named_modules()):
            if is_product(child):
                if id(child) not in done:
                    done[id(child)] = PackedLinear(child, library)
                parent, _, last = name.rpartition(".")
                setattr(block.get_submodule(parent), last, done[id(child)])
    if not done:
        raise ModelError(_nothing(module))


def is_product(child: Any) -> bool:
    """Whether a module is a product with its own matrix, and nothing beside that."""
    if isinstance(child, Conv1D):
        return True
    if not isinstance(child, nn.Linear) or type(child).forward is not nn.Linear.forward:
        return False
    # MultiheadAttention reads the matrix of its own kind of Linear without calling it
    return not isinstance(child, nn.modules.linear.NonDynamicallyQuantizableLinear)


@final
class PackedLinear(nn.Module):
    """A product with a matrix in four bits.

    Args:
        layer: torch's `Linear`, or GPT-2's `Conv1D`, whose matrix it packs and whose bias it takes over.
        library: bitsandbytes.

    Attributes:
        weight: the packed numbers, two in a byte.
        shape: of the matrix, in the family's layout.
        sample: some of the numbers that it had, by which it is known.
    """

    def __init__(self, layer: Any, library: ModuleType) -> None:
        super().__init__()
        matrix = layer.weight.detach()
        self.transposed = isinstance(layer, Conv1D)
        self.shape = tuple(matrix.shape)
        self.out_features, self.in_features = reversed(self.shape) if self.transposed else self.shape
        self.sample = sampled(matrix)
        self._unpack: Callable[[Tensor, Any], Tensor] = library.functional.dequantize_4bit
        # as one row: of rows that hold no whole number of blocks, bitsandbytes' CPU kernel takes wrong scales
        codes, self._scales = library.functional.quantize_4bit(
            (matrix.t() if self.transposed else matrix).reshape(-1),
            blocksize=TOGETHER,
            compress_statistics=True,
            quant_type=LEVELS,
        )
        self.weight = nn.Parameter(codes, requires_grad=False)
        self.bias = layer.bias
        self.train(layer.training)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in_features] to [..., out_features]."""
        made: Tensor = _Product.apply(x, self)  # type: ignore[no-untyped-call]
        return made

    def matrix(self, dtype: torch.dtype) -> Tensor:
        """[out_features, in_features], unpacked."""
        return self._unpack(self.weight, self._scales).view(self.out_features, self.in_features).to(dtype)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> PackedLinear:
        """Move to another device, with the scales; torch gives another precision to floating numbers alone."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._scales.to(self.weight.device)
        return self


class _Product(torch.autograd.Function):
    """x W^T + bias, with a gradient of x alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: PackedLinear) -> Tensor:
        kind = x.device.type
        ctx.layer, ctx.given = layer, x.dtype
        ctx.dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        bias = None if layer.bias is None else layer.bias.detach().to(ctx.dtype)
        with torch.autocast(kind, enabled=False):
            return functional.linear(x.to(ctx.dtype), layer.matrix(ctx.dtype), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return (gradient.to(ctx.dtype) @ ctx.layer.matrix(ctx.dtype)).to(ctx.given), None


def sampled(matrix: Tensor) -> Tensor:
    """Some of a tensor's numbers, evenly spread over it, in float32 on a CPU."""
    flat = matrix.detach().reshape(-1)
    return flat[:: max(1, len(flat) // SAMPLED)].float().cpu().contiguous()


def numbers_in(module: Any) -> int:
    """How many numbers a model's parameters are, those of packed matrices among them."""
    return sum(size for _, size in sizes_of(module))


def sizes_of(module: Any) -> list[tuple[str, int]]:
    """Each parameter's name with how many numbers it is."""
    packed = packed_in(module)
    return [
        (name, math.prod(packed[name].shape) if name in packed else parameter.numel())
        for name, parameter in module.named_parameters()
    ]


def packed_in(module: Any) -> dict[str, PackedLinear]:
    """The packed layers of a model, by the names that their matrices have among its parameters."""
    return {f"{path}.weight": child for path, child in module.named_modules() if isinstance(child, PackedLinear)}


def _nothing(module: Any) -> Problem:
    return Problem(
        where="recipe key quantize",
        expected="blocks whose matrices are layers of their own, as torch's Linear or GPT-2's Conv1D",
        found=f"none in a {type(module).__name__}",
        fix="leave quantize out",
    )
