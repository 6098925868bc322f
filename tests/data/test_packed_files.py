"""Packed files and archives give the rows of what is in them; those that cannot be unpacked are refused by name."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import random
import tarfile
import zipfile
from pathlib import Path

import pyarrow
import pytest

from affina.data import packing
from affina.data.formats import read_table, read_tables
from affina.data.places import locate
from affina.errors import DataError

TEXT = b"text,label\n" + b"".join(b'"row %d, caf\xc3\xa9 ""x""",%s\n' % (n, b"ab"[n % 2 :][:1]) for n in range(300))


def zstd(raw):
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as packed:
        packed.write(raw)
    return sink.getvalue().to_pybytes()


PACK = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}


def zipped(members, method=zipfile.ZIP_DEFLATED):
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return raw.getvalue()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name, raw):
    Path(name).write_bytes(raw)
    return name


def only(name):
    [item] = locate(name).items
    return item


def read(name, *, streamed):
    for item in locate(name).items:
        list(read_tables(item, rows=50)) if streamed else read_table(item)


def problem_of(name, *, streamed=False):
    with pytest.raises(DataError) as caught:
        read(name, streamed=streamed)
    assert caught.value.problems[0].fix
    return caught.value.problems[0]


def plain():
    return read_table(only(write("plain.csv", TEXT)))


@pytest.mark.parametrize("packed", PACK)
def test_a_packed_file_has_the_rows_and_lines_of_the_plain_one(packed):
    raw = PACK[packed](TEXT)
    table = read_table(only(write(f"a.csv{packed}", raw)))
    assert (table.columns, table.rows, table.lines) == (plain().columns, plain().rows, plain().lines)
    assert table.where(2) == f"a.csv{packed}, row 3 (line 4)"
    assert table.sha256 == hashlib.sha256(raw).hexdigest() != plain().sha256


@pytest.mark.parametrize("packed", PACK)
def test_parts_of_a_packed_file_are_the_parts_of_the_plain_one(packed):
    write(f"a.csv{packed}", PACK[packed](TEXT))
    write("a.csv", TEXT)
    parts, of_plain = (list(read_tables(only(name), rows=70)) for name in (f"a.csv{packed}", "a.csv"))
    assert [(part.rows, part.lines, part.before) for part in parts] == [
        (part.rows, part.lines, part.before) for part in of_plain
    ]
    assert [len(part.rows) for part in parts] == [70, 70, 70, 70, 20]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".json", ".jsonl", ".parquet"])
def test_every_format_can_be_packed_and_lie_in_an_archive(suffix):
    import pyarrow.parquet

    content = {
        ".csv": b"text,label\nx,a\n",
        ".tsv": b"text\tlabel\nx\ta\n",
        ".json": b'[{"text": "x", "label": "a"}]',
        ".jsonl": b'{"text": "x", "label": "a"}',
    }
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table({"text": ["x"], "label": ["a"]}), sink)
    raw = content.get(suffix) or sink.getvalue().to_pybytes()
    for name, packed in {f"a{suffix}.gz": gzip.compress(raw), "a.zip": zipped({f"in/a{suffix}": raw})}.items():
        table = read_table(only(write(name, packed)))
        assert (table.columns, table.rows) == (("text", "label"), (("x", "a"),))


def test_a_packed_file_in_an_archive_is_read_too():
    table = read_table(only(write("a.zip", zipped({"b.csv.xz": lzma.compress(TEXT)}))))
    assert table.rows == plain().rows
    assert table.file == "a.zip/b.csv.xz"


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("packed", PACK)
@pytest.mark.parametrize("damage", ["cut", "torn", "not packed"])
def test_a_damaged_packed_file_is_refused_by_name(packed, damage, streamed):
    raw = PACK[packed](TEXT * 30)
    middle = len(raw) // 2
    raw = {"cut": raw[:middle], "torn": raw[: middle - 9] + b"\xaa" * 18 + raw[middle + 9 :], "not packed": TEXT}[
        damage
    ]
    problem = problem_of(write(f"a.csv{packed}", raw), streamed=streamed)
    assert problem.where.startswith(f"a.csv{packed}")
    if damage == "torn" and packed == ".zst":
        return  # written without a checksum: what is torn is found in the text, by its encoding or its quotes
    assert problem.found.startswith("something else" if damage == "not packed" else "damaged or cut off")


@pytest.mark.parametrize("name", ["a.csv.gz", "a.zip"])
def test_what_grows_out_of_all_proportion_is_refused_before_it_fills_the_memory(name, monkeypatch):
    monkeypatch.setattr(packing, "FREE_BYTES", 2**20)
    bomb = b"text,label\n" + b"a" * 30_000_000
    write(name, gzip.compress(bomb) if name.endswith("gz") else zipped({"a.csv": bomb}))
    for streamed in (False, True):
        problem = problem_of(name, streamed=streamed)
        assert "250 times" in problem.expected
        assert "fill the memory" in problem.found


def test_growth_is_measured_while_reading_and_not_at_the_end(monkeypatch):
    monkeypatch.setattr(packing, "FREE_BYTES", 2**20)
    # All of it grows to 30 times its size; its beginning to far more.
    noise = random.Random(0).randbytes(1_500_000).hex().encode()  # noqa: S311 - not a secret
    write("a.csv.gz", gzip.compress(b"text,label\n" + b"a" * 30_000_000 + noise))
    found = problem_of("a.csv.gz").found
    assert int(found.partition(" bytes that grow to ")[2].split()[0].replace(",", "")) < 5_000_000


def test_an_archive_cannot_lie_about_the_size_of_a_member(monkeypatch):
    monkeypatch.setattr(packing, "FREE_BYTES", 2**16)
    bomb = b"text,label\n" + b"a" * 20_000_000
    raw = zipped({"a.csv": bomb})
    small = (1_000).to_bytes(4, "little")
    raw = raw.replace(len(bomb).to_bytes(4, "little"), small)
    assert problem_of(write("a.zip", raw)).where == "a.zip/a.csv"


@pytest.mark.parametrize("name", ["../a.csv", "/etc/a.csv", "in/../../a.csv", "..\\a.csv", "C:/a.csv", "a//b.csv"])
def test_a_name_that_leads_out_of_an_archive_is_refused(name):
    problem = problem_of(write("a.zip", zipped({name: TEXT})))
    assert problem.where == "a.zip"
    assert "leads out of it" in problem.found


def test_a_colon_in_a_name_is_a_letter():
    assert read_table(only(write("a.zip", zipped({"log 12:30.csv": TEXT})))).rows == plain().rows


def test_a_file_without_a_name_or_with_that_of_another_one_is_refused():
    raw = zipped({"a.csv": TEXT, "b.csv": TEXT})
    assert "'b.csv' twice" in problem_of(write("a.zip", raw.replace(b"a.csv", b"b.csv"))).found
    with zipfile.ZipFile("c.zip", "w") as archive:
        archive.writestr("x", TEXT)
    raw = Path("c.zip").read_bytes().replace(b"\x01\x00\x00\x00x", b"\x00\x00\x00\x00", 1)
    write("d.zip", raw)
    assert problem_of("d.zip").where.startswith("d.zip")


def test_an_encrypted_archive_is_refused_before_anything_is_read():
    raw = bytearray(zipped({"a.csv": TEXT}))
    raw[raw.index(b"PK\x03\x04") + 6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    problem = problem_of(write("a.zip", bytes(raw)))
    assert (problem.where, problem.found) == ("a.zip/a.csv", "an encrypted one")
    assert "password" in problem.fix


@pytest.mark.parametrize("keep", [0.3, 0.97])
def test_a_cut_off_archive_is_refused(keep):
    raw = zipped({"a.csv": TEXT})
    problem = problem_of(write("a.zip", raw[: int(keep * len(raw))]))
    assert problem.where == "a.zip"
    assert "cut off" in problem.found


def test_a_broken_member_is_refused():
    raw = bytearray(zipped({"a.csv": TEXT}, zipfile.ZIP_STORED))
    raw[200] ^= 1
    problem = problem_of(write("a.zip", bytes(raw)))
    assert problem.where == "a.zip/a.csv"
    assert "CRC" in problem.found


def test_too_many_files_in_an_archive_are_refused(monkeypatch):
    from affina.data import archives

    monkeypatch.setattr(archives, "MOST_MEMBERS", 2)
    assert "3 files" in problem_of(write("a.zip", zipped({f"{n}.csv": TEXT for n in range(3)}))).found


@pytest.mark.parametrize(
    ("name", "raw", "found", "fix"),
    [
        ("a.csv", gzip.compress(TEXT), "a gzip file", "a.csv.gz"),
        ("a.jsonl", bz2.compress(TEXT), "a bzip2 file", "a.jsonl.bz2"),
        ("a.tsv", lzma.compress(TEXT), "an xz file", "a.tsv.xz"),
        ("a.csv", zstd(TEXT), "a Zstandard file", "a.csv.zst"),
        ("a.csv", zipped({"a.csv": TEXT}), "a zip archive", "rename it to a.zip; if it is a spreadsheet"),
        ("a.json", b"PAR1\x15\x04", "a Parquet file", "a.parquet"),
        ("a.csv", b"%PDF-1.7 ...", "a PDF", "save the rows as CSV"),
        ("a.csv", b"\n<!DOCTYPE html><html>", "a web page", "download"),
        ("a.csv.gz", gzip.compress(zipped({"a.csv": TEXT})), "a zip archive", "rename what was in it to end in .zip"),
        ("a.parquet", TEXT, "begins with 'text,label", "write or download"),
        ("a.parquet", gzip.compress(TEXT), "a gzip file", "a.parquet.gz"),
        ("a.csv.gz", TEXT, "begins with 'text,label", "rename it to a.csv"),
        ("a.csv.gz", lzma.compress(TEXT), "an xz file", "rename it to a.csv.xz"),
        ("a.zip", TEXT, "not a zip", ""),
    ],
)
def test_a_suffix_that_lies_is_found_out_and_the_right_name_is_told(name, raw, found, fix):
    problem = problem_of(write(name, raw))
    assert problem.where == name
    assert found in problem.found
    assert fix in problem.fix


@pytest.mark.parametrize(
    ("name", "fix"), [("a.tar.gz", "tar -xf a.tar.gz"), ("a.tgz", "tar -xf"), ("a.gz", "a.csv.gz"), ("a.7z", "save")]
)
def test_a_packing_that_is_not_read_is_refused_with_the_way_out(name, fix):
    assert fix in problem_of(write(name, b"x")).fix


def test_what_is_not_utf8_is_refused_with_its_line_and_no_command_that_would_not_work():
    raw = b"text,label\nx,a\ncaf\xe9,b\n"
    plain, packed = problem_of(write("a.csv", raw)), problem_of(write("a.csv.gz", gzip.compress(raw)))
    assert (plain.where, packed.where) == ("a.csv, line 3", "a.csv.gz, line 3")
    assert "iconv" in plain.fix
    assert "iconv" not in packed.fix


def test_a_text_that_spells_a_mark_is_a_text():
    header = b"text,label\n"
    for text in (b"PK and BZh9", b"x" * (256 - len(header)) + b"mustard"):
        assert len(read_table(only(write("a.csv", header + text + b",a\n"))).rows) == 1
    assert read_table(only(write("b.csv", b"PAR1,label\nx,a\n"))).columns == ("PAR1", "label")


def test_a_tar_archive_is_known_by_its_mark():
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.csv"), io.BytesIO(b""))
    assert problem_of(write("a.csv", raw.getvalue())).found == "a tar archive"


def test_an_empty_packed_file_is_empty():
    assert problem_of(write("a.csv.gz", gzip.compress(b""))).found == "an empty file"
    assert problem_of(write("b.csv.gz", b"")).where == "b.csv.gz"
