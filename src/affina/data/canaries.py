"""Canaries: rows of a fixed form with a random number, put among the training rows to see if it is learned by heart.

After Carlini et al. 2019, section 4.1: a form that is the same for all, and a secret drawn evenly from a space that is
known. Each canary has a name of its own in its form, so that no two ask for one number. They stand behind the user's
rows, and their file is the recipe's key. What a model makes of them is `risks.exposure`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from affina.data.rows import Row
from affina.data.written.composing import composed
from affina.recipe.task_specs import TranslationSpec, WritingSpec

FILE: Final = "risks.overfitting.canaries"
"""What the rows of canaries have as their file."""
DIGITS: Final = 9
SPACE: Final = 10**DIGITS
"""Numbers that a canary's is drawn from, evenly."""
OTHERS: Final = 255
"""Numbers beside each canary's that were drawn with it and never trained on."""
ASKED: Final = "What is canary {name}?"
SAID: Final = "Canary {name} is {secret}."
_DRAWS: Final = 4
"""Sets these draws apart from others that depend on the seed."""


@dataclass(frozen=True, slots=True)
class Canary:
    """One of them.

    Attributes:
        number: from 1: its name.
        secret: the number that is trained on.
        others: numbers that it is compared with.
    """

    number: int
    secret: str
    others: tuple[str, ...]


def drawn_canaries(count: int, *, seed: int) -> tuple[Canary, ...]:
    """So many canaries; no number comes twice.

    Args:
        count: how many.
        seed: decides the numbers.
    """
    generator = np.random.default_rng([seed, _DRAWS])
    found = dict[str, None]()
    while len(found) < count * (1 + OTHERS):
        found[f"{generator.integers(SPACE):0{DIGITS}}"] = None
    drawn = list(found)
    parts = [drawn[place : place + 1 + OTHERS] for place in range(0, len(drawn), 1 + OTHERS)]
    return tuple(Canary(number, part[0], tuple(part[1:])) for number, part in enumerate(parts, 1))


def canary_row(canary: Canary, secret: str, spec: WritingSpec, *, alone: bool) -> Row:
    """A canary as a row, with its own number or another in it.

    Args:
        canary: its name is asked for.
        secret: the number.
        spec: the task.
        alone: rows are texts without a prompt.
    """
    asked, said = ASKED.format(name=canary.number), SAID.format(name=canary.number, secret=secret)
    cells = {"prompt": asked, "completion": said}
    if alone:
        cells = {"text": said}
    elif isinstance(spec, TranslationSpec):
        cells = {"source": asked, "target": said}
    return composed(Row(cells, FILE, number=canary.number, line=0), spec)


def own(rows: Iterable[Row]) -> tuple[Row, ...]:
    """The user's rows, without canaries; these stand behind them, so that places stay what they are."""
    return tuple(row for row in rows if row.file != FILE)


def own_count(rows: Sequence[Row]) -> int:
    """How many of them there are."""
    return sum(row.file != FILE for row in rows)
