"""Who is the best, who is level with it, and on which fronts: on results by row that were made up."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import pytest

from affina.comparing.judging import judge
from affina.comparing.reading import Result, read_result
from affina.record.compared import CandidateRun
from affina.record.figures import Measured
from affina.record.payloads import Chosen, Scores, Step
from affina.record.row_results import RowResults, WrittenTexts
from affina.record.searched import Searched
from affina.record.starts import ModelLoaded, RangeTested, Restarted
from affina.reporting import paired
from affina.reporting.gathered import gather
from runs_on_paper import drawn, record, right_on, scores_of, write_run


def result(name, found, *, seed=0, size=100, seconds=10.0, lines=None, **costs):
    run = CandidateRun(candidate=name, seed=seed, folder=f"{name}-seed{seed}", ships="model", bytes=size)
    lines = record(found, seconds=seconds, **costs) if lines is None else lines
    return Result(run=run, gathered=gather(lines), seconds=seconds, chosen={})


def judged(results, resamples=1000):
    return judge(results, resamples=resamples, confidence=0.95)


def names(standings):
    return [one.name for one in standings]


def test_the_best_is_first_and_those_that_rows_do_not_tell_apart_are_level():
    found = judged(
        {
            "far": [result("far", right_on(120))],
            "best": [result("best", right_on(180))],
            "near": [result("near", right_on(178))],
        }
    )
    assert names(found.standings) == ["best", "near", "far"]
    assert [one.level for one in found.standings] == [False, True, False]
    best, near, far = found.standings
    assert best.behind is None
    assert near.behind.value == pytest.approx(-0.01)
    assert (far.behind.value, far.behind.high < 0) == (pytest.approx(-0.3), True)
    assert (found.metric, found.split, found.rows) == ("accuracy", "test", 200)


def test_few_rows_that_differ_are_level_though_the_bootstrap_is_sure():
    """Four of twenty, all one way: an interval without zero, and a McNemar p of 0.125."""
    found = judged({"a": [result("a", right_on(20, rows=20))], "b": [result("b", right_on(16, rows=20))]})
    assert found.standings[1].behind.high < 0
    assert found.standings[1].level


def test_seeds_are_averaged_and_their_spread_keeps_two_level():
    """One seed each would tell them apart; over seeds that swing by 20 points it does not."""
    one = {"a": [result("a", right_on(180))], "b": [result("b", right_on(160))]}
    assert not judged(one).standings[1].level
    swinging = {
        "a": [result("a", right_on(right), seed=seed) for seed, right in enumerate((180, 150, 195))],
        "b": [result("b", right_on(right), seed=seed) for seed, right in enumerate((160, 190, 150))],
    }
    found = judged(swinging)
    assert [one.by_seed for one in found.standings] == [(0.9, 0.75, 0.975), (0.8, 0.95, 0.75)]
    assert found.standings[0].metrics["accuracy"].value == pytest.approx(0.875)
    assert found.standings[1].level
    assert found.standings[0].seeds == (0, 1, 2)


def test_baselines_stand_beside_the_candidates_on_the_same_rows():
    found = judged({"a": [result("a", right_on(180))], "b": [result("b", right_on(170))]})
    [majority] = found.baselines
    assert majority.name == "most frequent label"
    assert majority.metrics["accuracy"].value == pytest.approx(0.3)
    assert majority.behind.value == pytest.approx(-0.6)
    assert not majority.level


def with_baseline(rows, *, seeds):
    """The best of two, beside a baseline that was asked for the first `rows` alone and is right on none of them."""
    few = right_on(0, who="zero_shot", rows=rows)
    runs = [result("a", None, lines=[*record(right_on(190)), scores_of(few), few], seed=seed) for seed in range(seeds)]
    found = judged({"a": runs, "b": [result("b", right_on(170), seed=seed) for seed in range(seeds)]})
    return next(one for one in found.baselines if "zero-shot" in one.name)


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_baseline_on_some_of_the_rows_is_set_against_the_best_on_these(seeds):
    shot = with_baseline(50, seeds=seeds)
    assert (shot.remark, shot.level) == ("on 50 of the rows", False)
    assert (shot.behind.n, shot.behind.value) == (50, pytest.approx(-0.8))
    few = with_baseline(19, seeds=seeds)
    assert (few.remark, few.level, few.behind.n) == ("on 19 of the rows", True, 19)


def test_baselines_of_several_models_are_named_after_them():
    def of(model, right):
        probe = right_on(right, who="linear_probe")
        lines = [*record(right_on(180)), scores_of(probe), probe]
        return [replace(line, reference=model) if isinstance(line, ModelLoaded) else line for line in lines]

    found = judged({name: [result(name, None, lines=of(name, right))] for name, right in (("a", 100), ("b", 110))})
    probes = [one.name for one in found.baselines if "probe" in one.name]
    assert probes == ["linear probe on the frozen model, b", "linear probe on the frozen model"]
    assert len([one for one in found.baselines if one.name.startswith("most frequent")]) == 1


def test_other_rows_are_said_and_ranked_last_of_all():
    found = judged(
        {
            "a": [result("a", right_on(160))],
            "odd": [result("odd", right_on(190, first=5))],
            "b": [result("b", right_on(150))],
        }
    )
    odd = next(one for one in found.standings if one.name == "odd")
    assert "scored on other rows than a: 200, 195 of them the same" in odd.remark
    assert (odd.behind, odd.level, odd.fronts) == (None, False, ())
    best = next(one for one in found.standings if one.name == "a")
    assert best.behind is None
    assert next(one for one in found.standings if one.name == "b").behind is not None


def with_texts(name, right, texts, *, seed=0, first=0, **costs):
    """A run whose model wrote these texts, over and over."""
    said = tuple(texts[place % len(texts)] for place in range(200))
    written = WrittenTexts(who="tuned", split="test", texts=said)
    return result(name, None, lines=[*record(right_on(right, first=first), **costs), written], seed=seed)


GOOD = [f"answer number {place}" for place in range(200)]
VOID = {"empty": [""], "one piece over and over": [",,,,,,,,,,,,"], "one and the same text": ["I do not know."]}


@pytest.mark.parametrize("kind", VOID)
def test_answers_that_say_nothing_are_never_better_and_are_named(kind):
    found = judged({"bad": [with_texts("bad", 99, VOID[kind], trained=1)], "good": [with_texts("good", 90, GOOD)]})
    assert names(found.standings) == ["good", "bad"]
    good, bad = found.standings
    assert kind in bad.remark
    assert (bad.behind, bad.level, bad.fronts) == (None, False, ())
    assert (good.remark, len(good.fronts)) == ("", 4)


def test_one_seed_whose_answers_say_nothing_is_enough():
    bad = [with_texts("bad", 190, texts, seed=seed) for seed, texts in enumerate((GOOD, [""]))]
    found = judged({"bad": bad, "good": [with_texts("good", 90, GOOD, seed=seed) for seed in (0, 1)]})
    assert names(found.standings) == ["good", "bad"]
    assert found.standings[1].remark == "seed 1: 200 of 200 answers are empty"


def test_the_rows_that_count_are_not_those_of_answers_that_say_nothing():
    bad, good = with_texts("bad", 99, [""], first=5), with_texts("good", 90, GOOD)
    found = judged({"bad": [bad], "good": [good], "b": [with_texts("b", 20, GOOD)]})
    assert [(one.name, bool(one.remark)) for one in found.standings] == [("good", False), ("b", False), ("bad", True)]


def test_answers_that_are_cut_off_are_ranked():
    cut = [f"{text} [cut off]" for text in GOOD]
    found = judged({"good": [with_texts("good", 90, GOOD)], "cut": [with_texts("cut", 180, cut)]})
    assert names(found.standings) == ["cut", "good"]
    assert not any(one.remark for one in found.standings)


def test_of_answers_that_all_say_nothing_none_is_set_beside_another():
    found = judged({name: [with_texts(name, right, [""])] for name, right in (("a", 90), ("b", 180))})
    assert all(one.remark and one.behind is None and not one.level for one in found.standings)
    assert all(one.behind is None for one in found.baselines)


def test_one_whose_figure_is_no_number_is_last_and_takes_nothing_from_the_others():
    odd = replace(right_on(150), values={"accuracy": (math.nan,) * 200})
    found = judged({"nan": [result("nan", odd)], "a": [result("a", right_on(180))], "b": [result("b", right_on(100))]})
    assert names(found.standings) == ["a", "b", "nan"]
    _, b, nan = found.standings
    assert (b.behind.value, b.level) == (pytest.approx(-0.4), False)
    assert (nan.metrics, nan.reason, nan.level) == ({}, "its accuracy is not a number", False)
    json.dumps([asdict(one) for one in found.standings], allow_nan=False)


def test_the_rows_are_those_of_the_metric():
    """Of a model that writes the loss is of all rows, and the texts are of some of them."""
    few, loss = Measured(value=9.0, low=8.0, high=10.0, n=50), Measured(value=1.0, low=0.9, high=1.1, n=200)
    lines = [
        replace(line, metrics={"loss": loss, "chrf": few}) if isinstance(line, Scores) and line.who == "tuned" else line
        for line in record(right_on(180))
    ]
    found = judged({name: [result(name, None, lines=lines)] for name in ("a", "b")})
    assert (found.metric, found.rows) == ("chrf", 50)


def test_mcnemar_is_asked_without_a_bootstrap_of_its_own(monkeypatch):
    monkeypatch.setattr(paired, "RESAMPLES", 0)  # with none of them an interval cannot be made
    found = judged({"a": [result("a", right_on(20, rows=20))], "b": [result("b", right_on(16, rows=20))]})
    assert found.standings[1].level


def test_costs_and_their_fronts():
    found = judged(
        {
            "full": [result("full", right_on(180), trained=1000, seconds=100.0, memory=500, size=900)],
            "lora": [result("lora", right_on(178), trained=50, seconds=110.0, memory=400, size=90)],
            "poor": [result("poor", right_on(100), trained=80, seconds=20.0, memory=600, size=95)],
        }
    )
    fronts = {one.name: one.fronts for one in found.standings}
    assert fronts == {
        "full": ("trained", "seconds", "memory_bytes", "bytes"),
        "lora": ("trained", "memory_bytes", "bytes"),
        "poor": ("seconds",),
    }
    assert found.standings[0].costs == {"trained": 1000, "seconds": 100, "memory_bytes": 500, "bytes": 900}


def test_of_several_seeds_times_are_averaged_and_memory_is_the_most():
    runs = [result("a", right_on(180), seed=seed, seconds=10.0 * (seed + 1), memory=100 + seed) for seed in (0, 1)]
    costs = judged({"a": runs}).standings[0].costs
    assert (costs["seconds"], costs["memory_bytes"]) == (15, 101)


def test_lower_is_better_where_it_is():
    def lines(loss):
        values = tuple(loss + place % 3 / 10 for place in range(60))
        rows = RowResults(who="tuned", split="test", rows=right_on(1, rows=60).rows, values={"mae": values})
        figure = Measured(value=sum(values) / 60, low=0.0, high=9.0, n=60)
        return [
            *(line for line in record(right_on(1, rows=60)) if not isinstance(line, Scores | RowResults | Chosen)),
            Chosen(key="evaluate.metric", value="mae", reason="test"),
            Scores(who="tuned", split="test", metrics={"mae": figure}),
            rows,
        ]

    found = judged({name: [result(name, None, lines=lines(loss))] for name, loss in (("bad", 2.0), ("good", 1.0))})
    assert names(found.standings) == ["good", "bad"]
    assert found.standings[1].behind.value == pytest.approx(1.0)
    assert found.standings[0].fronts


def test_metrics_without_results_by_row_have_the_widest_interval_of_the_seeds():
    def lines(value):
        found = right_on(180)
        metrics = {"average_precision": Measured(value=value, low=value - 0.1, high=value + 0.1, n=200)}
        return [line if line.__class__ is not Scores or line.who != "tuned" else replace(line, metrics=metrics)
                for line in record(found)]  # fmt: skip

    found = judged({name: [result(name, None, seed=seed, lines=lines(value)) for seed, value in enumerate(values)]
                    for name, values in (("a", (0.7, 0.9)), ("b", (0.1, 0.2)), ("c", (0.6, 0.8)))})  # fmt: skip
    figure = found.standings[0].metrics["average_precision"]
    assert (figure.value, figure.low, figure.high) == (pytest.approx(0.8), pytest.approx(0.6), pytest.approx(1.0))
    assert [one.level for one in found.standings] == [False, True, False]
    assert all(one.behind is None for one in found.standings)


def test_nothing_finished_is_nothing_to_judge():
    assert judged({}) is None
    assert judged({"a": [result("a", None, lines=[])]}) is None


def test_times_count_range_tests_and_starts_that_were_given_up(tmp_path):
    test = RangeTested(rates=(1.0,), changes=(0.0,), smooth=(0.0,), fall=1.0, rate=None, used=1.0, seconds=3.0)
    again = Restarted(step=1, seed=1, learning_rate=1.0, head_learning_rate=1.0, text="stuck")
    first = record(right_on(1), seconds=10.0)
    second = record(right_on(180), seconds=20.0)
    upto = next(place for place, line in enumerate(first) if isinstance(line, Step)) + 1
    write_run(tmp_path / "a-seed0", [test, *first[:upto], again, *second])
    run = CandidateRun(candidate="a", seed=0, folder="a-seed0")
    assert read_result(tmp_path, run).seconds == pytest.approx(3 + 10 + 20)


def test_chance_does_not_make_two_equals_differ_more_often_than_it_should():
    """40 pairs of predictors that are equally good: about 5% may be called apart, far from half."""
    apart = sum(
        not judged(
            {"a": [result("a", drawn(0.8, seed=2 * pair))], "b": [result("b", drawn(0.8, seed=2 * pair + 1))]},
            resamples=300,
        )
        .standings[1]
        .level
        for pair in range(40)
    )
    assert apart <= 6


def test_a_run_that_kept_no_budget_stands_behind_and_is_told_so():
    began = Measured(value=0.5, low=0.4, high=0.6, n=50)
    none = Searched(
        budgets={"forgetting": 0.05}, metric="accuracy", baseline="linear probe", began=began, exported=None,
        why="none", unseen=True, notes=(), candidates=7, seconds=1.0,
    )  # fmt: skip
    over = [*record(right_on(190)), none]
    found = judged({"over": [result("over", None, lines=over)], "kept": [result("kept", right_on(150))]})
    assert names(found.standings) == ["kept", "over"]
    assert "none is shipped" in found.standings[1].remark
    assert not found.standings[1].fronts
