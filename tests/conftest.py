"""Puts tests/ on the import path for what tests share, keeps the clock out of tests, and cleans up after each one."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))
settings.register_profile("ours", deadline=None)  # a busy machine is no fault of what is tested
settings.load_profile("ours")


@pytest.fixture(autouse=True)
def _close_journals():
    """A loop that a test started leaves its record open; an open file is a warning, and a warning an error."""
    yield
    shared = sys.modules.get("bench_of_loops")
    while shared and shared.OPEN:
        shared.OPEN.pop().close()


@pytest.fixture
def data():
    """The folder with the data sets."""
    folder = Path(os.environ.get("AFFINA_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not (folder / "banking77").is_dir():
        pytest.skip("the data sets are not here: set AFFINA_DATA to their folder")
    return folder
