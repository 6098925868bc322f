"""The process of a run, with small programs in the place of a training: what it says, how it ends, how it stops."""

from __future__ import annotations

import textwrap

import pytest

from affina.comparing.process import RunProcess
from affina.errors import ModelError, ResourceError
from affina.recipe.load import check_recipe

RECIPE = check_recipe({"seed": 5})
SAY = """
import json, os, sys
request = json.loads(sys.stdin.readline())
def say(kind, value):
    print(json.dumps({"kind": kind, "value": value}), flush=True)
"""
DONE, STOPPED = ({"state": state, "error": None} for state in ("finished", "interrupted"))
PROBLEM = {"where": "w", "expected": "e", "found": "f", "fix": "x"}


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Starts a run whose process does what the text says."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def start(text, *, share=1.0):
        (tmp_path / "small_program.py").write_text(SAY + textwrap.dedent(text), encoding="utf-8")
        return RunProcess("small_program", RECIPE, share=share)

    return start


def heard(process):
    said = []
    return process.listen(lambda kind, value: said.append((kind, value))), said


def test_it_is_given_the_recipe_and_what_it_says_is_passed_on(program):
    ended, said = heard(
        program(
            'say("step", [1, 2]); say("notice", request); say("ended", {"state": "finished", "error": None})', share=0.5
        )
    )
    assert (ended.state, ended.error) == ("finished", None)
    assert said == [("step", [1, 2]), ("notice", {"recipe": {"seed": 5}, "share": 0.5})]


def test_the_error_of_a_run_comes_back_as_it_was(program):
    value = {"state": "failed", "error": {"name": "ModelError", "problems": [PROBLEM]}}
    ended, _ = heard(program(f'say("ended", {value!r})'))
    assert (ended.state, type(ended.error)) == ("failed", ModelError)
    assert ended.error.problems[0].fix == "x"


def test_the_end_of_its_input_stops_it(program):
    process = program(f'say("step", [1, 2]); sys.stdin.read(); say("ended", {STOPPED!r})')
    ended = process.listen(lambda *_: process.stop())
    assert ended.state == "interrupted"


def test_it_is_in_a_session_of_its_own_so_that_ctrl_c_reaches_it_once(program):
    _, said = heard(program(f'say("notice", [os.getsid(0), os.getpid()]); say("ended", {DONE!r})'))
    [(_, (session, process))] = said
    assert session == process


def test_one_that_the_system_ended_had_too_little_memory(program):
    ended, _ = heard(program("os.kill(os.getpid(), 9)"))
    assert (ended.state, type(ended.error)) == ("failed", ResourceError)


def test_one_that_ends_without_a_word_is_a_fault_of_ours_with_its_last_line(program):
    ended, _ = heard(program('raise RuntimeError("out of cheese")'))
    assert ended.state == "failed"
    assert ended.error.exit_status == 1
    assert "RuntimeError: out of cheese" in str(ended.error)
