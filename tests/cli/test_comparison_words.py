"""How the words of `affina compare` are read: a list of methods, recipe keys in any place; and what is printed."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from affina.cli.comparing import ComparisonDisplay, show_comparison
from affina.cli.words import spread
from affina.comparing.happenings import Began, Halved, Noticed, Opened, Over, Stepped
from affina.record.compared import CandidateRun, Compared, RowsUsed, Rung, Standing
from affina.record.payloads import Measured
from workbench import affina


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("compare a.csv --methods full lora", "compare a.csv --methods full --methods lora"),
        ("compare --methods full lora train.epochs=3", "compare --methods full --methods lora train.epochs=3"),
        ("compare --methods full --seeds 3 a.csv", "compare --methods full --seeds 3 a.csv"),
        ("compare a.csv --methods", "compare a.csv --methods"),
        ("compare --methods full --methods lora", "compare --methods full --methods lora"),
        ("train a.csv --json", "train a.csv --json"),
    ],
)
def test_methods_are_the_words_behind_their_option(typed, read):
    assert spread(typed.split()) == read.split()


def test_a_method_with_keys_is_one_word():
    words = spread(["--methods", "full", "{name: lora, rank: 2}", "seed=1"])
    assert words == ["--methods", "full", "--methods", "{name: lora, rank: 2}", "seed=1"]


def test_the_help_says_how():
    ended = affina("compare", "--help")
    assert ended.status == 0
    for word in ("--methods", "--seeds", "--halving", "--json"):
        assert word in ended.out


def test_the_display_prints_what_happens():
    out = io.StringIO()
    display = ComparisonDisplay(Console(file=out, width=100))
    run = CandidateRun(candidate="lora", seed=1, folder="lora-seed1", wall_seconds=12.0)
    rows = RowsUsed(files={}, rows={"train": 1200, "validation": 30, "test": 0}, sha256={})
    for happening in (
        Opened("runs/x", rows, 4, 1),
        Began("lora", 1, 2, 4),
        Stepped(1, 10, 90.0),
        Noticed("lora: a [notice]"),
        Over(run, "accuracy", 0.9, 61.0),
        Over(CandidateRun(candidate="full", seed=0, folder="f", state="failed", reason="no [room]"), "", None, None),
        Halved(Rung(share=0.5, metric="accuracy", scores={"lora": 0.9}, kept=("lora",))),
    ):
        display(happening)
    display.close()
    text = out.getvalue()
    for line in (
        "1,200 train, 30 validation, the same ones for all",
        "up to 4, 1 of them known from before",
        "lora, seed 1: accuracy 90.0% on validation, in 12.0 s  about 1 min 1 s left in all",
        "full, seed 0: no [room]",
        "lora: a [notice]",
        "lora go on, the best on the validation rows after 50.0% of the epochs",
    ):
        assert line in text, text


def shown(found):
    out = io.StringIO()
    show_comparison(found, Console(file=out, width=160))
    return " ".join(out.getvalue().split())


def measured(value, rows):
    return {"accuracy": Measured(value=value, low=value - 0.1, high=value + 0.1, n=rows)}


def finished(rows, *others):
    """A comparison whose best one is `full`, with others behind it."""
    best = Standing(name="full", metrics=measured(0.8, rows))
    return Compared(
        format=1,
        folder="runs/x",
        command="",
        started="",
        written="",
        finished=True,
        base={},
        data=RowsUsed(files={}, rows={"test": rows}, sha256={}),
        seeds=(0,),
        halving=None,
        candidates=(),
        metric="accuracy",
        split="test",
        rows=rows,
        standings=(best, *others),
    )


def test_the_table_says_that_few_rows_tell_nobody_apart():
    behind = measured(-0.1, 12)["accuracy"]
    text = shown(finished(12, Standing(name="lora", metrics=measured(0.7, 12), behind=behind, level=True)))
    assert "On 12 rows (test), intervals in brackets (too narrow: 12 rows are few)" in text
    assert "-10.0 points too few rows" in text
    assert "Full is ahead, but 12 rows are too few to tell (20 or more can)." in text


def test_the_table_names_what_cannot_be_set_beside_the_best():
    """With what a model wrote, which may look like markup."""
    remark = "30 of 30 answers repeat one piece over and over, such as '[/b]'"
    odd = Standing(name="odd", reason="its accuracy is not a number")
    text = shown(finished(200, Standing(name="prefix", metrics=measured(0.9, 200), remark=remark), odd))
    assert remark in text
    assert "odd: its accuracy is not a number" in text
    assert "too narrow" not in text
