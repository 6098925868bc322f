"""Parquet and Arrow give the texts that one would write for their values; damaged files are refused by name."""

from __future__ import annotations

import datetime
import decimal
import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affina.data.formats import read_table, read_tables, size_in_parts
from affina.data.loading import load
from affina.data.places import locate
from affina.data.table import Unusable
from affina.errors import DataError
from affina.recipe.data_spec import DataSpec


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name, table, **how):
    if Path(name).suffix == ".parquet":
        pq.write_table(table, name, **how)
    else:
        kind = pa.ipc.new_file if name.endswith(".feather") else pa.ipc.new_stream
        with pa.OSFile(name, "wb") as sink, kind(sink, table.schema) as writer:
            writer.write_table(table, **how)
    return name


def item(name):
    [found] = locate(name).items
    return found


def column(values, kind=None, name="a.parquet"):
    """What a column of these values is read as."""
    return [row[0] for row in read_table(item(write(name, pa.table({"x": pa.array(values, kind)})))).rows]


def problem_of(name):
    with pytest.raises(DataError) as caught:
        read_table(item(name))
    [problem] = caught.value.problems
    assert problem.where == name
    assert problem.fix
    return problem


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.feather"])
@pytest.mark.parametrize(
    ("values", "kind", "read"),
    [
        (["a", None, ""], None, ["a", "", ""]),
        ([1, -2, None], pa.int64(), ["1", "-2", ""]),
        ([7], pa.uint8(), ["7"]),
        ([0.5, 3.0, float("nan"), None], pa.float64(), ["0.5", "3", "", ""]),
        ([0.1, 2.0], pa.float32(), ["0.1", "2"]),
        ([True, False, None], None, ["true", "false", ""]),
        ([decimal.Decimal("1.50")], None, ["1.50"]),
        ([datetime.date(2024, 2, 29)], None, ["2024-02-29"]),
        ([b"caf\xc3\xa9"], None, ["café"]),
        ([None, None], pa.null(), ["", ""]),
        (["a"], pa.large_string(), ["a"]),
    ],
)
def test_values_are_read_as_one_would_write_them(name, values, kind, read):
    assert column(values, kind, name) == read


def test_dictionaries_are_read_by_their_values():
    assert column(pa.array(["a", "b", None, "a"]).dictionary_encode()) == ["a", "b", "", "a"]


def test_labels_are_read_by_the_names_that_the_schema_gives_them():
    features = {"info": {"features": {"y": {"names": ["no", "yes"], "_type": "ClassLabel"}, "x": {"_type": "Value"}}}}
    table = pa.table({"x": ["a", "b", "c", "d"], "y": pa.array([1, 0, -1, 7], pa.int64())})
    table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    read = read_table(item(write("a.parquet", table)))
    assert read.column("y") == ["yes", "no", "", "7"]
    assert read.readings == {"y": "the names of its 2 classes"}


@given(
    st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), st.integers(-9, 9)))
)
def test_any_texts_and_numbers_come_back(tmp_path_factory, rows):
    name = str(tmp_path_factory.mktemp("any") / "a.parquet")
    texts, numbers = ["x", *(text for text, _ in rows)], [0, *(number for _, number in rows)]
    write(name, pa.table({"t": texts, "n": pa.array(numbers, pa.int64())}), row_group_size=2)
    table = read_table(item(name))
    assert table.column("t") == texts
    assert table.column("n") == [str(number) for number in numbers]
    parts = list(read_tables(item(name), rows=3))
    assert [row for part in parts for row in part.rows] == list(table.rows)
    assert [part.before for part in parts] == [sum(len(p.rows) for p in parts[:place]) for place in range(len(parts))]


def test_rows_have_numbers_and_no_lines():
    table = read_table(item(write("a.parquet", pa.table({"text": ["a", None, "c"]}))))
    assert [table.where(place) for place in range(3)] == ["a.parquet, row 1", "a.parquet, row 2", "a.parquet, row 3"]
    assert table.sha256 == hashlib.sha256(Path("a.parquet").read_bytes()).hexdigest()


def test_the_numbers_that_pandas_gives_to_rows_are_no_column():
    table = pa.table({"text": ["a"], "__index_level_0__": pa.array([5], pa.int64())})
    assert read_table(item(write("a.parquet", table))).columns == ("text",)


NESTED = {
    "struct": pa.array([{"a": 1}, {"a": 2}] * 20),
    "numbers": pa.array([[0.5, 1.0], []] * 20),
    "lists": pa.array([[["a"]], [["b"]]] * 20),
    "map": pa.array([[("a", 1)]] * 40, pa.map_(pa.string(), pa.int64())),
}


def labelled(**more):
    return pa.table({"text": [f"text {n}" for n in range(40)], "label": ["a", "b"] * 20, **more})


def test_nested_columns_that_are_not_used_are_left_unread_and_it_is_said():
    loaded = load(DataSpec(train=write("a.parquet", labelled(**NESTED))), seed=0)
    said = loaded.choices["data.train (columns left unread)"]
    assert said.value == "struct, numbers, lists, map"
    assert "struct<a: int64>" in said.reason


@pytest.mark.parametrize("role", ["text", "label", "group"])
@pytest.mark.parametrize("name", NESTED)
def test_a_nested_column_that_is_used_is_refused_once_with_its_type(role, name):
    spec = DataSpec.model_validate({"train": write("a.parquet", labelled(**NESTED)), role: name})
    with pytest.raises(DataError) as caught:
        load(spec, seed=0)
    [problem] = caught.value.problems
    assert problem.where == f"a.parquet, column {name}"
    assert problem.found.startswith("nested values: ")
    assert f"data.{role}=COLUMN" in problem.fix


def test_a_nested_column_is_not_taken_for_the_text_or_the_label():
    table = pa.table({"text": NESTED["struct"], "body": [f"text {n}" for n in range(40)], "tag": ["a", "b"] * 20})
    loaded = load(DataSpec(train=write("a.parquet", table)), seed=0)
    assert loaded.columns == {"text": "body", "label": "tag"}


def test_lists_of_texts_are_what_they_are_in_json():
    cells = column([["a", "b"], ["c"]])
    Path("a.jsonl").write_text('{"x": ["a", "b"]}\n{"x": ["c"]}\n')
    assert cells == [row[0] for row in read_table(item("a.jsonl")).rows]


def test_bytes_that_are_no_text_are_an_error_only_where_they_are_used():
    assert isinstance(column([b"\xff\xfe"])[0], Unusable)
    assert load(DataSpec(train=write("a.parquet", labelled(image=[b"\xff"] * 40))), seed=0).columns["text"] == "text"


@pytest.mark.parametrize(
    ("label", "reading"),
    [
        (pa.array([True, False] * 20), "true and false"),
        (pa.array([1.0, 2.0] * 20), "whole numbers without decimals"),
        (pa.array(["a", "b"] * 20).dictionary_encode(), "the values that its codes stand for"),
    ],
)
def test_how_a_used_column_of_another_type_is_read_is_said(label, reading):
    table = pa.table({"text": [f"text {n}" for n in range(40)], "label": label})
    said = load(DataSpec(train=write("a.parquet", table)), seed=0).choices["data.label (values)"]
    assert said.value.startswith(reading)
    assert "label of a.parquet" in said.reason


def test_an_empty_file_is_refused():
    assert problem_of(write("a.parquet", pa.table({"text": pa.array([], pa.string())}))).found == "a header and no rows"
    assert problem_of(write("b.parquet", pa.table({}))).found == "no rows"


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.feather"])
@pytest.mark.parametrize("keep", [0.0, 0.02, 0.5, 0.95])
def test_a_cut_off_file_is_refused(name, keep):
    write(name, labelled())
    raw = Path(name).read_bytes()
    Path(name).write_bytes(raw[: int(keep * len(raw))])
    found = problem_of(name).found
    assert "damaged or cut off" in found or "something else" in found


@pytest.mark.parametrize("start", [10, 40, 200])
def test_a_file_that_is_damaged_inside_is_refused(start):
    raw = bytearray(Path(write("a.parquet", labelled())).read_bytes())
    raw[start : start + 60] = b"\xaa" * 60
    Path("a.parquet").write_bytes(bytes(raw))
    assert "damaged" in problem_of("a.parquet").found


def test_a_column_name_that_stands_twice_is_refused():
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["x", "x "])
    assert "'x' 2 times" in problem_of(write("a.parquet", table)).found


def test_a_cell_of_ten_megabytes_is_a_cell():
    cell = "word " * 2_000_000
    assert column(["x", cell]) == ["x", cell]


def test_long_rows_are_taken_out_in_smaller_parts():
    texts = [chr(97 + n) + str(n) * 10_000_000 for n in range(8)]
    write("a.parquet", pa.table({"text": texts}), use_dictionary=False)
    parts = list(read_tables(item("a.parquet"), rows=5_000))
    assert max(len(part.rows) for part in parts) <= 6
    assert [row[0] for part in parts for row in part.rows] == texts


def test_the_index_of_a_file_says_how_large_it_is_unpacked():
    write("a.parquet", pa.table({"text": ["the same text"] * 100_000}))
    size, rows = size_in_parts(item("a.parquet"))
    assert rows == 100_000
    assert size < 100_000  # a text that repeats takes no room there, so that the rows have to count
