"""What a disk does: errors name the path and the fix, what a killed process left is cleared away, lines stay whole."""

import errno
import os
from pathlib import Path

import pytest

from affina.errors import ResourceError, RunError
from affina.record import files, journal
from affina.record.files import clear_left_over, whole_folder, write_text
from affina.record.journal import Journal
from affina.record.payloads import Event


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_names_the_path_and_the_fix(tmp_path, monkeypatch):
    write_text(tmp_path / "a.txt", "old")
    monkeypatch.setattr(files, "put", full)
    with pytest.raises(ResourceError, match="make room") as caught:
        write_text(tmp_path / "a.txt", "new")
    assert caught.value.problems[0].where == str(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_full_disk_below_a_library_written_in_rust_is_one_too(tmp_path):
    with pytest.raises(ResourceError, match="make room"), whole_folder(tmp_path / "best"):
        raise ValueError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert not list(tmp_path.iterdir())


def test_a_disk_that_cannot_be_written_is_said_to_be_so(tmp_path, monkeypatch):
    def read_only(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(files, "put", read_only)
    with pytest.raises(RunError, match="another run="):
        write_text(tmp_path / "a.txt", "new")


def test_an_error_that_is_not_the_disks_stays_what_it_is(tmp_path):
    with pytest.raises(OSError, match="Cannot allocate"), whole_folder(tmp_path / "best"):
        raise OSError(errno.ENOMEM, "Cannot allocate memory")


def test_a_line_that_finds_no_room_is_taken_back(tmp_path, monkeypatch):
    path = tmp_path / "record.jsonl"
    with Journal(path) as record:
        record.append(Event(step=1, name="one", text="x"))

        def half(file, data):
            file.write(data[:10])
            full()

        with monkeypatch.context() as patched:
            patched.setattr(journal, "put", half)
            with pytest.raises(ResourceError, match=r"record\.jsonl"):
                record.append(Event(step=2, name="two", text="x"))
        record.append(Event(step=3, name="three", text="x"))
    assert [event.name for event in journal.read(path)] == ["one", "three"]


def test_what_killed_processes_left_is_cleared_away_and_an_old_folder_put_back(tmp_path):
    for name in (".best.abc_1.partial", ".gone.17.old", ".kept.17.old", "kept", ".hidden", "plain.partial"):
        (tmp_path / name).mkdir()
        Path(tmp_path, name, "inside").write_text(name)
    (tmp_path / ".recipe.yaml.17.partial").write_text("half")
    clear_left_over(tmp_path)
    assert {path.name: (path / "inside").read_text() for path in tmp_path.iterdir()} == {
        "gone": ".gone.17.old",
        "kept": "kept",
        ".hidden": ".hidden",
        "plain.partial": "plain.partial",
    }
