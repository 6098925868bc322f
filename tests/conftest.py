"""Puts tests/ on the import path for what tests share, keeps the clock out of tests, and cleans up after each one."""

import gc
import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from affina.values import Resolved

sys.path.insert(0, str(Path(__file__).parent))
settings.register_profile("ours", deadline=None)  # a busy machine is no fault of what is tested
settings.load_profile("ours")


LONGEST = "test_commands_of_"


def pytest_collection_modifyitems(items):
    """The files that take longest go first, one for each process: a file's tests stay together."""
    items.sort(key=lambda item: not item.path.name.startswith(LONGEST))


def pytest_collection_finish():
    """What the imports made is never garbage: without it a collection takes milliseconds, not a third of a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _close_journals():
    """A loop that a test started leaves its record open; an open file is a warning, and a warning an error."""
    yield
    shared = sys.modules.get("bench_of_loops")
    while shared and shared.OPEN:
        shared.OPEN.pop().close()


@pytest.fixture(autouse=True)
def _keep_no_starts(request, monkeypatch):
    """What one test measures before its first step is not taken over by another, but where that is what is tested."""
    if "reused" not in request.fixturenames:
        monkeypatch.setattr("affina.runtime.cache.keep", lambda *_, **__: None)


@pytest.fixture(autouse=True)
def _same_numbers_everywhere():
    """What is fastest on the machine that tests run on is not what they are about, but for those that ask for it."""
    with pytest.MonkeyPatch.context() as own:  # a test may undo those of its own
        own.setattr("affina.runtime.products.fastest", lambda: Resolved("torch", "for tests"))
        own.setattr("affina.training.precision.product_seconds", lambda _: [1.0, 1.0])
        yield
    if (products := sys.modules.get("affina.runtime.products")) is not None:
        products.use("torch")


@pytest.fixture
def reused(tmp_path, monkeypatch):
    """A cache of the test's own, in which starts are kept."""
    monkeypatch.setenv("AFFINA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "starts"


@pytest.fixture
def data():
    """The folder with the data sets."""
    folder = Path(os.environ.get("AFFINA_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not (folder / "banking77").is_dir():
        pytest.skip("the data sets are not here: set AFFINA_DATA to their folder")
    return folder
