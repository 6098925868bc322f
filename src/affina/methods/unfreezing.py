"""Which layers train together, one stage after the other: gradual unfreezing and chain-thaw.

Gradual unfreezing (Howard & Ruder 2018, section 3.3): the head, then one layer more in each stage, from the top; what
was unfrozen goes on training. Chain-thaw (Felbo et al. 2017, section 3.3): the new layers alone, then each layer alone
from the first, then all. A model that writes has no new layers: there gradual unfreezing begins with the highest block,
and chain-thaw with the embeddings. When a stage begins is not decided here.
"""

from __future__ import annotations

from collections.abc import Sequence

from affina.methods.layer_groups import HEAD, LayerGroup
from affina.recipe.weight_specs import Unfreezing

Together = tuple[LayerGroup, ...]
"""The groups that train in one stage, from the top."""


def in_turn(kind: Unfreezing, groups: Sequence[LayerGroup]) -> tuple[Together, ...]:
    """The stages in their order; the last one is all groups, and there is none where nothing is unfrozen in turn.

    Args:
        kind: the recipe's `method.unfreezing`.
        groups: all that trains, from the top.
    """
    everything = tuple(groups)
    if kind == "none":
        return ()
    if kind == "gradual":
        return tuple(everything[: count + 1] for count in range(len(everything)))
    new = tuple(group for group in everything if group.name == HEAD)
    alone = (*new, *(group for group in reversed(everything) if group.name != HEAD))
    return (*((group,) for group in alone), everything)


def named(together: Together, *, of: int) -> str:
    """What trains in a stage, in words; `of` is how many groups there are."""
    first, last = together[0].name, together[-1].name
    if len(together) == 1:
        return f"{first} alone"
    if len(together) == of:
        return f"all {of} layer groups"
    return f"{first} and {last}" if len(together) == 2 else f"{first} down to {last}"
