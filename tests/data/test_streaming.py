"""Files that are gone over without being held give what the same files give when they are held."""

from __future__ import annotations

import gzip
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

import affina
from affina.data import streaming, taking
from affina.data.audit.scan import ScannedRows, scan
from affina.data.formats import read_tables
from affina.data.gathering import files_of
from affina.data.loading import load
from affina.data.rows import Row
from affina.data.streaming import load_streamed
from affina.data.taking import is_large
from affina.errors import DataError
from affina.recipe.data_spec import DataSpec
from workbench import tiny

ROWS = [
    *((f"text number {number} of many, {number * 37 % 101}", "abc"[number % 3]) for number in range(400)),
    ("text number 3 of many, 10", "a"),
    ("write to a@b.org", "b"),
    ("write to a@b.org", "c"),
    ("caf\u00c3\u00a9", "a"),
    (" ", "b"),
    ("", ""),
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(taking, "_PART", 7)


def write(name, rows):
    path = Path(name)
    if path.suffix == ".jsonl":
        lines = [json.dumps({"label": label, "text": text}) if text or label else "" for text, label in rows]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        between = "\t" if path.suffix == ".tsv" else ";"
        header = f"text{between}label"
        lines = [f'"{text}"{between}{label}' if text or label else "" for text, label in rows]
        path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return name


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_the_same_is_found_as_of_rows_that_are_held(suffix):
    train = write(f"train.{suffix}", ROWS)
    test = write(f"test.{suffix}", [*ROWS[5:8], ("new", "a"), ("newer", "b"), ("newest", "c")])
    spec = DataSpec(train=train, test=test, validation="train." + suffix)
    held, streamed = load(spec, seed=0), load_streamed(spec, seed=0)
    exact = {finding.name: finding for finding in held.findings if "near" not in finding.name}
    assert {"duplicates", "conflicting_labels", "test_rows_in_train", "email_addresses", "mojibake"} <= set(exact)
    assert {f.name: f for f in streamed.loaded.findings if "near" not in f.name} == exact
    assert streamed.rows == {"train": 404, "validation": 404, "test": 6}
    assert streamed.labels == {"a": 136, "b": 134, "c": 134}
    assert streamed.loaded.labels == held.labels
    assert streamed.loaded.files == held.files
    assert streamed.loaded.columns == held.columns
    assert streamed.loaded.splits.test == held.splits.test


PACKED = {"train.csv.gz": "train.csv", "train.zip": "train.csv", "train.parquet": "train.parquet", "parts": "parts"}


@pytest.mark.parametrize("name", PACKED)
def test_the_same_is_found_in_packed_files_in_parquet_and_in_folders(name):
    write("train.csv", ROWS)
    if name.endswith("gz"):
        Path(name).write_bytes(gzip.compress(Path("train.csv").read_bytes()))
    elif name.endswith("zip"):
        with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write("train.csv")
    elif name == "parts":
        Path("parts").mkdir()
        write("parts/a.csv", ROWS[:150])
        write("parts/b.csv", ROWS[150:])
    else:
        columns = {"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS]}
        pyarrow.parquet.write_table(pyarrow.table(columns), name, row_group_size=90)
    spec = DataSpec(train=name)
    held, streamed = load(spec, seed=0), load_streamed(spec, seed=0)
    exact = {finding.name: finding for finding in held.findings if "near" not in finding.name}
    assert {"duplicates", "conflicting_labels", "email_addresses"} <= set(exact)
    assert {f.name: f for f in streamed.loaded.findings if "near" not in f.name} == exact
    assert streamed.rows["train"] == 404
    assert streamed.loaded.files == held.files
    assert {key for key in streamed.loaded.choices if "(" in key} == {
        key for key in held.choices if "(" in key and "delim" not in key
    }


def test_a_file_is_streamed_by_what_it_holds_and_not_by_its_packed_size(monkeypatch):
    rows = [(f"text {number}", "abc"[number % 3]) for number in range(100_000)]
    write("a.csv", rows)
    Path("a.csv.gz").write_bytes(gzip.compress(Path("a.csv").read_bytes()))
    columns = {"text": ["the same"] * 100_000, "label": ["a"] * 100_000}
    pyarrow.parquet.write_table(pyarrow.table(columns), "a.parquet")
    packed = Path("a.csv.gz").stat().st_size
    monkeypatch.setattr(taking, "LARGE_BYTES", 2 * packed)
    monkeypatch.setattr(taking, "LARGE_ROWS", 99_999)
    assert Path("a.parquet").stat().st_size < packed
    for name in ("a.csv.gz", "a.parquet"):
        assert is_large(files_of(DataSpec(train=name)))
    monkeypatch.setattr(taking, "LARGE_BYTES", 100 * packed)
    assert not is_large(files_of(DataSpec(train="a.csv.gz")))


@pytest.mark.parametrize(("name", "fix"), [("a.parquet", "write or download"), ("a.csv.gz", "rename it to a.csv")])
def test_a_file_of_another_kind_is_refused_as_such_before_its_size_is_foreseen(name, fix):
    write("a.csv", ROWS)
    Path(name).write_bytes(Path("a.csv").read_bytes())
    with pytest.raises(DataError, match=fix):
        is_large(files_of(DataSpec(train=name)))


def test_a_file_of_many_that_is_a_json_list_is_held_on_its_way():
    Path("parts").mkdir()
    write("parts/a.csv", ROWS[:150])
    objects = [{"text": text, "label": label} for text, label in ROWS[150:]]
    Path("parts/b.json").write_text(json.dumps(objects), encoding="utf-8")
    assert load_streamed(DataSpec(train="parts"), seed=0).rows["train"] == 404


def test_a_column_that_only_later_rows_have_is_a_column():
    lines = [json.dumps({"text": f"text {n}", **({"label": "ab"[n % 2]} if n % 20 == 0 else {})}) for n in range(60)]
    Path("a.jsonl").write_text("\n".join(lines))
    with pytest.raises(DataError, match="an empty label"):  # and not: no such column
        load_streamed(DataSpec(train="a.jsonl"), seed=0)


def test_a_sample_is_kept_of_more_rows_and_it_is_said(monkeypatch):
    monkeypatch.setattr(streaming, "_sample_size", lambda _: 50)
    streamed = load_streamed(DataSpec(train=write("train.csv", ROWS)), seed=0)
    sample = streamed.loaded.splits.train
    assert len(sample) == 50
    assert [row.number for row in sample] == sorted({row.number for row in sample})
    assert max(row.number for row in sample) > 300
    assert {check.name: (check.rows, check.of) for check in streamed.loaded.checks}["near duplicates"] == (50, 404)
    other = load_streamed(DataSpec(train="train.csv"), seed=1).loaded.splits.train
    assert other != sample


def test_long_rows_make_a_smaller_sample():
    write("long.csv", [("word " * 100_000, "a"), ("word " * 100_000 + "x", "b")])
    [item] = files_of(DataSpec(train="long.csv")).items["train"]
    assert streaming._sample_size(list(read_tables(item, rows=10))) == 1_000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,label\nx,a\ny,b,c\n", r"a\.csv, row 2 \(line 3\)\n.*\n.*3 fields"),
        ("a.csv", 'text,label\nx,a\n"y,b\n', r"a\.csv, row 2 \(line 3\)\n.*\n.*no closing"),
        ("a.jsonl", '{"text": "x", "label": "a"}\n{"text": \n', r"a\.jsonl, row 2 \(line 2\)"),
        ("a.jsonl", '{"text": "x", "label": "a"}\n[1]\n', r"a\.jsonl, row 2 \(line 2\)\n.*\n.*a list"),
        ("a.jsonl", '{"text": "x", "label": "a"}\n{"text": "y", "label": ["a"]}\n', r"row 2 \(line 2\), column label"),
        ("a.csv", "text,label\nx,a\n" + "y\0,b\n", r"a\.csv, row 2 \(line 3\), column text\n.*\n.*NUL"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(name, content, message):
    Path(name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load_streamed(DataSpec(train=name), seed=0)


def test_bytes_that_are_no_text_are_refused():
    Path("a.csv").write_bytes(b"text,label\nx,a\ncaf\xe9,b\n")
    with pytest.raises(DataError, match=r"a\.csv\n[\s\S]*0xE9, which is not UTF-8"):
        load_streamed(DataSpec(train="a.csv"), seed=0)


def test_only_large_files_that_can_be_read_in_parts_are_streamed(monkeypatch):
    write("a.csv", ROWS)
    Path("a.json").write_text("[]")
    of = {name: files_of(DataSpec(train=name)) for name in ("a.csv", "a.json")}
    assert not is_large(of["a.csv"])
    monkeypatch.setattr(taking, "LARGE_BYTES", 100)
    assert is_large(of["a.csv"])
    assert not is_large(of["a.json"])


@pytest.mark.parametrize(
    ("rows", "test"),
    [
        ([(f"text {n}", "a") for n in range(20)], None),
        ([*((f"text {n}", "ab"[n % 2]) for n in range(20)), ("one of a kind", "c")], None),
        ([(f"text {n}", f"{n}.5x") for n in range(20)], None),
        ([(f"text {n}", "ab"[n % 2]) for n in range(20)], [("new", "a"), ("newer", "z")]),
    ],
)
def test_what_cannot_be_learnt_from_is_refused_in_the_same_words(rows, test):
    spec = DataSpec(train=write("train.csv", rows), test=write("test.csv", test) if test else "none")
    with pytest.raises(DataError) as held:
        load(spec, seed=0)
    with pytest.raises(DataError) as streamed:
        load_streamed(spec, seed=0)
    assert streamed.value.problems == held.value.problems


def test_what_a_run_would_leave_out_is_said(monkeypatch):
    monkeypatch.setattr(taking, "LARGE_BYTES", 10)
    write("train.csv", [*ROWS[:300], ROWS[0], ROWS[1]])
    write("test.csv", [("new", "a"), ("newer", "b"), ROWS[5]])
    told: list[str] = []
    words = ["data.test=test.csv", f"model={tiny()}"]
    affina.check("train.csv", words, notify=told.append)
    assert any("no row is held out or left out;" in text for text in told)
    affina.check("train.csv", [*words, "data.drop_duplicates=true", "data.drop_shared=true"], notify=told.append)
    assert any("2 repeated rows, which a run leaves out (data.drop_duplicates)" in text for text in told)
    assert any("1 held-out ones, which a run leaves out (data.drop_shared)" in text for text in told)


def test_rows_of_a_scan_are_the_same_one_by_one_and_in_order(monkeypatch):
    monkeypatch.setattr("affina.data.audit.scan._PART", 7)
    rows = [Row({"text": "x", "label": "ab"[n % 2]}, f"{n // 20}.csv", n % 20 + 1, n % 20 + 2) for n in range(50)]
    found = ScannedRows(scan(rows, split="train", file="0.csv"))
    wanted = [replace(row, fields={"label": row.fields["label"]}) for row in rows]
    assert list(found) == [found[place] for place in range(50)] == found[:] == wanted


@pytest.mark.parametrize(
    ("group", "says"),
    [
        (lambda place: f"p{place}", "51 values as far as people.csv, row 51"),
        (lambda _: "m", "'m' in every row"),
        (lambda _: "", "no value at all"),
    ],
)
def test_a_column_that_forms_no_groups_is_refused_as_of_rows_that_are_held(group, says):
    lines = [f"text {place},{'ab'[place % 2]},{group(place)}" for place in range(60)]
    Path("people.csv").write_text("\n".join(["text,label,who", *lines]), encoding="utf-8")
    spec = DataSpec(train="people.csv")
    for read in (load, load_streamed):
        with pytest.raises(DataError, match="who") as caught:
            read(spec, seed=0, people="who")
    assert says in str(caught.value)


def test_groups_are_counted_in_the_files_of_all_splits():
    for name, group in (("train.csv", "m"), ("test.csv", "f")):
        lines = [f"text {place} {name},{'ab'[place % 2]},{group}" for place in range(30)]
        Path(name).write_text("\n".join(["text,label,who", *lines]), encoding="utf-8")
    spec = DataSpec(train="train.csv", test="test.csv")
    assert load_streamed(spec, seed=0, people="who").rows["test"] == 30
