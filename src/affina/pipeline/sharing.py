"""Which stages of layers that train in turn read the same kept states: a sum, from depths and passes alone.

States at some depth serve all stages in a row in which nothing below it trains, whatever else is frozen in them. So few
files may do, each as deep as the least deep of its stages; a file that is deeper than the one before it is made from
that, at the price of the blocks between.
"""

from __future__ import annotations

from collections.abc import Sequence

Together = tuple[int, int]
"""The first and the last of stages in a row."""


def shared(depths: Sequence[int], passes: Sequence[float], *, price: float, may_go_on: bool) -> list[Together]:
    """The stages that share their states, so that the most is saved; a stage that is in none runs whole.

    Args:
        depths: of each stage, blocks that could be stepped over; 0 for none.
        passes: of each stage, over the rows that are kept.
        price: of a pass in which states are made, in passes that are saved.
        may_go_on: whether states are made from those of the stage before.
    """
    nothing: tuple[float, tuple[Together, ...]] = (0.0, ())
    best = {(0, 0): nothing}
    """(stages that are dealt with, depth of what is at hand after the last of them) to what is saved, and by what."""

    def offer(at: tuple[int, int], saved: float, found: tuple[Together, ...]) -> None:
        if at not in best or saved > best[at][0]:
            best[at] = (saved, found)

    for stage in range(len(depths)):
        for before in sorted(depth for at, depth in best if at == stage):
            saved, found = best[stage, before]
            offer((stage + 1, 0), saved, found)
            depth, several = depths[stage], 0.0
            for last in range(stage, len(depths)):
                depth, several = min(depth, depths[last]), several + passes[last]
                if not depth:
                    break
                known = before if may_go_on and before < depth else 0
                offer((last + 1, depth), saved + several * depth - price * (depth - known), (*found, (stage, last)))
    return list(max((value for (at, _), value in best.items() if at == len(depths)), key=lambda value: value[0])[1])
