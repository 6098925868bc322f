"""Bad data, through the whole command: refused on one screen, with the place and the fix, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench import affina, check_refused, files_under, sample_rows, tiny, write_csv

HEADER = b"text,label\n"
GOOD = "".join(f'"{text}",{label}\n' for text, label in sample_rows()).encode()
"""60 rows: a line appended to it is row 61, line 62."""

BAD_FILES: dict[str, tuple[str, bytes, tuple[str, ...]]] = {
    "too many fields": ("a.csv", HEADER + GOOD + b"one, two,card\n", ("row 61 (line 62)", "3 fields", "quotes")),
    "too few fields": ("a.csv", HEADER + GOOD + b"only a text\n", ("row 61 (line 62)", "1 field")),
    "a quote that stays open": ("a.csv", HEADER + GOOD + b'"open,card\n', ("row 61 (line 62)", "quote")),
    "empty label": ("a.csv", HEADER + GOOD + b"some text,\n", ("row 61 (line 62)", "an empty label")),
    "blank label": ("a.tsv", b"text\tlabel\na\tb\nb\tb\nsome text\t  \n", ("row 3 (line 4)", "an empty label")),
    "many empty labels": ("a.csv", HEADER + GOOD + b"some text,\n" * 200, ("row 61 (line 62)", "more")),
    "a label seen once": ("a.csv", HEADER + GOOD + b"some text,cash\n", ("row 61 (line 62)", "'cash'", "two rows")),
    "one class only": ("a.csv", HEADER + b"".join(b"text %d,card\n" % n for n in range(20)), ("label", "'card'", "20")),
    "mixed encodings": (
        "a.csv",
        HEADER + GOOD + "caffè,card\n".encode("latin-1") + "tè,card\n".encode(),
        ("line 62", "0xE8", "UTF-8"),
    ),
    "a NUL byte": ("a.csv", HEADER + GOOD + b"a\0b,card\n", ("row 61 (line 62)", "NUL")),
    "broken JSON lines": (
        "a.jsonl",
        b'{"text": "a", "label": "x"}\n{"text": "b", "label":\n',
        ("line 2", "broken JSON", "character"),
    ),
    "broken JSON": (
        "a.json",
        b'[{"text": "a", "label": "x"},\n{"text": "b" "label": "x"}]',
        ("line 2", "broken JSON", "correct"),
    ),
    "an empty file": ("a.csv", b"", ("an empty file",)),
    "a header alone": ("a.csv", HEADER, ("no rows",)),
    "no rows after cleaning": ("a.csv", HEADER + b'" ",card\n"",fee\n', ("no text in any",)),
    "float labels": (
        "a.csv",
        HEADER + b"".join(b"t%d,%d.0\n" % (n, n % 3) for n in range(20)),
        ("row 1 (line 2)", "0.0", "task=regression"),
    ),
    "another format": ("a.xlsx", b"PK\x03\x04", (".csv",)),
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(folder, *words, says):
    before = files_under(folder)
    ended = affina("train", *words, f"model={tiny()}")
    check_refused(ended, folder, before, says=says)
    assert ended.out.strip() == ""


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_training_file(folder, case):
    name, content, says = BAD_FILES[case]
    Path(name).write_bytes(content)
    refused(folder, name, says=(name, *says))


@pytest.mark.parametrize("key", ["data.validation", "data.test"])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (HEADER + b"some text,\n", ("row 1 (line 2)", "an empty label")),
        (HEADER + b"some text,cash\n", ("row 1 (line 2)", "'cash'", "good.csv")),
        (b"words,label\nsome text,card\n", ("header", "text")),
        (HEADER, ("no rows",)),
        (b"", ("an empty file",)),
    ],
    ids=["empty label", "a label that training has not", "wrong column", "a header alone", "empty"],
)
def test_a_bad_file_to_measure_on(folder, key, content, says):
    write_csv(Path("good.csv"), sample_rows())
    Path("held.csv").write_bytes(content)
    refused(folder, "good.csv", f"{key}=held.csv", says=("held.csv", *says))


def test_a_missing_file_suggests_the_one_there_is(folder):
    write_csv(Path("tickets.csv"), sample_rows())
    refused(folder, "tickest.csv", says=("tickest.csv", "no such file", "did you mean tickets.csv?"))
    refused(folder, "tickets.csv", "data.test=tset.csv", says=("tset.csv", "no such file"))


@pytest.mark.parametrize("key", ["data.label", "data.text", "data.text_pair", "data.group"])
def test_a_wrong_column_is_named_with_those_there_are(folder, key):
    write_csv(Path("good.csv"), sample_rows())
    refused(folder, "good.csv", f"{key}=zzz", says=(key, "zzz", "text, label"))


def test_a_file_of_another_kind_than_its_name_says(folder):
    Path("a.json").write_bytes(HEADER + GOOD)
    refused(folder, "a.json", says=("a.json",))


def test_many_bad_rows_with_long_messages_still_fit_on_a_screen(folder):
    extra = [(f"some text {number}", f"label-{number}") for number in range(20)]
    write_csv(Path("a.csv"), [*sample_rows(), *extra])
    refused(folder, "a.csv", says=("row 61 (line 62)", "more"))


def test_a_long_cell_does_not_fill_the_screen(folder):
    Path("a.csv").write_bytes(HEADER + GOOD + b"x" * 100_000 + b",card,more\n")
    refused(folder, "a.csv", says=("row 61 (line 62)", "3 fields"))
