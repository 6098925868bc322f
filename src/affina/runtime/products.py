"""The matrix products of a CPU in float32: by torch's BLAS, or by oneDNN, whichever is faster on this processor.

torch gives float32 products to the BLAS that it was built with and reduced precision to oneDNN. A BLAS need not have
kernels for every maker's vector units: on an AMD processor with AVX-512 MKL stays at 256 bits, and oneDNN, which is in
every build of torch, makes the same sums of float32 numbers in half the time (docs/decisions/0039). So both are timed,
and where oneDNN is clearly ahead aten's `mm` and `addmm` of a CPU are its own while a run lasts: forward, backward and
evaluations of every model take them, and nothing else changes. The order of a sum differs, in float32's last digits.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import torch
from torch import Tensor

from affina.errors import DeviceError, Problem
from affina.runtime import machine
from affina.values import Resolved

Products = Literal["torch", "onednn"]
FASTER: Final = 1.2
"""So many times as fast oneDNN has to be: below that a timing tells little."""
LEAST_ROWS, LEAST_SUMS = 16, 2**24
"""Of the left matrix, and multiplications: smaller products stay torch's; a new shape costs oneDNN 2 or 3 ms once."""
SIDES: Final = (512, 576, 768)
"""Rows, inner and columns of the product that is timed."""
CLOSE: Final = 1e-5
"""How far a product may be from that in float64, beside the largest number in it."""
AFFECTED: Final = ("mm", "addmm")


def choose(
    asked: str, device: torch.device, *, begun: Callable[[], Resolved[Any] | None] = lambda: None
) -> Resolved[Products]:
    """Which products to use.

    Args:
        asked: the recipe's `products`; `auto` times both.
        device: where the model is; only a CPU has the choice.
        begun: gives what a run that goes on began with.

    Raises:
        DeviceError: oneDNN was asked for, and this torch cannot use it.
    """
    if device.type != "cpu":
        return Resolved("torch", f"{device.type} has products of its own")
    missing = _missing()
    if asked == "torch" or (asked == "onednn" and missing is None):
        return Resolved("onednn" if asked == "onednn" else "torch", "given in the recipe")
    if asked == "onednn":
        problem = Problem(
            where="recipe key products",
            expected="products that this torch has",
            found=f"onednn: {missing}",
            fix="write products=torch, or leave it out",
        )
        raise DeviceError(problem)
    if missing is not None:
        return Resolved("torch", missing)
    return begun() or fastest()


@functools.cache
def fastest() -> Resolved[Products]:
    """What is faster on this processor, by a product of each: some hundredths of a second, once in a process."""
    left, right = torch.ones(SIDES[0], SIDES[1]), torch.ones(SIDES[1], SIDES[2])
    own, other = machine.least_seconds(lambda: torch.mm(left, right), lambda: _by_onednn(left, right))
    flops = 2e-9 * SIDES[0] * SIDES[1] * SIDES[2]
    speeds = f"{flops / other:.0f} GFLOP/s by oneDNN, at {flops / own:.0f} by torch's BLAS"
    timed = f"float32 products at {speeds} here, by the processor's clock"
    return Resolved("onednn" if own > FASTER * other else "torch", timed)


@contextmanager
def scoped() -> Iterator[None]:
    """Whatever products the block comes to use, afterwards they are as they were."""
    before = _STATE.name
    try:
        yield
    finally:
        use(before)


def use(name: Products) -> None:
    """Make the process's float32 products on the CPU by this library from now on."""
    if name == _STATE.name:
        return
    _STATE.name = name
    if _STATE.library is not None:
        _STATE.library._destroy()
        _STATE.library = None
    if name == "onednn":
        _STATE.library = _registered()


def use_fastest(device: torch.device) -> None:
    """What `auto` comes to on this device, in use from now on."""
    use(choose("auto", device).value)


class _State:
    name: Products = "torch"
    library: Any = None


_STATE: Final = _State()


def _registered() -> Any:
    own = {name: torch.library.get_kernel(f"aten::{name}", "CPU") for name in AFFECTED}

    def mm(keys: Any, left: Tensor, right: Tensor) -> Any:
        if _fits(left, right):
            return _by_onednn(left, right)
        return own["mm"].call_boxed(keys, left, right)

    def addmm(keys: Any, bias: Tensor, left: Tensor, right: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Any:
        plain = bias.dtype is torch.float32 and bias.shape == right.shape[1:] and bias.is_contiguous()
        if plain and beta == 1 and alpha == 1 and _fits(left, right):
            return _by_onednn(left, right, bias)
        return own["addmm"].call_boxed(keys, bias, left, right, beta=beta, alpha=alpha)

    library: Any = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a kernel is replaced, which is meant
        for name, kernel in (("mm", mm), ("addmm", addmm)):
            library.impl(name, kernel, "CPU", with_keyset=True, allow_override=True)
    return library


def _fits(left: Tensor, right: Tensor) -> bool:
    """Whether oneDNN is to make this product: float32 matrices without gaps, large enough."""
    if left.ndim != 2 or right.ndim != 2:  # torch's own kernel says what is wrong with others
        return False
    (rows, inner), (height, columns) = left.shape, right.shape
    return (
        left.dtype is torch.float32
        and right.dtype is torch.float32
        and height == inner
        and rows >= LEAST_ROWS
        and rows * inner * columns >= LEAST_SUMS
        and (left.is_contiguous() or left.t().is_contiguous())
        and (right.is_contiguous() or right.t().is_contiguous())
    )


def _by_onednn(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    """Left @ right, plus the bias, [rows, columns]."""
    made: Tensor = torch.ops.mkldnn._linear_pointwise.default(left, right.t(), bias, "none", [], "")
    return made


@functools.cache
def _missing() -> str | None:
    """Why oneDNN cannot be used: this torch lacks it, or what it gives is wrong; None where it can."""
    backends: Any = torch.backends
    if not backends.mkldnn.is_available() or getattr(torch.library, "get_kernel", None) is None:
        return "this build of torch has no oneDNN to choose"
    draw = torch.Generator().manual_seed(0)
    left, right = (torch.randn(shape, generator=draw) for shape in ((96, 160), (160, 80)))
    bias = torch.randn(80, generator=draw)
    try:
        found = [
            _by_onednn(left, right, bias) - bias,
            _by_onednn(left, right.t().contiguous().t()),
            _by_onednn(left.t().contiguous().t(), right),
        ]
    except (RuntimeError, AttributeError, NotImplementedError) as error:
        return f"oneDNN does not take float32 matrices here ({type(error).__name__})"
    exact = left.double() @ right.double()
    if all(float((one - exact).abs().max() / exact.abs().max()) <= CLOSE for one in found):
        return None
    return "oneDNN's products are not exact enough here"
