"""LoRA in PEFT's layout: what is written loads there with the same logits, and what a configuration of PEFT's says.

What PEFT can do beside LoRA and we cannot is refused by its name. Which files there are is known by `models.adapters`;
the tensors of an adapter are read by `lora_reading`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import ValidationError

from affina.methods.lora import LowRank, alpha_of, names_of
from affina.models.adapter_head import head_modules
from affina.models.adapters import (
    MERGE,
    PREFIX,
    UNNAMED,
    Adapter,
    BaseName,
    fingerprint_of,
    refused,
    task_type,
    write_adapter,
)
from affina.models.anatomy import Anatomy
from affina.recipe.method_specs import LoraSpec

LORA: Final = "LORA"
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


def save_lora(lora: LowRank, anatomy: Anatomy, folder: Path, *, base: BaseName = UNNAMED) -> None:
    """Write a model's updates and its head so that peft loads them.

    Args:
        lora: what was trained.
        anatomy: of the model.
        folder: an empty or absent folder.
        base: the names of the base model, for whoever loads the adapter.

    Raises:
        ModelError: PEFT's layout cannot hold this model's head.
    """
    spec = lora.spec
    config = {
        "peft_type": LORA,
        "task_type": task_type(lora.module, anatomy),
        "base_model_name_or_path": base.hub_id,
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
    write_adapter(folder, config, tensors, fingerprint=fingerprint_of(lora.module, anatomy), base=base)


def lora_spec(adapter: Adapter) -> LoraSpec:
    """What an adapter's configuration says, as a recipe would.

    Raises:
        ModelError: it is no LoRA, or one with a feature that we do not have.
    """
    config = adapter.config
    if config["peft_type"] != LORA:
        raise refused(adapter, "a LoRA adapter", f"peft_type {config['peft_type']}", "choose the method it was made by")
    for key, value in config.items():
        if key not in _READ | _SEEN_IN_TENSORS | _ABOUT and value not in (None, False, "none", [], {}):
            raise refused(
                adapter,
                "LoRA without further features",
                f"{key}: {value}"[:120],
                MERGE,
            )
    start = config.get("init_lora_weights", True)
    if start not in _HARMLESS_STARTS:
        raise refused(
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
        )
    except ValidationError as error:
        first = error.errors()[0]
        said = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise refused(adapter, "a rank and an alpha above 0", said, "save the adapter again with peft") from error
