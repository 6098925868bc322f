"""An address is a file, a folder, an archive, a split or something in one; what was chosen is said."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest

from affina.data.gathering import files_of, name_after, read_again
from affina.data.loading import load
from affina.data.places import is_place, locate
from affina.errors import DataError, RecipeError
from affina.recipe.data_spec import DataSpec
from affina.recipe.load import load_recipe


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def rows_text(start, count=60, *, header="text,label"):
    return header + "\n" + "".join(f"text {n},{'abc'[n % 3]}\n" for n in range(start, start + count))


def write(name, text="", *, start=0, count=60):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    raw = (text or rows_text(start, count)).encode()
    Path(name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)


def as_zip(name, folder):
    with zipfile.ZipFile(name, "w") as archive:
        for path in sorted(Path(folder).rglob("*")):
            archive.write(path, path.relative_to(Path(folder).parent))


def names(address):
    return [found.name for found in locate(address).items]


def problem_of(**spec):
    with pytest.raises((DataError, RecipeError)) as caught:
        load(DataSpec.model_validate(spec), seed=0)
    return caught.value.problems[0]


def choices_of(**spec):
    return load(DataSpec.model_validate(spec), seed=0).choices


def test_a_folder_is_all_its_data_files_in_the_order_of_their_names():
    for number, name in enumerate(["logs/b.csv", "logs/a.csv.gz", "logs/c.csv"]):
        write(name, start=60 * number)
    write("logs/notes.txt", "x")
    write("logs/.hidden.csv")
    write("logs/old/d.csv")
    loaded = load(DataSpec(train="logs"), seed=0)
    assert list(loaded.files) == ["logs/a.csv.gz", "logs/b.csv", "logs/c.csv"]
    assert sum(map(len, (loaded.splits.train, loaded.splits.validation, loaded.splits.test))) == 180
    said = loaded.choices["data.train (files)"]
    assert said.value == "a.csv.gz, b.csv, c.csv"
    assert "not read: notes.txt, old" in said.reason
    row = loaded.splits.train[0]
    assert row.where == f"{row.file}, row {row.number} (line {row.number + 1})"


SPLITS = {
    "files": {"train": "set/train.csv", "validation": "set/valid.csv", "test": "set/test.csv.gz"},
    "dev": {"train": "set/train.csv", "validation": "set/dev.csv", "test": "set/test.csv"},
    "folders": {"train": "set/train/x.csv", "validation": "set/validation/x.csv", "test": "set/test/y.csv"},
    "shards": {
        "train": "set/train-00000-of-00001.csv",
        "validation": "set/validation-00000-of-00001.csv",
        "test": "set/test-00000-of-00001.csv",
    },
    "a folder in it": {"train": "set/data/train.csv", "validation": "set/data/dev.csv", "test": "set/data/test.csv"},
    "no name for train": {"train": "set/tickets.csv", "validation": "set/validation.csv", "test": "set/test.csv"},
}


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("kind", SPLITS)
def test_splits_in_a_folder_are_recognised_and_said(kind, packed):
    for number, name in enumerate(SPLITS[kind].values()):
        write(name, start=60 * number)
    address = "set"
    if packed:
        as_zip("set.zip", "set")
        address = "set.zip"
    loaded = load(DataSpec(train=address), seed=0)
    sizes = {name: len(getattr(loaded.splits, name)) for name in ("train", "validation", "test")}
    assert sizes == {"train": 60, "validation": 60, "test": 60}
    assert loaded.splits.test[0].fields["text"] == "text 120"
    for name in ("validation", "test"):
        said = loaded.choices[f"data.{name}"]
        assert "beside train" in said.reason
        # What is written into recipe.yaml stands for the same rows.
        again = load(DataSpec.model_validate({"train": address, name: said.value}), seed=0)
        assert "not used" not in again.choices["data.train (files)"].reason
        assert getattr(again.splits, name) == getattr(loaded.splits, name)


def test_several_shards_of_a_split_have_one_address():
    for split, start in (("train", 0), ("test", 120)):
        for shard in range(2):
            write(f"set/{split}-{shard:05}-of-00002.csv", start=start + 60 * shard)
    loaded = load(DataSpec(train="set", validation=0.2), seed=0)
    assert len(loaded.splits.test) == 120
    assert loaded.choices["data.test"].value == "set/test"
    assert names("set/test") == ["set/test-00000-of-00002.csv", "set/test-00001-of-00002.csv"]
    assert len(loaded.splits.validation) == 24


def test_splits_that_are_named_or_switched_off_are_not_taken_from_the_folder():
    for number, name in enumerate(["set/train.csv", "set/dev.csv", "set/test.csv", "other.csv"]):
        write(name, start=60 * number)
    loaded = load(DataSpec(train="set", test="none", validation="other.csv"), seed=0)
    assert (len(loaded.splits.train), len(loaded.splits.test)) == (60, 0)
    assert loaded.splits.validation[0].file == "other.csv"
    assert loaded.choices["data.train (files)"].reason.endswith("; not used: set/dev.csv, set/test.csv")
    assert len(load(DataSpec(train="set", validation=0.5), seed=0).splits.validation) == 30


def test_splits_of_one_source_of_a_list_are_left_aside_and_it_is_said():
    for number, name in enumerate(["set/train.csv", "set/test.csv", "other.csv"]):
        write(name, start=60 * number)
    loaded = load(DataSpec.model_validate({"train": ["set", "other.csv"], "test": "none"}), seed=0)
    assert set(loaded.files) == {"set/train.csv", "other.csv"}
    assert loaded.choices["data.train (files of set)"].reason.endswith("; not used: set/test.csv")


def test_a_lone_file_called_test_is_the_rows():
    write("set/test.csv")
    assert names("set") == ["set/test.csv"]


def test_a_test_split_whose_labels_are_secret_is_not_used():
    write("set/train.csv", count=300)
    write("set/test.csv", "text,label\nx,\ny,\n")
    loaded = load(DataSpec(train="set"), seed=0)
    assert loaded.choices["data.test (not used)"].reason == "none of its rows has a label"
    assert loaded.choices["data.test"].value == 0.15
    assert len(loaded.splits.test) == 45
    assert "an empty label" in problem_of(train="set", test="set/test.csv").found


def test_a_place_with_splits_is_not_one_set_of_rows():
    write("set/train.csv")
    write("set/test.csv", start=60)
    problem = problem_of(train="set/train.csv", test="set")
    assert (problem.where, problem.found) == ("set", "the splits train, test")
    assert "set/test.csv" in problem.fix


def test_a_folder_and_a_file_of_one_split_are_refused():
    for name in ("set/train.csv", "set/test.csv", "set/test/a.csv"):
        write(name)
    assert "test.csv, test" in problem_of(train="set").found


def test_files_of_a_folder_with_different_columns_are_one_error():
    write("set/a.csv")
    write("set/b.csv", "text,label,id\nx,a,1\ny,b,2\n")
    problem = problem_of(train="set")
    assert problem.where == "set/b.csv and set/a.csv"
    assert problem.found == "set/b.csv with id beside them"
    write("set/b.csv", "id,label\n1,a\n2,b\n")
    assert "text" in problem_of(train="set").expected


def test_the_order_of_the_columns_is_no_difference():
    write("set/a.csv")
    write("set/b.csv", "label,text\n" + "".join(f"{'abc'[n % 3]},other {n}\n" for n in range(60)))
    loaded = load(DataSpec(train="set"), seed=0)
    assert {row.fields["label"] for row in loaded.splits.train} == {"a", "b", "c"}


def test_json_objects_may_lack_keys_that_are_not_used():
    write("set/a.jsonl", '{"text": "x", "label": "a", "note": "n"}\n' * 3 + '{"text": "y", "label": "b"}\n' * 3)
    write("set/b.jsonl", '{"text": "z", "label": "b"}\n' * 3)
    write("set/c.csv", "text,label\nv,a\n")
    assert load(DataSpec(train="set", validation="set/a.jsonl", test="none"), seed=0).columns["text"] == "text"


@pytest.mark.parametrize(
    ("address", "fix"),
    [
        ("set.zip/set/tickts.csv", "set.zip/set/tickets.csv"),
        ("set.zip/none.csv", "set.zip/set/tickets.csv"),
        ("some/name", "hf://some/name"),
    ],
)
def test_an_address_at_which_nothing_is(address, fix):
    write("set/tickets.csv")
    as_zip("set.zip", "set")
    assert fix in problem_of(train=address).fix


def test_something_in_an_archive_has_an_address():
    write("set/tickets.csv")
    write("set/more/a.csv", start=60)
    as_zip("set.zip", "set")
    assert names("set.zip/set/tickets.csv") == ["set.zip/set/tickets.csv"]
    assert names("set.zip/set/more") == ["set.zip/set/more/a.csv"]
    assert is_place("set.zip/set/more")
    assert not is_place("what is in set.zip/set?\0")
    assert not is_place("x" * 10_000)


def test_a_word_that_is_also_a_folder_is_its_address_only_where_data_lies_in_it():
    Path("refund").mkdir()
    assert not is_place("refund")
    assert is_place("refund/")
    write("refund/a.csv")
    assert is_place("refund")
    write("a.csv")
    assert not is_place("")
    assert not is_place(" ")


def test_a_list_of_files_keeps_each_files_own_names_for_the_columns():
    write("a.csv")
    write("b.csv", rows_text(60, header="utterance,intent"))
    loaded = load(load_recipe(None, overrides=["data.train=[a.csv, b.csv]"]).data, seed=0)
    said = loaded.choices["data.train (columns of b.csv)"]
    assert said.value == "text utterance, label intent"
    assert {row.file for row in loaded.splits.train} == {"a.csv", "b.csv"}
    assert all(row.fields["text"].startswith("text ") for row in loaded.splits.train)


def test_a_file_of_a_list_whose_columns_are_unclear_is_refused_by_name():
    write("a.csv")
    write("b.csv", rows_text(60, header="left,right"))
    problem = problem_of(train=["a.csv", "b.csv"])
    assert problem.where.startswith("b.csv")
    assert "left, right" in problem.found


@pytest.mark.parametrize("train", [["a.csv", "a.csv"], ["a.csv", "./a.csv"], [".", "a.csv"]])
def test_a_file_that_is_named_twice_is_refused(train):
    write("a.csv")
    problem = problem_of(train=train)
    assert problem.found == "the same file twice"
    assert "weight" in problem.fix


def test_a_row_is_named_with_its_file_wherever_it_is_mentioned():
    write("set/a.csv", "text,label\nsame,a\nsame,a\nother,b\nmore,b\n" + rows_text(0).partition("\n")[2])
    write("set/b.csv", "text,label\nsame,a\nother,a\n" + rows_text(100).partition("\n")[2])
    found = {finding.name: finding for finding in load(DataSpec(train="set"), seed=0).findings}
    assert found["duplicates"].examples == (
        "set/a.csv, row 2 (line 3) repeats row 1",
        "set/b.csv, row 1 (line 2) repeats set/a.csv, row 1 (line 2)",
    )
    assert found["conflicting_labels"].examples == (
        "set/a.csv, row 3 (line 4): b in row 3, a in set/b.csv, row 2 (line 3)",
    )


def test_an_error_in_one_of_several_files_names_it():
    write("set/a.csv")
    write("set/b.csv", "text,label\nx,a\nlone,z\n")
    assert problem_of(train="set").where == "set/b.csv, row 2 (line 3)"
    write("set/b.csv", "text,label\nx,a\ny,a,b\n")
    assert problem_of(train="set").where == "set/b.csv, row 2 (line 3)"


@pytest.mark.parametrize(
    ("train", "name"),
    [
        ("tickets.csv", "tickets"),
        ("data/tickets.csv.gz", "tickets"),
        ("logs/", "logs"),
        ("all.zip", "all"),
        ("all.zip/a.csv", "a"),
        ("hf://owner/name", "name"),
        ("hf://owner/name:config/test", "name"),
        (["a.csv", "b.csv"], "a-mix"),
    ],
)
def test_a_run_is_named_after_its_first_source(train, name):
    assert name_after(DataSpec.model_validate({"train": train})) == name


def test_the_rows_of_a_finished_run_are_read_again_only_where_they_are_as_they_were():
    write("set/a.csv")
    write("set/b.csv", start=60)
    spec = DataSpec(train="set")
    loaded = load(spec, seed=0)
    assert len(read_again(spec, loaded.columns, loaded.files)) == 120
    write("set/b.csv", start=61)
    assert read_again(spec, loaded.columns, loaded.files) == ()
    assert read_again(DataSpec(train="gone"), loaded.columns, loaded.files) == ()


def test_where_nothing_is_special_nothing_is_said():
    write("a.csv")
    assert [key for key in choices_of(train="a.csv") if "(" in key] == []
    assert files_of(DataSpec(train="a.csv")).choices == {}
