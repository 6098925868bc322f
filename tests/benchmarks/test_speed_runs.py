"""The benchmarks of speed: what is made of the contenders' answers, and the command that runs them all."""

import importlib.util
import json
import sys

import pytest

from affina.record.payloads import Finished
from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks" / "speed"))
import classification
import start

SPEED = ROOT / "benchmarks" / "speed"


def script_of(name):
    """A script that benchmarks/quality has one of the same name as."""
    spec = importlib.util.spec_from_file_location(f"speed_{name}", SPEED / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


affina_run, run = script_of("affina_run"), script_of("run")


def test_the_walls_clock_has_all_work_on_the_model():
    seconds = {"preparation": 1.0, "frozen blocks": 2.0, "head and rates": 4.0, "training": 8.0, "evaluation": 16.0}
    finished = Finished(
        steps=1,
        best_step=1,
        stopped="",
        seconds=seconds | {"risks": 32.0, "total": 63.0},
        rows_per_second=1.0,
        tokens_per_second=1.0,
        peak_memory_bytes=1,
    )
    assert affina_run.seconds_of(finished) == 14.0


def test_the_time_to_the_peers_best_is_that_of_the_first_evaluation_as_good():
    peer = [
        {"seconds": 10.0, "accuracy": 0.5, "loss": 2.0},
        {"seconds": 20.0, "accuracy": 0.8, "loss": 1.0},
        {"seconds": 30.0, "accuracy": 0.8, "loss": 1.5},
    ]
    ours = [{"seconds": 4.0, "accuracy": 0.7, "loss": 1.2}, {"seconds": 9.0, "accuracy": 0.8, "loss": 1.1}]
    accuracy = classification._reached(ours, peer, "accuracy")
    assert accuracy == {"best": 0.8, "our_seconds": 9.0, "peers_seconds": 20.0}
    assert classification._reached(ours, peer, "loss") == {"best": 1.0, "our_seconds": None, "peers_seconds": 20.0}


def test_starts_are_medians_of_the_rounds_that_came_to_a_step():
    rounds = [{"chat, second": {"seconds": seconds, "processor_seconds": 2.0}} for seconds in (3.0, 5.0)]
    rounds.append({"chat, second": {"not_run": "no step was seen"}})
    assert start.compare(rounds) == {"chat, second": {"seconds": 4.0, "processor_seconds": 2.0, "asked": 6.0}}
    assert start.compare(rounds[2:]) == {"chat, second": {"asked": 6.0, "not_run": ["no step was seen"]}}


def test_one_script_that_fails_does_not_stop_the_others(tmp_path, monkeypatch):
    (tmp_path / "chat.py").write_text("raise SystemExit(3)")
    why = {"rounds": [{"trl": {"not_run": "not installed"}}], "comparisons": {}}
    (tmp_path / "share.py").write_text(f"import sys; open(sys.argv[-1], 'w').write('''{json.dumps(why)}''')")
    monkeypatch.setattr(run, "HERE", tmp_path)
    words = ["run.py", "--only", "chat", "share", "--results", str(tmp_path / "results")]
    monkeypatch.setattr(sys, "argv", words)
    assert run.main() == 1
    told = json.loads((tmp_path / "results" / "speed-run.json").read_text("utf-8"))
    assert told["chat"]["ended"] == "failed with exit status 3"
    assert (told["share"]["ended"], told["share"]["not run"]) == ("done", {"rounds, 1, trl": "not installed"})
    monkeypatch.setattr(sys, "argv", [*words[:2], "share", *words[4:]])
    assert run.main() == 0  # what is not installed is no failure


@pytest.mark.parametrize("name", list(run.QUICK))
def test_each_script_of_the_whole_run_takes_the_words_that_it_is_given(name):
    script = (SPEED / f"{name}.py").read_text("utf-8")
    shared = "--out" if "ledger" in script else None  # given by ledger.words
    for word in (*run.QUICK[name], "--out"):
        assert not word.startswith("--") or word == shared or f'"{word}"' in script
