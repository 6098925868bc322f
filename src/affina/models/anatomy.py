"""The anatomy of a model: which of its parameters are embeddings, which blocks, what comes after them, which the head.

It is found by watching one forward pass over two tokens, not by a table of model types, so that a new architecture
needs nothing here. This module trains and freezes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    """The parts of a classification model as prefixes of parameter names; every parameter has exactly one part.

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
            if any(_under(name, prefix) for prefix in prefixes):
                return part
        raise KeyError(name)

    def block_of(self, name: str) -> int | None:
        """Return the number of the block, from 0 at the bottom, that a parameter is in, or None."""
        return next((number for number, prefix in enumerate(self.blocks) if _under(name, prefix)), None)


def describe(module: Any) -> Anatomy:
    """Find the parts of a classification model (a transformers `PreTrainedModel`).

    Runs one forward pass over two tokens, without dropout, gradients or random draws.

    Raises:
        ModelError: the model keeps its blocks in a way that Affina does not know.
    """
    backbone = str(module.base_model_prefix)
    if module.base_model is module:
        raise _unknown(module, "no pre-trained model inside it")
    blocks = _blocks(module, backbone)
    order = _watch(module, blocks)
    owners = {name.rpartition(".")[0] for name, _ in module.named_parameters()}
    parts = {name: _part(name, backbone, blocks, order) for name, _ in module.named_parameters()}
    return Anatomy(
        backbone=backbone,
        embeddings=tuple(_prefixes(module, "", parts, "embeddings")),
        blocks=blocks,
        final=tuple(_prefixes(module, "", parts, "final")),
        head=tuple(_prefixes(module, "", parts, "head")),
        output=[path for path in order if path in owners and not _under(path, backbone)][-1],
        order=tuple(path for path in order if _under(path, backbone) and not _under(path, f"{backbone}.pooler")),
    )


def _under(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def _blocks(module: Any, backbone: str) -> tuple[str, ...]:
    """Return the module paths of the blocks: the outermost list of like layers that holds the most parameters."""
    lists: dict[str, nn.ModuleList] = {}
    for path, child in module.base_model.named_modules(prefix=backbone):
        inside = any(_under(path, outer) for outer in lists)
        if isinstance(child, nn.ModuleList) and len({type(layer) for layer in child}) == 1 and not inside:
            lists[path] = child
    sizes = {path: sum(p.numel() for p in layers.parameters()) for path, layers in lists.items()}
    if not sizes or not max(sizes.values()):
        raise _unknown(module, "no list of like layers")
    best = max(sizes, key=lambda path: sizes[path])
    if sum(sizes.values()) - sizes[best] > _MOST_BESIDE_BLOCKS * sizes[best]:
        raise _unknown(module, f"several lists of layers: {', '.join(sizes)}")
    return tuple(f"{best}.{number}" for number in range(len(lists[best])))


def _watch(module: Any, blocks: tuple[str, ...]) -> dict[str, bool]:
    """Run two tokens through the model; return the path of each module, in order of its first call.

    Nothing inside a block is returned. The value tells whether the last block had been run by then.
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
        if path in blocks or not any(_under(path, block) for block in blocks)
    ]
    handles.append(module.get_submodule(blocks[-1]).register_forward_hook(finish))
    try:
        with _evaluating(module), torch.inference_mode():
            tokens = torch.zeros(1, 2, dtype=torch.long, device=next(module.parameters()).device)
            module(input_ids=tokens, attention_mask=torch.ones_like(tokens))
    finally:
        for handle in handles:
            handle.remove()
    if not done:
        raise _unknown(module, f"layers in {blocks[-1].rpartition('.')[0]} that are not called as a whole")
    return order


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
    if not _under(name, backbone) or _under(name, f"{backbone}.pooler"):
        return "head"
    if any(_under(name, block) for block in blocks):
        return "block"
    return "final" if order.get(name.rpartition(".")[0], False) else "embeddings"


def _prefixes(module: nn.Module, path: str, parts: dict[str, Part], wanted: Part) -> Iterator[str]:
    """Yield the shortest prefixes that cover exactly the parameters of one part, in the model's own order."""
    here = {part for name, part in parts.items() if not path or _under(name, path)}
    if here == {wanted}:
        yield path
    elif wanted in here:
        own = (f"{path}.{name}".lstrip(".") for name, _ in module.named_parameters(recurse=False))
        yield from (name for name in own if parts[name] == wanted)
        for name, child in module.named_children():
            yield from _prefixes(child, f"{path}.{name}".lstrip("."), parts, wanted)


def _unknown(module: Any, found: str) -> ModelError:
    return ModelError(
        Problem(
            where=f"a model of the kind {type(module).__name__}",
            expected="a backbone with one list of like blocks, one after the other",
            found=found,
            fix="choose a model of another kind, such as starter/encoder or starter/decoder",
        )
    )
