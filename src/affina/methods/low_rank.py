"""One low-rank update of one matrix: W + scale * B A, trained while W stays as it is (Hu et al. 2022, section 4.1).

In float32 and without dropout the update is added to the matrix and one product made (design 5.3); what backward needs
is written by hand, so that nothing of the size of the matrix or of a layer's output is kept. In low precision the sum
would round the update away, and dropout acts on the update's input alone: there it is two paths that are added, with
torch's own gradients. Where there are few rows, as in generation, two small products are less work than the sum.

Owns the arithmetic and the modules' forwards. It does not choose layers (`targets`) and keeps no books (`lora`).
"""

from __future__ import annotations

import types
from typing import Any, Final, Literal, final

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from affina.models.dropout import LaneDropout
from affina.models.layers import Layer

Form = Literal["merged weight", "two paths"]

WIDE: Final = frozenset({torch.float32, torch.float64})
"""Precisions in which W + s B A keeps the update."""


class _Merged(torch.autograd.Function):
    """x (W + s B A)^T + bias, with gradients of x, A and B.

    W [out, in] or, transposed, [in, out]; A [rank, in]; B [out, rank]; x [..., in].
    """

    @staticmethod
    def forward(  # noqa: PLR0913, PLR0917 - torch's signature
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float, transposed: bool
    ) -> Tensor:
        ctx.save_for_backward(x, weight, a, b)
        ctx.scale, ctx.transposed = scale, transposed
        return product(x, weight, bias, a=a, b=b, scale=scale, transposed=transposed)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, a, b = ctx.saved_tensors
        rows, coming = x.reshape(-1, x.shape[-1]), gradient.reshape(-1, gradient.shape[-1])
        # products of a few rows with many columns: on a CPU up to four times faster than the same ones transposed
        through = b.t().contiguous() @ coming.t()  # [rank, N]
        entering = a @ rows.t()  # [rank, N]
        to_x = None
        if ctx.needs_input_grad[0]:
            to_x = torch.mm(coming, weight.t() if ctx.transposed else weight)
            to_x = to_x.addmm_(through.t(), a, alpha=ctx.scale).view(x.shape)
        to_a = (through @ rows).mul_(ctx.scale)
        to_b = (entering @ coming).mul_(ctx.scale).t().contiguous()
        return to_x, None, None, to_a, to_b, None, None


def product(  # noqa: PLR0913 - the operands
    x: Tensor, weight: Tensor, bias: Tensor | None, *, a: Tensor, b: Tensor, scale: float, transposed: bool
) -> Tensor:
    """The layer's output with the update, x (W + s B A)^T + bias, by the way with less work."""
    inputs, outputs = a.shape[1], b.shape[0]
    if x.numel() // inputs * (inputs + outputs) < inputs * outputs:
        made = _plain(x, weight, bias, transposed=transposed)
        rows = x.reshape(-1, inputs)
        made.view(-1, outputs).addmm_((a @ rows.t()).t(), b.t(), alpha=scale)
        return made
    return _plain(x, summed(weight, a, b, scale=scale, transposed=transposed), bias, transposed=transposed)


def summed(weight: Tensor, a: Tensor, b: Tensor, *, scale: float, transposed: bool) -> Tensor:
    """W + s B A in the layout of W, computed in the precision of A and B."""
    wide = weight.to(a.dtype)
    factors = (a.t(), b.t()) if transposed else (b, a)
    return torch.addmm(wide, *factors, alpha=scale)


def _plain(x: Tensor, weight: Tensor, bias: Tensor | None, *, transposed: bool) -> Tensor:
    """The layer as its own class computes it, so that an update of zero changes no bit."""
    if not transposed:
        return functional.linear(x, weight, bias)
    rows = x.reshape(-1, x.shape[-1])
    made = rows @ weight if bias is None else torch.addmm(bias, rows, weight)
    return made.view(*x.shape[:-1], -1)


@final
class Update:
    """A layer's update, and the forward of the layer with it.

    Args:
        layer: whose matrix it is added to.
        rank: of the update.
        scale: what B A is multiplied by.
        dropout: on what enters the update; shared by all of a model's updates. It does nothing to an embedding's.
    """

    def __init__(self, layer: Layer, *, rank: int, scale: float, dropout: LaneDropout) -> None:
        self.layer, self.scale = layer, scale
        self._dropout = dropout
        wide = layer.weight.dtype if layer.weight.dtype in WIDE else torch.float32
        self.a = nn.Parameter(torch.zeros(rank, layer.inputs, dtype=wide, device=layer.weight.device))
        self.b = nn.Parameter(torch.zeros(layer.outputs, rank, dtype=wide, device=layer.weight.device))

    def attach(self) -> None:
        """Put the layer's forward with the update in the place of its own."""
        forward = _embed if self.layer.kind == "embedding" else _multiply
        for module in self.layer.modules:
            # an attribute of the instance shadows the class's method; deleting it brings the method back
            module.forward = types.MethodType(forward, _Place(self, module))

    def detach(self) -> None:
        """Bring the layer's own forward back."""
        for module in self.layer.modules:
            del module.forward

    def merged(self) -> Tensor:
        """The matrix with the update in it, in the precision and the layout that it is stored in."""
        weight = self.layer.weight.detach()
        transposed = self.layer.kind != "linear"
        total = summed(weight, self.a.detach(), self.b.detach(), scale=self.scale, transposed=transposed)
        return total.to(weight.dtype)

    def form(self, x: Tensor) -> Form:
        """How the update of `x` is computed."""
        low = x.dtype not in WIDE or x.dtype != self.a.dtype or torch.is_autocast_enabled(x.device.type)
        dropped = self._dropout.training and self._dropout.p > 0
        return "two paths" if low or dropped or self.layer.is_packed else "merged weight"

    def low(self, x: Tensor) -> Tensor:
        """The update's own path: s B A x."""
        entering = self._dropout(x.to(self.a.dtype))
        through = functional.linear(functional.linear(entering, self.a), self.b)
        return through * self.scale

    def rows(self, table: nn.Embedding, ids: Tensor) -> Tensor:
        """The update of an embedding's rows, [..., width]."""
        found = functional.embedding(ids, self.a.t(), padding_idx=table.padding_idx)
        return (found @ self.b.t()) * (self.scale * self.layer.factor)


@final
class _Place:
    """One module with the update of its matrix: what its forward is bound to."""

    def __init__(self, update: Update, module: Any) -> None:
        self.update, self.module = update, module

    def base(self, x: Tensor) -> Tensor:
        """What the layer gives of itself."""
        made: Tensor = type(self.module).forward(self.module, x)
        return made


def _multiply(place: _Place, x: Tensor) -> Tensor:
    update, module = place.update, place.module
    if update.form(x) == "merged weight":
        transposed = update.layer.kind == "transposed"
        operands = (x, module.weight, module.bias, update.a, update.b, update.scale, transposed)
        made: Tensor = _Merged.apply(*operands)  # type: ignore[no-untyped-call]
        return made
    made = place.base(x)
    return made + update.low(x).to(made.dtype)


def _embed(place: _Place, ids: Tensor) -> Tensor:
    made = place.base(ids)
    return made + place.update.rows(place.module, ids).to(made.dtype)
