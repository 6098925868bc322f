"""evaluate and predict on a run whose record another version wrote: read as far as it can be, which is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import affina as api
from affina.errors import RunError
from workbench import affina, sample_rows, tiny, write_csv


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv(Path("good.csv"), sample_rows())
    words = [f"model={tiny()}", "train.max_steps=1", "evaluate.resamples=20", "run=run"]
    return api.train("good.csv", words).folder


def rewrite(folder, change):
    lines = [json.loads(line) for line in folder.journal.read_text().splitlines()]
    folder.journal.write_text("".join(json.dumps(line) + "\n" for line in change(lines)))


def test_a_field_of_a_later_version_is_said_and_left_out(run):
    before = api.evaluate("run", "good.csv").scores
    told: list[str] = []
    rewrite(run, lambda lines: [line | {"of_later": 1} for line in lines] + [{"kind": "weather", "degrees": 20}])
    assert api.evaluate("run", "good.csv", notify=told.append).scores == before
    assert any("another version of Affina" in text and "of_later" in text for text in told)
    ended = affina("predict", "run", "where is my card", "--json")
    assert ended.status == 0
    assert "another version of Affina" in ended.err
    assert json.loads(ended.out)[0]["label"]


def test_a_record_without_its_data_is_refused_with_the_reason(run):
    def change(lines):
        return [line | ({"labels": "none"} if line["kind"] == "dataread" else {}) for line in lines]

    rewrite(run, change)
    with pytest.raises(RunError, match="dataread") as refused:
        api.evaluate("run", "good.csv")
    assert "labels" in str(refused.value)
    assert "the version of Affina that wrote the run" in str(refused.value)
