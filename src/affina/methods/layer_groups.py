"""The layers of a model from the top, as ULMFiT takes them one after the other (Howard & Ruder 2018, section 3.3).

The head is the first of them, then each block with what belongs to it, and the embeddings are the last. What runs after
the last block of a stack (a final norm, an output layer of its own) is one with that block. An encoder-decoder is taken
from the decoder's top to its bottom and then from the encoder's top to its bottom: the way of the gradient. This module
trains and freezes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from affina.models.anatomy import Anatomy, under

HEAD: Final = "head"
EMBEDDINGS: Final = "embeddings"


@dataclass(frozen=True, slots=True)
class LayerGroup:
    """Parameters that are unfrozen together and share a learning rate.

    Attributes:
        name: head, block 6, decoder block 2, or embeddings; blocks are counted from 1 at the bottom of their stack.
        parameters: their names.
    """

    name: str
    parameters: frozenset[str]


def layer_groups(names: Iterable[str], anatomy: Anatomy) -> tuple[LayerGroup, ...]:
    """The groups of the parameters `names` from the top down; a group without any is left out."""
    titles = _titles(anatomy)
    members: dict[str, set[str]] = {title: set() for title in (HEAD, *reversed(titles), EMBEDDINGS)}
    for name in names:
        members[_title_of(name, anatomy, titles)].add(name)
    return tuple(LayerGroup(title, frozenset(found)) for title, found in members.items() if found)


def layer_rates(groups: Iterable[LayerGroup], decay: float) -> dict[str, float]:
    """Parameter name to what its part's learning rate is multiplied by: discriminative fine-tuning (section 3.1).

    The head has a rate of its own and the highest block the body's; each group below has that of the one above it over
    `decay`.
    """
    below = [group for group in groups if group.name != HEAD]
    return {name: decay**-depth for depth, group in enumerate(below) for name in group.parameters}


def _titles(anatomy: Anatomy) -> tuple[str, ...]:
    """What each block is called, the lowest first."""
    stacks = list(dict.fromkeys(map(_stack, anatomy.blocks)))
    kinds = ("block",) if len(stacks) == 1 else ("encoder block", "decoder block")
    counts = dict.fromkeys(stacks, 0)
    titles = []
    for path in anatomy.blocks:
        stack = _stack(path)
        counts[stack] += 1
        titles.append(f"{kinds[stacks.index(stack)]} {counts[stack]}")
    return tuple(titles)


def _title_of(name: str, anatomy: Anatomy, titles: tuple[str, ...]) -> str:
    part, number = anatomy.part_of(name), anatomy.block_of(name)
    if number is not None:
        return titles[number]
    if part != "final":
        return HEAD if part == "head" else EMBEDDINGS
    beside = [place for place, path in enumerate(anatomy.blocks) if under(name, _stack(path).rpartition(".")[0])]
    return titles[max(beside, default=-1)]


def _stack(path: str) -> str:
    """The list that a block is in."""
    return path.rpartition(".")[0]
