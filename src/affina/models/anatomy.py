"""The anatomy of a model: which of its parameters are embeddings, which blocks, what comes after them, which the head.

It is found by watching one forward pass over two tokens, not by a table of model types, so that a new architecture
needs nothing here. This module trains and freezes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

import torch
from torch import nn

from affina.errors import ModelError, Problem

Part = Literal["embeddings", "block", "final", "head"]

_MOST_BESIDE_BLOCKS: Final = 0.1
"""Parameters in other lists of layers, as a share of those in the blocks, above which the blocks are not one list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """The parts of a model as prefixes of parameter names; every parameter has exactly one part.

    Attributes:
        backbone: the module path of the pre-trained model inside.
        embeddings: what runs before the first block or serves all of them (word, position, relative position).
        blocks: one prefix for each block, the lowest first.
        final: what runs after the last block and still belongs to the backbone (a last norm).
        head: what belongs to the task, with a pooler inside the backbone.
        output: the module path of the last layer, which has one row for each label; a part of the head.
        order: the modules of the backbone as they start to run, its pooler left out: a block stands for all that is
            inside it, and what holds the blocks starts before them.
    """

    backbone: str
    embeddings: tuple[str, ...]
    blocks: tuple[str, ...]
    final: tuple[str, ...]
    head: tuple[str, ...]
    output: str
    order: tuple[str, ...]
    first_alone: bool = False
    """The head reads the first position alone, and the last block can be run for it alone (`first_position`)."""

    def part_of(self, name: str) -> Part:
        """Return the part that the parameter `name` belongs to.

        Raises:
            KeyError: the model that was described has no such parameter.
        """
        parts: tuple[tuple[Part, tuple[str, ...]], ...] = (
            ("block", self.blocks),
            ("embeddings", self.embeddings),
            ("final", self.final),
            ("head", self.head),
        )
        for part, prefixes in parts:
            if any(under(name, prefix) for prefix in prefixes):
                return part
        raise KeyError(name)

    def block_of(self, name: str) -> int | None:
        """Return the number of the block, from 0 at the bottom, that a parameter is in, or None."""
        return next((number for number, prefix in enumerate(self.blocks) if under(name, prefix)), None)


def describe(module: Any) -> Anatomy:
    """Find the parts of a classification model (a transformers `PreTrainedModel`).

    Runs one forward pass over two tokens, without dropout, gradients or random draws.

    Raises:
        ModelError: the model keeps its blocks in a way that Affina does not know.
    """
    backbone = str(module.base_model_prefix)
    if module.base_model is module:
        raise _unknown(module, "no pre-trained model inside it")
    blocks = blocks_of(module.base_model, backbone)
    order = watch(module, blocks, two_tokens(module))
    owners = {name.rpartition(".")[0] for name, _ in module.named_parameters()}
    parts = {name: _part(name, backbone, blocks, order) for name, _ in module.named_parameters()}
    return Anatomy(
        backbone=backbone,
        embeddings=tuple(prefixes(module, "", parts, "embeddings")),
        blocks=blocks,
        final=tuple(prefixes(module, "", parts, "final")),
        head=tuple(prefixes(module, "", parts, "head")),
        output=[path for path in order if path in owners and not under(path, backbone)][-1],
        order=tuple(path for path in order if under(path, backbone) and not under(path, f"{backbone}.pooler")),
    )


def under(name: str, prefix: str) -> bool:
    """Whether `name` is `prefix` or inside it."""
    return name == prefix or name.startswith(prefix + ".")


def blocks_of(module: Any, path: str) -> tuple[str, ...]:
    """The paths of the blocks inside the module at `path`: its outermost list of like layers with most parameters."""
    lists: dict[str, nn.ModuleList] = {}
    for name, child in module.named_modules(prefix=path):
        inside = any(under(name, outer) for outer in lists)
        if isinstance(child, nn.ModuleList) and len({type(layer) for layer in child}) == 1 and not inside:
            lists[name] = child
    sizes = {name: sum(p.numel() for p in layers.parameters()) for name, layers in lists.items()}
    if not sizes or not max(sizes.values()):
        raise _unknown(module, "no list of like layers")
    best = max(sizes, key=lambda name: sizes[name])
    if sum(sizes.values()) - sizes[best] > _MOST_BESIDE_BLOCKS * sizes[best]:
        raise _unknown(module, f"several lists of layers: {', '.join(sizes)}")
    return tuple(f"{best}.{number}" for number in range(len(lists[best])))


def watch(module: Any, blocks: tuple[str, ...], inputs: Mapping[str, Any]) -> dict[str, bool]:
    """Run `inputs` through the model; return the path of each module, in order of its first call.

    Nothing inside a block is returned. The value tells whether the last block had been run by then.

    Raises:
        ModelError: the last block is never called as a whole.
    """
    order: dict[str, bool] = {}
    done: list[str] = []

    def note(path: str, *_: Any) -> None:
        order.setdefault(path, bool(done))

    def finish(*_: Any) -> None:
        done.append(blocks[-1])

    handles = [
        child.register_forward_pre_hook(partial(note, path))
        for path, child in module.named_modules()
        if path in blocks or not any(under(path, block) for block in blocks)
    ]
    handles.append(module.get_submodule(blocks[-1]).register_forward_hook(finish))
    try:
        with _evaluating(module), torch.inference_mode():
            module(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    if not done:
        raise _unknown(module, f"layers in {blocks[-1].rpartition('.')[0]} that are not called as a whole")
    return order


def two_tokens(module: Any) -> dict[str, Any]:
    """The shortest text that a model can be watched with."""
    tokens = torch.zeros(1, 2, dtype=torch.long, device=next(module.parameters()).device)
    return {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    modes = {child: child.training for child in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for child, training in modes.items():
            child.training = training


def _part(name: str, backbone: str, blocks: tuple[str, ...], order: dict[str, bool]) -> Part:
    if not under(name, backbone) or under(name, f"{backbone}.pooler"):
        return "head"
    if any(under(name, block) for block in blocks):
        return "block"
    return "final" if order.get(name.rpartition(".")[0], False) else "embeddings"


def prefixes(module: nn.Module, path: str, parts: dict[str, Part], wanted: Part) -> Iterator[str]:
    """Yield the shortest prefixes that cover exactly the parameters of one part, in the model's own order."""
    here = {part for name, part in parts.items() if not path or under(name, path)}
    if here == {wanted}:
        yield path
    elif wanted in here:
        own = (f"{path}.{name}".lstrip(".") for name, _ in module.named_parameters(recurse=False))
        yield from (name for name in own if parts[name] == wanted)
        for name, child in module.named_children():
            yield from prefixes(child, f"{path}.{name}".lstrip("."), parts, wanted)


def _unknown(module: Any, found: str) -> ModelError:
    return ModelError(
        Problem(
            where=f"a model of the kind {type(module).__name__}",
            expected="a backbone with one list of like blocks, one after the other",
            found=found,
            fix="choose a model of another kind, such as starter/encoder or starter/decoder",
        )
    )
