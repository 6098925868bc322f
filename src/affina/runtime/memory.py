"""Memory of this process and of the machine: what is held, what was held at most, and how much more is at hand.

Everything is read from the system's own files, whose places are arguments, so that a test can put others there. Where a
system has no such files, the next best figure is given, and each figure says where it is from. torch is not needed.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PROC: Final = Path("/proc")
CGROUPS: Final = Path("/sys/fs/cgroup")
ARENA: Final = 64 * 2**20
"""Bytes of address space that glibc sets aside for a thread's heap: that of the backward pass is yet to come."""
UNLIMITED: Final = 1 << 60
"""A cgroup of the first version without a limit says a number about as large as this or larger."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much more memory one source has.

    Attributes:
        what: the source, in words for the user.
        free: bytes that can still be taken.
        spare: bytes on top of that which are slow: swap.
        beside: bytes that count against this bound although they are not held: address space.
    """

    what: str
    free: int
    spare: int = 0
    beside: int = 0


def resident(proc: Path = PROC) -> int:
    """Bytes of memory that this process holds now; the most it ever held, where the system tells no more."""
    found = _status(proc, "VmRSS")
    return peak(proc) if found is None else found


def peak(proc: Path = PROC) -> int:
    """The most memory, in bytes, that this process has held; 0 where the system does not tell.

    `/proc` is asked first: what `getrusage` tells of a process begins with what its parent held.
    """
    found = _status(proc, "VmHWM")
    return _peak_elsewhere() if found is None else found


def forget_peak(proc: Path = PROC) -> bool:
    """Let `peak` count from now on; False where the system has no such thing."""
    try:
        (proc / "self" / "clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def rooms(proc: Path = PROC, cgroups: Path = CGROUPS) -> tuple[Room, ...]:
    """Every bound on memory that this system tells of; the least of them counts. Empty where it tells of none."""
    found = [*_machine(proc), *_cgroup_rooms(proc, cgroups), *_address_space(proc)]
    return tuple(found)


def least(found: tuple[Room, ...]) -> Room | None:
    """The bound that is met first."""
    return min(found, key=lambda room: room.free, default=None)


def _status(proc: Path, key: str) -> int | None:
    return _kibibytes(proc / "self" / "status", key)


def _kibibytes(path: Path, key: str) -> int | None:
    """The value of a line `key: 123 kB`, in bytes."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        if name == key:
            with suppress(ValueError, IndexError):
                return int(value.split()[0]) * 1024
    return None


def _machine(proc: Path) -> Iterator[Room]:
    available = _kibibytes(proc / "meminfo", "MemAvailable")
    if available is not None:
        yield Room("free RAM", available, _kibibytes(proc / "meminfo", "SwapFree") or 0)
    elif sys.platform == "win32":
        yield from _windows_room()
    else:
        with suppress(ValueError, OSError, AttributeError):
            total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
            yield Room("all RAM of this machine (how much of it is free is not told here)", total)


def _cgroup_rooms(proc: Path, cgroups: Path) -> Iterator[Room]:
    """The limits of this process's control group and of all above it, in both versions of the files."""
    try:
        lines = (proc / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = ["0::/", "1:memory:/"]
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            yield from _limits(cgroups, path, ("memory.max", "memory.current", "inactive_file"))
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _limits(cgroups / "memory", path, names)


def _limits(root: Path, path: str, names: tuple[str, str, str]) -> Iterator[Room]:
    """From the process's own group up to the root; inside a container the path may be that of the host."""
    folder = root / path.strip("/")
    while True:
        limit, used = (_number(folder / name) for name in names[:2])
        if limit is not None and used is not None and limit < UNLIMITED:
            cached = _stat(folder / "memory.stat", names[2])
            yield Room(f"the control group's limit of {limit / 2**30:.1f} GiB", max(0, limit - used + cached))
        if folder == root or root not in folder.parents:
            return
        folder = folder.parent


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # `max` is no limit
        return None


def _stat(path: Path, key: str) -> int:
    """Cached file pages are given back before the limit is felt."""
    with suppress(OSError, ValueError):
        for line in path.read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == key:
                return int(value)
    return 0


def _address_space(proc: Path) -> Iterator[Room]:
    """What `ulimit -v` leaves."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - not on every system

    limit, used = resource.getrlimit(resource.RLIMIT_AS)[0], _status(proc, "VmSize")
    if limit != resource.RLIM_INFINITY and used is not None:
        what = f"the limit of {limit / 2**30:.1f} GiB of address space that ulimit -v sets"
        yield Room(what, limit - used - ARENA, beside=max(0, used - resident(proc)) + ARENA)


def _peak_elsewhere() -> int:
    if sys.platform == "win32":
        return _windows_peak()
    import resource  # noqa: PLC0415 - not on every system

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class _ProcessMemory(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS of Windows."""

    _fields_ = (
        ("cb", ctypes.c_uint32),
        ("page_faults", ctypes.c_uint32),
        *((name, ctypes.c_size_t) for name in ("peak", "now", "a", "b", "c", "d", "pagefile", "peak_pagefile")),
    )


class _MachineMemory(ctypes.Structure):
    """MEMORYSTATUSEX of Windows."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        *((name, ctypes.c_uint64) for name in ("total", "free", "c", "d", "e", "f", "g")),
    )


def _kernel32() -> Any:
    return vars(ctypes)["windll"].kernel32


def _windows_peak() -> int:
    found = _ProcessMemory()
    found.cb = ctypes.sizeof(found)
    kernel = _kernel32()
    done = kernel.K32GetProcessMemoryInfo(kernel.GetCurrentProcess(), ctypes.byref(found), found.cb)
    return int(found.peak) if done else 0


def _windows_room() -> Iterator[Room]:
    found = _MachineMemory()
    found.length = ctypes.sizeof(found)
    if _kernel32().GlobalMemoryStatusEx(ctypes.byref(found)):
        yield Room("free RAM", int(found.free))
