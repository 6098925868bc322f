"""What a start must pass by a quarter of the run, by kind of run, and that it is said where nothing is looked for."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest

from affina.pipeline import attempts
from affina.record.folder import RunFolder
from affina.record.journal import read
from affina.record.payloads import Event, Scores
from affina.training.control import Floor
from affina.training.loop import Loop
from bench_of_loops import WORDS, prepared_run
from workbench import affina, sample_rows, tiny, write_csv

WEIGHTED = {"task": {"name": "classification", "class_weights": "balanced"}}


def test_labels_in_words_have_the_guess_as_their_floor(tmp_path):
    run = prepared_run(tmp_path, family="llama", rows=60, **WORDS)
    floor = run.subject.floor(run)
    assert floor.metric == pytest.approx(1 / 3, abs=0.1)
    each = sum(passage.targets for passage in run.subject.judged(run)) / len(run.rows["validation"])
    assert each > 2
    assert floor.loss == pytest.approx(math.log(3) / each, rel=0.05)
    assert floor.names


def test_words_of_which_the_loss_alone_is_watched_have_no_floor_and_that_is_said(tmp_path):
    run = prepared_run(tmp_path, family="llama", **WORDS, evaluate={"metric": "loss", "baselines": False})
    assert run.subject.floor(run) is None
    floor, why = attempts._floor(run, [])
    assert (floor, why) == (None, "no guess stands beside loss, which is watched")


def test_weighted_classes_are_judged_by_the_guess_and_an_even_loss(tmp_path):
    rows = [(text, "card" if number % 5 else label) for number, (text, label) in enumerate(sample_rows(100))]
    write_csv(tmp_path / "rows.csv", rows)
    run = prepared_run(tmp_path, **WEIGHTED)
    floor = run.subject.floor(run)
    assert run.hyper.metric.value == "macro_f1"
    assert 0.2 < floor.metric < 0.4  # one label of three, which is not always right
    assert floor.loss == pytest.approx(math.log(3))


@pytest.mark.parametrize(
    ("floor", "latest", "loss", "falling", "stuck"),
    [
        (Floor(metric=0.33, loss=0.3, names=True), 0.33, 20.0, False, True),
        (Floor(metric=0.33, loss=0.3, names=True), 0.33, 1.5, True, False),  # the names are still being learned
        (Floor(metric=0.33, loss=0.3, names=True), 0.33, 0.3, False, True),  # they are known, and the texts not read
        (Floor(metric=0.33, loss=1.1), 0.33, 1.3, True, True),  # a head that has learned the shares alone
        (Floor(metric=0.33, loss=0.3, names=True), 0.4, 1.5, False, False),
    ],
)
def test_a_start_is_stuck_at_the_guess_unless_names_are_still_being_learned(floor, latest, loss, falling, stuck):
    stopping = SimpleNamespace(latest=latest, latest_loss=loss, falling=falling, is_over=False, higher_is_better=True)
    plan = SimpleNamespace(total_steps=80, is_at_a_quarter=lambda step: step == 20)
    loop = SimpleNamespace(control=SimpleNamespace(floor=floor), stopping=stopping, plan=plan, step=20)
    assert Loop._is_stuck(loop) is stuck


def test_a_run_too_short_to_be_judged_says_so_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = write_csv(tmp_path / "good.csv", sample_rows(60))
    words = [f"model={tiny()}", "train.max_steps=9", "evaluate.baselines=false", "evaluate.resamples=10", "run=short"]
    ended = affina("train", data, *words)
    assert ended.status == 0
    said = " ".join((ended.out + ended.err).split())
    assert said.count("not looked for: the run has 9 steps, and a quarter of fewer than 40 says little") == 1
    told = [record for record in attempts_of("short") if record.name == attempts.STUCK_START]
    assert len(told) == 1


def attempts_of(run):
    return [record for record in read(RunFolder(Path(run)).journal) if isinstance(record, Event)]


@pytest.mark.parametrize(("family", "parts"), [("bert", {}), ("llama", WORDS)])
def test_the_guess_is_measured_where_no_baselines_are_asked_for(tmp_path, family, parts):
    run, kept = prepared_run(tmp_path, family=family, **parts), []
    assert not run.recipe.evaluate.baselines
    run.subject.baselines(run, SimpleNamespace(append=kept.append))
    assert [record.who for record in kept if isinstance(record, Scores)] == ["majority"]
