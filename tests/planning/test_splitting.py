"""Micro-batches that do not fit are computed in as few parts as do, from the first step on; what is learned stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

import affina as api
from affina.planning import starting
from affina.planning.activations import Activations, Growth
from affina.planning.estimate import parts_of, setup_of, training_shapes
from affina.planning.fitting import below, judge
from affina.planning.foresee import foresee, key_of
from affina.planning.splitting import in_parts
from affina.record import journal
from affina.record.payloads import NOTICE, Event, Step
from affina.record.starts import Predicted
from affina.runtime.memory import Room
from bench_of_loops import start_loop
from forecasts import prepared_run
from workbench import sample_rows, tiny, write_csv

A_TOKEN = 10**6


@pytest.fixture(autouse=True)
def hungry(monkeypatch):
    """Activations are most of what a run needs: a megabyte a token."""
    saved = Activations(Growth(0.0, float(A_TOKEN), 0.0), Growth(0.0, 10.0, 0.0))
    monkeypatch.setattr("affina.planning.foresee.look", lambda _: saved)


@pytest.fixture
def run(tmp_path):
    return prepared_run(tmp_path, "method=full", "train.batch_tokens=300", rows=120)


def foreseen(run):
    return foresee(run, interpreter=0, prepared_in=0.0, held=200 * 2**20)


def test_as_few_parts_as_fit(run, tmp_path):
    forecast, activations = foreseen(run)
    needed = {}
    for parts in (1, 2, 4, 8):
        again, _ = foreseen(replace(run, parts=parts))
        needed[parts] = again.memory.peak
        assert again.parts == parts
    assert needed[8] < needed[4] < needed[2] < needed[1]
    for parts in (2, 4, 8):
        fit = judge(forecast, Room("a limit", needed[parts] + 2**20), folder=tmp_path)
        assert in_parts(run, forecast, fit, activations).parts == parts
        assert below(forecast, fit) == 0


def test_what_fits_is_left_alone_and_what_never_does_gets_as_many_as_there_are(run, tmp_path):
    forecast, activations = foreseen(run)
    rows = max(shape.rows for shape in training_shapes(setup_of(run, activations), seed=0))
    for room, parts in ((Room("much", forecast.memory.peak), 1), (None, 1)):
        fit = judge(forecast, room, folder=tmp_path)
        assert in_parts(run, forecast, fit, activations).parts == parts
    fit = judge(forecast, Room("next to nothing", 10), folder=tmp_path)
    assert rows / 2 <= in_parts(run, forecast, fit, activations).parts < 2 * rows


def test_where_two_parts_are_no_help_more_may_be(run, tmp_path, monkeypatch):
    forecast, activations = foreseen(run)
    peaks = {2: 1.1, 4: 1.0, 8: 0.9, 16: 0.85, 32: 0.84}

    def weighed(*given):
        [(change, setup)] = given[2].items()
        peak = round(peaks[setup.parts] * forecast.memory.peak)
        return (replace(change, peak=peak),) if peaks[setup.parts] < 0.99 else ()

    monkeypatch.setattr("affina.planning.splitting.weighed", weighed)
    peak = forecast.memory.peak
    for share, parts in ((0.95, 8), (0.86, 16), (0.83, 1), (0.5, 32)):
        fit = judge(forecast, Room("a limit", round(share * peak)), folder=tmp_path)
        found = in_parts(run, forecast, fit, activations)
        assert found.parts == parts, "as it is where it may fit all the same"
        assert fit.cannot is (share == 0.5)


def test_a_full_disk_is_no_reason_for_parts(run, tmp_path):
    forecast, activations = foreseen(run)
    fit = replace(judge(forecast, Room("a limit", 10), folder=tmp_path), disk_needed=2, disk_free=1)
    assert in_parts(run, forecast, fit, activations) is run


def test_parts_leave_their_gradients_and_have_their_share_of_the_rows(run):
    whole = setup_of(run, foreseen(run)[1])
    halves = replace(whole, parts=2)
    largest = [max(shape.tokens for shape in training_shapes(one, seed=0)) for one in (whole, halves)]
    assert largest[1] == pytest.approx(largest[0] / 2, rel=0.1)
    assert parts_of(halves, seed=0)["optimizer"] == parts_of(whole, seed=0)["optimizer"]


def test_a_forecast_of_a_run_in_parts_is_another_one(run):
    assert key_of(run) != key_of(replace(run, parts=2))


def losses(folder):
    return [record.loss for record in journal.read(folder / "record.jsonl") if isinstance(record, Step)]


def test_a_run_that_fits_in_parts_alone_is_trained_in_them_and_says_so(tmp_path, monkeypatch):
    data = write_csv(tmp_path / "data.csv", sample_rows(120))
    words = [f"model={tiny()}", "method=full", "train.dropout=0", "train.learning_rate=1e-3", "train.epochs=1"]
    words += ["train.batch_tokens=300", "evaluate.baselines=false", "train.head_start=random", "device=cpu"]
    api.train(data, [*words, f"run={tmp_path / 'whole'}"])
    [whole] = [one for one in journal.read(tmp_path / "whole" / "record.jsonl") if isinstance(one, Predicted)]
    there = whole.interpreter_bytes + whole.peak_memory_bytes - 50 * A_TOKEN
    monkeypatch.setattr(starting, "room_for", lambda _: Room("a limit", there))
    api.train(data, [*words, f"run={tmp_path / 'parts'}"])

    records = journal.read(tmp_path / "parts" / "record.jsonl")
    [said] = [record.text for record in records if isinstance(record, Event) and record.name == NOTICE]
    assert "each micro-batch is computed in 2 parts" in said
    assert "MiB are there" in said
    [predicted] = [record for record in records if isinstance(record, Predicted)]
    assert predicted.interpreter_bytes + predicted.peak_memory_bytes <= there
    assert losses(tmp_path / "parts") == pytest.approx(losses(tmp_path / "whole"), rel=1e-4)


@pytest.mark.parametrize(("before", "now", "after"), [(1, 4, 4), (4, 1, 4)])
def test_a_run_that_goes_on_has_the_parts_that_it_had_or_more(run, tmp_path, before, now, after):
    first, _ = start_loop(replace(run, parts=before), tmp_path / "run")
    first.save()
    then, _ = start_loop(replace(run, parts=now), tmp_path / "again")
    then.resume(first.folder.step(0))
    assert then.parts == after
