"""The runs of a comparison, on paper: what is run when, what is not run again, what fails, what halving looks at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from affina.comparing.earlier import Earlier, find_earlier
from affina.comparing.happenings import Began, Halved, Over, Stepped
from affina.comparing.keeping import Keeper
from affina.comparing.place import shipped_of
from affina.comparing.planned import plan_of
from affina.comparing.running import Running
from affina.errors import AffinaError, Interrupted, ModelError, Problem, RunError
from affina.recipe.load import check_recipe
from affina.record.compared import CandidateRun, RowsUsed
from affina.record.lock import FolderLock
from affina.record.starts import Restarted
from runs_on_paper import OnPaper, by_method, record, right_on, write_run

ROWS = RowsUsed(files={"a.csv": "ab"}, rows={"train": 9, "test": 200}, sha256={"train": "c", "test": "d"})
RIGHT = {"full": 170, "lora": 168, "prefix": 130, "prompt": 90, "partial": 160}


def failing(reason: str, kind: type[AffinaError] = ModelError) -> AffinaError:
    return kind(Problem(where="method", expected="one that fits", found=reason, fix="take another"))


class Bench:
    """A comparison in a folder, run as often as a test likes."""

    def __init__(self, folder: Path, *methods: str, seeds: int = 1, halving: int | None = None) -> None:
        self.folder = folder / "compare"
        recipe = check_recipe({"data": {"train": "a.csv"}, "evaluate": {"resamples": 200}})
        self.plan = plan_of({"": recipe}, methods, seeds=seeds, halving=halving)
        self.told: list[object] = []
        self.kept = []
        self.earlier = Earlier()

    def run(self, made: Callable, *, before: Sequence[CandidateRun] = ()) -> OnPaper:
        start = OnPaper(made)
        self.started = start.started
        self.earlier = find_earlier(self.plan, self.folder, before)
        ticks = iter(range(10_000))
        self.running = Running(
            plan=self.plan,
            folder=self.folder,
            known=self.earlier.known,
            start=start,
            tell=self.told.append,
            keep=lambda progress: self.kept.append(list(progress.runs)),
            clock=lambda: float(next(ticks)),
        )
        self.progress = self.running.progress
        self.running.run()
        return start

    def compared(self):
        return Keeper(self.plan, self.folder, ROWS, "2026", self.earlier).compared(self.progress)


def test_all_candidates_run_with_one_seed_before_the_next(tmp_path):
    bench = Bench(tmp_path, "full", "lora", seeds=2)
    bench.run(by_method(RIGHT))
    assert [name for name, _ in bench.started] == ["full-seed0", "lora-seed0", "full-seed1", "lora-seed1"]
    assert [len(runs) for runs in bench.kept] == [1, 2, 3, 4]
    assert [(one.number, one.of) for one in bench.told if isinstance(one, Began)] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [one.score for one in bench.told if isinstance(one, Over)] == [0.5] * 4


def test_an_interrupted_comparison_goes_on_and_nothing_runs_twice(tmp_path):
    bench = Bench(tmp_path, "full", "lora", "prefix")
    paper = by_method(RIGHT)
    with pytest.raises(Interrupted, match="with 1 finished runs"):
        bench.run(lambda recipe, share: None if recipe.method.name == "lora" else paper(recipe, share))
    assert [name for name, _ in bench.started] == ["full-seed0", "lora-seed0"]
    bench.run(paper, before=bench.kept[-1])
    assert [name for name, _ in bench.started] == ["lora-seed0", "prefix-seed0"]
    assert [run.wall_seconds is not None for run in bench.progress.runs] == [True, True, True]
    bench.run(paper, before=bench.progress.runs)
    assert bench.started == []
    assert [run.state for run in bench.progress.runs] == ["finished"] * 3


def test_a_finished_run_is_known_by_its_record_alone(tmp_path):
    bench = Bench(tmp_path, "full", "lora")
    bench.run(by_method(RIGHT))
    bench.run(by_method(RIGHT), before=())
    assert bench.started == []
    assert [(run.ships, run.bytes) for run in bench.progress.runs] == [("model", 100), ("model", 100)]


def test_stopping_between_two_runs_starts_no_other(tmp_path):
    bench = Bench(tmp_path, "full", "lora")
    paper = by_method(RIGHT)

    def made(recipe, share):
        bench.running.stopping = recipe.method.name == "full"
        return paper(recipe, share)

    with pytest.raises(Interrupted):
        bench.run(made)
    assert [name for name, _ in bench.started] == ["full-seed0"]


def test_what_fails_is_a_row_with_its_reason_and_the_rest_goes_on(tmp_path):
    bench = Bench(tmp_path, "full", "prefix", "lora", seeds=2)
    paper = by_method(RIGHT)
    bench.run(lambda recipe, share: failing("no room") if recipe.method.name == "prefix" else paper(recipe, share))
    assert [name for name, _ in bench.started] == [
        "full-seed0",
        "prefix-seed0",
        "lora-seed0",
        "full-seed1",
        "lora-seed1",
    ]
    found = bench.compared()
    assert [(one.name, one.state) for one in found.standings] == [
        ("full", "finished"),
        ("lora", "finished"),
        ("prefix", "failed"),
    ]
    assert found.standings[-1].reason == "method: expected one that fits; found no room. Fix: take another"
    assert (found.finished, found.exit_status) == (True, 2)
    bench.run(paper, before=bench.progress.runs)  # what failed is tried again
    assert [name for name, _ in bench.started] == ["prefix-seed0", "prefix-seed1"]
    assert bench.compared().exit_status == 0


def test_a_fault_of_ours_decides_the_exit_status(tmp_path):
    bench = Bench(tmp_path, "full", "prefix", "lora")
    errors = {"prefix": failing("this"), "lora": failing("a fault", AffinaError)}
    paper = by_method(RIGHT)
    bench.run(lambda recipe, share: errors.get(recipe.method.name) or paper(recipe, share))
    assert bench.compared().exit_status == 1


def test_two_that_fail_for_one_reason_stop_it_all(tmp_path):
    bench = Bench(tmp_path, "full", "prefix", "lora")
    with pytest.raises(ModelError, match="no such model"):
        bench.run(lambda *_: failing("no such model"))
    assert [name for name, _ in bench.started] == ["full-seed0", "prefix-seed0"]


def test_a_folder_with_another_recipe_is_refused(tmp_path):
    bench = Bench(tmp_path, "full", "lora")
    other = check_recipe({"data": {"train": "a.csv", "seed": 0}, "method": "full", "train": {"epochs": 9}})
    write_run(bench.folder / "full-seed0", record(right_on(100), recipe=other))
    with pytest.raises(RunError, match=r"train\.epochs") as refused:
        bench.run(by_method(RIGHT))
    assert "9" in str(refused.value)
    assert bench.started == []


def test_a_run_that_another_process_is_busy_with_is_not_touched(tmp_path):
    bench = Bench(tmp_path, "full", "lora")
    write_run(bench.folder / "full-seed0", record(right_on(100)))
    lock = FolderLock(bench.folder / "full-seed0")
    try:
        with pytest.raises(RunError, match="busy"):
            bench.run(by_method(RIGHT))
    finally:
        lock.release()


def test_checkpoints_of_finished_runs_are_removed_and_models_kept(tmp_path):
    bench = Bench(tmp_path, "full", "lora")
    bench.run(by_method(RIGHT))
    assert not (bench.folder / "full-seed0" / "checkpoints").exists()
    assert (bench.folder / "full-seed0" / "model" / "weights").exists()


def test_bytes_to_ship_are_those_of_the_adapter_where_there_is_one(tmp_path):
    write_run(tmp_path / "run", [], bytes_to_ship=1000)
    assert shipped_of(tmp_path / "run") == ("model", 1000)
    (tmp_path / "run" / "adapter").mkdir()
    (tmp_path / "run" / "adapter" / "weights").write_bytes(b"w" * 7)
    assert shipped_of(tmp_path / "run") == ("adapter", 7)
    assert shipped_of(tmp_path) == ("", None)


def test_halving_looks_at_the_validation_rows_alone(tmp_path):
    """By the test rows full is the best and prompt the worst; by the validation rows it is the other way round."""
    validation = {"full": 0.1, "lora": 0.6, "prefix": 0.7, "prompt": 0.8, "partial": 0.3}
    bench = Bench(tmp_path, *validation, halving=3, seeds=2)
    bench.run(by_method(RIGHT, validation))
    rung, full = (
        [share for _, share in bench.started if share < 1],
        [name for name, share in bench.started if share == 1],
    )
    assert rung == pytest.approx([1 / 3] * 5)
    assert full == ["prefix-seed0", "prompt-seed0", "prefix-seed1", "prompt-seed1"]
    [halved] = [one.rung for one in bench.told if isinstance(one, Halved)]
    assert halved.kept == ("prompt", "prefix")
    assert halved.scores == validation
    found = bench.compared()
    assert {one.name: one.state for one in found.standings} == {
        "prefix": "finished",
        "prompt": "finished",
        "full": "dropped",
        "lora": "dropped",
        "partial": "dropped",
    }
    full = next(one for one in found.standings if one.name == "full")
    assert full.metrics == {}  # no figure of its short run stands beside those of whole ones
    assert "accuracy on the validation rows 10.0%, of the last that stayed 70.0%" in full.reason
    assert found.exit_status == 0


def test_halving_goes_on_where_it_stopped_and_keeps_no_model_of_a_round(tmp_path):
    validation = {"full": 0.9, "lora": 0.6, "prefix": 0.7}
    bench = Bench(tmp_path, *validation, halving=2)
    paper = by_method(RIGHT, validation)
    with pytest.raises(Interrupted):
        bench.run(lambda recipe, share: None if share == 1 else paper(recipe, share))
    assert len(bench.started) == 4
    rounds = bench.folder / "rungs" / "0.5"
    assert sorted(path.name for path in (rounds / "full-seed0").iterdir()) == ["record.jsonl"]
    bench.run(paper, before=bench.kept[-1])
    assert bench.started == [("full-seed0", 1.0), ("prefix-seed0", 1.0)]


def test_one_that_fails_in_a_round_does_not_stay(tmp_path):
    bench = Bench(tmp_path, "full", "lora", "prefix", halving=2)
    paper = by_method(RIGHT, {"full": 0.1, "prefix": 0.2})
    bench.run(lambda recipe, share: failing("no") if recipe.method.name == "lora" else paper(recipe, share))
    assert {one.name: one.state for one in bench.compared().standings} == {
        "full": "finished",
        "prefix": "finished",
        "lora": "failed",
    }


def test_the_time_left_is_told_and_comes_to_nothing(tmp_path):
    bench = Bench(tmp_path, "full", "lora", "prefix")
    bench.run(by_method(RIGHT))
    steps = [one.left for one in bench.told if isinstance(one, Stepped)]
    over = [one.left for one in bench.told if isinstance(one, Over)]
    assert steps[0] == pytest.approx(1 + 2 * 2)  # the clock ticks once; half of its steps are done
    assert over[0] == pytest.approx(2 * bench.progress.runs[0].wall_seconds)
    assert over[-1] == 0


def test_a_start_that_was_given_up_is_noted(tmp_path):
    bench = Bench(tmp_path, "full", "lora")
    paper = by_method(RIGHT)
    again = Restarted(step=1, seed=1, learning_rate=1.0, head_learning_rate=1.0, text="stuck")

    def made(recipe, share):
        lines = paper(recipe, share)
        return [lines[0], again, *lines[1:]] if recipe.method.name == "lora" else lines

    bench.run(made)
    [note] = bench.compared().notes
    assert note.startswith("Stuck, and started again with another rate: lora (seed 0).")


def test_the_record_says_what_was_asked_and_on_which_rows(tmp_path):
    bench = Bench(tmp_path, "full", "lora", seeds=2)
    bench.run(by_method(RIGHT))
    found = bench.compared()
    assert found.data == ROWS
    assert (found.seeds, found.metric, found.split, found.rows) == ((0, 1), "accuracy", "test", 200)
    assert found.versions == {"affina": "0"}
    assert found.machine == {"cores": 2}
    assert found.base["data"]["train"] == "a.csv"
    assert replace(found, written="").notes == ()
