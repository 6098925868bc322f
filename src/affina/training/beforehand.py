"""What a run keeps of its model as it came, made once before the first step. This module makes nothing of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from affina.tasks.holding import Held


@dataclass(frozen=True, slots=True, kw_only=True)
class Beforehand:
    """What regularisers need of the model before its training; each is None where the recipe does not ask for it.

    Attributes:
        held: texts with what the model made of them.
    """

    held: Held | None = None


NOTHING: Final = Beforehand()
