"""The command line over the verbs: what it prints where, and its exit statuses."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from affina.cli import failing, main
from affina.errors import AffinaError, Interrupted, Problem
from affina.recipe.schema import Recipe
from workbench import LABELS, affina, sample_rows, tiny, write_csv

TRAIN = ("train", "good.csv", "train.epochs=2", "evaluate.resamples=50")
METRICS = {"accuracy", "macro_f1", "loss", "calibration_error"}
PARTS = {"value", "low", "high", "n"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with good.csv and the run runs/good, and what the command printed."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_csv(Path("good.csv"), sample_rows())
        ended = affina(*TRAIN, f"model={tiny()}")
    assert ended.status == 0, ended.err
    return folder, ended


@pytest.fixture
def inside(trained, monkeypatch):
    monkeypatch.chdir(trained[0])
    return trained[0]


def test_a_run_prints_lines_where_there_is_no_terminal(trained):
    _, ended = trained
    assert ended.err == ""
    lines = ended.out.split("\n")
    starts = [line[:13].strip() for line in lines]
    for title in ("data", "model", "majority", "linear probe", "tuned", "finished", "epoch 1.0", "epoch 2.0"):
        assert title in starts, title
    assert any("train.epochs = 2.0  given in the recipe" in line for line in lines)
    assert any("kept" in line for line in lines)
    assert "\x1b" not in ended.out
    assert "\r" not in ended.out
    for command in (
        "affina predict runs/good ",
        "affina evaluate runs/good FILE",
        "affina train runs/good/recipe.yaml",
    ):
        assert command in ended.out


def test_train_as_json_keeps_standard_output_clean(inside):
    ended = affina(*TRAIN, f"model={tiny()}", "run=runs/json", "--json")
    found = json.loads(ended.out)
    assert set(found) == {"run", "split", "metrics", "baselines", "risks", "budgets", "forecast", "step_back"}
    assert found["run"] == "runs/json"
    assert set(found["metrics"]) == METRICS
    assert set(found["baselines"]) == {"majority", "linear_probe"}
    assert "finished" in ended.err


def test_evaluate_as_json(inside):
    ended = affina("evaluate", "runs/good", "good.csv", "--json")
    assert ended.status == 0
    assert "rows are also in the training file" in ended.err
    found = json.loads(ended.out)
    assert set(found) == {"run", "data", "metrics", "baselines", "classes"}
    assert (found["run"], found["data"]) == ("runs/good", "good.csv")
    assert set(found["metrics"]) == METRICS
    for figure in found["metrics"].values():
        assert set(figure) == PARTS
        assert figure["low"] <= figure["value"] <= figure["high"]
        assert figure["n"] == 60
    assert set(found["baselines"]) == {"majority", "linear_probe"}
    for baseline in found["baselines"].values():
        assert baseline.pop("split") == "validation"
        assert set(baseline) == METRICS
        assert all(set(figure) == PARTS for figure in baseline.values())


def test_evaluate_as_a_table(inside):
    ended = affina("evaluate", "runs/good", "good.csv")
    assert ended.status == 0
    assert "On 60 rows (good.csv)" in ended.out
    assert all(label in ended.out for label in LABELS)


def test_evaluate_with_a_label_that_the_run_does_not_know(inside):
    write_csv(Path("new.csv"), [("some text", "card"), ("other text", "cash")])
    ended = affina("evaluate", "runs/good", "new.csv")
    assert ended.status == 2
    assert "new.csv, row 2 (line 3)" in ended.err
    assert "'cash'" in ended.err
    assert ended.out == ""


def test_predict_one_text(inside):
    ended = affina("predict", "runs/good", "where is my card", "--json")
    (found,) = json.loads(ended.out)
    assert found["text"] == "where is my card"
    assert found["label"] == max(found["probabilities"], key=found["probabilities"].get)
    assert set(found["probabilities"]) == set(LABELS)
    assert sum(found["probabilities"].values()) == pytest.approx(1)
    shown = affina("predict", "runs/good", "where is my card")
    assert shown.out.startswith(found["label"])
    assert "'where is my card'" in shown.out


def test_predict_a_file_to_a_file(inside):
    ended = affina("predict", "runs/good", "good.csv", "--out", "out/predictions.jsonl")
    assert ended.status == 0
    assert "60 predictions in out/predictions.jsonl" in ended.out
    assert "and 40 more" in ended.out
    lines = [json.loads(line) for line in Path("out/predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["text"] for line in lines] == [text for text, _ in sample_rows()]
    assert lines == json.loads(affina("predict", "runs/good", "good.csv", "--json").out)


def test_predict_to_a_folder_is_refused_before_the_work(inside):
    Path("results").mkdir()
    ended = affina("predict", "runs/good", "good.csv", "--out", "results")
    assert ended.status == 2
    assert "write --out results/predictions.jsonl" in ended.err


@pytest.mark.parametrize("text", ["", "  \n"])
def test_predict_an_empty_text(inside, text):
    ended = affina("predict", "runs/good", text)
    assert ended.status == 2
    assert "nothing but blanks" in ended.err


@pytest.mark.parametrize("verb", [("predict", "runs/good", "text"), ("evaluate", "runs/good", "good.csv")])
def test_verbs_refuse_an_unknown_device(inside, verb):
    ended = affina(*verb, "--device", "tpu")
    assert ended.status == 2
    assert "tpu" in ended.err


def test_text_that_looks_like_markup_is_printed_as_it_is(inside):
    assert "'[bold]x[/nope]'" in affina("predict", "runs/good", "[bold]x[/nope]").out
    ended = affina("train", "[red]a[/].csv")
    assert ended.err.startswith("error: [red]a[/].csv")


def test_report_is_made_again_from_the_record_alone(inside):
    page = Path("runs/good/report.html")
    before = page.read_text(encoding="utf-8")
    page.unlink()
    assert affina("report", "runs/good").out == "runs/good/report.html\n"
    assert page.read_text(encoding="utf-8") == before


def test_schema_is_the_recipe_s():
    assert json.loads(affina("schema").out) == json.loads(json.dumps(Recipe.model_json_schema()))


def test_help_names_every_verb():
    ended = affina("--help")
    assert ended.status == 0
    for verb in ("train", "demo", "evaluate", "predict", "report", "schema"):
        assert verb in ended.out


PROBLEM = Problem(where="here", expected="this", found="[b]that[/b]", fix="do it")


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (AffinaError(PROBLEM), 1, "error: here"),
        (Interrupted(PROBLEM), 130, "stopped: here"),
        (KeyboardInterrupt(), 130, ""),
        (RuntimeError("[oops]"), 1, "a fault of ours: RuntimeError: [oops]"),
        (MemoryError(), 2, "error: memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 2, "error: memory"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_exit_statuses(monkeypatch, error, status, says):
    def fails(_words):
        raise error

    monkeypatch.setattr(main, "app", fails)
    monkeypatch.delenv(failing.TRACEBACK, raising=False)
    ended = affina()
    assert ended.status == status
    assert ended.err.startswith(("affina: " if status == 1 and "ours" in says else "") + says)
    assert "Traceback" not in ended.err


def test_a_fault_of_ours_shows_where_when_asked(monkeypatch):
    def fails(_words):
        raise RuntimeError("oops")

    monkeypatch.setattr(main, "app", fails)
    monkeypatch.setenv(failing.TRACEBACK, "1")
    with pytest.raises(RuntimeError, match="oops"):
        affina()


def test_the_installed_command_in_a_process_of_its_own(tmp_path):
    command = [sys.executable, "-c", "from affina.cli.main import run; run()", "report", "nothing"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stdout.strip() == ""
    assert ended.stderr.startswith("error: nothing/record.jsonl\n  expected: ")
    assert not any(tmp_path.iterdir())


def test_a_reader_that_goes_away_is_no_traceback(tmp_path):
    command = f"{sys.executable} -c 'from affina.cli.main import run; run()' schema | true"
    ended = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.stderr == ""
