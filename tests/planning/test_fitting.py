"""Whether a run fits, and the error of one that cannot."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest

from affina.planning.fitting import helping, judge, refusal
from affina.runtime.memory import Room
from forecasts import MIB, forecast


def fit(free, *, spare=0, tmp_path, **changed):
    return judge(forecast(**changed), Room("free RAM", free * MIB, spare * MIB), folder=tmp_path / "runs" / "x")


@pytest.mark.parametrize(
    ("free", "spare", "fits", "cannot"),
    [
        (1300, 0, True, False),  # the interpreter's 300 and the peak's 1,000
        (1299, 0, False, False),  # by the forecast not, but the forecast may be too high
        (1099, 0, False, True),  # not even then
        (1099, 10, False, False),  # swap may hold the rest
    ],
)
def test_what_is_needed_beside_what_is_there(tmp_path, free, spare, fits, cannot):
    found = fit(free, spare=spare, tmp_path=tmp_path)
    assert (found.fits, found.cannot) == (fits, cannot)
    assert found.needed == 1300 * MIB


def test_on_another_device_the_interpreter_does_not_count(tmp_path):
    assert fit(1000, device="cuda", tmp_path=tmp_path).fits


def test_address_space_is_compared_with_address_space(tmp_path):
    """What is mapped and not held counts against `ulimit -v`: on the side of what is needed."""
    for free, fits in ((1700, True), (1699, False)):
        room = Room("ulimit -v", free * MIB, beside=400 * MIB)
        found = judge(forecast(), room, folder=tmp_path)
        assert (found.fits, found.needed) == (fits, 1700 * MIB)
    assert [change.peak for change in helping(forecast(), found)] == [500 * MIB, 250 * MIB]
    assert judge(forecast(), Room("ulimit -v", 1499 * MIB, beside=400 * MIB), folder=tmp_path).cannot


def test_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=4 * MIB))
    found = fit(9999, tmp_path=tmp_path)
    assert (found.fits, found.cannot, found.disk_free) == (False, True, 4 * MIB)
    [problem] = refusal(forecast(), found).problems
    assert "disk" in problem.where
    assert "up to 10 MiB" in problem.found
    assert "5 MiB at the least" in problem.found
    assert "run=" in problem.fix


def test_a_disk_that_only_the_worst_case_would_fill_is_no_refusal(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=6 * MIB))
    found = fit(9999, tmp_path=tmp_path)
    assert (found.fits, found.cannot) == (False, False)


def test_what_a_stopped_run_has_written_is_room_for_it_to_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=4 * MIB))
    folder = tmp_path / "runs" / "x"
    (folder / "checkpoints" / "step-1").mkdir(parents=True)
    (folder / "checkpoints" / "step-1" / "trained.safetensors").write_bytes(b"0" * 6 * MIB)
    assert fit(9999, tmp_path=tmp_path).cannot, "a folder of other files is no run"
    (folder / "record.jsonl").write_text("", encoding="utf-8")
    found = fit(9999, tmp_path=tmp_path)
    assert (found.fits, found.cannot, found.disk_free) == (True, False, 10 * MIB)


def test_where_nothing_tells_it_is_not_refused(tmp_path):
    found = judge(forecast(), None, folder=tmp_path)
    assert (found.fits, found.cannot, found.room) == (True, False, None)


def test_the_error_has_the_figures_and_the_changes_that_suffice(tmp_path):
    error = refusal(forecast(), fit(600, tmp_path=tmp_path))
    assert error.exit_status == 2
    [problem] = error.problems
    assert "600 MiB: free RAM" in problem.expected
    assert "1,300 MiB" in problem.found
    assert "activations 750 MiB" in problem.found
    assert "'method={name: partial, blocks: 0}' (550 MiB)" in problem.fix
    assert "batch_tokens" not in problem.fix, "half the peak does not suffice"
    assert "train.too_large=try" in problem.fix


def test_where_no_change_suffices_that_is_said(tmp_path):
    found = fit(10, tmp_path=tmp_path)
    assert helping(forecast(), found) == ()
    said = refusal(forecast(), found).problems[0].fix
    assert "the interpreter with its libraries alone needs 300 MiB" in said
    assert "a smaller model" not in said
    said = refusal(forecast(), fit(310, tmp_path=tmp_path)).problems[0].fix
    assert "a smaller model" in said
    assert "no change of the recipe that we know of" in said
