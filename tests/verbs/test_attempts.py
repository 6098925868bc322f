"""Rates that are measured, starts that are stuck, and runs that were worth nothing: done, said, and resumed exactly."""

from __future__ import annotations

import functools
import itertools
import json
import shutil
from pathlib import Path

import pytest
import yaml
from safetensors.numpy import load_file

import affina as api
from affina.errors import Interrupted, NonFiniteError
from affina.pipeline import rates
from affina.record.folder import RunFolder
from affina.record.journal import read
from affina.record.payloads import STEP_BACK, Chosen, Evaluated, Event, Finished, Step
from affina.record.starts import RangeTested, Restarted
from affina.training import loop as loop_module
from workbench import affina, sample_rows, tiny, write_csv

pytestmark = pytest.mark.slow  # whole runs, one after another

TOO_HIGH, TOO_LOW, SOUND = "train.learning_rate=3", "train.learning_rate=1e-9", "train.learning_rate=3e-3"
WORDS = ("train.epochs=4", "train.batch_tokens=100", "evaluate.resamples=20", "data.validation=0.2", "data.test=0.2")
NO_RESTART = "train.restart=false"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv(Path("good.csv"), sample_rows(150))
    return tmp_path


def train(*more, **options):
    return api.train("good.csv", [f"model={tiny()}", *WORDS, *more], **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Finished runs that tests read and leave as they are, each trained once."""
    home, numbers_of_runs = tmp_path_factory.mktemp("finished"), itertools.count()
    source = str(write_csv(home / "good.csv", sample_rows(150)))

    @functools.cache
    def run(*more):
        return api.train(source, [f"model={tiny()}", *WORDS, f"run={home / str(next(numbers_of_runs))}", *more])

    return run


def of_kind(result, kind):
    return [record for record in read(RunFolder(Path(result)).journal) if isinstance(record, kind)]


def recipe_of(result):
    return yaml.safe_load(result.folder.recipe.read_text())


def test_a_stuck_start_starts_again_once_with_other_draws_and_another_rate_and_says_so(finished):
    result = finished(TOO_HIGH)
    (again,) = of_kind(result.folder.path, Restarted)
    steps = of_kind(result.folder.path, Step)
    assert again.seed != 0
    assert again.learning_rate < 0.1
    for said in ("no better than the majority class", "learning_rate=3 is too high", f"seed {again.seed}"):
        assert said in again.text
    assert [step.step for step in steps].count(1) == 2
    assert again.step == pytest.approx(steps[0].of / 4, abs=4)
    assert recipe_of(result)["train"]["learning_rate"] == again.learning_rate
    assert max(step.learning_rate for step in steps[again.step :]) <= again.learning_rate
    assert of_kind(result.folder.path, Finished)[0].stopped != loop_module.STUCK
    page = result.folder.report.read_text().replace("&#39;", "'").replace("&gt;", ">")
    assert again.text in page
    assert "Learning-rate range test, before the second start" in page  # what the text cites is drawn
    assert "The times are of both starts together" in page


def test_no_second_restart():
    attempts_seen = of_kind(train(TOO_HIGH, "train.clip=null").folder.path, Restarted)
    assert len(attempts_seen) <= 1


def test_a_sound_run_is_not_started_again(finished):
    result = finished(SOUND, "train.epochs=16")  # by a quarter of it every validation row is right
    assert of_kind(result.folder.path, Finished)
    assert not of_kind(result.folder.path, Restarted)


def test_restarts_can_be_forbidden(finished):
    result = finished(TOO_HIGH, NO_RESTART)
    assert not of_kind(result.folder.path, Restarted)
    (said,) = [event.text for event in of_kind(result.folder.path, Event) if event.name == STEP_BACK]
    assert "the given train.learning_rate=3 is so large" in said
    assert "Next: train.learning_rate=" in said


def test_a_rate_at_which_nothing_is_learnt_is_said_with_one_that_works(finished):
    result = finished(TOO_LOW, NO_RESTART)
    (said,) = [event.text for event in of_kind(result.folder.path, Event) if event.name == STEP_BACK]
    assert "train.learning_rate=1e-09 is so small that next to nothing was learnt" in said
    advised = float(said.partition("Next: train.learning_rate=")[2].partition(",")[0])
    sound = float(SOUND.partition("=")[2])
    assert sound / 10 < advised < sound * 10


def test_a_rate_that_leaves_the_numbers_is_named_with_one_that_works(monkeypatch):
    original = loop_module.Loop._train_step

    def broken(self, window):
        if self.step == 3 and self.optimizer.adamw.param_groups[0]["peak"] > 1e-2:
            raise self._not_finite("the loss", float("nan"), [])
        original(self, window)

    monkeypatch.setattr(loop_module.Loop, "_train_step", broken)
    with pytest.raises(NonFiniteError) as caught:
        train("train.learning_rate=10", "run=broken")
    assert "write train.learning_rate=" in caught.value.problems[0].fix
    assert "10 is too high" in caught.value.problems[0].fix
    assert (Path("broken") / "model" / "model.safetensors").is_file()


def test_the_result_on_the_screen_and_as_json_takes_the_step_back():
    words = [f"model={tiny()}", *WORDS, TOO_LOW, NO_RESTART, "train.epochs=1"]
    shown = affina("train", "good.csv", *words)
    assert shown.status == 0
    assert "A step back:" in shown.out
    found = json.loads(affina("train", "good.csv", *words, "--json").out)
    assert found["step_back"] in " ".join(event.text for event in of_kind(found["run"], Event))
    assert found["step_back"].startswith("the tuned model is ")


def numbers(folder):
    """Steps, evaluations and the restart as recorded, without the clock."""
    found = []
    for record in read(RunFolder(folder).journal):
        if isinstance(record, Step):
            found.append((record.step, record.loss, record.gradient_norm, record.learning_rate, record.rows))
        elif isinstance(record, Evaluated):
            found.append((record.step, tuple(record.metrics.items()), record.best))
        elif isinstance(record, Restarted):
            found.append(record)
    return found


def weights(folder):
    return {name: tensor.tobytes() for name, tensor in load_file(folder / "model" / "model.safetensors").items()}


def interrupt_at(monkeypatch, step, *, attempt):
    """Make the loop of an attempt, from 0, see a Ctrl-C once `step` steps are done."""
    from contextlib import contextmanager

    loops = []
    original = loop_module.Loop.run

    def run(self):
        loops.append(self)
        return original(self)

    @contextmanager
    def deferred():
        yield lambda: len(loops) == attempt + 1 and loops[-1].step == step

    monkeypatch.setattr(loop_module.Loop, "run", run)
    monkeypatch.setattr(loop_module, "deferred", deferred)


@pytest.mark.slow
def test_resumed_before_at_and_after_the_restart_equals_uninterrupted(monkeypatch, finished):
    whole = finished(TOO_HIGH).folder.path
    expected, shipped = numbers(whole), weights(whole)
    (again,) = of_kind(whole, Restarted)
    places = [(again.step - 2, 0), (again.step, 0), (1, 1), (again.step, 1)]
    for step, attempt in places:
        with monkeypatch.context() as patched:
            interrupt_at(patched, step, attempt=attempt)
            with pytest.raises(Interrupted):
                train(TOO_HIGH, "run=parts")
        train(TOO_HIGH, "run=parts")
        assert numbers(Path("parts")) == expected, (step, attempt)
        assert weights(Path("parts")) == shipped, (step, attempt)
        shutil.rmtree("parts")


@pytest.fixture
def tested(monkeypatch):
    """A range test for runs of any length."""
    monkeypatch.setattr(rates, "MOST_SHARE", 0.5)


def test_the_measured_rate_is_recorded_used_written_and_drawn(tested):
    result = train("run=mine", NO_RESTART)
    test, *advice = of_kind("mine", RangeTested)
    assert len(advice) <= 1  # after a run that was worth nothing
    steps = of_kind("mine", Step)
    assert len(test.rates) <= 0.5 * steps[0].of
    chosen = [record for record in of_kind("mine", Chosen) if record.key == rates.RATE]
    assert [record.value for record in chosen] == [test.used]
    assert "range test" in chosen[0].reason
    assert recipe_of(result)["train"]["learning_rate"] == test.used
    assert recipe_of(result)["train"]["head_learning_rate"] == pytest.approx(3 * test.used)
    assert max(step.learning_rate for step in steps) == pytest.approx(test.used, rel=0.2)
    assert "Learning-rate range test, before the training" in result.folder.report.read_text()


def test_a_given_rate_and_a_short_run_have_no_test(tested):
    for result in (train(SOUND), train("train.max_steps=19")):
        records = read(result.folder.journal)
        before = records[: next(place for place, record in enumerate(records) if isinstance(record, Step))]
        assert not [record for record in before if isinstance(record, RangeTested)]


def test_a_run_with_a_measured_rate_goes_on_and_its_recipe_runs_again(tested, monkeypatch):
    train("run=whole", NO_RESTART)
    with monkeypatch.context() as patched:
        interrupt_at(patched, 5, attempt=0)
        with pytest.raises(Interrupted):
            train("run=parts", NO_RESTART)
    shutil.copy("parts/recipe.yaml", "again.yaml")
    api.train("again.yaml", ["run=parts"])  # what recipe.yaml says is the same run, as far as it got
    assert numbers(Path("parts")) == numbers(Path("whole"))
    assert weights(Path("parts")) == weights(Path("whole"))


def head_of(folder):
    (chosen,) = [record for record in of_kind(folder, Chosen) if record.key == rates.HEAD_START]
    return chosen


@pytest.mark.parametrize(("start", "patience"), [("probe", 14), ("random", 6)])
def test_a_head_that_starts_as_a_probe_is_trained_to_the_plans_end(start, patience):
    result = train(f"train.head_start={start}", "train.epochs=13", "run=waits")
    assert recipe_of(result)["train"]["early_stopping"]["patience"] == patience
    said = {record.key: record for record in read(result.folder.journal) if isinstance(record, Chosen)}
    assert said["train.early_stopping.patience"].value == patience
    assert said["train.early_stopping.patience"].reason


def test_a_given_patience_counts_however_the_head_starts():
    result = train("train.head_start=probe", "train.epochs=2", "train.early_stopping.patience=2", "run=given")
    assert recipe_of(result)["train"]["early_stopping"]["patience"] == 2
    whole = train("train.head_start=probe", "train.epochs=1", "train.early_stopping=false", "run=never")
    assert recipe_of(whole)["train"]["early_stopping"] is False


@pytest.mark.parametrize("start", ["probe", "random"])
def test_how_the_head_starts_can_be_given(start):
    result = train(f"train.head_start={start}", "train.max_steps=1", "run=mine")
    assert head_of("mine").value == start
    assert head_of("mine").reason.startswith("given in the recipe")
    assert recipe_of(result)["train"]["head_start"] == start


def test_a_head_alone_takes_the_prior_of_its_start():
    words = ("method=partial", "method.blocks=0", "train.max_steps=1")
    probed, drawn = (train(f"train.head_start={start}", *words) for start in ("probe", "random"))
    assert recipe_of(probed)["train"]["learning_rate"] < recipe_of(drawn)["train"]["learning_rate"] / 5
    given = train("train.head_start=probe", SOUND, *words)
    assert recipe_of(given)["train"]["learning_rate"] == float(SOUND.partition("=")[2])


def test_a_head_that_came_with_the_model_is_no_choice():
    first = train("train.max_steps=2", "run=first")
    again = api.train("good.csv", [f"model={first.folder.path}", *WORDS, "train.max_steps=1", "run=again"])
    assert not [record for record in of_kind(again.folder.path, Chosen) if record.key == rates.HEAD_START]


def test_a_given_rate_at_which_nothing_is_learnt_is_said_even_where_the_start_is_good():
    result = train(TOO_LOW, "train.head_start=probe", "evaluate.baselines=false", NO_RESTART)
    (said,) = [event.text for event in of_kind(result.folder.path, Event) if event.name == STEP_BACK]
    assert "next to nothing" in said
    assert "train.learning_rate=1e-09 is so small" in said


def test_a_given_rate_of_a_head_alone_is_the_rate():
    words = ("method=partial", "method.blocks=0", "train.head_learning_rate=1e-9", "train.head_start=random")
    result = train(*words, NO_RESTART)
    (said,) = [event.text for event in of_kind(result.folder.path, Event) if event.name == STEP_BACK]
    assert "the given train.head_learning_rate=1e-09 is so small" in said
    assert "Next: train.head_learning_rate=" in said
    (again,) = of_kind(train(*words).folder.path, Restarted)
    assert again.head_learning_rate > 1e-6


def test_the_report_after_a_restart_shows_the_rates_that_trained(finished):
    result = finished(TOO_HIGH)
    (again,) = of_kind(result.folder.path, Restarted)
    chosen = {record.key: record.value for record in of_kind(result.folder.path, Chosen)}
    assert chosen[rates.RATE] == again.learning_rate
    assert chosen[rates.HEAD_RATE] == again.head_learning_rate


def test_a_run_goes_on_by_either_of_its_two_recipes_in_turn(monkeypatch):
    def stopped(step, *, source, words):
        with monkeypatch.context() as patched:
            interrupt_at(patched, step, attempt=0)
            with pytest.raises(Interrupted):
                api.train(source, [*words, "run=parts"])

    typed = [f"model={tiny()}", *WORDS]
    stopped(3, source="good.csv", words=typed)
    shutil.copy("parts/recipe.yaml", "again.yaml")
    stopped(6, source="again.yaml", words=[])
    assert api.train("good.csv", [*typed, "run=parts"]).folder.path == Path("parts")


def test_a_loss_that_rose_is_not_called_unchanged():
    result = train(TOO_HIGH, NO_RESTART, "train.epochs=2", "train.head_start=random")
    said = " ".join(event.text for event in of_kind(result.folder.path, Event) if event.name == STEP_BACK)
    assert "is so large" in said
    assert "next to nothing" not in said
