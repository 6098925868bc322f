"""Words that follow an option one after the other: `--methods full lora prefix`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from affina.recipe.words import KEY

SEVERAL: Final = "--methods"


def spread(words: Sequence[str]) -> list[str]:
    """`--methods a b c` as `--methods a --methods b --methods c`; a recipe key or another option ends the list."""
    found: list[str] = []
    following = False
    for word in words:
        if word == SEVERAL:
            following = True
            continue
        following = following and not word.startswith("-") and not KEY.match(word)
        found += [SEVERAL, word] if following else [word]
    return found if SEVERAL in found or SEVERAL not in words else [*found, SEVERAL]
