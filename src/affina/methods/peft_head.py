"""The task's head in PEFT's layout: what it is called there, and what of an adapter is one.

PEFT keeps what is trained whole under `modules_to_save`. For a classifier it assumes heads called `classifier` or
`score` and keeps no other, so the real names are written out. This module knows no method.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor, nn

from affina.errors import ModelError, Problem
from affina.models.adapters import Adapter
from affina.models.anatomy import Anatomy

_OWN_TABLE = ".base_layer.weight"
"""How PEFT saves the embeddings themselves beside their update, or when their rows were changed."""


def task_type(module: Any, anatomy: Anatomy) -> str:
    """PEFT's word for what a model is for."""
    if anatomy.head:
        return "SEQ_CLS"
    return "SEQ_2_SEQ_LM" if module.config.is_encoder_decoder else "CAUSAL_LM"


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


def take_head(
    adapter: Adapter, given: Mapping[str, Tensor], module: Any, anatomy: Anatomy, *, new: Collection[str]
) -> dict[str, Tensor]:
    """The head's tensors: the adapter's, and the model's own where it has none.

    Args:
        adapter: for messages.
        given: what in the adapter is not the method's own, by the model's names.
        module: the model.
        anatomy: its own.
        new: names of the head's parameters that start from random numbers.

    Raises:
        ModelError: the head is missing or of another shape, or something else was trained whole.
    """
    own = dict(module.named_parameters(remove_duplicate=False))
    head = {name: own[name].detach() for name in own if anatomy.head and anatomy.part_of(name) == "head"}
    for name, tensor in given.items():
        if name not in head and not _is_table_of_base(name, tensor, own):
            raise _refused(adapter, "updates, and a head trained whole", f"{name}, trained whole", _MERGE)
    if missing := [name for name in head if name in new and name not in given]:
        found = f"none for {', '.join(missing[:3])}, which would be random numbers"
        raise _refused(adapter, "the head that was trained with it", found, "save the adapter again with its head")
    for name, tensor in given.items():
        if name in head and tensor.shape != head[name].shape:
            expected = f"{name} of {tuple(head[name].shape)}, for the labels of this task"
            raise _refused(adapter, expected, str(tuple(tensor.shape)), "take the adapter of a task with these labels")
    return {name: given.get(name, tensor) for name, tensor in head.items()}


_MERGE = "merge it with peft (merge_and_unload, save_pretrained) and give the merged model as `model:`"


def _is_table_of_base(name: str, tensor: Tensor, own: Mapping[str, Tensor]) -> bool:
    """Whether a tensor is nothing but the base's own embeddings, which PEFT saves beside an update of them."""
    base = own.get(name.replace(_OWN_TABLE, ".weight"))
    return base is not None and base.shape == tensor.shape and bool((base.detach().cpu() == tensor).all())


def _refused(adapter: Adapter, expected: str, found: str, fix: str) -> ModelError:
    return ModelError(Problem(where=adapter.where, expected=expected, found=found, fix=fix))
