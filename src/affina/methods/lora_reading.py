"""LoRA from PEFT's layout onto a model: which layers it updates, its factors checked, and what it begins with.

What its configuration says is read by `lora_files`, the head by `models.adapter_head`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from affina.errors import Problem, RecipeError
from affina.methods.lora import LowRank, low_rank, names_of, scale_of
from affina.methods.lora_files import lora_spec
from affina.methods.low_rank import summed
from affina.methods.targets import Blocks, as_asked, in_head, same_layers
from affina.models.adapter_head import check_beside
from affina.models.adapters import MERGE, PREFIX, Adapter, check_base, refused
from affina.models.anatomy import Anatomy
from affina.models.layers import Layer, layers_of
from affina.recipe.method_specs import LoraSpec


def attach_lora(module: Any, anatomy: Anatomy, adapter: Adapter, *, asked: LoraSpec | None = None) -> LowRank:
    """A model with an adapter's updates, its head in place (`put_head`): to evaluate, to go on training, to merge.

    Args:
        module: the base model with the head.
        anatomy: its own.
        adapter: from `read_adapter`.
        asked: from `agreed`, where it goes on training; None for what the adapter says.

    Raises:
        ModelError: the adapter has a feature that we do not have, or belongs to another base.
        RecipeError: `asked` names other layers. In either case nothing is attached.
    """
    spec = lora_spec(adapter) if asked is None else asked
    factors = _factors(adapter)
    by_path = {path: layer for layer in layers_of(module) for path in layer.paths}
    _check_paths(adapter, factors, by_path, module)
    every = tuple({id(by_path[path].weight): by_path[path] for path in by_path if path in factors}.values())
    start: dict[str, Tensor] = {}
    for layer in every:
        start |= _start_of(adapter, layer, factors, spec=spec, is_head=in_head(layer, anatomy))
    others = {name.removeprefix(PREFIX): held for name, held in adapter.tensors.items() if "lora_" not in name}
    check_beside(adapter, others, module, anatomy)
    check_base(adapter, module, anatomy)
    layers = [layer for layer in every if not in_head(layer, anatomy)]
    targets, blocks = as_asked(module, anatomy, layers)
    named = asked is not None and asked.model_fields_set & {"targets", "blocks"}
    if asked is not None and named and not same_layers(module, anatomy, layers, asked):
        raise RecipeError(_other_layers(adapter, asked, targets=targets, blocks=blocks))
    lora = low_rank(module, anatomy, spec.model_copy(update={"targets": targets, "blocks": blocks}), layers)
    lora.begin_with(start)
    return lora


def _other_layers(adapter: Adapter, asked: LoraSpec, *, targets: Collection[str], blocks: Blocks) -> Problem:
    return Problem(
        where="recipe key method.targets",
        expected=f"the layers that {adapter.where} updates: {_words(targets, blocks)}",
        found=_words(asked.targets, asked.blocks),
        fix="leave method.targets and method.blocks out, to go on with those of the adapter",
    )


def _words(targets: Collection[str], blocks: Blocks) -> str:
    shown = ", ".join(list(targets)[:3]) + (f" and {len(targets) - 3} more" if len(targets) > 3 else "")
    return shown if blocks == "all" else f"{shown}, in the upper {blocks} blocks"


def _factors(adapter: Adapter) -> dict[str, dict[str, Tensor]]:
    """Path of a module to its A and B."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in adapter.tensors.items():
        path, middle, kind = name.removeprefix(PREFIX).rpartition(".lora_")
        letter = kind.removesuffix(".weight").removeprefix("embedding_")
        if middle and letter in ("A", "B"):
            found.setdefault(path, {})[letter] = tensor
        elif middle:
            raise refused(
                adapter,
                "factors lora_A and lora_B alone",
                name,
                MERGE,
            )
    return found


def _check_paths(adapter: Adapter, factors: Mapping[str, Any], layers: Mapping[str, Layer], module: Any) -> None:
    if not factors:
        raise refused(adapter, "factors lora_A and lora_B", "none in its weights", "give another adapter")
    unknown = [path for path in factors if path not in layers]
    output = module.get_output_embeddings()
    if output is not None and (own := next((path for path in unknown if output is _at(module, path)), None)):
        raise refused(adapter, "updates of layers before the output layer", f"one of {own}, the output layer", MERGE)
    if unknown:
        raise refused(
            adapter,
            "updates of layers that this base model has",
            f"{len(unknown)} of {len(factors)} for layers that it has not: {', '.join(unknown[:3])}",
            "load the base model that it was trained beside",
        )


def _at(module: Any, path: str) -> Any:
    return dict(module.named_modules(remove_duplicate=False)).get(path)


def _start_of(
    adapter: Adapter, layer: Layer, factors: Mapping[str, Mapping[str, Tensor]], *, spec: LoraSpec, is_head: bool
) -> dict[str, Tensor]:
    """A and B of one layer by our names; of a layer of the head, which is trained whole, its matrix with the update."""
    first = _factors_of(adapter, layer, factors, rank=spec.rank)
    if not is_head:
        name_of_a, name_of_b = names_of(layer.path, layer.kind == "embedding")
        return {name_of_a: first["A"], name_of_b: first["B"]}
    weight, scale = layer.weight.detach(), scale_of(spec)
    a, b = (first[letter].to(weight) for letter in "AB")
    return {f"{layer.path}.weight": summed(weight, a, b, scale=scale, transposed=layer.kind != "linear")}


def _factors_of(
    adapter: Adapter, layer: Layer, factors: Mapping[str, Mapping[str, Tensor]], *, rank: int
) -> Mapping[str, Tensor]:
    """A and B of one layer, their shapes checked."""
    given = [factors.get(path, {}) for path in layer.paths]
    first = given[0]
    if any(pair.keys() != {"A", "B"} for pair in given) or any(
        not torch.equal(pair[letter], first[letter]) for pair in given for letter in "AB"
    ):
        raise refused(
            adapter,
            f"one update for the matrix of {', '.join(layer.paths)}, with A and B",
            "different updates of the modules that share it, or a part of one",
            "train it anew on all of them, or on none",
        )
    wanted = {"A": (rank, layer.inputs), "B": (layer.outputs, rank)}
    for letter, shape in wanted.items():
        if tuple(first[letter].shape) != shape:
            raise refused(
                adapter,
                f"{layer.path}.lora_{letter} of {' x '.join(map(str, shape))}, as the base model and r have it",
                " x ".join(map(str, first[letter].shape)),
                "load the base model that it was trained beside",
            )
    return first
