"""How much memory a run may come to hold on its device, this process's own share of it included."""

from __future__ import annotations

from dataclasses import replace

import torch

from affina.runtime import memory
from affina.runtime.memory import Room


def room_for(device: torch.device, *, given: int | None = None) -> Room | None:
    """The bound that is met first, with what this process holds already; None where nothing tells of one.

    Args:
        device: where the model is.
        given: bytes that stand in for what the machine says.
    """
    if given is not None:
        return Room("the limit that was given", given)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return Room(f"free on {torch.cuda.get_device_name(device)}", free + torch.cuda.memory_reserved(device))
    if device.type == "mps":
        return Room("what Metal recommends to hold", torch.mps.recommended_max_memory())
    found = memory.least(memory.rooms())
    return None if found is None else replace(found, free=found.free + memory.resident() + found.beside)
