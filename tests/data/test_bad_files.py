"""Every broken file is refused with its name, the row or line, and a fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from affina.data.formats import read_table as read_item
from affina.data.places import locate
from affina.errors import DataError


def read_table(path):
    [item] = locate(str(path)).items
    return read_item(item)


def problems_of(path):
    with pytest.raises(DataError) as caught:
        read_table(path)
    for problem in caught.value.problems:
        assert problem.expected
        assert problem.found
        assert problem.fix
    return caught.value.problems


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """Write a file, and return the problems that reading it by its bare name raises."""
    monkeypatch.chdir(tmp_path)

    def _refused(name, content):
        Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return problems_of(name)

    return _refused


def only(problems):
    assert len(problems) == 1
    return problems[0]


def test_missing_file_suggests_similar_ones(refused, tmp_path):
    Path("Tickets.csv").write_text("text,label\n")
    Path("other.md").write_text("x")
    problem = only(problems_of("tickest.csv"))
    assert problem.where == "tickest.csv"
    assert problem.found == "no such file"
    assert problem.fix == "did you mean Tickets.csv?"
    assert problem.found in only(problems_of("nowhere/a.csv")).found
    assert "no folder nowhere" in only(problems_of("nowhere/a.csv")).found
    assert "other.md" not in only(problems_of("zzzzzzz.csv")).fix


def test_a_folder_without_data_files_is_refused_with_what_it_has(refused, tmp_path):
    Path("sets").mkdir()
    assert only(problems_of("sets")).found == "nothing"
    Path("sets/notes.md").write_text("x")
    problem = only(problems_of("sets"))
    assert (problem.where, problem.found) == ("sets", "notes.md")


@pytest.mark.parametrize(("name", "found"), [("a.doc", "'.doc'"), ("a.xlsx", "'.xlsx'"), ("a", "without a suffix")])
def test_other_formats_are_refused_with_those_that_are_read(refused, name, found):
    problem = only(refused(name, "text,label\nx,a\n"))
    assert problem.where == name
    assert ".csv, .tsv, .json, .jsonl, .ndjson" in problem.expected
    assert found in problem.found


def test_no_permission(refused, monkeypatch):
    def forbidden(self, mode):
        raise PermissionError

    Path("a.csv").write_text("text,label\nx,a\n")
    monkeypatch.setattr(Path, "open", forbidden)
    problem = only(problems_of("a.csv"))
    assert (problem.where, problem.found) == ("a.csv", "no permission to read it")


@pytest.mark.parametrize("content", [b"", b" \n\n", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.json", "a.jsonl"])
def test_empty_file(refused, name, content):
    problem = only(refused(name, content))
    assert (problem.where, problem.found) == (name, "an empty file")


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.csv", "text,label\n", "a header and no rows"),
        ("a.csv", "text,label\n,\n\n", "a header and no rows"),
        ("a.json", "[]", "no rows"),
        ("a.jsonl", "{}\n", "no rows"),
    ],
)
def test_header_only(refused, name, content, found):
    problem = only(refused(name, content))
    assert (problem.where, problem.found) == (name, found)


@pytest.mark.parametrize(("name", "mark"), [("a.csv", ","), ("a.tsv", "\t"), ("b.csv", ";")])
def test_rows_with_too_many_or_too_few_fields(refused, name, mark):
    rows = [["text", "label"], ["x", "a"], ['"two\nlines"', "a"], ["one", "two", "b"], ["", ""], ["short"], ["y", "b"]]
    many, few = refused(name, "\n".join(mark.join(row) for row in rows))
    assert many.where == f"{name}, row 3 (line 5)"
    assert "2 fields (text, label)" in many.expected
    assert "3 fields" in many.found
    assert "quotes" in many.fix
    assert few.where == f"{name}, row 4 (line 7)"
    assert "1 field:" in few.found


def test_many_bad_rows_are_all_reported_and_three_shown(refused):
    problems = refused("a.csv", "text,label\n" + "a,b,c\n" * 9)
    assert len(problems) == 9
    assert "... and 6 more" in str(DataError(*problems))


def test_unclosed_quote_is_found_where_it_opens(refused):
    problem = only(refused("a.csv", 'text,label\nx,a\n"never closed,b\ny,a\nz,b\n'))
    assert problem.where == "a.csv, row 2 (line 3)"
    assert "no closing one" in problem.found
    assert '""hi""' in problem.fix


def test_unclosed_quote_that_meets_the_next_one(refused):
    problem = only(refused("a.csv", 'text,label\nx,a\n"open,b\n"fine, here",a\n'))
    assert problem.where == "a.csv, row 2 (line 3)"
    assert "line 4" in problem.found


def test_text_after_a_closing_quote_is_not_swallowed(refused):
    assert only(refused("a.csv", 'text,label\n"well" he said,a\n')).where == "a.csv, row 1 (line 2)"


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
def test_latin1_is_named_and_not_guessed(refused, name):
    rows = {
        "a.csv": "text,label\ngood,a\ncaffé latte,b\n",
        "a.jsonl": '\n{"text": "good"}\n{"text": "caffé latte"}\n',
        "a.json": '[\n{"text": "good"},\n{"text": "caffé latte"}]',
    }[name]
    problem = only(refused(name, rows.encode("latin-1")))
    assert problem.where == f"{name}, line 3"
    assert problem.expected == "text in UTF-8"
    assert "0xE9" in problem.found
    assert "caffé latte" in problem.found
    assert "UTF-8" in problem.fix
    assert f"iconv -f WINDOWS-1252 -t UTF-8 {name}" in problem.fix


def test_mixed_encodings_name_each_bad_line(refused):
    raw = "text,label\ncaffè,a\n".encode() + b"caff\xe8,b\nplain,a\n\x93quoted\x94,b\n"
    first, second = refused("a.csv", raw)
    assert (first.where, second.where) == ("a.csv, line 3", "a.csv, line 5")
    assert "mixes encodings" in first.found
    assert "0x93" in second.found


def test_bytes_of_no_known_encoding(refused):
    problem = only(refused("a.csv", b"text,label\nab\x81c,a\n"))
    assert problem.where == "a.csv, line 2"
    assert "0x81, character 3" in problem.found
    assert "Windows" not in problem.found


def test_utf16_without_a_mark_or_cut_short(refused):
    raw = "text,label\nhello,a\n"
    assert "UTF-16 without" in only(refused("a.csv", raw.encode("utf-16-le"))).found
    assert "UTF-16" in only(refused("a.csv", raw.encode("utf-16")[:-1])).found


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        ("a.csv", b"text,label\nx,a\ny\0y,b\n", "a.csv, row 2 (line 3), column text"),
        ("a.csv", b"text,label\nx,a\0\n", "a.csv, row 1 (line 2), column label"),
        ("a.csv", b"text,lab\0el\nx,a\n", "a.csv, header"),
        ("a.tsv", b"text\tlabel\n\nx\0\ta\n", "a.tsv, row 1 (line 3), column text"),
        ("a.jsonl", b'{"text": "x"}\n{"text": "y\0"}\n', "a.jsonl, row 2 (line 2)"),
        ("a.jsonl", b'{"text": "x"}\n{"text": "y\\u0000"}\n', "a.jsonl, row 2 (line 2), column text"),
        ("a.json", b'[{"text": "x"},\n{"text": "y\0"}]\n', "a.json, row 2 (line 2)"),
        ("a.json", b'[{"text": "x"},\n{"text": "y\\u0000"}]\n', "a.json, row 2 (line 2), column text"),
    ],
)
def test_nul_byte(refused, name, content, where):
    problem = only(refused(name, content))
    assert problem.where == where
    assert "NUL" in problem.found
    assert "remove" in problem.fix


def test_half_a_surrogate_pair_in_json(refused):
    problem = only(refused("a.jsonl", '{"text": "bad \\ud83d"}\n'))
    assert problem.where == "a.jsonl, row 1 (line 1), column text"
    assert "surrogate" in problem.found


def test_broken_jsonl_names_every_line(refused):
    raw = '{"text": "x"}\n{"text": "y"\n\n{"text": "z"}\n{text: 1}\n{"text": "w"} {}\n'
    where = [problem.where for problem in refused("a.jsonl", raw)]
    assert where == ["a.jsonl, row 2 (line 2)", "a.jsonl, row 4 (line 5)", "a.jsonl, row 5 (line 6)"]


@pytest.mark.parametrize(
    ("content", "where", "found"),
    [
        ('[\n{"text": "x"},\n{"text": "y" "z"}\n]', "a.json, row 2 (line 3)", "line 3, character 14"),
        ('[{"text": "x"},\n{"text":\n\n oops}]', "a.json, row 2 (line 2)", "line 4, character 2"),
        ('[{"text": "x"}\n{"text": "y"}]', "a.json, row 1 (line 1)", "a comma or the closing ] is missing"),
        ('[{"text": "x"},\n', "a.json, row 2 (line 2)", "the end of the text"),
        ('[{"text": "x"}', "a.json, row 1 (line 1)", "closing ] is missing"),
        ('[{"text": "x"},\n]', "a.json, row 2 (line 2)", "broken JSON at line 2"),
        ('[{"text": "x"}]\n\n{"text": "y"}', "a.json, line 3", "after the list's end"),
    ],
)
def test_broken_json_names_the_line(refused, content, where, found):
    problem = only(refused("a.json", content))
    assert problem.where == where
    assert found in problem.found


@pytest.mark.parametrize("row", ["3", '"text"', "null", "true", "[1, 2]"])
def test_json_rows_that_are_no_objects(refused, row):
    for name, content in {"a.jsonl": f'{{"text": "x"}}\n\n{row}\n', "a.json": f'[{{"text": "x"}},\n\n{row}]'}.items():
        problem = only(refused(name, content))
        assert problem.where == f"{name}, row 2 (line 3)"
        assert row in problem.found


def test_json_and_jsonl_taken_for_each_other(refused):
    problem = only(refused("a.json", '\n{"text": "x"}\n{"text": "y"}\n'))
    assert problem.where == "a.json, line 2"
    assert "rename it to .jsonl" in problem.fix
    assert "rename the file to .json " in only(refused("a.jsonl", '[{"text": "x"}]')).fix


def test_repeated_column_names(refused):
    problem = only(refused("a.csv", "\ntext,label,text\nx,a,y\n"))
    assert problem.where == "a.csv, header (line 2)"
    assert "'text' 2 times" in problem.found
    assert only(refused("a.jsonl", '{"text": "x", "text": "y"}')).found == "the key 'text' twice"
    assert only(refused("a.json", '[{"text": "x", "text": "y"}]')).where == "a.json, row 1 (line 1)"


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_keys_that_differ_in_outer_blanks_are_repeated(refused, name):
    row = '{"text": "x", " text ": "y"}'
    problem = only(refused(name, f"[{row}]" if name == "a.json" else row))
    assert (problem.where, problem.found) == (f"{name}, row 1 (line 1)", "the key 'text' twice")


def test_json_that_exhausts_the_parser_is_a_data_error(refused):
    assert "deeply nested" in only(refused("a.jsonl", '{"text": ' + "[" * 200_000)).found
    assert "too many digits" in only(refused("a.jsonl", '{"text": ' + "9" * 5000 + "}")).found


def test_nothing_is_written_beside_a_refused_file(refused, tmp_path):
    refused("a.csv", "text,label\na,b,c\n")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
