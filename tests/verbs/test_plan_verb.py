"""The verb plan: its contract, its errors, and a run that is refused, tried, and compared with what was said of it."""

from __future__ import annotations

import errno
import io
import json
import re
from dataclasses import replace

import pytest
import torch
from rich.console import Console

import affina
from affina.cli.planned import show_plan
from affina.errors import AffinaError, DataError, ModelError, RecipeError, ResourceError
from affina.planning import process, starting
from affina.planning.fitting import Fit, judge
from affina.planning.forecast import Change
from affina.record import journal
from affina.record.payloads import Finished
from affina.record.starts import Predicted
from affina.reporting.foreseen import how_far_off
from affina.runtime.memory import Room
from affina.verbs.plan import Planned
from forecasts import forecast
from workbench import affina as command
from workbench import check_refused, files_under, sample_rows, tiny, write_csv

MIB = 2**20
SMALL = ("train.epochs=1", "evaluate.resamples=20")


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("AFFINA_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return write_csv(tmp_path / "data.csv", sample_rows())


def words(*more):
    return (f"model={tiny()}", "device=cpu", *SMALL, *more)


def test_the_plan_of_a_tiny_run(data, here, tmp_path):
    before = files_under(tmp_path)
    found = affina.plan(data, words("method=full"))
    plain = found.as_json()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["fits"] is found.fits is True
    assert plain["trained_parameters"] == plain["parameters"] > 1000
    assert plain["steps"] == found.forecast.steps
    assert 3 <= plain["steps"] <= 10
    assert plain["steps_per_epoch"] >= 1
    memory, time, disk = plain["memory"], plain["time"], plain["disk"]
    assert memory["needed_bytes"] == memory["peak_bytes"] + memory["interpreter_bytes"]
    assert memory["least_bytes"] < memory["peak_bytes"] < memory["most_bytes"]
    assert {"loading", "evaluation", "training", "checkpoint", "export"} <= memory["stages"].keys()
    assert time["least_seconds_per_epoch"] < time["seconds_per_epoch"] < time["most_seconds_per_epoch"]
    assert time["seconds_per_epoch"] == pytest.approx(sum(time["of_an_epoch"].values()))
    assert time["total_seconds"]["least"] <= time["total_seconds"]["most"]
    assert disk["peak_bytes"] >= disk["checkpoints_bytes"] > disk["model_bytes"] > 10_000
    assert disk["free_bytes"] > 0
    after = {name for name in files_under(tmp_path) if name not in before}
    assert all(name.startswith("cache") for name in after), "only the forecast itself is kept"


@pytest.mark.parametrize("accumulate", [1, 3])
def test_methods_and_accumulation(data, here, accumulate):
    for method in ("method=full", "method={name: partial, blocks: 1}", "method={name: partial, blocks: 0}"):
        found = affina.plan(data, words(method, f"train.accumulate={accumulate}", "train.batch_tokens=64"))
        assert found.forecast.steps >= 3


def test_what_does_not_fit_and_what_would(data, here):
    needed = affina.plan(data, words(), rehearse=False)
    found = affina.plan(data, words("method=full"), memory_limit=needed.forecast.memory.interpreter, rehearse=False)
    assert found.fits is False
    assert found.as_json()["memory"]["at_hand_bytes"] == needed.forecast.memory.interpreter
    assert found.as_json()["would_fit"] == []
    assert affina.plan(data, words(), memory_limit=2**40, rehearse=False).fits is True


def test_what_is_printed(data, here):
    ended = command("plan", data, *words("method=full"))
    assert ended.status == 0, ended
    for title in ("fits", "model", "trained", "batches", "memory", "epoch", "run", "disk"):
        assert re.search(rf"^{title}", ended.out, flags=re.MULTILINE), title
    assert "rehearsed steps" in ended.out
    ended = command("plan", data, *words("method=full"), "--memory", "0.001", "--no-rehearse", "--json")
    assert json.loads(ended.out)["fits"] is False
    ended = command("plan", data, *words("method=full"), "--memory", "0.001", "--no-rehearse")
    assert ended.out.startswith("fits      no:")
    assert "no change of the recipe can help: choose a machine with more memory" in ended.out


@pytest.mark.parametrize(
    ("free", "says"),
    [
        (2000, "What would make it smaller"),
        (900, "What would make it fit"),
        (310, "No change of the recipe"),
        (10, "interpreter"),
    ],
)
def test_the_table_of_changes(tmp_path, free, says):
    fit = judge(forecast(), Room("free RAM", free * MIB), folder=tmp_path)
    out = io.StringIO()
    show_plan(Planned(forecast(), fit, "", 1.0), Console(file=out, width=100))
    assert says in out.getvalue()
    assert "train.batch_tokens=64 train.accumulate=4" in out.getvalue()
    assert "800 MiB" in out.getvalue(), "with the interpreter's 300: what is compared with the room"


@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_line_of_the_table_is_cut_off(tmp_path, width):
    costs = "low-rank updates learn, the weights stay as they are, and the passes take longer"
    change = Change(words=("train.batch_tokens=64", "train.checkpoint_activations=true"), peak=100 * MIB, costs=costs)
    found = replace(forecast(), changes=(change,))
    out = io.StringIO()
    fit = judge(found, Room("free RAM", 5_000 * MIB), folder=tmp_path)
    show_plan(Planned(found, fit, "", 1.0), Console(file=out, width=width))
    lines = [line for line in out.getvalue().splitlines() if line.startswith("│")]
    assert all(line.endswith("│") and len(line) <= width for line in lines), lines
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines]
    assert " ".join(part for row in cells if (part := row[-1])) == costs
    assert " ".join(part for row in cells if (part := row[0])) == " ".join(change.words)


def test_what_suffices_is_shown_however_many_do_not(tmp_path):
    many = tuple(Change(words=(f"train.batch_tokens={n}",), peak=900 * MIB, costs="") for n in range(9))
    last = Change(words=("method=partial",), peak=100 * MIB, costs="")
    found = replace(forecast(), changes=(*many, last))
    out = io.StringIO()
    fit = judge(found, Room("free RAM", 500 * MIB), folder=tmp_path)
    show_plan(Planned(found, fit, "", 1.0), Console(file=out, width=100))
    assert "method=partial" in out.getvalue()
    assert "400 MiB" in out.getvalue()


def test_a_change_of_every_kind_is_shown_where_all_fit(tmp_path):
    words = [f"train.batch_tokens={n}" for n in range(4)] + [f"data.max_length={n}" for n in range(4)]
    words += ["train.precision=bf16", "method=partial", "method=lora"]
    changes = tuple(Change(words=(word,), peak=100 * MIB, costs="") for word in words)
    out = io.StringIO()
    fit = judge(replace(forecast(), changes=changes), Room("free RAM", 5000 * MIB), folder=tmp_path)
    show_plan(Planned(replace(forecast(), changes=changes), fit, "", 1.0), Console(file=out, width=100))
    for word in ("train.batch_tokens=0", "data.max_length=0", "train.precision=bf16", "method=partial", "method=lora"):
        assert word in out.getvalue(), word


def test_a_long_key_is_shown_whole_on_a_narrow_terminal(tmp_path):
    long = Change(words=("train.checkpoint_activations=true",), peak=100 * MIB, costs="a few words that are wrapped")
    found = replace(forecast(), changes=(long,))
    out = io.StringIO()
    fit = judge(found, Room("free RAM", 500 * MIB), folder=tmp_path)
    show_plan(Planned(found, fit, "", 1.0), Console(file=out, width=72))
    assert "train.checkpoint_activations=true" in out.getvalue()


@pytest.mark.slow
def test_a_process_of_its_own_gives_the_same_and_its_errors(data):
    notices: list[str] = []
    found = affina.plan(data, words(), notify=notices.append)
    assert found.forecast.steps >= 3
    assert found.note == ""
    assert affina.plan(data, words(), rehearse=False).note == process.LEFT_OUT
    tight = affina.plan(data, words(), memory_limit=MIB)
    assert (tight.fits, tight.note) == (False, process.TOO_LARGE)
    with pytest.raises(ModelError, match="no such path"):
        affina.plan(data, ["model=./nowhere"])
    write_csv(data.with_name("empty.csv"), [])
    with pytest.raises(DataError):
        affina.plan(data.with_name("empty.csv"), words())
    with pytest.raises(RecipeError, match=r"method\.blocks"):
        affina.plan(data, words("method={name: partial, blocks: 99}"))


def test_an_unknown_key_needs_no_process(data, monkeypatch):
    monkeypatch.setattr(process.subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    with pytest.raises(RecipeError, match="epoch"):
        affina.plan(data, ["train.epoch=3"])


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("import sys; sys.exit('boom')", AffinaError),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", ResourceError),
        ('print(\'{"kind": "out of memory", "value": ""}\')', ResourceError),
        (
            "import json; print(json.dumps({'kind': 'error', 'value': {'name': 'DataError', 'problems': "
            "[{'where': 'a', 'expected': 'b', 'found': 'c', 'fix': 'd'}]}}))",
            DataError,
        ),
    ],
)
def test_how_a_child_may_end(data, monkeypatch, code, kind):
    real = process.subprocess.Popen
    monkeypatch.setattr(
        process.subprocess, "Popen", lambda command, **options: real([command[0], "-c", code], **options)
    )
    with pytest.raises(kind) as caught:
        affina.plan(data, words())
    assert type(caught.value) is kind


def test_a_run_that_cannot_fit_is_refused_before_anything_is_written(data, tmp_path, monkeypatch):
    monkeypatch.setattr(starting, "room_for", lambda _: Room("free RAM", 30 * MIB))
    before = files_under(tmp_path)
    ended = command("train", data, *words("method=full"))
    check_refused(ended, tmp_path, before, says=("free RAM", "30 MiB", "train.too_large=try"))


def test_told_to_try_it_is_tried_and_said(data, monkeypatch):
    monkeypatch.setattr(starting, "room_for", lambda _: Room("free RAM", 30 * MIB))
    ended = command("train", data, *words("train.too_large=try", "train.max_steps=2", "run=runs/tried"))
    assert ended.status == 0, ended
    assert "tried all the same" in " ".join(ended.out.split())
    assert "Forecast:" in ended.out


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried"), 2),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), 2),
        (MemoryError(), 2),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 2),
        (RuntimeError("shapes do not match"), 1),
    ],
)
def test_memory_that_runs_out_on_the_way_is_no_fault_of_ours(data, monkeypatch, error, status):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("affina.pipeline.attempts.train", fail)
    ended = command("train", data, *words("evaluate.baselines=false", "train.batch_tokens=64", "run=runs/out"))
    assert ended.status == status, ended
    assert ("train.batch_tokens=32 train.accumulate=2" in " ".join(ended.err.split())) == (status == 2)


@pytest.mark.parametrize("place", ["prepare", "predict_run"])
def test_memory_that_runs_out_before_the_run_too(data, tmp_path, monkeypatch, place):
    def fail(*_, **__):
        raise MemoryError("Cannot allocate memory (os error 12)")

    monkeypatch.setattr(f"affina.verbs.train.{place}", fail)
    before = files_under(tmp_path)
    check_refused(command("train", data, *words()), tmp_path, before, says=("error: memory", "os error 12", "ulimit"))
    with pytest.raises(ResourceError):
        affina.train(data, words())


def test_a_run_that_may_not_fit_is_told_of_and_not_refused(data, monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(
        starting,
        "judge",
        lambda *_, **__: Fit(
            fits=False, cannot=False, needed=9 * MIB, room=8 * MIB, bound="free RAM", disk_needed=0, disk_free=1
        ),
    )
    affina.train(data, words("train.max_steps=2", "run=runs/told"), notify=said.append)
    assert any("it is tried" in text for text in said)


def test_the_record_keeps_how_far_off_the_plan_was(data, here, tmp_path):
    planned = affina.plan(data, words("run=runs/one"))
    affina.train(data, words("run=runs/two"))
    records = journal.read(tmp_path / "runs/two/record.jsonl")
    [predicted] = [record for record in records if isinstance(record, Predicted)]
    assert predicted.steps == planned.forecast.steps > 0
    assert predicted.peak_memory_bytes == planned.forecast.memory.peak
    finished = records[-1]
    assert isinstance(finished, Finished)
    assert finished.seconds_per_epoch > 0
    line = how_far_off(records)
    assert "an epoch predicted" in line
    assert f"by {predicted.steps} rehearsed steps" in line
    assert line in (tmp_path / "runs/two/report.html").read_text(encoding="utf-8")


def test_the_line_needs_both_ends():
    predicted = Predicted(
        peak_memory_bytes=110 * MIB, seconds_per_epoch=9.0, steps=0, memory_how="sizes", seconds_how="sizes"
    )
    finished = Finished(
        steps=1,
        best_step=1,
        stopped="",
        seconds={},
        rows_per_second=1,
        tokens_per_second=1,
        peak_memory_bytes=500 * MIB,
        memory_bytes=100 * MIB,
        seconds_per_epoch=10.0,
    )
    assert how_far_off([predicted]) is how_far_off([finished]) is None
    assert how_far_off([predicted, finished]) == (
        "peak memory above the 400 MiB of the interpreter: 110 MiB predicted, 100 MiB measured (+10%); "
        "9.0 s an epoch predicted, 10.0 s measured (-10%)"
        " (predicted by the sizes alone, which is rough for the time)"
    )


def test_a_refusal_is_an_input_error():
    assert ResourceError.exit_status == 2


def test_a_run_in_parts_is_shown_as_one(tmp_path):
    out = io.StringIO()
    fit = judge(forecast(), None, folder=tmp_path)
    show_plan(Planned(replace(forecast(), parts=4), fit, "", 1.0), Console(file=out, width=200))
    assert "(computed in 4 parts)" in out.getvalue()
    assert Planned(replace(forecast(), parts=4), fit, "", 1.0).as_json()["parts"] == 4
