"""Columns are what the user names, what their names say, or what is left; else the user is asked."""

from __future__ import annotations

import pytest

from affina.data.columns import NAMED, find_columns
from affina.data.names import KNOWN_NAMES
from affina.data.places import locate
from affina.data.reading import read_texts as read_items
from affina.data.reading import rows_of, same_columns
from affina.data.table import Table, Unusable
from affina.errors import DataError, RecipeError
from affina.recipe.data_spec import DataSpec


def read_texts(path, columns, *, labelled):
    return read_items(locate(str(path)).items, columns, labelled=labelled)


def table_of(columns, rows=None, file="a.csv"):
    if rows is None:
        rows = [tuple(f"{name} {number}" for name in columns) for number in range(6)]
    return Table(file, tuple(columns), tuple(map(tuple, rows)), tuple(range(2, len(rows) + 2)), "")


def found(columns, rows=None, **spec):
    return {role: column.value for role, column in find_columns(table_of(columns, rows), DataSpec(**spec)).items()}


def problem_of(columns, rows=None, kind=DataError, **spec):
    with pytest.raises(kind) as caught:
        find_columns(table_of(columns, rows), DataSpec(**spec))
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].fix
    return caught.value.problems[0]


@pytest.mark.parametrize(
    ("columns", "text", "label"),
    [
        (["text", "label"], "text", "label"),
        (["Label", "TEXT"], "TEXT", "Label"),
        (["label_name", "label", "id", "tweet"], "tweet", "label"),
        (["title", "review", "stars"], "review", "stars"),
        (["text", "category", "rating"], "text", "category"),
        (["id", "Review Text", "sentiment"], "Review Text", "sentiment"),
        (["", "message", "y"], "message", "y"),
        (["text", "labels", "label_names"], "text", "labels"),
    ],
)
def test_well_known_names(columns, text, label):
    assert found(columns) == {"text": text, "label": label}


@pytest.mark.parametrize(
    ("columns", "text", "pair"),
    [
        (["label", "sentence1", "sentence2"], "sentence1", "sentence2"),
        (["hypothesis", "premise", "label"], "premise", "hypothesis"),
        (["question1", "question2", "label", "id"], "question1", "question2"),
        (["text", "text_pair", "label"], "text", "text_pair"),
        (["text_a", "text_b", "label"], "text_a", "text_b"),
        (["question", "sentence", "label"], "question", "sentence"),
    ],
)
def test_well_known_pairs(columns, text, pair):
    assert found(columns) == {"text": text, "text_pair": pair, "label": "label"}


def test_pairs_can_be_switched_off_named_or_completed():
    columns = ["text", "text_pair", "label", "other"]
    assert found(columns, text_pair="none") == {"text": "text", "label": "label"}
    assert found(columns, text_pair="other") == {"text": "text", "text_pair": "other", "label": "label"}
    assert found(["premise", "hypothesis", "label"], text="premise")["text_pair"] == "hypothesis"
    assert "premise" in problem_of(["premise", "hypothesis", "label"], text_pair="none").fix


def test_what_is_left_is_taken():
    rows = [(f"words {number}", "ab"[number % 2]) for number in range(8)]
    assert found(["foo", "bar"], rows) == {"text": "foo", "label": "bar"}
    assert found(["bar", "foo"], [row[::-1] for row in rows]) == {"text": "foo", "label": "bar"}
    assert found(["foo", "label"]) == {"text": "foo", "label": "label"}
    assert found(["text", "bar"], rows) == {"text": "text", "label": "bar"}
    assert found(["foo", "label", "pair"], group="pair") == {"text": "foo", "label": "label", "group": "pair"}


def test_every_choice_has_its_reason():
    columns = find_columns(table_of(["message", "title", "class"]), DataSpec(label="class"))
    assert columns["label"].reason == NAMED
    assert columns["text"].reason == "a well-known name for the text, before title"


@pytest.mark.parametrize(
    ("columns", "expected", "fix"),
    [
        (["title", "description", "label"], "the text", "data.text=title data.label=label"),
        (["text", "intent", "category"], "the label", "data.text=text data.label=intent (or data.label=category)"),
        (["text", "id"], "the label", "data.text=text data.label=id"),
        (["foo", "bar", "baz"], "the text and the label", "data.text="),
    ],
)
def test_ambiguous_columns_are_listed_with_values_and_what_to_type(columns, expected, fix):
    problem = problem_of(columns)
    assert problem.where == "a.csv"
    assert expected in problem.expected
    assert fix in problem.fix
    for name in columns:
        assert f"{name} ('{name} 0')" in problem.found


def test_suggested_columns_differ():
    problem = problem_of(["long", "b", "c"], [("the same long text", str(n), str(n)) for n in range(5)])
    assert "data.text=long data.label=b" in problem.fix


def test_a_named_column_that_is_missing_gets_a_suggestion():
    problem = problem_of(["text", "Label"], label="lable")
    assert problem.where == "data.label"
    assert "text, Label" in problem.expected
    assert problem.found == "lable"
    assert problem.fix == "did you mean data.label=Label?"
    assert problem_of(["text", "label"], text="none").where == "data.text"


def test_several_missing_columns_are_reported_together():
    with pytest.raises(DataError) as caught:
        find_columns(table_of(["a", "b"]), DataSpec(text="x1", label="x2", group="x3"))
    assert [problem.where for problem in caught.value.problems] == ["data.text", "data.label", "data.group"]


def test_one_column_cannot_have_two_roles():
    problem = problem_of(["text", "label"], kind=RecipeError, text="text", label="text")
    assert "data.text" in problem.where
    assert "data.label" in problem.where


def test_an_unnamed_column_that_is_needed():
    assert "without a name" in problem_of(["", "label"]).found
    assert "without a name" in problem_of(["", "label"], text="").found


def test_a_single_column_hints_at_the_delimiter():
    problem = problem_of(["text|label"])
    assert problem.where == "a.csv"
    assert "divided" in problem.fix


def test_a_file_without_a_header_does_not_lose_its_first_row():
    rows = [(f"words {number}", "spam" if number % 2 else "ham") for number in range(8)]
    problem = problem_of(["first words", "spam"], rows)
    assert problem.where == "a.csv, header"
    assert "'spam' is also a value" in problem.found
    assert "add a header line" in problem.fix


def test_no_name_is_both_a_text_and_a_label():
    names = {role: frozenset().union(*tiers) for role, tiers in KNOWN_NAMES.items()}
    assert not names["text"] & names["label"]


def test_rows_have_roles_addresses_and_labels_without_outer_blanks():
    table = table_of(["id", "label", "text"], [("1", " a ", " x "), ("2", "b", "")])
    rows = rows_of(table, {"text": "text", "label": "label"})
    assert rows[0].fields == {"text": " x ", "label": "a"}
    assert [row.where for row in rows] == ["a.csv, row 1 (line 2)", "a.csv, row 2 (line 3)"]


def test_a_list_is_an_error_only_where_its_column_is_used():
    table = table_of(
        ["text", "label", "tags"], [("x", "a", Unusable("a list: [1]")), (Unusable("a list: [2]"), "b", "")]
    )
    with pytest.raises(DataError) as caught:
        rows_of(table, {"text": "text", "label": "label"})
    (problem,) = caught.value.problems
    assert problem.where == "a.csv, row 2 (line 3), column text"
    assert problem.found == "a list: [2]"


def test_other_files_may_order_their_columns_otherwise_but_not_lack_one():
    columns = {"text": "text", "label": "label", "group": "user"}
    assert same_columns(table_of(["Label", "text"]), columns) == {"text": "text", "label": "Label"}
    with pytest.raises(DataError) as caught:
        same_columns(table_of(["text", "lbl"], file="test.csv"), columns)
    (problem,) = caught.value.problems
    assert problem.where == "test.csv, header"
    assert "label" in problem.expected
    assert problem.found == "the columns text, lbl"


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def _write(name, text):
        (tmp_path / name).write_text(text)
        return name

    return _write


TRAINED = {"text": "utterance", "label": "intent"}


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("utterance", "hello"),
        ("Utterance", "hello"),
        ("whatever", "hello"),
        ("message,id", "hello,1"),
        ("id,utterance,text", "1,hello,other"),
        ("intent,text", ",hello"),
    ],
)
def test_texts_are_found_by_the_trained_name_then_by_well_known_ones(write, header, row):
    rows = read_texts(write("new.csv", f"{header}\n{row}\n"), TRAINED, labelled=False)
    assert [row.fields for row in rows] == [{"text": "hello"}]


def blanks_in(path, columns=TRAINED, *, labelled=False):
    with pytest.raises(DataError) as caught:
        read_texts(path, columns, labelled=labelled)
    assert all(problem.expected == "a text" and problem.fix for problem in caught.value.problems)
    return [problem.where for problem in caught.value.problems]


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("blank", ["", "  ", "\u200b", '" "'])
def test_a_model_is_given_no_row_without_a_text(write, blank, labelled):
    path = write("new.csv", f"intent,text\na,{blank}\nb,x\nb,{blank}\n")
    assert blanks_in(path, labelled=labelled) == [
        "new.csv, row 1 (line 2), column text",
        "new.csv, row 3 (line 4), column text",
    ]


def test_nor_without_its_second_text(write):
    path = write("new.csv", "premise,hypothesis\nx,y\nx,\n")
    columns = {"text": "premise", "text_pair": "hypothesis"}
    assert blanks_in(path, columns) == ["new.csv, row 2 (line 3), column hypothesis"]


@pytest.mark.parametrize(
    ("name", "content", "lines"),
    [
        ("new.csv", 'text\nx\n""\n\n  \ny\n', (3, 5)),
        ("new.csv", "id,text\n1,x\n\n , \n2,\n,\n3,y\n,\n", (4, 5, 6)),
        ("new.jsonl", '{"text": "x"}\n\n{"text": ""}\n{}\n{"text": "y"}\n{}\n', (3, 4)),
        ("new.json", '[{"text": "x"}, {"text": null},\n{"text": " "}, {"text": "y"}]', (1, 2)),
    ],
)
def test_wholly_blank_rows_would_shift_the_results_and_empty_lines_do_not(write, name, content, lines):
    where = blanks_in(write(name, content))
    assert [int(address.split("line ")[1].split(")")[0]) for address in where] == list(lines)


def test_empty_lines_are_no_rows(write):
    rows = read_texts(write("new.csv", "text\n\nx\n\n\ny\n\n"), TRAINED, labelled=False)
    assert [row.fields["text"] for row in rows] == ["x", "y"]
    rows = read_texts(write("new.jsonl", '\n{"text": "x"}\n\n'), TRAINED, labelled=False)
    assert [row.fields["text"] for row in rows] == ["x"]


def test_labels_are_read_and_needed_where_asked(write):
    rows = read_texts(write("new.csv", "intent,utterance\n a ,x\n"), TRAINED, labelled=True)
    assert rows[0].fields == {"text": "x", "label": "a"}
    with pytest.raises(DataError, match=r"new\.csv, header\n.*the column intent"):
        read_texts(write("new.csv", "utterance\nx\n"), TRAINED, labelled=True)
    rows = read_texts(write("new.csv", "intent,utterance\na,x\n,y\n"), TRAINED, labelled=True)
    assert rows[1].fields == {"text": "y", "label": ""}  # whether that is a label is the labelling's


def test_texts_that_cannot_be_found_are_not_guessed(write):
    for header in ("foo,bar", "title,subject"):
        with pytest.raises(DataError, match=r"new\.csv, header\n.*the column utterance"):
            read_texts(write("new.csv", f"{header}\nx,y\n"), TRAINED, labelled=False)


def test_second_texts_are_needed_where_the_model_has_them(write):
    columns = {"text": "premise", "text_pair": "hypothesis"}
    rows = read_texts(write("new.csv", "sentence1,sentence2\nx,y\n"), {**columns, "text": "sentence1"}, labelled=False)
    assert rows[0].fields == {"text": "x", "text_pair": "y"}
    with pytest.raises(DataError, match="the column hypothesis"):
        read_texts(write("new.csv", "premise,other\nx,y\n"), columns, labelled=False)
