"""Every format gives the same table, with true line numbers and nothing dropped or guessed."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affina.data.delimited import parse_delimited
from affina.data.formats import read_table as read_item
from affina.data.objects import parse_json, parse_jsonl
from affina.data.places import locate
from affina.data.table import Source, Unusable


def read_table(path):
    [item] = locate(str(path)).items
    return read_item(item)


@pytest.fixture
def write(tmp_path):
    def _write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return _write


def test_csv_with_cells_over_several_lines_keeps_true_line_numbers(write):
    raw = 'text,label\n"one\ntwo",a\n\n"say ""hi"", please",b\nlast,a'
    table = read_table(write("a.csv", raw))
    assert table.columns == ("text", "label")
    assert table.rows == (("one\ntwo", "a"), ('say "hi", please', "b"), ("last", "a"))
    assert table.lines == (2, 5, 6)
    assert table.blank == 1
    assert table.sha256 == hashlib.sha256(raw.encode()).hexdigest()
    assert table.where(1).endswith("a.csv, row 2 (line 5)")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_all_line_ends_count_as_lines(write, end):
    table = read_table(write("a.csv", end.join(["text,label", "x,a", "", "y,b", ""])))
    assert table.rows == (("x", "a"), ("y", "b"))
    assert table.lines == (2, 4)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
def test_every_byte_order_mark_is_understood(write, encoding, name):
    text = {
        "a.csv": "text,label\ncaffè,sì\n",
        "a.jsonl": '{"text": "caffè", "label": "sì"}\n',
        "a.json": '[{"text": "caffè", "label": "sì"}]',
    }[name]
    table = read_table(write(name, text.encode(encoding)))
    assert table.columns == ("text", "label")
    assert table.rows == (("caffè", "sì"),)
    assert (table.encoding is None) == encoding.startswith("utf-8"), "another encoding than UTF-8 is said"


@pytest.mark.parametrize(("delimiter", "name"), [(";", "semicolon"), ("\t", "tab")])
def test_another_delimiter_is_taken_where_the_header_shows_it_and_is_said(write, delimiter, name):
    table = read_table(write("a.csv", f"text{delimiter}label\nhello, you{delimiter}a\n"))
    assert table.rows == (("hello, you", "a"),)
    assert table.delimiter is not None
    assert table.delimiter.value == delimiter
    assert name in table.delimiter.reason


@pytest.mark.parametrize(
    "raw", ['text,label\n"a;b;c",x\n', "text,label\na;b,x\n", "a;b,label\n1;2,x\n", 'text\n"one, two"\n', "text\na;b\n"]
)
def test_the_comma_stays_where_the_header_leaves_any_doubt(write, raw):
    assert read_table(write("a.csv", raw)).delimiter is None


def test_tsv_is_divided_by_tabs_alone(write):
    assert read_table(write("a.tsv", "text\tlabel\na, b; c\tx\n")).rows == (("a, b; c", "x"),)


def test_a_cell_of_ten_megabytes_is_read(write):
    long = "word " * 2_000_000
    assert read_table(write("a.csv", f'text,label\n"{long}",a\n')).rows[0][0] == long


def test_wholly_blank_rows_are_counted_and_nothing_else_is_dropped(write):
    table = read_table(write("a.csv", "\n\ntext,label\n , \nx,\n,b\n\n,\n"))
    assert table.rows == (("x", ""), ("", "b"))
    assert table.blank == 3


def test_unnamed_columns_may_stand_unused(write):
    assert read_table(write("a.csv", ",text,label,\n0,x,a,\n")).columns == ("", "text", "label", "")


JSON_ROWS = '{"text": "x", "n": 1.0, "b": true, "i": 7, "extra": null}', '{"text": "y", "list": [1], "b": false}'


@pytest.mark.parametrize(("name", "lines"), [("a.jsonl", (1, 3)), ("a.ndjson", (1, 3)), ("a.json", (2, 4))])
def test_json_values_become_text_and_missing_keys_empty_cells(write, name, lines):
    raw = "[\n" + ",\n\n".join(JSON_ROWS) + "\n]" if name == "a.json" else "\n\n".join(JSON_ROWS)
    table = read_table(write(name, raw))
    assert table.columns == ("text", "n", "b", "i", "extra", "list")
    assert table.rows[0] == ("x", "1.0", "true", "7", "", "")
    assert table.rows[1] == ("y", "", "false", "", "", Unusable("a list: '[1]'", ("1",)))
    assert table.lines == lines


def test_json_rows_that_are_blank_are_counted(write):
    table = read_table(write("a.jsonl", '{"text": " "}\n{}\n\n{"text": "x"}\n'))
    assert (table.rows, table.lines, table.blank) == ((("x",),), (4,), 3)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", " text ,label\t\nx,a\ny,b\n"),
        ("a.jsonl", '{" text ": "x", "label\\t": "a"}\n{"text": "y", "label": "b"}\n'),
        ("a.json", '[{" text ": "x", "label\\t": "a"},\n{"text": "y", "label ": "b"}]'),
    ],
)
def test_names_of_columns_have_no_outer_blanks_in_any_format(write, name, content):
    table = read_table(write(name, content))
    assert table.columns == ("text", "label")
    assert table.rows == (("x", "a"), ("y", "b"))


def test_blank_rows_are_told_from_empty_lines(write):
    table = read_table(write("a.csv", 'text\n\nx\n""\n'))
    assert (table.blank, table.blank_rows) == (2, (4,))
    table = read_table(write("a.csv", "text,label\n \nx,a\n,\n"))
    assert (table.blank, table.blank_rows) == (2, (4,))
    table = read_table(write("a.json", '[{"text": ""}, {"text": "x"}, {}]'))
    assert (table.blank, table.blank_rows) == (2, (1, 1))


def test_other_line_separators_inside_json_do_not_end_the_line(write):
    table = read_table(write("a.jsonl", '{"text": "one\u2028two\x85three"}\n'))
    assert table.rows == (("one\u2028two\x85three",),)


CELL = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12)
GRIDS = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), max_size=8))


@settings(max_examples=80)
@given(GRIDS, st.sampled_from(["\n", "\r\n"]), st.sampled_from([",", "\t", ";"]))
def test_any_cells_survive_the_way_through_csv(grid, end, delimiter):
    width = len(grid[0]) if grid else 1
    header = [f"c{place}" for place in range(width)]

    def quoted(cells):
        return delimiter.join('"' + cell.replace('"', '""') + '"' for cell in cells)

    text = end.join(quoted(cells) for cells in [header, *grid]) + end
    table = parse_delimited(Source("a.csv", text, ""), delimiter=delimiter)
    kept = [tuple(cells) for cells in grid if any(cell.strip() for cell in cells)]
    assert list(table.rows) == kept
    assert table.blank == len(grid) - len(kept)
    starts = [text[: text.find(quoted(cells))] for cells in grid[:1]]
    assert not kept or table.lines[0] >= 1 + sum(start.count("\n") for start in starts)


@settings(max_examples=80)
@given(
    st.lists(st.dictionaries(CELL.map(str.strip), CELL, max_size=4), max_size=6),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_any_objects_survive_the_way_through_json(objects, indent, ascii_only):
    as_list = parse_json(Source("a.json", json.dumps(objects, indent=indent, ensure_ascii=ascii_only), ""))
    lines = "\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in objects)
    as_lines = parse_jsonl(Source("a.jsonl", lines, ""))
    expected = [
        tuple(row.get(name, "") for name in as_list.columns)
        for row in objects
        if any(cell.strip() for cell in row.values())
    ]
    assert list(as_list.rows) == list(as_lines.rows) == expected
    assert as_list.columns == as_lines.columns
