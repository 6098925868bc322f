"""Adapters on disk, whichever method they are of: written, and attached again by what they say they are."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

from affina.errors import ModelError, Problem
from affina.methods.lora import LowRank
from affina.methods.lora_files import attach_lora, save_lora
from affina.methods.prefix import TunedPrefix
from affina.methods.prefix_files import OURS, PEFTS, attach_prefix, layout_of, save_prefix
from affina.methods.prompt import SoftPrompt
from affina.methods.virtual_files import attach_prompt, save_prompt
from affina.models.adapters import read_adapter
from affina.models.anatomy import Anatomy
from affina.values import Resolved

Beside = LowRank | SoftPrompt | TunedPrefix
"""What trains beside a model's own weights, and is shipped as an adapter."""
_KINDS: Final[dict[str, Callable[..., Beside]]] = {
    "LORA": attach_lora,
    "PROMPT_TUNING": attach_prompt,
    PEFTS: attach_prefix,
    OURS: attach_prefix,
}


def save_adapter(attached: Beside, anatomy: Anatomy, folder: Path, *, base: str | None) -> None:
    """Write what was trained, and the head.

    Args:
        attached: the model with its method.
        anatomy: of the model.
        folder: an empty or absent folder.
        base: the name of the base model on the hub; None where it has none.
    """
    if isinstance(attached, LowRank):
        save_lora(attached, anatomy, folder, base=base)
    elif isinstance(attached, SoftPrompt):
        save_prompt(attached, anatomy, folder, base=base)
    else:
        save_prefix(attached, anatomy, folder, base=base)


def layout(attached: Beside, anatomy: Anatomy) -> Resolved[str]:
    """Whose layout `save_adapter` writes, and why."""
    if isinstance(attached, TunedPrefix):
        found = layout_of(attached, anatomy)
        return Resolved(found.value, found.reason)
    return Resolved("peft", "loads with peft, too")


def attach_saved(module: Any, anatomy: Anatomy, folder: Path, *, new: Collection[str]) -> Beside:
    """A model with the adapter in `folder`, in evaluation mode.

    Args:
        module: the base model, on its device, its head in place.
        anatomy: its own.
        folder: where the adapter is.
        new: names of the head's parameters that start from random numbers, so that the adapter must have them.

    Raises:
        ModelError: the adapter is damaged, of a kind that we do not have, or another model's.
    """
    adapter = read_adapter(folder)
    kind = str(adapter.config.get("peft_type"))
    if kind not in _KINDS:
        raise ModelError(
            Problem(
                where=adapter.where,
                expected=f"an adapter of one of the kinds {', '.join(_KINDS)}",
                found=f"peft_type {kind}",
                fix="merge it with peft and give the merged model, or train another",
            )
        )
    attached = _KINDS[kind](module, anatomy, adapter, new=new)
    attached.eval()
    return attached
