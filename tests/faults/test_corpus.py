"""Every malformed input of the corpus: its error within seconds, in little memory, and nothing written beside it."""

from __future__ import annotations

import pytest
from corpus import adapters, conversations, models, recipes, tables
from corpus.contract import meet, warm

CASES = recipes.CASES | tables.CASES | conversations.CASES | models.CASES | adapters.CASES


@pytest.fixture(scope="module", autouse=True)
def _warm(tmp_path_factory):
    warm(tmp_path_factory.mktemp("warm"))


@pytest.mark.parametrize("name", CASES)
def test_a_malformed_input(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    meet(CASES[name], tmp_path)
