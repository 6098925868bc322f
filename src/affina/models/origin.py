"""Where a base model comes from, as far as it says so itself: its name on the hub, its licence, its languages.

A model card needs them, and they must not be guessed: what neither the list of starters nor the front matter of the
model's own card says is left out. This module opens no weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from affina.models.adapters import UNNAMED, BaseName
from affina.models.source import Source
from affina.models.starters import STARTERS

_CARD: Final = "README.md"
_FENCE: Final = "---"
_LARGEST: Final = 1_000_000
"""Bytes of a card that is read at all."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of a base model.

    Attributes:
        hub_id: its name on the model hub; of what was made from a model there, that of this model.
        licence: as the hub writes it, such as apache-2.0.
        languages: codes such as en.
    """

    hub_id: str | None = None
    licence: str | None = None
    languages: tuple[str, ...] = ()


def origin(source: Source) -> Origin:
    """What is known of a model that was located; of an adapter, and of a merged one, of its base."""
    while source.base is not None:
        source = source.base
    if (starter := STARTERS.get(source.reference)) is not None:
        return Origin(starter.hub_id, starter.licence, starter.languages)
    said = _front_matter(source.folder / _CARD)
    hub_id = source.reference if source.kind == "hub" else _text(said.get("base_model"))
    return Origin(hub_id, _text(said.get("license")), _texts(said.get("language")))


def name_of(source: Source) -> BaseName:
    """What exactly these weights are called where anyone finds them; those that were made from others have no name."""
    if (starter := STARTERS.get(source.reference)) is not None:
        return BaseName(hub_id=starter.hub_id, starter=source.reference)
    return BaseName(hub_id=source.reference) if source.kind == "hub" else UNNAMED


def _front_matter(card: Path) -> dict[Any, Any]:
    """The YAML between the first two fences of a card; empty where there is none that can be read."""
    try:
        if card.stat().st_size > _LARGEST:
            return {}
        first, *lines = card.read_text(encoding="utf-8").splitlines()
        if first.strip() != _FENCE:
            return {}
        found = yaml.safe_load("\n".join(lines[: lines.index(_FENCE)]))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str | None:
    """A text, or the only one of a list."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) and value else None


def _texts(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(item for item in items if isinstance(item, str) and item)
