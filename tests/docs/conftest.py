import csv
import io
import shutil
import sys
from pathlib import Path

import pytest
from documents import ROOT

EACH = 8
"""Rows of each label in `tickets.csv`: enough to split, few enough to be quick."""


@pytest.fixture
def tickets():
    """Writes the data files and recipes that the documents speak of into a folder."""

    def write(folder: Path) -> None:
        with (ROOT / "src/affina/demo/support.csv").open(encoding="utf-8", newline="") as file:
            rows = sorted(csv.DictReader(file), key=lambda row: row["label"])
        labels = sorted({row["label"] for row in rows})
        by_label = {label: [row for row in rows if row["label"] == label] for label in labels}
        _write(folder / "tickets.csv", [row for label in labels for row in by_label[label][:EACH]])
        shutil.copytree(ROOT / "recipes", folder / "recipes")
        _write(folder / "new-tickets.csv", [row for label in labels for row in by_label[label][EACH : 2 * EACH]])
        answers = [{"question": row["text"], "answer": f"This is about {row['label']}."} for row in rows[::12]]
        _write(folder / "answers.csv", answers)

    return write


@pytest.fixture
def elsewhere(tmp_path, tickets, monkeypatch):
    """A folder with these files, which is the current one; nobody types there."""
    tickets(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return tmp_path


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
