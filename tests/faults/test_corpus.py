"""Every malformed input of the corpus: its error within seconds, in little memory, and nothing written beside it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from corpus import adapters, conversations, models, recipes, tables

from affina.runtime import memory
from workbench import affina, check_refused, files_under, sample_rows, tiny, write_csv

CASES = recipes.CASES | tables.CASES | conversations.CASES | models.CASES | adapters.CASES
MOST_SECONDS = 5.0
MOST_BYTES = 2**30


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv(Path("good.csv"), sample_rows())
    return tmp_path


@pytest.fixture(scope="module", autouse=True)
def _warm(tmp_path_factory):
    """What is loaded on first use is no cost of a malformed file."""
    good = write_csv(tmp_path_factory.mktemp("warm") / "good.csv", sample_rows())
    affina("check", good, f"model={tiny()}")


@pytest.mark.parametrize("name", CASES)
def test_a_malformed_input(folder, name):
    case = CASES[name]
    words = case.make()
    before = files_under(folder)
    resettable, held = memory.forget_peak(), memory.resident()
    started = time.process_time()
    ended = affina(*words)
    assert time.process_time() - started < MOST_SECONDS
    check_refused(ended, folder, before, says=case.says)
    assert not resettable or memory.peak() - held < MOST_BYTES
