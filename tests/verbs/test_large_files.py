"""A whole run of files that are read in parts is the run of the same files held, to the last bit."""

from __future__ import annotations

from pathlib import Path

import pytest

from affina.data import taking
from affina.record.folder import RunFolder
from workbench import affina, bits, sample_rows, tiny, write_csv

SHORT = ("train.epochs=2", "evaluate.resamples=20", "train.reuse=false")
WRITTEN = ("generate.max_new_tokens=4", "generate.shots=1")
PEOPLE = [(f"{name} asks: {text}", label) for name in ("she", "he") for text, label in sample_rows(60)]
RUNS = {
    "labels": ("bert", sample_rows(60), "text,label", ("data.test=0.2",)),
    "swapped terms": ("bert", PEOPLE, "text,label", ("data.swap_terms=true",)),
    "a limit": ("bert", sample_rows(60), "text,label", ("data.max_length=8", "data.too_long=truncate")),
    "answers": ("llama", sample_rows(60), "question,answer", ("task=chat", *WRITTEN)),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_of_large_files_is_that_of_held_ones(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    family, rows, header, words = RUNS[name]
    write_csv(Path("train.csv"), rows, header=header)
    for run in ("held", "parts"):
        ended = affina("train", "train.csv", f"model={tiny(family)}", f"run={run}", *SHORT, *words)
        assert ended.status == 0, ended.err
        monkeypatch.setattr(taking, "LARGE_BYTES", 10)
        monkeypatch.setattr(taking, "_PART", 7)
    held, parts = (bits(RunFolder(Path(run))) for run in ("held", "parts"))
    assert held == parts
