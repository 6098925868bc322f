"""The task's head in PEFT's layout: what it is called there, and what an adapter holds of it.

PEFT keeps what is trained whole under `modules_to_save`. For a classifier it assumes heads called `classifier` or
`score` and keeps no other, so the real names are written out. This module knows no method.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn

from affina.errors import ModelError, Problem
from affina.models.adapters import CLASSIFIES, MERGE, PREFIX, WRAPPED, Adapter, refused
from affina.models.anatomy import Anatomy, under

_WRITE: Final = frozenset({"CAUSAL_LM", "SEQ_2_SEQ_LM"})
_OWN_TABLE: Final = ".base_layer.weight"
"""How PEFT saves the embeddings themselves beside their update, or when their rows were changed."""


def head_modules(module: nn.Module, anatomy: Anatomy) -> list[str]:
    """The paths of the head's modules, pooler included.

    Raises:
        ModelError: a part of the head is no module: PEFT cannot keep it.
    """
    modules = dict(module.named_modules())
    for path in anatomy.head:
        if path not in modules:
            raise ModelError(
                Problem(
                    where=f"a model of the kind {type(module).__name__}",
                    expected="a head made of modules, which PEFT's layout can hold",
                    found=f"the parameter {path}",
                    fix="export the merged model instead",
                )
            )
    return list(anatomy.head)


def put_head(
    adapter: Adapter, module: Any, anatomy: Anatomy, *, absent: Collection[str], keeps_output: bool = True
) -> set[str]:
    """Copy what an adapter holds of the head into the model; of the rest the model keeps its own.

    Args:
        adapter: from `read_adapter`.
        module: the model.
        anatomy: its own.
        absent: names of parameters that are random numbers, so that the adapter must have those of the head.
        keeps_output: the adapter's output layer was trained for the outputs that this model has; else it is left.

    Returns:
        The names of the parameters that were copied.

    Raises:
        ModelError: the head is missing, or of another shape.
    """
    own = dict(module.named_parameters())
    wanted = [name for name in own if _in_head(name, anatomy) and (keeps_output or not under(name, anatomy.output))]
    given = {name: tensor for name, tensor in _by_name(adapter, own).items() if name in wanted}
    missing = [name for name in wanted if name in absent and name not in given]
    if missing and adapter.config.get("task_type") not in _WRITE:
        found = f"none for {', '.join(missing[:3])}, which would be random numbers"
        fix = "save the adapter again with its head, or load the base model that it was trained beside"
        raise refused(adapter, "the head that was trained with it", found, fix)
    for name, tensor in given.items():
        if tensor.shape != own[name].shape:
            expected = f"{name} of {tuple(own[name].shape)}, for the labels of this task"
            raise refused(adapter, expected, str(tuple(tensor.shape)), "take the adapter of a task with these labels")
    with torch.no_grad():
        for name, tensor in given.items():
            own[name].copy_(tensor)
    return set(given)


def has_output(adapter: Adapter, module: Any, anatomy: Anatomy) -> bool:
    """Whether an adapter brings an output layer along."""
    return any(under(name, anatomy.output) for name in _by_name(adapter, dict(module.named_parameters())))


def check_beside(adapter: Adapter, others: Mapping[str, Tensor], module: Any, anatomy: Anatomy) -> None:
    """Refuse an adapter with more in it than what its method trains, and a head.

    Args:
        adapter: for messages.
        others: what in it is not the method's own, by the model's names.
        module: the model.
        anatomy: its own.

    Raises:
        ModelError: naming what was trained whole, or a classifier's head for a model that writes.
    """
    if not anatomy.head and adapter.config.get("task_type") == CLASSIFIES:
        expected, found = "an adapter of a model that writes", f"one of a classifier (task_type {CLASSIFIES})"
        raise refused(adapter, expected, found, "take an adapter that was trained to write, or a task with labels")
    own = dict(module.named_parameters(remove_duplicate=False))
    for name, tensor in others.items():
        in_head = name in own and _in_head(name, anatomy)
        if not in_head and not _is_table_of_base(name, tensor, own):
            raise refused(adapter, "updates, and a head trained whole", f"{name}, trained whole", MERGE)


def _in_head(name: str, anatomy: Anatomy) -> bool:
    return bool(anatomy.head) and anatomy.part_of(name) == "head"


def _by_name(adapter: Adapter, own: Collection[str]) -> dict[str, Tensor]:
    """An adapter's tensors that have the name of a parameter; PEFT wraps a model in one of two ways."""
    found = {}
    for name, tensor in adapter.tensors.items():
        for prefix in (PREFIX, WRAPPED):
            if name.startswith(prefix) and (bare := name.removeprefix(prefix)) in own:
                found[bare] = tensor
    return found


def _is_table_of_base(name: str, tensor: Tensor, own: Mapping[str, Tensor]) -> bool:
    """Whether a tensor is nothing but the base's own embeddings, which PEFT saves beside an update of them."""
    base = own.get(name.replace(_OWN_TABLE, ".weight"))
    return base is not None and base.shape == tensor.shape and bool((base.detach().cpu() == tensor).all())
