"""The user's own text file: what cannot be used is refused, with the fix."""

import pytest

from affina.errors import DataError, RecipeError
from affina.risks.given_texts import LONGEST, MOST_PIECES, read_texts

WHERE = "risks.forgetting.texts"


def refused(path, kind=RecipeError):
    with pytest.raises(kind) as caught:
        read_texts(str(path), seed=0)
    return str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    said = refused(tmp_path / "none.txt")
    assert WHERE in said
    assert "none.txt" in said
    assert "check the path" in said


def test_a_folder(tmp_path):
    assert "text file in UTF-8" in refused(tmp_path)


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet"])
def test_a_table(tmp_path, name):
    (tmp_path / name).write_text("text,label\na,b\n", encoding="utf-8")
    assert "which is a table" in refused(tmp_path / name)


@pytest.mark.parametrize("text", ["", "  \n\n \n"])
def test_an_empty_file(tmp_path, text):
    (tmp_path / "empty.txt").write_text(text, encoding="utf-8")
    assert "which is empty" in refused(tmp_path / "empty.txt")


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "odd.txt").write_bytes(b"caf\xe9 au lait\n")
    assert "not UTF-8" in refused(tmp_path / "odd.txt", DataError)
    (tmp_path / "nul.bin").write_bytes(b"one two three four five six\0seven")
    assert "NUL" in refused(tmp_path / "nul.bin")


def test_paragraphs_are_pieces_and_long_ones_are_divided_between_words(tmp_path):
    long = "word " * 300
    (tmp_path / "mine.txt").write_text(
        f"A first one.\r\n\r\nA second\none.\n \n{long}\n\n{'x' * 900}", encoding="utf-8"
    )
    given = read_texts(str(tmp_path / "mine.txt"), seed=0)
    assert given.pieces[:2] == ("A first one.", "A second\none.")
    assert all(0 < len(piece) <= LONGEST for piece in given.pieces)
    assert " ".join(given.pieces[2:-3]).split() == long.split()
    assert "".join(given.pieces[-3:]) == "x" * 900
    assert (given.file, given.told) == ("mine.txt", "all that it has")


def test_of_many_some_are_drawn_by_the_seed(tmp_path):
    (tmp_path / "many.txt").write_text("\n\n".join(f"text {number}" for number in range(900)), encoding="utf-8")
    first, again, other = (read_texts(str(tmp_path / "many.txt"), seed=seed) for seed in (1, 1, 2))
    assert len(first.pieces) == MOST_PIECES
    assert first == again
    assert first.pieces != other.pieces
    assert "from 900" in first.told
