"""What this machine is and has: devices, instructions, threads, memory.

This module reports facts; what follows from them is decided in `recipe.resolve` and `training.precision`.
"""

from __future__ import annotations

import functools
import os
import platform
import time
from collections.abc import Callable
from importlib import metadata
from typing import Final, Literal

import torch
from torch import Tensor

from affina.errors import DeviceError, Problem
from affina.runtime import memory

Device = Literal["cpu", "cuda", "mps"]
DEVICES: tuple[Device, ...] = ("cuda", "mps", "cpu")
ROUNDS: Final = 6
"""Of products that are timed in turn."""


def available(device: Device) -> bool:
    """Whether torch can compute on `device` here."""
    if device == "cuda":
        return torch.cuda.is_available()
    return torch.backends.mps.is_available() if device == "mps" else True


def choose_device(asked: str) -> torch.device:
    """The device that was asked for; `auto` takes the first of cuda, mps, cpu that is there.

    Raises:
        DeviceError: the device that was asked for is not on this machine.
    """
    present = [device for device in DEVICES if available(device)]
    if asked == "auto":
        return torch.device(present[0])
    if asked not in present:
        raise DeviceError(
            Problem(
                where="recipe key device",
                expected=f"a device of this machine: {', '.join(present)}",
                found=asked,
                fix=f"write device={present[0]}, or install a torch build with support for {asked}",
            )
        )
    return torch.device(asked)


def low_precision_missing(device: torch.device, precision: str) -> str | None:
    """Why `precision` ("bf16" or "fp16") would be emulated, and so slow, on `device`; None where it is native."""
    if device.type == "cuda":
        if precision == "bf16" and not torch.cuda.is_bf16_supported(including_emulation=False):
            return f"{torch.cuda.get_device_name(device)} has no bfloat16 instructions"
        return None
    if device.type == "mps":
        return None
    flags = cpu_flags()
    wanted = ("avx512_bf16", "amx_bf16", "bf16") if precision == "bf16" else ("avx512_fp16", "amx_fp16", "asimdhp")
    if flags.isdisjoint(wanted):
        return f"this CPU has none of the instructions for it ({', '.join(wanted)})"
    return None


def cpu_flags() -> frozenset[str]:
    """The CPU's instruction-set extensions, as the kernel names them; empty where it does not tell."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - a pseudo-file
            for line in file:
                if line.startswith(("flags", "Features")):
                    return frozenset(line.split(":", 1)[1].split())
    except OSError:
        pass
    return frozenset()


def least_seconds(*products: Callable[[], Tensor]) -> list[float]:
    """The least time of each product in a few rounds, in seconds; called in turn, so that all are disturbed alike.

    On a CPU it is the processor's, of all threads, which other processes disturb less.

    Args:
        products: each makes a matrix, on the same device as the others.
    """
    kinds = [product().device.type for product in products]  # the first ones set kernels up
    clock = time.process_time if kinds[0] == "cpu" else time.perf_counter
    rounds = [[_seconds(product, clock) for product in products] for _ in range(ROUNDS)]
    return [min(each) for each in zip(*rounds, strict=True)]


def _seconds(product: Callable[[], Tensor], clock: Callable[[], float]) -> float:
    started = clock()
    product()[0, 0].item()  # waits for the device
    return clock() - started


def peak_memory_bytes(device: torch.device) -> int:
    """The most memory a run on `device` has held so far, in bytes: of the process, or allocated on a CUDA device."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return memory.peak()


def free_memory(device: torch.device) -> int | None:
    """Bytes that can still be taken on `device`; None where nothing tells."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free) + int(torch.cuda.memory_reserved(device)) - int(torch.cuda.memory_allocated(device))
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory()) - int(torch.mps.driver_allocated_memory())
    found = memory.least(memory.rooms())
    return None if found is None else found.free


def facts(device: torch.device) -> dict[str, str | int | float | bool | None]:
    """The machine in a few plain values, for the record."""
    return {
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }


def versions(*extras: str) -> dict[str, str]:
    """Affina, Python and the libraries that decide the numbers, and of `extras` those that do so too."""
    packages = ("affina", "transformers", "tokenizers", "safetensors", "numpy", "scikit-learn", *extras)
    own = {"python": platform.python_version(), "torch": str(torch.__version__)}  # its metadata may leave the build out
    return own | {name: _version(name) for name in packages}


@functools.cache
def _version(package: str) -> str:
    """As its metadata say, which are looked for in every folder of the import path."""
    return metadata.version(package)
