"""Puts tests/ on the import path for what tests share, and cleans up after each test."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _close_journals():
    """A loop that a test started leaves its record open; an open file is a warning, and a warning an error."""
    yield
    shared = sys.modules.get("bench_of_loops")
    while shared and shared.OPEN:
        shared.OPEN.pop().close()
