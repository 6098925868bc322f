"""Files with bytes changed at random: read, or refused with an error of ours, and never anything else."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from corpus import adapters, models, tables

from affina.data.formats import read_table
from affina.data.places import locate
from affina.errors import AffinaError
from affina.models.adapters import read_adapter
from affina.models.gguf_header import check_header
from affina.recipe.load import load_recipe
from affina.record import journal
from affina.record.journal import Journal
from affina.record.payloads import Event

TIMES = 150
RECIPE = (
    b"data: {train: [a.csv, b.csv], text: words}\nmethod: {name: lora, rank: 4}\ntrain:\n  epochs: 3\n  clip: 1.0\n"
)
GGUF = models.gguf(
    [
        models.NAMED,
        models.pair("a", 9, b"\x08\0\0\0" + (2).to_bytes(8, "little") + models.text("x") + models.text("y")),
    ],
    [models.tensor("v", [16], 0), models.tensor("w", [4, 4], 64)],
)
TABLES = {
    "a.csv": tables.CSV,
    "a.jsonl": tables.LINES.encode(),
    "a.parquet": tables.PARQUET,
    "a.arrow": tables.ARROW,
    "a.csv.gz": gzip.compress(tables.CSV, mtime=0),
    "a.zip": tables._zip({"a.csv": tables.CSV}),
}


def mutated(content: bytes, *, seed: int, times: int = TIMES) -> Iterator[bytes]:
    """Copies with a few bytes changed, cut out, doubled or put in."""
    draw = random.Random(seed)  # noqa: S311 - not a secret
    for _ in range(times):
        found = bytearray(content)
        for _ in range(draw.randint(1, 4)):
            at, size = draw.randrange(len(found) + 1), draw.choice((1, 1, 2, 8, 64))
            way = draw.randrange(5)
            if way == 0:
                found[at : at + size] = draw.randbytes(len(found[at : at + size]))
            elif way == 1:
                del found[at : at + size]
            elif way == 2:
                found[at:at] = found[at : at + size]
            elif way == 3:
                found[at:at] = draw.choice((b"\0", b"\xff" * 8, b'"', b"{[", b"\n", b"\x80"))
            else:
                del found[at:]
        yield bytes(found)


def holds(read: Callable[[], object], *expected: type[Exception]) -> bool:
    """Whether it is read; anything but the expected errors comes through."""
    try:
        read()
    except expected:
        return False
    return True


@pytest.mark.parametrize("name", TABLES)
def test_a_mutated_table_is_read_or_refused(tmp_path, name):
    path = tmp_path / name
    found = []
    for content in mutated(TABLES[name], seed=1):
        path.write_bytes(content)
        found.append(holds(lambda: [read_table(item) for item in locate(str(path)).items], AffinaError))
    assert not all(found)


def test_a_mutated_gguf_is_read_or_refused(tmp_path):
    path = tmp_path / "a.gguf"
    path.write_bytes(GGUF)
    assert check_header(path) == (32, 2)
    found = []
    for content in mutated(GGUF, seed=2, times=10 * TIMES):
        path.write_bytes(content)
        found.append(holds(lambda: check_header(path), ValueError))
    assert 0 < sum(found) < len(found)


@pytest.mark.parametrize("name", [adapters.WEIGHTS, adapters.CONFIG, adapters.NOTE])
def test_a_mutated_adapter_is_read_or_refused(tmp_path, name):
    for path in adapters.shipped().iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    original = (tmp_path / name).read_bytes()
    found = []
    for content in mutated(original[:4096] if name == adapters.WEIGHTS else original, seed=3):
        (tmp_path / name).write_bytes(content + original[4096:] if name == adapters.WEIGHTS else content)
        found.append(holds(lambda: read_adapter(tmp_path), AffinaError))
    assert not all(found)


def test_a_mutated_recipe_is_read_or_refused(tmp_path):
    path = tmp_path / "r.yaml"
    found = []
    for content in mutated(RECIPE, seed=4):
        path.write_bytes(content)
        found.append(holds(lambda: load_recipe(path), AffinaError))
    assert 0 < sum(found) < len(found)


def test_a_mutated_record_is_read_or_refused(tmp_path):
    path = tmp_path / "record.jsonl"
    with Journal(path) as written:
        for step in range(6):
            written.append(Event(step=step, name="notice", text="caffè and more"))
    original = path.read_bytes()
    for content in mutated(original, seed=5):
        path.write_bytes(content)
        holds(lambda: journal.read(path), AffinaError)
        holds(lambda: journal.read_known(path), AffinaError)


def test_the_loop_finds_what_it_is_made_for(tmp_path):
    def careless(path: Path) -> int:
        return int.from_bytes(path.read_bytes()[8:16], "little") // len(path.read_bytes()[24:25])

    def goes_through_all() -> None:
        for content in mutated(GGUF, seed=2):
            path.write_bytes(content)
            holds(lambda: careless(path), ValueError)

    path = tmp_path / "a.gguf"
    with pytest.raises(ZeroDivisionError):
        goes_through_all()
