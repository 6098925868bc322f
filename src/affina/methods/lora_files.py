"""LoRA in PEFT's layout, both ways: what is written loads there with the same logits, what PEFT saved loads here.

What PEFT can do beside LoRA and we cannot is refused by its name. Which files there are is known by `models.adapters`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from pydantic import ValidationError
from torch import Tensor

from affina.errors import ModelError, Problem
from affina.methods.lora import LowRank, alpha_of, names_of
from affina.methods.peft_head import head_modules, take_head, task_type
from affina.models.adapters import PREFIX, Adapter, check_base, fingerprint_of, write_adapter
from affina.models.anatomy import Anatomy
from affina.models.layers import Layer, layers_of
from affina.recipe.method_specs import LoraSpec

_READ: Final = frozenset({"peft_type", "r", "lora_alpha", "lora_dropout", "use_rslora", "init_lora_weights"})
_SEEN_IN_TENSORS: Final = frozenset(
    {
        "target_modules",
        "exclude_modules",
        "layers_to_transform",
        "layers_pattern",
        "modules_to_save",
        "fan_in_fan_out",
    }
)
_ABOUT: Final = frozenset(
    {
        "task_type",
        "auto_mapping",
        "peft_version",
        "base_model_name_or_path",
        "revision",
        "inference_mode",
        "qalora_group_size",
        "loftq_config",
        "eva_config",
        "corda_config",
        "lora_ga_config",
        "megatron_core",
        "runtime_config",
        "ensure_weight_tying",
    }
)
"""Keys that change nothing in what a saved adapter computes; the initialisations among them are known by
`init_lora_weights`, and what a pattern or a target came to by the tensors."""
_HARMLESS_STARTS: Final = (True, False, "gaussian", "orthogonal", "eva", None)
"""Starts that leave the base weights as they were; PiSSA, OLoRA and others move a part of them into the adapter."""


def save_lora(lora: LowRank, anatomy: Anatomy, folder: Path, *, base: str | None) -> None:
    """Write a model's updates and its head so that peft loads them.

    Args:
        lora: what was trained.
        anatomy: of the model.
        folder: an empty or absent folder.
        base: the name of the base model on the hub, for whoever loads the adapter; None where it has none.

    Raises:
        ModelError: PEFT's layout cannot hold this model's head.
    """
    spec = lora.spec
    config = {
        "peft_type": "LORA",
        "task_type": task_type(lora.module, anatomy),
        "base_model_name_or_path": base,
        "inference_mode": True,
        "r": spec.rank,
        "lora_alpha": alpha_of(spec).value,
        "lora_dropout": spec.dropout,
        "use_rslora": spec.rslora,
        "init_lora_weights": True,
        "bias": "none",
        "fan_in_fan_out": any(update.layer.kind == "transposed" for update in lora.updates),
        "target_modules": [path for update in lora.updates for path in update.layer.paths],
        "modules_to_save": head_modules(lora.module, anatomy) or None,
    }
    tensors = {f"{PREFIX}{name}": tensor for name, tensor in lora.state_dict().items()}
    for update in lora.updates:  # a table that several modules share: PEFT gives each of them an update
        for path in update.layer.paths[1:]:
            a, b = names_of(path, update.layer.kind == "embedding")
            tensors |= {f"{PREFIX}{a}": update.a, f"{PREFIX}{b}": update.b}
    write_adapter(folder, config, tensors, fingerprint=fingerprint_of(lora.module, anatomy))


def lora_spec(adapter: Adapter) -> LoraSpec:
    """What an adapter's configuration says, as a recipe would.

    Raises:
        ModelError: it is no LoRA, or one with a feature that we do not have.
    """
    config = adapter.config
    if config["peft_type"] != "LORA":
        raise _refused(
            adapter, "a LoRA adapter", f"peft_type {config['peft_type']}", "choose the method it was made by"
        )
    for key, value in config.items():
        if key not in _READ | _SEEN_IN_TENSORS | _ABOUT and value not in (None, False, "none", [], {}):
            raise _refused(
                adapter,
                "LoRA without further features",
                f"{key}: {value}"[:120],
                "merge it with peft (merge_and_unload, save_pretrained) and give the merged model as `model:`",
            )
    start = config.get("init_lora_weights", True)
    if start not in _HARMLESS_STARTS:
        raise _refused(
            adapter,
            "an adapter beside the base model's own weights",
            f"init_lora_weights: {start}, which moves a part of them into the adapter",
            "save it with peft's path_initial_model_for_weight_conversion, which makes a plain LoRA of it",
        )
    try:
        return LoraSpec(
            rank=config.get("r", 8),
            alpha=config.get("lora_alpha", 8),
            dropout=config.get("lora_dropout", 0.0),
            rslora=bool(config.get("use_rslora", False)),
            targets=tuple(sorted(_factors(adapter))) or ("linear",),
        )
    except ValidationError as error:
        first = error.errors()[0]
        said = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise _refused(adapter, "a rank and an alpha above 0", said, "save the adapter again with peft") from error


def attach_lora(module: Any, anatomy: Anatomy, adapter: Adapter, *, new: Collection[str]) -> LowRank:
    """A model with an adapter's updates and head: to evaluate, to go on training, to merge.

    Args:
        module: the base model, its head in place.
        anatomy: its own.
        adapter: from `read_adapter`.
        new: names of the head's parameters that start from random numbers, so that the adapter must have them.

    Raises:
        ModelError: the adapter has a feature that we do not have, belongs to another base, or lacks the head. Nothing
            is attached then.
    """
    spec = lora_spec(adapter)
    factors = _factors(adapter)
    by_path = {path: layer for layer in layers_of(module) for path in layer.paths}
    _check_paths(adapter, factors, by_path)
    layers = tuple({id(by_path[path].weight): by_path[path] for path in by_path if path in factors}.values())
    state: dict[str, Tensor] = {}
    for layer in layers:
        state |= _layer_state(adapter, layer, factors, rank=spec.rank)
    others = {name.removeprefix(PREFIX): held for name, held in adapter.tensors.items() if "lora_" not in name}
    head = take_head(adapter, others, module, anatomy, new=new)
    check_base(adapter, module, anatomy)
    lora = LowRank(module, anatomy, spec, layers)
    lora.load_state_dict(state | head)
    return lora


def _factors(adapter: Adapter) -> dict[str, dict[str, Tensor]]:
    """Path of a module to its A and B."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in adapter.tensors.items():
        path, middle, kind = name.removeprefix(PREFIX).rpartition(".lora_")
        letter = kind.removesuffix(".weight").removeprefix("embedding_")
        if middle and letter in ("A", "B"):
            found.setdefault(path, {})[letter] = tensor
        elif middle:
            raise _refused(
                adapter,
                "factors lora_A and lora_B alone",
                name,
                "merge it with peft (merge_and_unload, save_pretrained) and give the merged model as `model:`",
            )
    return found


def _check_paths(adapter: Adapter, factors: Mapping[str, Any], layers: Mapping[str, Layer]) -> None:
    if not factors:
        raise _refused(adapter, "factors lora_A and lora_B", "none in its weights", "give another adapter")
    if unknown := [path for path in factors if path not in layers]:
        raise _refused(
            adapter,
            "updates of layers that this base model has",
            f"{len(unknown)} of {len(factors)} for layers that it has not: {', '.join(unknown[:3])}",
            "load the base model that it was trained beside",
        )


def _layer_state(
    adapter: Adapter, layer: Layer, factors: Mapping[str, Mapping[str, Tensor]], *, rank: int
) -> dict[str, Tensor]:
    """A and B of one layer by our names, their shapes checked."""
    given = [factors.get(path, {}) for path in layer.paths]
    first = given[0]
    if any(pair.keys() != {"A", "B"} for pair in given) or any(
        not torch.equal(pair[letter], first[letter]) for pair in given for letter in "AB"
    ):
        raise _refused(
            adapter,
            f"one update for the matrix of {', '.join(layer.paths)}, with A and B",
            "different updates of the modules that share it, or a part of one",
            "train it anew on all of them, or on none",
        )
    wanted = {"A": (rank, layer.inputs), "B": (layer.outputs, rank)}
    for letter, shape in wanted.items():
        if tuple(first[letter].shape) != shape:
            raise _refused(
                adapter,
                f"{layer.path}.lora_{letter} of {' x '.join(map(str, shape))}, as the base model and r have it",
                " x ".join(map(str, first[letter].shape)),
                "load the base model that it was trained beside",
            )
    a, b = names_of(layer.path, layer.kind == "embedding")
    return {a: first["A"], b: first["B"]}


def _refused(adapter: Adapter, expected: str, found: str, fix: str) -> ModelError:
    return ModelError(Problem(where=adapter.where, expected=expected, found=found, fix=fix))
