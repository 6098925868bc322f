"""What a person reads after a command: sentences that are true, and commands that work as printed."""

import shlex
from pathlib import Path

import pytest

from workbench import affina, sample_rows, tiny, write_csv

QUICK = ("train.epochs=1", "train.batch_tokens=150", "evaluate.resamples=20")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv(Path("good.csv"), sample_rows())
    return tmp_path


def train(*words, data="good.csv"):
    ended = affina("train", data, f"model={tiny()}", *QUICK, *words)
    assert ended.status == 0, ended.err
    return ended


def next_commands(ended):
    lines = [line.removeprefix("next").strip() for line in ended.out.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("affina ")]


@pytest.mark.parametrize("words", [(), ("run=runs/mine",)])
def test_the_printed_next_commands_work_as_they_stand(words):
    for command in next_commands(train(*words)):
        ended = affina(*(word if word != "FILE" else "good.csv" for word in command))
        assert ended.status == 0, (command, ended.err)


def test_a_run_of_pairs_prints_a_command_with_a_file():
    rows = [(text, f"second {number}", label) for number, (text, label) in enumerate(sample_rows())]
    write_csv(Path("pairs.csv"), rows, header="premise,hypothesis,label")
    commands = next_commands(train(data="pairs.csv"))
    assert commands[0] == ["predict", "runs/pairs", "FILE"]


def test_the_verdict_stands_under_the_table_and_says_when_no_step_helped():
    ended = train("train.learning_rate=1e-12", "train.head_learning_rate=1e-12")
    assert any(word in ended.out for word in ("Not settled:", "Better:", "Worse:", "Too few rows to tell:"))
    assert "A step back: " in ended.out
    assert "no training step made the model better" in " ".join(ended.out.split())


def test_figures_on_the_rows_that_chose_the_checkpoint_say_so():
    assert "these rows also chose the checkpoint" in train("data.test=none").out.lower()


def test_a_mistyped_file_is_not_a_message():
    train()
    ended = affina("predict", "runs/good", "godo.csv")
    assert ended.status == 2
    assert "good.csv" in ended.err
    assert affina("predict", "runs/good", "what about v1.2?").status == 0


def test_evaluating_on_training_rows_is_said():
    train("data.test=none")
    ended = affina("evaluate", "runs/good", "good.csv")
    assert "60 of these rows are also in the training file" in ended.err
    write_csv(Path("new.csv"), [(f"{text}, anew", label) for text, label in sample_rows()])
    assert "training file" not in affina("evaluate", "runs/good", "new.csv").err


def test_blank_rows_at_the_end_of_a_file_are_no_rows():
    train()
    path = Path("good.csv")
    path.write_text(path.read_text() + ",\n,\n")
    assert affina("evaluate", "runs/good", "good.csv").status == 0
    path.write_text(path.read_text() + "my card,card\n")
    ended = affina("evaluate", "runs/good", "good.csv")
    assert ended.status == 2
    assert "a wholly blank row" in ended.err


def test_marks_of_missing_values_are_noticed():
    rows = [*sample_rows(), ("NaN", "card"), ("where is it", "NULL"), ("and this", "NULL")]
    write_csv(Path("holes.csv"), rows)
    ended = affina("train", "holes.csv", f"model={tiny()}", *QUICK)
    assert "3 missing marks" in ended.out
