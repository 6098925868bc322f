"""Memory read off the system's files, and what is said where a system has none of them."""

from __future__ import annotations

import sys

import pytest

from affina.runtime import memory
from affina.runtime.memory import Room, least, rooms

GIB = 2**30


@pytest.fixture
def system(tmp_path):
    """Writes files below two folders that stand in for /proc and /sys/fs/cgroup."""

    def write(files: dict[str, str]):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="ascii")
        return tmp_path / "proc", tmp_path / "cgroup"

    return write


STATUS = "Name:\tpython\nVmPeak:\t 9000 kB\nVmSize:\t 8000 kB\nVmHWM:\t 3000 kB\nVmRSS:\t 2000 kB\n"
MEMINFO = f"MemTotal: 99 kB\nMemAvailable: {8 * GIB // 1024} kB\nSwapFree: {2 * GIB // 1024} kB\n"


def test_what_the_process_holds_and_held_at_most(system):
    proc, _ = system({"proc/self/status": STATUS})
    assert memory.resident(proc) == 2000 * 1024
    assert memory.peak(proc) == 3000 * 1024


def test_without_the_files_the_most_is_all_there_is(tmp_path):
    assert memory.resident(tmp_path) == memory.peak(tmp_path) > 2**20
    assert memory.forget_peak(tmp_path) is False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
def test_the_peak_is_this_processs_own_and_can_be_forgotten():
    block = b"x" * (64 * 2**20)
    before = memory.peak()
    assert before >= memory.resident() >= len(block)
    del block
    assert memory.forget_peak()
    assert memory.peak() < before


def test_free_ram_with_its_swap(system):
    assert least(rooms(*system({"proc/meminfo": MEMINFO}))) == Room("free RAM", 8 * GIB, 2 * GIB)


def test_the_limit_of_a_control_group_counts_without_what_is_only_cached(system):
    files = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "0::/user/app\n",
        "cgroup/user/app/memory.max": f"{4 * GIB}\n",
        "cgroup/user/app/memory.current": f"{3 * GIB}\n",
        "cgroup/user/app/memory.stat": f"anon 5\ninactive_file {GIB}\n",
    }
    found = least(rooms(*system(files)))
    assert found == Room("the control group's limit of 4.0 GiB", 2 * GIB)


@pytest.mark.parametrize("inner", ["max", str(9 * GIB)])
def test_a_group_further_up_may_be_the_narrower_one(system, inner):
    files = {
        "proc/self/cgroup": "0::/user/app\n",
        "cgroup/user/app/memory.max": f"{inner}\n",
        "cgroup/user/app/memory.current": "0\n",
        "cgroup/user/memory.max": f"{GIB}\n",
        "cgroup/user/memory.current": "0\n",
    }
    assert least(rooms(*system(files))).free == GIB


def test_a_path_of_the_host_is_looked_for_at_the_root_of_a_container(system):
    files = {
        "proc/self/cgroup": "0::/docker/0123456789\n",
        "cgroup/memory.max": f"{GIB}\n",
        "cgroup/memory.current": f"{GIB // 4}\n",
    }
    assert least(rooms(*system(files))).free == GIB * 3 // 4


def test_the_first_version_of_the_files(system):
    files = {
        "proc/self/cgroup": "12:cpuset:/\n7:memory:/app\n",
        "cgroup/memory/app/memory.limit_in_bytes": f"{2 * GIB}\n",
        "cgroup/memory/app/memory.usage_in_bytes": f"{GIB}\n",
        "cgroup/memory/app/memory.stat": "total_inactive_file 1024\n",
        "cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "cgroup/memory/memory.usage_in_bytes": "1\n",
    }
    assert least(rooms(*system(files))).free == GIB + 1024


def test_a_group_that_is_over_its_limit_has_nothing_left(system):
    files = {"cgroup/memory.max": "100\n", "cgroup/memory.current": "200\n"}
    assert least(rooms(*system(files))).free == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no ulimit")
def test_the_limit_of_the_address_space(system, monkeypatch):
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda _: (GIB, resource.RLIM_INFINITY))
    found = least(rooms(*system({"proc/self/status": STATUS, "proc/meminfo": MEMINFO})))
    what = "the limit of 1.0 GiB of address space that ulimit -v sets"
    assert found == Room(what, GIB - 8000 * 1024 - memory.ARENA, beside=6000 * 1024 + memory.ARENA)


def test_a_machine_without_any_of_the_files_tells_of_all_its_ram(tmp_path):
    found = least(rooms(tmp_path, tmp_path))
    assert found is None or (found.free > 0 and "RAM" in found.what)


def test_nothing_bounds_nothing():
    assert least(()) is None
