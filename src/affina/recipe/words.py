"""What a word of the command line is: a recipe's key with its value, or a source. It reads no file and loads little."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

KEY: Final = re.compile(r"[A-Za-z_][\w.]*=")
"""How a recipe's key begins."""


def is_override(word: str) -> bool:
    """Whether it is `key=value`; a file of that name is a file."""
    if KEY.match(word) is None:
        return False
    try:
        return not Path(word).exists()
    except (OSError, ValueError):  # too long for a file's name
        return True
