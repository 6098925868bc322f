"""What a run keeps of its model as it came, made once before the first step. This module makes nothing of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from torch import Tensor

from affina.tasks.holding import Held


@dataclass(frozen=True, slots=True, kw_only=True)
class Beforehand:
    """What regularisers need of the model before its training; each is None where the recipe does not ask for it.

    Attributes:
        held: texts with what the model made of them.
        fisher: name to how much each number of a weight matters to what the model says by itself.
    """

    held: Held | None = None
    fisher: Mapping[str, Tensor] | None = None


NOTHING: Final = Beforehand()
