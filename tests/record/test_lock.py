"""The lock of a run folder: one holder at a time, released by the end of its process, no file left behind."""

import subprocess
import sys

import pytest

from affina.record.lock import FolderLock


def test_one_holder_at_a_time(tmp_path):
    lock = FolderLock(tmp_path)
    with pytest.raises(BlockingIOError):
        FolderLock(tmp_path)
    lock.release()
    lock.release()
    other = FolderLock(tmp_path)
    other.release()
    assert not list(tmp_path.iterdir())


def test_a_process_that_is_killed_holds_nothing(tmp_path):
    code = (
        "from pathlib import Path; from affina.record.lock import FolderLock; "
        f"lock = FolderLock(Path({str(tmp_path)!r})); print('held', flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(BlockingIOError):
            FolderLock(tmp_path)
        process.kill()
        process.wait()
    FolderLock(tmp_path).release()
