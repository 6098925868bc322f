"""How a budget of a risk is written: a share or points. It knows no probe."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

SHARES: Final = "a share above 0 and below 100%, as 5% or 0.05"
_PLAIN: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:%|pp|points?|percent)?\s*$", re.IGNORECASE)
POINTS: Final = "percentage points above 0 and below 100, as 2pp or 0.02"


def _number(given: Any, *, unit: str, expected: str) -> float:
    """A number as it is, below 1 so that 5 is not taken for 5%, or a hundredth of one with its unit.

    Raises:
        ValueError: it is neither.
    """
    text = given.strip() if isinstance(given, str) else ""
    try:
        value = float(text.removesuffix(unit)) / 100 if text.endswith(unit) else float(given)
    except (TypeError, ValueError):
        raise ValueError(expected + _meant(given, unit)) from None
    if isinstance(given, bool) or not 0 < value < 1:
        raise ValueError(expected + _meant(given, unit))
    return value


def _meant(given: Any, unit: str) -> str:
    """The number of what was written, with the unit that it lacks."""
    number = _PLAIN.match(str(given))
    return f" (did you mean {number[1]}{unit}?)" if number and 0 < float(number[1]) < 100 else ""


def _share(given: Any) -> float:
    return _number(given, unit="%", expected=SHARES)


def _points(given: Any) -> float:
    return _number(given, unit="pp", expected=POINTS)


def as_budget(key: str, given: Any) -> str:
    """The fix where a risk was given what its budget takes; empty for anything else.

    Args:
        key: of the recipe.
        given: what was written.
    """
    unit = {"risks.overfitting": "%", "risks.forgetting": "%", "risks.bias": "pp"}.get(key)
    number = None if unit is None or isinstance(given, bool) else _PLAIN.match(str(given))
    if number is None or not 0 < float(number[1]) < 100:
        return ""
    plain = number[0].strip() == number[1] and float(number[1]) < 1
    return f"write {key}.budget={number[1]}{'' if plain else unit}"


ShareBudget = Annotated[float, BeforeValidator(_share, json_schema_input_type=float | str), Field(gt=0, lt=1)]
PointsBudget = Annotated[float, BeforeValidator(_points, json_schema_input_type=float | str), Field(gt=0, lt=1)]
