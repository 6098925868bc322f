"""The cache of converted models: whole entries only, whatever happens while one is made."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from affina.errors import ModelError
from affina.models.quiet import silent
from affina.runtime.cache import MARKER, cache_folder, cached, is_whole, keep, kept


@pytest.fixture(autouse=True)
def cache(reused) -> Path:
    return reused.parent / "models"


class Builder:
    """Writes two files and counts how often."""

    def __init__(self):
        self.times = 0

    def __call__(self, folder: Path) -> None:
        self.times += 1
        (folder / "weights").write_bytes(b"weights")
        (folder / "more").mkdir()
        (folder / "more" / "config").write_bytes(b"config")


def test_built_once(cache):
    build = Builder()
    first = cached("one", build, notify=silent)
    assert first == cache / "one"
    assert cached("one", build, notify=silent) == first
    assert build.times == 1
    assert (first / "more" / "config").read_bytes() == b"config"
    assert [path.name for path in cache.iterdir()] == ["one"]


def damage_content(folder: Path) -> None:
    (folder / "weights").write_bytes(b"wEights")


def damage_size(folder: Path) -> None:
    (folder / "more" / "config").write_bytes(b"")


def damage_file(folder: Path) -> None:
    (folder / "weights").unlink()


def damage_marker(folder: Path) -> None:
    (folder / MARKER).write_text("[1, 2")


def damage_marker_kind(folder: Path) -> None:
    (folder / MARKER).write_text('{"weights": 3}')


def lose_marker(folder: Path) -> None:
    (folder / MARKER).unlink()


@pytest.mark.parametrize(
    "damage", [damage_content, damage_size, damage_file, damage_marker, damage_marker_kind, lose_marker]
)
def test_a_damaged_entry_is_said_and_built_again(cache, damage):
    build, told = Builder(), []
    folder = cached("one", build, notify=told.append)
    assert told == []
    damage(folder)
    assert cached("one", build, notify=told.append) == folder
    assert build.times == 2
    assert "damaged" in told[0]
    assert is_whole(folder)
    assert [path.name for path in cache.iterdir()] == ["one"]


def test_a_copied_entry_is_still_good():
    folder = cached("one", Builder(), notify=silent)
    os.utime(folder / "weights", (1, 1))
    assert is_whole(folder)


@pytest.mark.parametrize("fault", [ModelError, KeyboardInterrupt])
def test_a_build_that_fails_leaves_nothing(cache, fault):
    def build(folder: Path) -> None:
        (folder / "weights").write_bytes(b"half")
        raise fault

    with pytest.raises(fault):
        cached("one", build, notify=silent)
    assert list(cache.iterdir()) == []


def test_the_first_of_two_processes_wins():
    first = Builder()

    def second(folder: Path) -> None:
        cached("one", first, notify=silent)
        (folder / "weights").write_bytes(b"late")

    folder = cached("one", second, notify=silent)
    assert (folder / "weights").read_bytes() == b"weights"
    assert is_whole(folder)


def test_a_cache_that_cannot_be_written_to(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AFFINA_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="AFFINA_CACHE"):
        cached("one", Builder(), notify=silent)


def test_leftovers_of_a_killed_process_are_swept_after_a_day(cache):
    old, young = cache / ".building-old", cache / ".building-young"
    for folder in (old, young):
        folder.mkdir(parents=True)
        (folder / "weights").write_bytes(b"half")
    past = time.time() - 2 * 24 * 3600
    os.utime(old, (past, past))
    cached("one", Builder(), notify=silent)
    assert not old.exists()
    assert young.exists()


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.delenv("AFFINA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "affina"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "affina"


def test_an_entry_is_found_whole_or_not_at_all(cache):
    assert kept("starts", "one") is None
    keep("starts", "one", Builder(), most=2)
    folder = kept("starts", "one")
    assert folder is not None
    assert (folder / "weights").read_bytes() == b"weights"
    (folder / "weights").write_bytes(b"other weights")
    assert kept("starts", "one") is None
    keep("starts", "one", Builder(), most=2)
    assert kept("starts", "one") == folder


def test_the_entries_used_longest_ago_make_room(cache):
    for name, used in (("one", 10), ("two", 20), ("three", 30)):
        keep("starts", name, Builder(), most=9)
        os.utime(cache_folder() / "starts" / name, (used, used))
    assert kept("starts", "one") is not None
    keep("starts", "four", Builder(), most=2)
    assert sorted(path.name for path in (cache_folder() / "starts").iterdir()) == ["four", "one"]


def test_a_cache_that_cannot_be_written_to_keeps_nothing_and_stops_nobody(cache):
    (cache.parent).parent.joinpath("cache").write_text("a file in its place", encoding="utf-8")
    keep("starts", "one", Builder(), most=2)
    assert kept("starts", "one") is None


def test_entries_that_take_too_much_together_go_the_newest_excepted(cache):
    def build(folder: Path) -> None:
        (folder / "tokens").write_bytes(b"0" * 1_000)

    for number, name in enumerate(("one", "two", "three")):
        keep("tokens", name, build, most=9, most_bytes=2_500)
        os.utime(cache.parent / "tokens" / name, (number, number))
    keep("tokens", "four", build, most=9, most_bytes=2_500)
    assert sorted(path.name for path in (cache.parent / "tokens").glob("[!.]*")) == ["four", "three"]
    keep("tokens", "five", build, most=9, most_bytes=1)
    assert [path.name for path in (cache.parent / "tokens").glob("[!.]*")] == ["five"]
