"""Running text is read as passages that are the text again when they are put together."""

from __future__ import annotations

import bz2
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from affina.data.formats import read_table
from affina.data.items import Item
from affina.data.loading import load
from affina.data.passages import LONGEST, parse_passages
from affina.data.places import is_place, locate
from affina.data.reading import read_texts
from affina.data.table import Source
from affina.errors import DataError
from affina.recipe.data_spec import DataSpec
from affina.recipe.load import check_recipe


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def passages(text):
    table = parse_passages(Source("a.txt", text, ""))
    return [row[0] for row in table.rows], table.lines


def paragraphs(count, length=100):
    return [f"Paragraph {number}. ".ljust(length, "x") for number in range(count)]


@given(some.text(some.sampled_from("ab \n\t\r\u00e9"), min_size=1, max_size=200), some.integers(1, 400))
def test_put_together_they_are_the_text(piece, times):
    text = piece * times
    found, lines = passages(text)
    assert "".join(found) == text
    before = 0
    for passage, line in zip(found, lines, strict=True):
        assert line == 1 + text.count("\n", 0, before)
        before += len(passage)


def test_whole_paragraphs_are_gathered_up_to_the_limit():
    given = paragraphs(200)
    found, lines = passages("\n\n".join(given))
    assert len(found) == -(-200 * 102 // LONGEST)
    assert all(len(passage) <= LONGEST for passage in found)
    assert all(passage.startswith("Paragraph ") and passage.rstrip()[-1] == "x" for passage in found)
    assert lines == (1, 157, 313)


@pytest.mark.parametrize("between", ["\n\n", "\r\n\r\n", "\n \t\n", "\n\n\n\n\n"])
def test_blank_lines_of_any_kind_divide(between):
    found, _ = passages(between.join("word " * 1000 for _ in range(3)))
    assert len(found) == 3
    assert [passage.endswith(between) for passage in found] == [True, True, False]


def test_a_long_paragraph_is_divided_at_lines_else_at_words_else_anywhere():
    lines, _ = passages("\n".join(["x" * 99] * 200))
    assert {len(passage) % 100 for passage in lines[:-1]} == {0}
    words, _ = passages("nine words" * 3000)
    assert all(passage.endswith("nine ") for passage in words[:-1])
    letters, _ = passages("x" * 20_000)
    assert [len(passage) for passage in letters] == [LONGEST, LONGEST, 20_000 - 2 * LONGEST]


def test_blank_lines_in_front_and_behind_are_kept_and_are_no_passage():
    found, lines = passages("\n\n \n" + "\n\n".join(paragraphs(3)) + "\n" * 9_000)
    assert len(found) == 1
    assert lines == (1,)


def test_a_text_file_is_learned_as_it_is_and_says_so():
    Path("novel.txt").write_text("\n\n".join(paragraphs(30, 3_990)), encoding="utf-8")
    loaded = load(DataSpec(train="novel.txt"), seed=0)
    assert loaded.labelling.name == "generation"
    assert loaded.columns == {"text": "text"}
    assert loaded.labels == ()
    assert loaded.choices["task"].reason.startswith("running text")
    rows = [*loaded.splits.train, *loaded.splits.validation]
    assert {row.fields["label"] for row in rows} == {""}
    texts = {row.number: row.fields["text"] for row in rows}
    assert "".join(texts[number] for number in sorted(texts)) == Path("novel.txt").read_text(encoding="utf-8")
    assert sorted(row.where for row in rows)[:2] == ["novel.txt, row 1 (line 1)", "novel.txt, row 10 (line 37)"]


def test_packed_files_and_archives_of_text():
    text = "\n\n".join(paragraphs(30, 3_990)).encode()
    Path("novel.txt.bz2").write_bytes(bz2.compress(text))
    with zipfile.ZipFile("novels.zip", "w") as archive:
        archive.writestr("train.txt", text)
        archive.writestr("test.txt", text[:9_000])
    assert len(load(DataSpec(train="novel.txt.bz2", validation=0.2), seed=0).splits.train) == 12
    loaded = load(DataSpec(train="novels.zip", validation=0.2), seed=0)
    assert [row.where for row in loaded.splits.test] == [
        "novels.zip/test.txt, row 1 (line 1)",
        "novels.zip/test.txt, row 2 (line 5)",
    ]


@pytest.mark.parametrize("where", ["sets", "sets/inner"])
def test_text_beside_tables_is_not_read(where):
    Path("sets/inner").mkdir(parents=True)
    Path("sets/README.txt").write_text("read me\n")
    Path(where, "a.csv").write_text("text,label\nx,a\n")
    assert [item.name for item in locate("sets").items] == [f"{where}/a.csv"]
    Path(where, "a.csv").unlink()
    assert [item.name for item in locate("sets").items] == ["sets/README.txt"]
    assert not is_place("sets")  # as a word, it is a text to be classified


def test_a_short_text_is_one_passage_of_which_nothing_can_be_held_out():
    Path("a.txt").write_text("one\n\ntwo\n")
    with pytest.raises(DataError, match=r"fix: +add more text, of which passages of up to 8,000 characters are held"):
        load(DataSpec(train="a.txt"), seed=0)


def test_tasks_with_labels_have_nothing_to_do_with_running_text():
    Path("a.txt").write_text("one\n\ntwo\n")
    spec = check_recipe({"data": {"train": "a.txt"}, "task": "classification"})
    with pytest.raises(DataError, match="running text, which has neither"):
        load(spec.data, seed=0, task=spec.task)
    with pytest.raises(DataError, match="running text without rows"):
        read_texts([Item("a.txt", Path("a.txt"))], {"text": "text", "label": "label"}, labelled=False)


@pytest.mark.parametrize(
    ("raw", "found"), [(b"", "an empty file"), (b" \n\n", "an empty file"), (b"PAR1\x15", "Parquet")]
)
def test_what_is_no_text_is_refused(raw, found):
    Path("a.txt").write_bytes(raw)
    with pytest.raises(DataError, match=found):
        read_table(Item("a.txt", Path("a.txt")))
