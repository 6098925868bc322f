"""Malformed data files: of each format that is read, broken in its own ways."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq

from corpus.case import Case, file
from workbench import sample_rows

HEADER = "text,label\n"
GOOD = "".join(f'"{text}",{label}\n' for text, label in sample_rows())
"""60 rows: a line appended to it is row 61, line 62."""
CSV = (HEADER + GOOD).encode()
RECORDS = [{"text": text, "label": label} for text, label in sample_rows()]
LINES = "".join(json.dumps(row) + "\n" for row in RECORDS)


def _zip(members: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


def _parquet(columns: dict[str, list[object]]) -> bytes:
    made = io.BytesIO()
    pq.write_table(pa.table(columns), made)
    return made.getvalue()


def _damaged(content: bytes, at: int) -> bytes:
    return content[:at] + bytes(255 - byte for byte in content[at : at + 16]) + content[at + 16 :]


def _arrow() -> bytes:
    made = io.BytesIO()
    table = pa.table({"text": [row["text"] for row in RECORDS], "label": [row["label"] for row in RECORDS]})
    with pa.ipc.new_file(made, table.schema) as writer:
        writer.write_table(table)
    return made.getvalue()


def _lying(content: bytes) -> bytes:
    """An Arrow file whose second text ends far behind the last one."""
    ends = (0).to_bytes(4, "little") + len(RECORDS[0]["text"]).to_bytes(4, "little")
    at = content.index(ends)
    return content[: at + 4] + (2**30).to_bytes(4, "little") + content[at + 8 :]


ARROW = _arrow()
PARQUET = _parquet({"text": [row["text"] for row in RECORDS], "label": [row["label"] for row in RECORDS]})
NESTED = _parquet({"text": [{"a": 1}] * 10, "label": ["x", "y"] * 5})
TEXTS = {
    "a file that is empty": file("a.csv", b"", "a.csv", "an empty file"),
    "a file of blanks": file("a.csv", b" \n \n", "a.csv"),
    "a header alone": file("a.csv", HEADER, "no rows"),
    "too many fields": file("a.csv", HEADER + GOOD + "one, two,card\n", "row 61 (line 62)", "3 fields"),
    "too few fields": file("a.csv", HEADER + GOOD + "only a text\n", "row 61 (line 62)", "1 field"),
    "a quote that stays open": file("a.csv", HEADER + GOOD + '"open,card\n', "row 61 (line 62)", "quote"),
    "a NUL byte in a cell": file("a.csv", HEADER + GOOD + "a\0b,card\n", "row 61 (line 62)", "NUL"),
    "a file of zero bytes": file("a.csv", bytes(4096), "a.csv"),
    "two encodings": file("a.csv", CSV + "caffè,card\n".encode("latin-1") + "tè,card\n".encode(), "line 62", "0xE8"),
    "UTF-16 without a mark": file("a.csv", (HEADER + GOOD).encode("utf-16-le"), "a.csv", "UTF-16"),
    "UTF-16 cut in a letter": file("a.csv", (HEADER + GOOD).encode("utf-16")[:-1], "a.csv", "UTF-16"),
    "the same column twice": file("a.csv", "text,text,label\na,b,c\n", "a.csv", "text"),
    "columns without names": file("a.csv", ",\na,b\nc,d\n", "a.csv"),
    "one column": file("a.csv", "words\n" + "a\nb\n" * 20, "a.csv"),
    "a label seen once": file("a.csv", HEADER + GOOD + "some text,cash\n", "row 61 (line 62)", "'cash'"),
    "one class": file("a.csv", HEADER + "".join(f"t{n},card\n" for n in range(20)), "label", "'card'"),
    "no text in any row": file("a.csv", HEADER + '" ",card\n"",fee\n', "no text in any"),
    "labels that are missing": file("a.csv", HEADER + GOOD + "some text,\n" * 30, "row 61 (line 62)", "an empty label"),
    "labels that are fractions": file("a.csv", HEADER + "".join(f"t{n},{n % 3}.0\n" for n in range(20)), "0.0"),
    "a picture by the name of a table": file("a.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(128, 256)) * 20, "a.csv"),
    "a table by the name of a picture": file("a.png", CSV, ".csv"),
    "a spreadsheet": file("a.xlsx", b"PK\x03\x04" + bytes(100), ".csv"),
    "a cell of ten megabytes in a broken row": file("a.csv", CSV + b"x" * 10_000_000 + b",card,more\n", "3 fields"),
}
JSONS = {
    "JSON that ends early": file("a.json", json.dumps(RECORDS)[:-20], "a.json", "broken JSON"),
    "JSON without a comma": file("a.json", '[{"text": "a", "label": "x"},\n{"text": "b" "label": "x"}]', "line 2"),
    "JSON that is an object": file("a.json", '{"rows": 1}', "a.json"),
    "JSON that is a number": file("a.json", "42", "a.json"),
    "JSON of lists": file("a.json", "[[1, 2], [3, 4]]", "a.json"),
    "JSON that is empty": file("a.json", "[]", "a.json"),
    "JSON with NaN": file("a.json", '[{"text": NaN, "label": "x"}]', "a.json"),
    "JSON nested too deep": file("a.json", "[" * 100_000, "a.json"),
    "JSON with a key twice": file("a.json", '[{"text": "a", "text": "b", "label": "x"}]', "a.json"),
    "JSON whose text is an object": file("a.json", json.dumps([{**row, "text": {"a": 1}} for row in RECORDS]), "text"),
    "JSON whose text is a list": file("a.json", json.dumps([{**row, "text": ["a"]} for row in RECORDS]), "text"),
    "JSON whose label is an object": file("a.json", json.dumps([{**row, "label": {}} for row in RECORDS]), "label"),
    "a line that is broken": file("a.jsonl", LINES + '{"text": "b", "label":\n', "line 61", "broken JSON"),
    "a line that is a list": file("a.jsonl", LINES + "[1, 2]\n", "line 61"),
    "a line that is a number": file("a.jsonl", LINES + "7\n", "line 61"),
    "a line nested too deep": file("a.jsonl", LINES + "[" * 100_000 + "\n", "line 61"),
    "two values on a line": file("a.jsonl", '{"text": "a", "label": "x"} {"text": "b"}\n', "line 1"),
    "a line that is null": file("a.jsonl", LINES + "null\n", "line 61"),
    "JSON lines by the name of JSON": file("a.json", LINES, "a.json", "rename it to .jsonl"),
    "half a letter in JSON lines": file("a.jsonl", LINES.encode() + b'{"text": "\xff", "label": "card"}\n', "line 61"),
}
PACKED = {
    "gzip that ends early": file("a.csv.gz", gzip.compress(CSV)[:-40], "a.csv.gz"),
    "gzip that is no gzip": file("a.csv.gz", CSV, "a.csv.gz"),
    "gzip with a changed byte": file("a.csv.gz", _damaged(gzip.compress(CSV), 200), "a.csv.gz"),
    "gzip with rubbish behind": file("a.csv.gz", gzip.compress(CSV) + b"rubbish", "a.csv.gz"),
    "bzip2 that ends early": file("a.csv.bz2", bz2.compress(CSV)[:-40], "a.csv.bz2"),
    "xz that ends early": file("a.csv.xz", lzma.compress(CSV)[:-40], "a.csv.xz"),
    "zstd that is no zstd": file("a.csv.zst", CSV, "a.csv.zst"),
    "a bomb in gzip": file("a.csv.gz", gzip.compress(b"text,label\n" + bytes(600_000_000), 9), "a.csv.gz"),
    "a zip that ends early": file("a.zip", _zip({"a.csv": CSV})[:-30], "a.zip"),
    "a zip that is no zip": file("a.zip", CSV, "a.zip"),
    "a zip without data": file("a.zip", _zip({"readme.txt": b"", "a.png": b"x"}), "a.zip"),
    "an empty zip": file("a.zip", _zip({}), "a.zip"),
    "a zip that leads out": file("a.zip", _zip({"../../a.csv": CSV}), "a.zip", ".."),
    "a zip with an absolute name": file("a.zip", _zip({"/etc/a.csv": CSV}), "a.zip"),
    "a zip with a drive's name": file("a.zip", _zip({"C:\\a.csv": CSV}), "a.zip"),
    "a zip of changed bytes": file("a.zip", _damaged(_zip({"a.csv": CSV}), 60), "a.zip"),
    "a bomb in a zip": file("a.zip", _zip({"a.csv": b"text,label\n" + bytes(600_000_000)}), "a.zip"),
    "a zip in a zip": file("a.zip", _zip({"b.zip": _zip({"a.csv": CSV})}), "a.zip"),
    "a broken table in a zip": file("a.zip", _zip({"train.csv": CSV + b"only a text\n"}), "train.csv", "row 61"),
}
COLUMNAR = {
    "Parquet that ends early": file("a.parquet", PARQUET[:-20], "a.parquet"),
    "Parquet that is no Parquet": file("a.parquet", CSV, "a.parquet"),
    "Parquet of nothing": file("a.parquet", b"", "a.parquet"),
    "Parquet of marks alone": file("a.parquet", b"PAR1PAR1", "a.parquet"),
    "Parquet with a changed footer": file("a.parquet", _damaged(PARQUET, len(PARQUET) - 60), "a.parquet"),
    "Parquet with a changed page": file("a.parquet", _damaged(PARQUET, 40), "a.parquet"),
    "Parquet with a footer beyond the file": file(
        "a.parquet", PARQUET[:-8] + (2**31 - 1).to_bytes(4, "little") + b"PAR1", "a.parquet"
    ),
    "Parquet with a nested column as its text": file("a.parquet", NESTED, "text"),
    "Arrow that is no Arrow": file("a.arrow", CSV, "a.arrow"),
    "Arrow that ends early": file("a.arrow", b"ARROW1\0\0" + bytes(40), "a.arrow"),
    "Arrow with a text beyond its end": file("a.arrow", _lying(ARROW), "a.arrow", "damaged"),
    "Feather that is no Feather": file("a.feather", PARQUET, "a.feather"),
}
CASES: dict[str, Case] = TEXTS | JSONS | PACKED | COLUMNAR
