"""Whole comparisons with a tiny model: the table, the page, going on, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import affina as api
from affina.comparing.happenings import Began, Opened, Stepped
from affina.comparing.process import Ended
from affina.data.loading import load
from affina.errors import AffinaError, DataError, Interrupted, ModelError, Problem, RunError
from affina.pipeline import prepare as preparation
from affina.recipe.load import check_recipe, load_recipe
from affina.recipe.schema import Recipe
from affina.record import compared
from affina.record.folder import RunFolder
from affina.record.journal import read
from affina.record.payloads import DataRead, Evaluated
from affina.record.row_results import RowResults
from affina.verbs import compare as verb
from affina.verbs.candidate import of_round
from affina.verbs.train import train_recipe
from workbench import affina, check_refused, files_under, sample_rows, tiny, write_csv

pytestmark = pytest.mark.slow  # whole runs, one after another

FOLDER = Path("runs/good-compare")


STARTED: list[str] = []
"""The folders of the runs that were started, in order."""
FATES: dict[str, AffinaError | str] = {}
"""Method to the error that ends its run, or `interrupted`, or `killed` by a second Ctrl-C."""


class InThisProcess:
    """A run without the seconds that a new process takes to import torch."""

    def __init__(self, _module: str, recipe: Recipe, *, share: float) -> None:
        self.recipe, self.share = recipe, share
        STARTED.append(Path(recipe.run).name)

    def listen(self, _tell: Callable[[str, Any], None]) -> Ended:
        found = FATES.get(self.recipe.method.name)
        if found == "killed":
            raise KeyboardInterrupt
        if found is not None:
            return Ended("interrupted") if isinstance(found, str) else Ended("failed", found)
        try:
            train_recipe(of_round(self.recipe, self.share), share=self.share, notify=str)
        except AffinaError as error:
            return Ended("failed", error)
        return Ended("finished")


@pytest.fixture(autouse=True)
def _nothing_started():
    STARTED.clear()
    FATES.clear()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished comparison of two methods with two seeds, trained once: its folder, and what the command printed."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(verb, "RunProcess", InThisProcess)
        write_csv(Path("good.csv"), sample_rows(90))
        return folder, affina(*words(), "--methods", "full", "lora", "--seeds", "2")


@pytest.fixture
def inside(whole, tmp_path, monkeypatch):
    """A copy of it to work in."""
    shutil.copytree(whole[0], tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    monkeypatch.setattr(verb, "RunProcess", InThisProcess)
    return tmp_path / "copy"


def words(*more):
    keys = ("train.epochs=2", "evaluate.resamples=50", "data.test=0.3", f"model={tiny()}")
    return ("compare", "good.csv", *keys, *more)


def test_the_command_prints_the_table_and_writes_the_page(whole):
    folder, ended = whole
    assert ended.status == 0, ended.err
    for part in (
        "full",
        "lora",
        "linear probe",
        "weights trained",
        "behind the best",
        "Forgetting: in each run's own report",
    ):
        assert part in " ".join(ended.out.split()), part
    assert max(map(len, ended.out.split("\n"))) <= 120
    found = compared.read(folder / FOLDER)
    assert found.finished
    assert {one.name for one in found.standings} == {"full", "lora"}
    page = (folder / FOLDER / "report.html").read_text(encoding="utf-8")
    assert "Quality against cost" in page
    assert "lora-seed1/report.html" in page


def test_every_run_is_an_ordinary_one_on_the_same_rows(whole):
    folder, _ = whole
    runs = [folder / FOLDER / run.folder for run in compared.read(folder / FOLDER).runs]
    assert len(runs) == 4
    for run in runs:
        assert (run / "report.html").is_file()
        assert load_recipe(run / "recipe.yaml").data.seed == 0
    records = [read(RunFolder(run).journal) for run in runs]
    results = [next(one for one in lines if isinstance(one, RowResults) and one.who == "tuned") for lines in records]
    assert len({tuple(one.rows) for one in results}) == 1
    counts = [next(one for one in lines if isinstance(one, DataRead)).rows for lines in records]
    assert all(rows == counts[0] for rows in counts)
    losses = [tuple(one.metrics["loss"] for one in lines if isinstance(one, Evaluated)) for lines in records]
    assert len(set(losses)) == 4  # and they are not the same run


def test_seeds_of_the_rows_make_the_splits(whole, monkeypatch):
    monkeypatch.chdir(whole[0])
    recipes = [load_recipe(None, overrides=[f"seed={seed}", "data.seed=0", "data.train=good.csv"]) for seed in (0, 1)]
    splits = [load(recipe.data, seed=recipe.rows_seed).splits for recipe in recipes]
    assert splits[0] == splits[1]
    assert load(recipes[1].data, seed=1).splits != splits[0]


def test_the_record_as_json_is_what_the_folder_holds(inside):
    ended = affina(*words(), "--methods", "full", "lora", "--seeds", "2", "--json")
    assert ended.status == 0
    assert STARTED == []  # nothing was run again
    found = json.loads(ended.out)
    assert found["seeds"] == [0, 1]
    standing = {one["name"]: one for one in found["standings"]}
    for one in standing.values():
        assert set(one["metrics"]["accuracy"]) == {"value", "low", "high", "n"}
        assert set(one["costs"]) == {"trained", "seconds", "memory_bytes", "bytes"}
    assert standing["lora"]["costs"]["bytes"] < standing["full"]["costs"]["bytes"]
    assert found == json.loads((FOLDER / "compare.json").read_text(encoding="utf-8"))
    assert set(found["data"]["files"]) == {"good.csv"}
    assert "torch" in found["versions"]
    assert found["machine"]["cores"]


def test_the_page_is_made_again_without_the_runs(inside):
    before = (FOLDER / "report.html").read_text(encoding="utf-8")
    (FOLDER / "report.html").unlink()
    for path in FOLDER.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    ended = affina("report", FOLDER)
    assert ended.status == 0
    assert ended.out.strip() == str(FOLDER / "report.html")
    assert (FOLDER / "report.html").read_text(encoding="utf-8") == before


def test_a_method_and_a_seed_can_be_added(inside):
    found = api.compare("good.csv", words()[2:], methods=["full", "partial"], seeds=1)
    assert STARTED == ["partial-seed0"]
    assert {one.name for one in found.standings} == {"full", "partial"}
    assert found.folder == str(FOLDER)


def test_an_interrupted_comparison_goes_on(inside):
    shutil.rmtree(FOLDER)
    FATES["partial"] = "interrupted"
    with pytest.raises(Interrupted) as stopped:
        api.compare("good.csv", words()[2:], methods=["full", "partial"])
    assert "the comparison runs/good-compare" in str(stopped.value)
    assert not compared.read(FOLDER).finished
    assert "not run yet" in (affina("report", FOLDER) and (FOLDER / "report.html").read_text(encoding="utf-8"))
    FATES.clear()
    found = api.compare("good.csv", words()[2:], methods=["full", "partial"])
    assert STARTED == ["full-seed0", "partial-seed0", "partial-seed0"]
    assert found.finished


def test_a_second_ctrl_c_says_what_is_there_to_go_on_from(inside):
    FATES["partial"] = "killed"
    ended = affina(*words(), "--methods", "full", "partial")
    assert ended.status == 130
    assert "stopped: the comparison runs/good-compare" in ended.err
    assert "with 1 finished runs" in ended.err
    assert "finished runs are kept" in ended.err


def test_what_is_known_from_before_is_what_the_plan_asks_for_and_did_not_fail(inside):
    heard = []
    problem = Problem(where="method", expected="one that fits", found="another", fix="take another")
    FATES["partial"] = ModelError(problem)
    for _ in range(2):
        api.compare("good.csv", words()[2:], methods=["full", "partial"], watch=heard.append)
    assert [(one.runs, one.before) for one in heard if isinstance(one, Opened)] == [(2, 1), (2, 1)]
    kept = {run.folder for run in compared.read(FOLDER).runs if run.state == "finished"}
    assert kept == {"full-seed0", "full-seed1", "lora-seed0", "lora-seed1"}


def test_a_method_that_cannot_be_is_a_row_and_the_exit_status_says_so(inside):
    ended = affina(*words(), "--methods", "full", "{name: partial, blocks: 99}")
    assert ended.status == 2
    assert "at most 3" in ended.out
    assert "full" in ended.out
    found = compared.read(FOLDER)
    assert [one.state for one in found.standings] == ["finished", "failed"]
    assert "at most 3" in (FOLDER / "report.html").read_text(encoding="utf-8")


def test_recipes_are_compared_as_they_are(inside):
    for name, epochs in (("short", 1), ("long", 2)):
        text = f"data: {{train: good.csv, test: 0.3}}\nmodel: {tiny()}\nmethod: full\ntrain: {{epochs: {epochs}}}\n"
        Path(f"{name}.yaml").write_text(text, encoding="utf-8")
    ended = affina("compare", "short.yaml", "long.yaml", "evaluate.resamples=20", "run=runs/recipes")
    assert ended.status == 0, ended.err
    assert STARTED == ["short-seed0", "long-seed0"]
    assert {one.chosen["train.epochs"] for one in compared.read(Path("runs/recipes")).standings} == {1, 2}


def test_halving_runs_the_first_round_with_a_share_of_the_epochs(inside, monkeypatch):
    read = []
    monkeypatch.setattr(preparation, "load", lambda *given, **keys: (read.append(given), load(*given, **keys))[1])
    found = api.compare("good.csv", [*words()[2:], "run=runs/halved"], methods=["full", "lora", "partial"], halving=2)
    assert [share for share in (run.share for run in found.runs) if share < 1] == [0.5] * 3
    epochs = [load_recipe(Path("runs/halved", run.folder, "recipe.yaml")).train.epochs for run in found.runs]
    assert epochs == [1, 1, 1, 2, 2]
    assert len(read) == len(found.runs), "each run reads its rows once"
    assert len([one for one in found.standings if one.state == "dropped"]) == 1


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(verb, "RunProcess", InThisProcess)
    write_csv(Path("good.csv"), sample_rows(90))
    return tmp_path


REFUSED = {
    "no methods": (("good.csv",), ("--methods", "full, partial, lora")),
    "an unknown method": (("good.csv", "--methods", "full", "lorra"), ("'lorra'", "full, partial, lora")),
    "a method twice": (("good.csv", "--methods", "full", "full"), ("full twice",)),
    "one method": (("good.csv", "--methods", "full"), ("two candidates or more",)),
    "no seeds": (("good.csv", "--methods", "full", "lora", "--seeds", "0"), ("--seeds", "1 or more")),
    "data that are not there": (("nope.csv", "--methods", "full", "lora"), ("nope.csv",)),
    "two sets of data": (("good.csv", "good.csv", "--methods", "full", "lora"), ("[a.csv, b.csv]",)),
    "an unknown key": (("good.csv", "train.epoch=1", "--methods", "full", "lora"), ("train.epochs",)),
    "data behind the methods": (("--methods", "full", "lora", "--seeds", "2", "good.csv", "seed=-1"), ("seed",)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_and_nothing_is_written(empty, case):
    given, says = REFUSED[case]
    before = files_under(empty)
    check_refused(affina("compare", *given), empty, before, says=says)


def test_a_reason_that_is_no_candidates_own_is_raised_and_leaves_nothing(empty):
    problem = Problem(where="model: nope", expected="a model", found="none", fix="name one")
    FATES.update(full=ModelError(problem), lora=ModelError(problem))
    before = files_under(empty)
    with pytest.raises(ModelError, match="model: nope"):
        api.compare("good.csv", ["model=nope"], methods=["full", "lora"])
    assert files_under(empty) == {**before, "runs": None}


def test_no_source_is_refused(empty):
    with pytest.raises(DataError, match="one set of data"):
        api.compare([], methods=["full", "lora"])


OTHERS = {
    "another recipe": (["train.epochs=3"], "train.epochs"),
    "another model": (["model=starter/decoder"], "model"),
    "other splits": (["data.test=0.2"], "data.test"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_the_folder_of_another_comparison_is_refused_with_what_differs(inside, case):
    keys, says = OTHERS[case]
    before = files_under(inside)
    ended = affina(*words(*keys, f"run={FOLDER}"), "--methods", "full", "lora")
    check_refused(ended, inside, before, says=[f"recipe key {says}, in the comparison runs/good-compare", "is another"])


def test_other_data_are_another_comparison(inside):
    write_csv(Path("good.csv"), sample_rows(93))
    with pytest.raises(RunError, match=r"the file good\.csv, in the comparison"):
        api.compare("good.csv", [*words()[2:], f"run={FOLDER}"], methods=["full", "lora"])
    found = api.compare("good.csv", words()[2:], methods=["full", "lora"])
    assert found.folder == f"{FOLDER}-2"


def test_a_run_is_no_comparison(inside):
    ended = affina(*words(f"run={FOLDER}/full-seed0"), "--methods", "full", "lora")
    assert ended.status == 2
    assert "files that are not a comparison" in ended.err


def test_a_damaged_record_is_refused(inside):
    (FOLDER / "compare.json").write_text('{"format": 1, "seeds": "x"', encoding="utf-8")
    ended = affina("report", FOLDER)
    assert (ended.status, "no JSON" in ended.err) == (2, True)
    (FOLDER / "compare.json").write_text('{"format": 9}', encoding="utf-8")
    assert "format 9" in affina("report", FOLDER).err


def test_the_record_reads_back_as_it_was_written(whole, tmp_path):
    found = compared.read(whole[0] / FOLDER)
    compared.write(tmp_path, found)
    assert compared.read(tmp_path) == found
    assert dataclasses.replace(found, seeds=(5,)) != found


@pytest.mark.slow
def test_real_processes_stopped_and_gone_on_with(tmp_path, monkeypatch):
    """Ctrl-C in the middle of the second run: it writes a checkpoint and goes on; the first is not run again."""
    monkeypatch.chdir(tmp_path)
    write_csv(Path("good.csv"), sample_rows(90))
    heard = []

    def interrupt(happening):
        heard.append(happening)
        begun = [one.candidate for one in heard if isinstance(one, Began)]
        if isinstance(happening, Stepped) and begun == ["full", "lora"] and happening.step == 2:
            signal.raise_signal(signal.SIGINT)

    keys = [*words()[2:], "train.max_steps=200", "train.epochs=100", "train.early_stopping=false"]
    with pytest.raises(Interrupted):
        api.compare("good.csv", keys, methods=["full", "lora"], watch=interrupt)
    steps = sorted(path.name for path in (FOLDER / "lora-seed0" / "checkpoints").glob("step-*"))
    assert steps
    first = (FOLDER / "full-seed0" / "record.jsonl").read_bytes()
    heard.clear()
    found = api.compare("good.csv", keys, methods=["full", "lora"], watch=heard.append)
    assert [one.candidate for one in heard if isinstance(one, Began)] == ["lora"]
    assert (FOLDER / "full-seed0" / "record.jsonl").read_bytes() == first
    assert found.finished
    assert any("Stopped and gone on with: lora (seed 0)" in note for note in found.notes)
    assert all(one.costs["memory_bytes"] > 100 * 2**20 for one in found.standings)


def test_a_round_has_no_budgets_and_a_whole_run_keeps_them():
    recipe = check_recipe({"risks": {"forgetting": {"budget": "5%", "texts": "mine.txt"}, "bias": {"budget": "2pp"}}})
    assert of_round(recipe, 1.0) == recipe
    found = of_round(recipe, 0.25).risks
    assert (found.forgetting.budget, found.bias.budget, found.forgetting.texts) == (None, None, "mine.txt")
