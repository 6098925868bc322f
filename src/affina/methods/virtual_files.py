"""Prompts and prefixes in PEFT's layout, both ways: one tensor, and the head.

What PEFT can do beside them and we cannot is refused by its name. Which files there are is known by `models.adapters`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from affina.errors import ModelError, Problem
from affina.methods.peft_head import head_modules, take_head, task_type
from affina.methods.prompt import NAME, SoftPrompt
from affina.models.adapters import Adapter, check_base, fingerprint_of, write_adapter
from affina.models.anatomy import Anatomy
from affina.models.virtual_tokens import reader

WRAPPED: Final = "base_model."
"""What PEFT puts before the model's names for methods that change no layer."""
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


def save_prompt(prompt: SoftPrompt, anatomy: Anatomy, folder: Path, *, base: str | None) -> None:
    """Write virtual tokens and a head so that peft loads them.

    Args:
        prompt: what was trained.
        anatomy: of the model.
        folder: an empty or absent folder.
        base: the name of the base model on the hub, for whoever loads the adapter; None where it has none.

    Raises:
        ModelError: PEFT's layout cannot hold this model's head.
    """
    sizes = prompt.module.config.get_text_config().to_dict()
    config = {
        "peft_type": "PROMPT_TUNING",
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
    base: str | None,
) -> None:
    """Write the tensors of a prompt or prefix, and the head, with `config` and what is common to both."""
    common = {
        "task_type": task_type(module, anatomy),
        "base_model_name_or_path": base,
        "inference_mode": True,
        "num_virtual_tokens": tensors[NAME].shape[0],
        "num_transformer_submodules": 1,
        "modules_to_save": head_modules(module, anatomy) or None,
    }
    head = {name: held for name, held in module.named_parameters() if anatomy.head and anatomy.part_of(name) == "head"}
    whole = dict(tensors) | {f"{WRAPPED}{name}": held for name, held in head.items()}
    write_adapter(folder, common | dict(config), whole, fingerprint=fingerprint_of(module, anatomy))


def attach_prompt(module: Any, anatomy: Anatomy, adapter: Adapter, *, new: Collection[str]) -> SoftPrompt:
    """A model with an adapter's virtual tokens and head: to evaluate, or to go on training.

    Args:
        module: the base model, its head in place.
        anatomy: its own.
        adapter: from `read_adapter`.
        new: names of the head's parameters that start from random numbers, so that the adapter must have them.

    Raises:
        ModelError: the adapter has a feature that we do not have, belongs to another base, or lacks the head. Nothing
            is attached then.
    """
    tensors, head = read_virtual(adapter, ("PROMPT_TUNING",), (NAME,), module, anatomy, new=new)
    tensor = tensors[NAME]
    width = reader(module).get_input_embeddings().embedding_dim
    if tensor.shape[1] != width:
        raise refused(adapter, f"virtual tokens as wide as this model's embeddings, {width}", str(tensor.shape[1]))
    # an encoder-decoder's adapter may hold tokens for both stacks, of which peft reads the encoder's
    start = tensor[: int(adapter.config["num_virtual_tokens"])]
    prompt = SoftPrompt(module, anatomy, lambda: start.to(next(module.parameters())))
    prompt.check()
    prompt.load_state_dict({NAME: start} | head)
    return prompt


def read_virtual(
    adapter: Adapter,
    kinds: Collection[str],
    names: Collection[str],
    module: Any,
    anatomy: Anatomy,
    *,
    new: Collection[str],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The tensors of a prompt or prefix and the head, checked as far as both have it in common.

    Args:
        adapter: from `read_adapter`.
        kinds: the `peft_type`s that are right.
        names: of the tensors that are the method's own, as far as the adapter has them.
        module: the model.
        anatomy: its own.
        new: names of the head's parameters that start from random numbers.

    Raises:
        ModelError: as for `attach_prompt`.
    """
    config = adapter.config
    kind = config["peft_type"]
    if kind not in kinds:
        raise refused(adapter, f"a {' or '.join(kinds)} adapter", f"peft_type {kind}")
    for key, value in config.items():
        if key not in _ABOUT and value not in (None, False, [], {}):
            raise refused(adapter, f"{kind} without further features", f"{key}: {value}"[:120])
    own = {name: adapter.tensors[name] for name in names if name in adapter.tensors}
    first, count = own.get(NAME), config.get("num_virtual_tokens")
    if first is None or first.ndim != 2 or not isinstance(count, int) or not 0 < count <= first.shape[0]:
        shape = None if first is None else tuple(first.shape)
        raise refused(adapter, f"{NAME}, a row for each of {count} virtual tokens", f"the shape {shape}")
    others = {name.removeprefix(WRAPPED): held for name, held in adapter.tensors.items() if name not in own}
    head = take_head(adapter, others, module, anatomy, new=new)
    check_base(adapter, module, anatomy)
    return own, head


def refused(adapter: Adapter, expected: str, found: str) -> ModelError:
    """An adapter that does not fit."""
    fix = "load the base model that it was trained beside, or train it again"
    return ModelError(Problem(where=adapter.where, expected=expected, found=found, fix=fix))
