"""A reader sees all of a file or folder, or none of it: also when writing breaks off in the middle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from affina.record import files
from affina.record.files import whole_folder, write_text


class BrokenOffError(Exception):
    """Stands for a crash."""


def breaks_off(*_, **__):
    raise BrokenOffError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_text_is_written_as_it_is(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    write_text(path, "caffè\n\r\n🦊")
    assert path.read_bytes() == "caffè\n\r\n🦊".encode()
    assert names(path.parent) == ["a.txt"]


@pytest.mark.parametrize("point", ["fsync", "replace"])
def test_a_text_that_is_not_complete_leaves_the_old_one(tmp_path, monkeypatch, point):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    if point == "fsync":
        monkeypatch.setattr(os, "fsync", breaks_off)
    else:
        monkeypatch.setattr(Path, "replace", breaks_off)
    with pytest.raises(BrokenOffError):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_text_is_on_disk_before_it_takes_its_name(tmp_path, monkeypatch):
    order = []
    sync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda number: (order.append("fsync"), sync(number)))
    monkeypatch.setattr(Path, "replace", lambda self, to: (order.append("replace"), replace(self, to))[1])
    write_text(tmp_path / "a.txt", "text")
    assert order == ["fsync", "replace"]


def test_a_folder_appears_when_it_is_full(tmp_path):
    target = tmp_path / "deep" / "model"
    with whole_folder(target) as path:
        (path / "a").write_text("1")
        (path / "inner").mkdir()
        (path / "inner" / "b").write_text("2")
        assert not target.exists()
    assert (target / "inner" / "b").read_text() == "2"
    assert names(target.parent) == ["model"]


def test_a_new_folder_takes_the_place_of_the_old_one(tmp_path):
    target = tmp_path / "best"
    for name in ("one", "two"):
        with whole_folder(target) as path:
            (path / name).write_text(name)
    assert names(target) == ["two"]
    assert names(tmp_path) == ["best"]


@pytest.mark.parametrize("old", [True, False])
def test_a_folder_that_is_not_complete_is_none(tmp_path, old):
    target = tmp_path / "best"
    if old:
        target.mkdir()
        (target / "old").write_text("old")
    with pytest.raises(BrokenOffError), whole_folder(target) as path:  # noqa: PT012 - the block is what is tested
        (path / "half").write_text("half")
        breaks_off()
    assert names(tmp_path) == (["best"] if old else [])
    assert not old or names(target) == ["old"]


def test_every_file_of_a_folder_is_on_disk_before_it_takes_its_name(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(files, "_sync", lambda path: synced.append(path.name))
    with whole_folder(tmp_path / "best") as path:
        (path / "inner").mkdir()
        (path / "inner" / "b").write_text("2")
        monkeypatch.setattr(files, "_swap_in", lambda *_: synced.append("renamed"))
    assert synced == ["inner", "b", "renamed"]


def test_a_folder_has_the_rights_that_the_user_gives_new_folders(tmp_path):
    before = os.umask(0o027)
    try:
        with whole_folder(tmp_path / "model") as path:
            save_file({"weight": torch.zeros(2)}, path / "model.safetensors")  # which makes it its owner's alone
        assert (tmp_path / "model").stat().st_mode & 0o777 == 0o750
        assert (tmp_path / "model" / "model.safetensors").stat().st_mode & 0o777 == 0o640
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


KILLED = """
import os, sys
from pathlib import Path
from affina.record.files import whole_folder, write_text
target = Path(sys.argv[1])
os.fsync = lambda number: os._exit(9)
if sys.argv[2] == "text":
    write_text(target, "new" * 1000)
else:
    with whole_folder(target) as path:
        (path / "a").write_text("new")
"""


@pytest.mark.parametrize("kind", ["text", "folder"])
def test_a_process_killed_while_writing_leaves_the_old_one(tmp_path, kind):
    target = tmp_path / "thing"
    old = target if kind == "text" else target / "a"
    old.parent.mkdir(exist_ok=True)
    old.write_text("old")
    ended = subprocess.run([sys.executable, "-c", KILLED, str(target), kind], check=False)
    assert ended.returncode == 9
    assert old.read_text() == "old"
