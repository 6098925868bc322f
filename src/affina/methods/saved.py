"""Adapters on disk, whichever method they are of: written, and attached again by what they say they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from affina.errors import ModelError, Problem
from affina.methods.lora import LowRank
from affina.methods.lora_files import LORA, lora_spec, save_lora
from affina.methods.lora_reading import attach_lora
from affina.methods.prefix import TunedPrefix
from affina.methods.prefix_files import OURS, PEFTS, attach_prefix, layout_of, prefix_spec, save_prefix
from affina.methods.prompt import SoftPrompt
from affina.methods.virtual_files import PROMPT, attach_prompt, prompt_spec, save_prompt
from affina.models.adapters import Adapter, BaseName, read_adapter
from affina.models.anatomy import Anatomy
from affina.recipe.method_specs import LoraSpec, PrefixSpec, PromptSpec
from affina.values import Resolved

Beside = LowRank | SoftPrompt | TunedPrefix
"""What trains beside a model's own weights, and is shipped as an adapter."""
BesideSpec = LoraSpec | PromptSpec | PrefixSpec
"""The recipe's `method` for it."""
METHODS: Final[Mapping[str, str]] = {LORA: "lora", PROMPT: "prompt", PEFTS: "prefix", OURS: "prefix"}
"""PEFT's kind of an adapter to the method that it is of."""


def save_adapter(attached: Beside, anatomy: Anatomy, folder: Path, *, base: BaseName) -> None:
    """Write what was trained, and the head.

    Args:
        attached: the model with its method.
        anatomy: of the model.
        folder: an empty or absent folder.
        base: the names of the base model.
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


def method_of(config: Mapping[str, Any], *, where: str) -> str:
    """The method that an adapter is of.

    Args:
        config: from `read_config`.
        where: the adapter, for the message.

    Raises:
        ModelError: it is none of ours.
    """
    kind = str(config.get("peft_type"))
    if kind not in METHODS:
        raise ModelError(
            Problem(
                where=where,
                expected=f"an adapter of one of the kinds {', '.join(METHODS)}",
                found=f"peft_type {kind}",
                fix="merge it with peft and give the merged model, or train another",
            )
        )
    return METHODS[kind]


def spec_of(adapter: Adapter) -> BesideSpec:
    """What an adapter says of its method, as a recipe would.

    Raises:
        ModelError: it is of a kind, or has a feature, that we do not have.
    """
    method = method_of(adapter.config, where=adapter.where)
    if method == "lora":
        return lora_spec(adapter)
    return prompt_spec(adapter) if method == "prompt" else prefix_spec(adapter)


def attach_saved(module: Any, anatomy: Anatomy, folder: Path, *, asked: LoraSpec | None = None) -> Beside:
    """A model with the adapter in `folder`, in evaluation mode.

    Args:
        module: the base model, on its device, the adapter's head in place.
        anatomy: its own.
        folder: where the adapter is.
        asked: from `agreed`, for a LoRA that goes on training.

    Raises:
        ModelError: the adapter is damaged, not as it was written, of a kind that we do not have, or another model's.
        RecipeError: `asked` names other layers than it updates.
    """
    adapter = read_adapter(folder)
    method = method_of(adapter.config, where=adapter.where)
    attached: Beside
    if method == "lora":
        attached = attach_lora(module, anatomy, adapter, asked=asked)
    else:
        attached = (attach_prompt if method == "prompt" else attach_prefix)(module, anatomy, adapter)
    attached.eval()
    return attached
