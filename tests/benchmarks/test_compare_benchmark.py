"""The comparison on Banking77: its rows are the same ones each time, and every label is among them."""

import csv
import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "compare" / "banking77.py"


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("banking77", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(path):
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_rows_are_drawn_once_for_all_and_have_every_label(script, data, tmp_path):
    train, test = script.write_rows(data, tmp_path, count=200)
    rows = read(train)
    assert len(rows) == 200
    assert len({row["label"] for row in rows}) == 77
    assert len(read(test)) == 3080
    assert read(script.write_rows(data, tmp_path / "again", count=200)[0]) == rows
