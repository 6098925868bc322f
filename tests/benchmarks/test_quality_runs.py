"""The benchmark's plan, the grid's choice, and going on after a stop or a failure; no model is trained."""

import json
import sys
from pathlib import Path

import pytest
from contenders import NO_SETFIT, Contenders
from estimate import Estimate, Size
from ledger import Results, key, without_paths
from schedule import work

import plan
from plan import Task

HEAD = {"versions": {"python": "3"}, "threads": 1}
SIZES = {"trec": Size(4907, 1045, 60.0), "sst2": Size(6920, 2693, 100.0), "banking77-500": Size(450, 3130, 60.0)}
ESTIMATE = Estimate(SIZES, threads=1)


class Runner:
    """Stands in for the contenders: every run ends at once, those in `fails` with an error."""

    def __init__(self, run_record, *, fails=()):
        self.make, self.fails, self.ran = run_record, set(fails), []

    def run(self, ready):
        task, rate = ready.task, ready.task.learning_rate
        self.ran.append((task.set, task.contender, task.setting, rate, task.seed, ready.epochs))
        accuracy = {5e-5: 0.7, 2e-4: 0.9, 5e-4: 0.8}.get(rate, 0.5)
        run = self.make(task.contender, seed=task.seed, accuracy=accuracy, setting=task.setting, rate=rate)
        run |= {"set": task.set, "cut": task.cut}
        if ready.do == "skip":
            return run | {"status": "skipped", "reason": ready.reason}
        failed = (task.contender, task.setting) in self.fails
        return run | ({"status": "failed", "reason": "an error"} if failed else {})


def go(path, runner, *, seeds=2, sets=("trec",), only=("affina", "trainer"), jobs=1):
    results = Results(path, HEAD)
    todo = plan.ordered(plan.left(plan.tasks(sets, seeds=seeds, only=only, cut=None), results.runs()), ESTIMATE)
    failed = work(todo, results, runner, estimate=ESTIMATE, jobs=jobs)
    return failed, json.loads(path.read_text("utf-8"))["runs"]


def test_seed_0_comes_first_and_the_cheapest_set_before_the_others():
    found = plan.ordered(plan.tasks(list(SIZES), seeds=3, only=plan.CONTENDERS, cut=None), ESTIMATE)
    assert [task.seed for task in found] == sorted(task.seed for task in found)
    assert [task.set for task in found if task.contender == "affina"][:3] == ["banking77-500", "trec", "sst2"]
    assert sum(task.contender == "setfit" for task in found) == 3
    assert sum(task.setting == "defaults" and task.contender == "trainer" for task in found) == 3
    assert len({task.key for task in found}) == len(found)


def test_the_peers_defaults_get_as_many_seeds_as_asked():
    found = plan.tasks(["trec"], seeds=3, only=["trainer"], cut=None, defaults_seeds=2)
    assert [task.seed for task in found if task.setting == "defaults"] == [0, 1]
    assert len({task.key for task in found}) == len(found)


def test_the_grid_is_chosen_by_validation_accuracy_and_then_by_loss(run_record):
    def grid(rate, accuracy, loss):
        return run_record("trainer", setting="grid", rate=rate, validation_accuracy=accuracy, validation_loss=loss)

    runs = [grid(5e-5, 0.8, 0.5), grid(2e-4, 0.9, 0.7), grid(5e-4, 0.9, 0.6)]
    assert plan.best_of_grid(runs) == 5e-4
    assert plan.best_of_grid(runs[:2]) == 2e-4
    assert plan.best_of_grid([]) is None


@pytest.mark.parametrize("jobs", [1, 3])
def test_the_grids_best_gets_the_other_seeds_and_affinas_epochs(tmp_path, run_record, jobs):
    runner = Runner(run_record)
    failed, runs = go(tmp_path / "r.json", runner, seeds=3, jobs=jobs)
    assert (failed, len(runs)) == (0, 9)
    grids = [each for each in runner.ran if each[2] == "grid"]
    assert sorted(each[3:] for each in grids if each[4]) == [(2e-4, 1, 5.0), (2e-4, 2, 5.0)]
    assert {each[5] for each in grids} == {5.0}


def test_what_finished_is_not_run_again_and_what_failed_is(tmp_path, run_record):
    path = tmp_path / "r.json"
    failed, runs = go(path, Runner(run_record, fails=[("trainer", "defaults")]))
    assert failed == 1
    assert [run["reason"] for run in runs if run["status"] == "failed"] == ["an error"]
    again = Runner(run_record)
    failed, runs = go(path, again)
    assert [each[1:3] for each in again.ran] == [("trainer", "defaults")]
    assert (failed, len(runs), {run["status"] for run in runs}) == (0, 7, {"done"})
    last = Runner(run_record)
    go(path, last, seeds=3)
    assert [each[1:5] for each in last.ran] == [("affina", "defaults", None, 2), ("trainer", "grid", 2e-4, 2)]


def test_a_run_is_saved_before_the_next_one_begins(tmp_path, run_record):
    path = tmp_path / "r.json"

    class Stopped(Runner):
        def run(self, ready):
            if len(self.ran) == 3:
                raise KeyboardInterrupt
            return super().run(ready)

    with pytest.raises(KeyboardInterrupt):
        go(path, Stopped(run_record))
    assert len(json.loads(path.read_text("utf-8"))["runs"]) == 3
    rest = Runner(run_record)
    assert len(go(path, rest)[1]) == 3 + len(rest.ran) == 7


def test_without_affinas_run_the_grid_is_skipped_with_the_reason_until_there_is_one(tmp_path, run_record):
    path = tmp_path / "r.json"
    _, runs = go(path, Runner(run_record, fails=[("affina", "defaults")]))
    assert {run["status"] for run in runs if run["setting"] in {"grid", "best"}} == {"skipped"}
    assert all("epochs" in run["reason"] for run in runs if run["status"] == "skipped")
    _, runs = go(path, Runner(run_record))
    assert len(runs) == 7
    assert {run["status"] for run in runs} == {"done"}


def test_a_failure_does_not_replace_what_finished(tmp_path, run_record):
    results = Results(tmp_path / "r.json", HEAD)
    results.add(run_record())
    results.add(run_record(status="failed", reason="an error"))
    assert [run["status"] for run in results.runs().values()] == ["done"]
    other = run_record(cut=100)
    assert not results.is_done(key(other))


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("OSError: no file /home/me/data/train.csv here", "OSError: no file train.csv here"),
        ("'/tmp/x y'", "'x y'"),
        ("use and/or, 3/4, https://a.b/c", "use and/or, 3/4, https://a.b/c"),
    ],
)
def test_errors_name_no_folder_of_the_machine(text, clean):
    assert without_paths(text) == clean


def test_a_process_that_ends_with_an_error_is_a_failed_run(tmp_path, data, monkeypatch):
    script = tmp_path / "affina_run.py"
    script.write_text(f"raise ValueError('no {tmp_path}/there')", encoding="utf-8")
    monkeypatch.setattr("contenders.HERE", tmp_path)
    model = Path("model")
    runner = Contenders(data=data, folder=tmp_path, model=model, setfit_python=None, threads=1)
    run = runner.run(plan.Ready("run", Task(set="trec", contender="affina", cut=60)))
    assert (run["status"], run["reason"]) == ("failed", "ValueError: no there")
    script.write_text("import os, sys; print('noise'); print('{\"n\": %s}' % os.environ['OMP_NUM_THREADS'])", "utf-8")
    run = runner.run(plan.Ready("run", Task(set="trec", contender="affina", cut=60)))
    assert (run["status"], run["n"]) == ("done", 1)
    assert run["rows"] == {"train": 40, "validation": 20, "test": 500}
    run = runner.run(plan.Ready("run", Task(set="trec", contender="setfit")))
    assert (run["status"], run["reason"]) == ("skipped", NO_SETFIT)
    assert sys.executable not in json.dumps(run)
