"""How far slow work has come: shown to observers while it lasts, and never written down.

The loop's own steps are records; this is for what leaves no line behind until it is done, such as writing texts.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """So many of `of` are done."""

    what: str
    done: int
    of: int
