"""Ctrl-C and SIGTERM outside the steps of a training: it is said what was left, and the status is 130."""

import os
import signal

import pytest

from affina.cli import failing
from affina.pipeline.answering.subject import Answering
from affina.verbs import train as train_module
from workbench import affina, sample_rows, tiny, write_csv


@pytest.fixture(autouse=True)
def heard():
    """A process that was started in the background is born deaf to Ctrl-C; whoever runs these tests may be one."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def send(number):
    def stopped(*_, **__):
        os.kill(os.getpid(), number)
        raise AssertionError("the signal did not stop it")

    return stopped


def train(folder):
    write_csv(folder / "good.csv", sample_rows(), header="text,label")
    words = ("train.epochs=1", "train.restart=false", "evaluate.resamples=20")
    return affina("train", folder / "good.csv", f"model={tiny()}", f"run={folder / 'run'}", *words)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_during_its_preparation_says_so(tmp_path, monkeypatch, number):
    monkeypatch.setattr(train_module, "prepare", send(number))
    ended = train(tmp_path)
    assert ended.status == 130
    assert "stopped: affina train" in ended.err
    assert "during the preparation; nothing was written" in ended.err
    assert "give the same command again" in ended.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_before_its_first_step_begins_again_in_its_folder(tmp_path, monkeypatch, number):
    with monkeypatch.context() as patch:
        patch.setattr(Answering, "baselines", send(number))
        ended = train(tmp_path)
    assert ended.status == 130
    assert "before the first checkpoint" in ended.err
    assert "it goes on in this folder, from the beginning" in ended.err
    assert train(tmp_path).status == 0
    assert not (tmp_path / "run-2").exists()


def test_a_run_that_is_stopped_after_its_last_step_goes_on_from_there(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Answering, "measure", send(signal.SIGINT))
        ended = train(tmp_path)
    assert ended.status == 130
    assert "the last checkpoint is of step" in ended.err
    again = train(tmp_path)
    assert again.status == 0
    assert "going on" in again.out


def test_any_other_verb_says_that_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("affina.verbs.check.read_source", send(signal.SIGTERM))
    ended = affina("check", tmp_path / "x.csv")
    assert (ended.status, ended.out.strip()) == (failing.INTERRUPTED, "")
    assert ended.err.startswith("stopped: affina check")
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
