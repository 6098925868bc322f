"""Every damaged checkpoint and run folder of the corpus: passed over with a notice, or refused with its error."""

from __future__ import annotations

import pytest
from corpus import checkpoints
from corpus.contract import meet, warm


@pytest.fixture(scope="module", autouse=True)
def _warm(tmp_path_factory):
    warm(tmp_path_factory.mktemp("warm"))
    checkpoints.make_all()


@pytest.mark.parametrize("name", checkpoints.CASES)
def test_a_damaged_run(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    meet(checkpoints.CASES[name], tmp_path)
