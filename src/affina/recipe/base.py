"""What all parts of a recipe are made of: the base class, the word `auto`, and the short form. It holds no key."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Auto = Literal["auto"]
AUTO: Auto = "auto"


class Spec(BaseModel):
    """What all parts of a recipe share: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, validate_default=True)


def by_name(value: Any) -> Any:
    """`method: partial` is short for `method: {name: partial}`."""
    return {"name": value} if isinstance(value, str) and value != AUTO else value
