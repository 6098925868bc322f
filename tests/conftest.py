"""Puts tests/ on the import path, for `tiny_models`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
