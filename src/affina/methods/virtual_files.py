"""Prompts and prefixes in PEFT's layout, both ways: one tensor, and beside it the head, which `adapter_head` reads.

What PEFT can do beside them and we cannot is refused by its name. Which files there are is known by `models.adapters`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from affina.errors import ModelError
from affina.methods.prompt import NAME, SoftPrompt
from affina.models.adapter_head import check_beside, head_modules
from affina.models.adapters import (
    UNNAMED,
    WRAPPED,
    Adapter,
    BaseName,
    check_base,
    fingerprint_of,
    refused,
    task_type,
    write_adapter,
)
from affina.models.anatomy import Anatomy
from affina.models.virtual_tokens import reader
from affina.recipe.method_specs import PromptSpec

PROMPT: Final = "PROMPT_TUNING"
_ABOUT: Final = frozenset(
    {
        "peft_type",
        "task_type",
        "auto_mapping",
        "peft_version",
        "base_model_name_or_path",
        "revision",
        "inference_mode",
        "modules_to_save",
        "num_virtual_tokens",
        "token_dim",
        "num_transformer_submodules",
        "num_attention_heads",
        "num_layers",
        "prompt_tuning_init",
        "prompt_tuning_init_text",
        "tokenizer_name_or_path",
        "tokenizer_kwargs",
        "encoder_hidden_size",
        "prefix_projection",
        "init_weights",
    }
)
"""Keys that are read, seen in the tensors, or about how it was trained."""


def save_prompt(prompt: SoftPrompt, anatomy: Anatomy, folder: Path, *, base: BaseName = UNNAMED) -> None:
    """Write virtual tokens and a head so that peft loads them.

    Args:
        prompt: what was trained.
        anatomy: of the model.
        folder: an empty or absent folder.
        base: the names of the base model, for whoever loads the adapter.

    Raises:
        ModelError: PEFT's layout cannot hold this model's head.
    """
    sizes = prompt.module.config.get_text_config().to_dict()
    config = {
        "peft_type": PROMPT,
        "prompt_tuning_init": "RANDOM",
        "token_dim": prompt.prompt.shape[1],
        "num_attention_heads": sizes.get("num_attention_heads", 1),
        "num_layers": len(anatomy.blocks),
    }
    write_virtual(prompt.module, anatomy, folder, config=config, tensors={NAME: prompt.prompt}, base=base)


def write_virtual(
    module: Any,
    anatomy: Anatomy,
    folder: Path,
    *,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    base: BaseName,
) -> None:
    """Write the tensors of a prompt or prefix, and the head, with `config` and what is common to both."""
    common = {
        "task_type": task_type(module, anatomy),
        "base_model_name_or_path": base.hub_id,
        "inference_mode": True,
        "num_virtual_tokens": tensors[NAME].shape[0],
        "num_transformer_submodules": 1,
        "modules_to_save": head_modules(module, anatomy) or None,
    }
    head = {name: held for name, held in module.named_parameters() if anatomy.head and anatomy.part_of(name) == "head"}
    whole = dict(tensors) | {f"{WRAPPED}{name}": held for name, held in head.items()}
    write_adapter(folder, common | dict(config), whole, fingerprint=fingerprint_of(module, anatomy), base=base)


def prompt_spec(adapter: Adapter) -> PromptSpec:
    """What an adapter's configuration says, as a recipe would.

    Raises:
        ModelError: it is no prompt, or one with a feature that we do not have.
    """
    return PromptSpec(length=len(read_virtual(adapter, (PROMPT,), (NAME,))[NAME]))


def attach_prompt(module: Any, anatomy: Anatomy, adapter: Adapter) -> SoftPrompt:
    """A model with an adapter's virtual tokens, its head in place (`put_head`): to evaluate, or to go on training.

    Args:
        module: the base model with the head.
        anatomy: its own.
        adapter: from `read_adapter`.

    Raises:
        ModelError: the adapter has a feature that we do not have, or belongs to another base. Nothing is attached then.
    """
    start = read_virtual(adapter, (PROMPT,), (NAME,))[NAME]
    check_virtual(adapter, (NAME,), module, anatomy)
    width = reader(module).get_input_embeddings().embedding_dim
    if start.shape[1] != width:
        raise unfit(adapter, f"virtual tokens as wide as this model's embeddings, {width}", str(start.shape[1]))
    prompt = SoftPrompt(module, anatomy, lambda: start.to(next(module.parameters())))
    prompt.check()
    prompt.begin_with({NAME: start})
    return prompt


def read_virtual(adapter: Adapter, kinds: Collection[str], names: Collection[str]) -> dict[str, Tensor]:
    """The tensors of a prompt or prefix, checked as far as both have it in common.

    Args:
        adapter: from `read_adapter`.
        kinds: the `peft_type`s that are right.
        names: of the tensors that are the method's own, as far as the adapter has them.

    Raises:
        ModelError: the adapter is of another kind, or has a feature that we do not have.
    """
    config = adapter.config
    kind = config["peft_type"]
    if kind not in kinds:
        raise unfit(adapter, f"a {' or '.join(kinds)} adapter", f"peft_type {kind}")
    for key, value in config.items():
        if key not in _ABOUT and value not in (None, False, [], {}):
            raise unfit(adapter, f"{kind} without further features", f"{key}: {value}"[:120])
    own = {name: adapter.tensors[name] for name in names if name in adapter.tensors}
    first, count = own.get(NAME), config.get("num_virtual_tokens")
    if first is None or first.ndim != 2 or not isinstance(count, int) or not 0 < count <= first.shape[0]:
        shape = None if first is None else tuple(first.shape)
        raise unfit(adapter, f"{NAME}, a row for each of {count} virtual tokens", f"the shape {shape}")
    if kind == PROMPT:  # an encoder-decoder's may hold tokens for both stacks, of which peft reads the encoder's
        own[NAME] = first[:count]
    return own


def check_virtual(adapter: Adapter, names: Collection[str], module: Any, anatomy: Anatomy) -> None:
    """Refuse an adapter with more in it than its method's own tensors and a head, or of another base.

    Args:
        adapter: from `read_adapter`.
        names: of the tensors that are the method's own.
        module: the model.
        anatomy: its own.

    Raises:
        ModelError: naming what is too much, or the base.
    """
    others = {name.removeprefix(WRAPPED): held for name, held in adapter.tensors.items() if name not in names}
    check_beside(adapter, others, module, anatomy)
    check_base(adapter, module, anatomy)


def unfit(adapter: Adapter, expected: str, found: str) -> ModelError:
    """An adapter that does not fit."""
    return refused(adapter, expected, found, "load the base model that it was trained beside, or train it again")
