"""bitsandbytes, an extra: matrices in four bits and optimizer states in eight are its arithmetic."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType
from typing import Final

from affina.errors import Problem, RecipeError

LIBRARY: Final = "bitsandbytes"


def bitsandbytes(key: str) -> ModuleType:
    """The library.

    Args:
        key: of the recipe, which asks for it.

    Raises:
        RecipeError: it is not installed.
    """
    if importlib.util.find_spec(LIBRARY) is None:
        raise RecipeError(
            Problem(
                where=f"recipe key {key}",
                expected=f"the library {LIBRARY}, whose arithmetic it is",
                found="it is not installed",
                fix=f"python -m pip install 'affina[quantize]', or leave {key} out",
            )
        )
    return importlib.import_module(LIBRARY)
