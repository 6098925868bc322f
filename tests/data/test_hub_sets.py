"""Data sets of the Hub: the address, what is chosen of one, and every way in which fetching one can fail."""

from __future__ import annotations

import builtins
import importlib.util
import json
import sys
import types
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import HfApi, constants
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

from affina.data.gathering import files_of
from affina.data.hub import fetch
from affina.data.loading import load
from affina.errors import DataError
from affina.recipe.data_spec import DataSpec

FEATURES = {"info": {"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}}}


def arrow(path, rows, labels=None):
    """A file as the library keeps one in its cache: an Arrow stream with the names of the classes."""
    numbers = pa.array(labels or [n % 2 for n in range(rows)], pa.int64())
    table = pa.table({"text": [f"{path.stem} text {n}" for n in range(rows)], "label": numbers})
    table = table.replace_schema_metadata({"huggingface": json.dumps(FEATURES)})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


class Split:
    def __init__(self, *paths):
        self.cache_files = [{"filename": str(path)} for path in paths]


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Stands in for the library; returns what it was asked for, and gives what is put into `splits`."""
    asked = types.SimpleNamespace(calls=[], splits={}, error=None)

    def load_dataset(name, config):
        asked.calls.append((name, config))
        if asked.error is not None:
            raise asked.error
        return asked.splits

    for split, rows in {"train": 60, "test": 20, "validation": 20}.items():
        arrow(tmp_path / f"{split}.arrow", rows)
        asked.splits[split] = Split(tmp_path / f"{split}.arrow")
    module = types.ModuleType("datasets")
    module.__version__ = "5.2.0"
    module.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", module)
    monkeypatch.setattr(HfApi, "dataset_info", lambda *_, **__: None)
    asked.module = module
    return asked


def problem_of(address):
    with pytest.raises(DataError) as caught:
        fetch(address)
    [problem] = caught.value.problems
    assert problem.where == address
    return problem


def test_the_splits_of_a_data_set_are_used_and_labels_have_their_names(library):
    loaded = load(DataSpec(train="hf://owner/name"), seed=0)
    assert library.calls[0] == ("owner/name", None)
    assert [len(part) for part in (loaded.splits.train, loaded.splits.validation, loaded.splits.test)] == [60, 20, 20]
    assert loaded.labels == ("no", "yes")
    assert loaded.splits.train[0].where == "hf://owner/name/train, row 1"
    assert loaded.choices["data.test"].value == "hf://owner/name/test"
    assert "the splits train, test, validation" in loaded.choices["data.train (files)"].reason


@pytest.mark.parametrize(
    ("address", "call", "name"),
    [
        ("hf://owner/name/test", ("owner/name", None), "hf://owner/name/test"),
        ("hf://owner/name:some.config", ("owner/name", "some.config"), "hf://owner/name:some.config/train"),
        ("hf://owner/name:config/test", ("owner/name", "config"), "hf://owner/name:config/test"),
    ],
)
def test_configurations_and_splits_can_be_named(library, address, call, name):
    [item] = files_of(DataSpec(train=address, validation=0.1, test="none")).items["train"]
    assert library.calls[0] == call
    assert item.name == name


def test_several_files_of_a_split_are_its_parts(library, tmp_path):
    arrow(tmp_path / "more.arrow", 5)
    library.splits["train"] = Split(tmp_path / "train.arrow", tmp_path / "more.arrow")
    names = [item.name for item in files_of(DataSpec(train="hf://o/n")).items["train"]]
    assert names == ["hf://o/n/train (part 1)", "hf://o/n/train (part 2)"]


def test_secret_test_labels_are_left_out(library, tmp_path):
    arrow(tmp_path / "secret.arrow", 20, [-1] * 20)
    library.splits["test"] = Split(tmp_path / "secret.arrow")
    assert "data.test (not used)" in load(DataSpec(train="hf://o/n"), seed=0).choices


@pytest.mark.parametrize("address", ["hf://name", "hf://a/b/c/d", "hf://a/b:", "hf://", "hf:///b"])
def test_an_address_of_another_form_is_refused_with_the_right_one(address):
    assert "hf://OWNER/NAME" in problem_of(address).fix


def test_splits_that_are_not_there(library):
    assert "the splits train, test, validation" in problem_of("hf://o/n/dev").found
    del library.splits["train"]
    problem = problem_of("hf://o/n")
    assert "hf://o/n/test" in problem.fix


def test_without_the_library_the_extra_is_named(monkeypatch):
    imported = builtins.__import__

    def without(name, *more):
        if name == "datasets":
            raise ImportError(name)
        return imported(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    problem = problem_of("hf://o/n")
    assert "pip install 'affina[hub]'" in problem.fix


def test_a_version_that_may_run_code_is_refused(library):
    library.module.__version__ = "3.6.0"
    problem = problem_of("hf://o/n")
    assert "may run code" in problem.found
    assert "datasets>=4" in problem.fix
    assert library.calls == []


@pytest.mark.parametrize(
    ("error", "found", "fix"),
    [
        (ConnectionError("no route"), "cannot be reached (no route)", "HF_HUB_OFFLINE=1"),
        (RepositoryNotFoundError, "no public data set of that name", "HF_TOKEN"),
        (GatedRepoError, "accepted its terms", "HF_TOKEN"),
    ],
)
def test_what_the_hub_may_say(library, monkeypatch, error, found, fix):
    def ask(self, name, timeout):
        assert timeout <= 10
        raise error if isinstance(error, Exception) else error.__new__(error)

    monkeypatch.setattr(HfApi, "dataset_info", ask)
    problem = problem_of("hf://o/n")
    assert found in problem.found
    assert fix in problem.fix
    assert library.calls == []


def test_offline_the_hub_is_not_asked(library, monkeypatch):
    monkeypatch.setattr(HfApi, "dataset_info", None)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch("hf://o/n").split == "train"


@pytest.mark.parametrize(
    ("error", "found", "fix"),
    [
        (
            ValueError("Config name is missing.\nPlease pick one among the available configs: ['cola', 'sst2']"),
            "several configurations: cola, sst2",
            "hf://o/n:cola",
        ),
        (ValueError("BuilderConfig 'x' not found. Available: ['cola', 'sst2']"), "cola, sst2", "hf://o/n:cola"),
        (RuntimeError("Dataset scripts are no longer supported, but found n.py"), "code of its own", "download"),
        (OSError("disk full\nand more"), "disk full", "download"),
    ],
)
def test_what_the_library_may_say(library, error, found, fix):
    library.error = error
    problem = problem_of("hf://o/n")
    assert found in problem.found
    assert fix in problem.fix


@pytest.mark.skipif(importlib.util.find_spec("datasets") is None, reason="needs the extra: affina[hub]")
def test_the_library_itself_gives_files_that_are_read(tmp_path, monkeypatch):
    for split, rows in {"train": 60, "test": 20}.items():
        numbers = pa.array([n % 2 for n in range(rows)], pa.int64())
        table = pa.table({"text": [f"{split} text {n}" for n in range(rows)], "label": numbers})
        (tmp_path / "set").mkdir(exist_ok=True)
        pq.write_table(table, tmp_path / "set" / f"{split}-00000-of-00001.parquet")
    import datasets

    load_dataset = datasets.load_dataset
    monkeypatch.setattr(
        datasets,
        "load_dataset",
        lambda *_: load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache")),
    )
    monkeypatch.setattr(HfApi, "dataset_info", lambda *_, **__: None)
    loaded = load(DataSpec(train="hf://o/n"), seed=0)
    assert (len(loaded.splits.test), loaded.splits.test[3].fields["text"]) == (20, "test text 3")


def test_a_folder_that_the_library_saved_is_read_without_it(tmp_path):
    for split, rows in {"train": 60, "test": 20}.items():
        (tmp_path / "saved" / split).mkdir(parents=True)
        arrow(tmp_path / "saved" / split / "data-00000-of-00001.arrow", rows)
        for name in ("state.json", "dataset_info.json"):
            Path(tmp_path / "saved" / split / name).write_text('{"_fingerprint": "x"}')
    Path(tmp_path / "saved" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    loaded = load(DataSpec(train=str(tmp_path / "saved")), seed=0)
    assert loaded.labels == ("no", "yes")
    assert len(loaded.splits.test) == 20
