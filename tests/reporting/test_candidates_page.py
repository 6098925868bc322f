"""The page of a comparison says what its record says, in every state, and its drawings stand where they should."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from comparisons_on_paper import comparison, crowded, empty, figure, halved
from report_records import NASTY
from rich.console import Console
from test_page import Outline

from affina.cli.comparing import show_comparison
from affina.record import compared
from affina.reporting import candidates_page
from affina.reporting.costs import COSTS, paid, short
from affina.reporting.formats import capital
from affina.reporting.lettering import LETTER, LINE, lettered
from affina.reporting.standing_answers import said
from affina.reporting.trade_off import BOTTOM, HEIGHT, LEFT, WIDTH, Named, trade_off


def page(found):
    return Outline(candidates_page.render(found, title="tickets-compare", folder="runs/tickets-compare"))


def test_the_page_has_every_figure_and_says_what_was_not_measured():
    text = page(comparison()).text
    for part in (
        "Full is ahead, and lora is level with it on these rows",
        "87.1% (85.1-89.1)",
        "-0.5 points (-2.0 to +1.0) level",
        "561,000 2.5% ◆",
        "not measured",
        "linear probe on the frozen model baseline",
        "lora rank=999",
        "found no room",
        "seed 2",
        "affina compare tickets.csv --methods full partial lora prefix prompt --seeds 3",
        "lora-seed1",
        "Forgetting",
        "SHA-256 cdcdcdcdcdcd",
    ):
        assert part in text, part


def test_it_links_to_the_report_of_each_run():
    links = [
        given["href"] for tag, given in page(comparison()).tags if tag == "a" and not given["href"].startswith("#")
    ]
    assert len(links) == 15
    assert "lora-seed1/report.html" in links


def test_one_seed_is_said_to_be_one():
    text = page(comparison(seeds=(0,))).text
    assert "One seed: another one would move these figures" in text
    assert "Seed by seed" not in text


@pytest.mark.parametrize(
    ("behind", "level", "tag", "said_of_it"),
    [
        (figure(0.005, 0.015), True, "No clear gain", "that it is worth more than the linear probe, at 96.8%, is not"),
        (figure(-0.005, 0.015), True, "No clear gain", "that it is worth more than the linear probe, at 96.8%, is not"),
        (figure(0.05, 0.015), False, "Below a baseline", "the linear probe is better, at 96.8%"),
        (figure(-0.05, 0.015), False, "Settled", ""),
    ],
)
def test_a_baseline_that_is_ahead_or_level_is_in_the_headline_as_on_the_page(behind, level, tag, said_of_it):
    found = comparison(failed=False)
    apart = tuple(replace(one, level=False) for one in found.standings)
    probe = replace(found.baselines[0], metrics={"accuracy": figure(0.968)}, behind=behind, level=level)
    found = replace(found, standings=apart, baselines=(probe, *found.baselines[1:]))
    opening = said(found)
    assert opening.tag == tag
    assert said_of_it in opening.headline
    assert ("; but" in opening.headline) == ("the best candidate" in opening.headline) == bool(said_of_it)
    assert (opening.answers[3][1] in ("Not settled", "No, worse")) == bool(said_of_it)
    out = io.StringIO()
    show_comparison(found, Console(file=out, width=300))
    assert f"{opening.headline}." in out.getvalue()
    few = said(replace(found, rows=12))
    assert "; but" not in few.headline
    assert said(replace(found, finished=False)).tag == "Not finished"


def test_the_cheapest_of_those_that_are_level_is_named():
    answers = {question: (answer, note) for question, answer, note in said(comparison()).answers}
    assert answers["Which is the cheapest of the best?"][0] == "Lora"
    assert answers["How sure is that?"] == (
        "Not 95% sure",
        "level with lora: these rows and seeds cannot tell them apart",
    )
    assert answers["Is it worth more than a baseline?"][0] == "+5.9 points"
    assert "linear probe" in answers["Is it worth more than a baseline?"][1]


def test_one_that_is_apart_from_all_others_is_the_best():
    found = comparison()
    apart = tuple(replace(one, level=False) for one in found.standings)
    opening = said(replace(found, standings=apart))
    assert (opening.tag, opening.headline) == ("Settled", "Full is the best, 0.5 points of accuracy ahead of lora")


def test_a_baseline_that_is_better_is_said():
    found = comparison()
    probe = replace(found.baselines[0], metrics={"accuracy": figure(0.95)}, behind=figure(0.08, 0.02))
    answers = said(replace(found, baselines=(probe,))).answers
    assert [answer for question, answer, _ in answers if "baseline" in question] == ["No, worse"]


def test_an_unfinished_one_has_a_page_as_well():
    text = page(empty()).text
    assert "This comparison is not finished" in text
    assert "not run yet" in text
    assert "Quality and what it costs" not in text


def test_rounds_of_halving_say_that_the_test_rows_decide_nothing():
    text = page(halved()).text
    assert "the test rows decide nothing" in text
    assert "Round 1: 33.3% of the epochs" in text
    assert "stopped early" in text


def test_nothing_of_the_user_becomes_an_element():
    found = page(comparison(text=NASTY))
    assert {tag for tag, _ in found.tags} & {"script", "img", "iframe"} == set()
    assert NASTY in found.text


def test_the_record_is_read_back_from_strict_json(tmp_path):
    found = comparison()
    compared.write(tmp_path, found)
    assert compared.read(tmp_path) == found
    json.loads((tmp_path / "compare.json").read_text(encoding="utf-8"))
    path = candidates_page.write(tmp_path)
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def drawn(candidates, key="trained", baseline=None):
    write = "{:.2f}".format
    return trade_off(candidates, COSTS[key], measure="Accuracy", write=write, baseline=baseline)


def test_a_trade_off_puts_points_where_they_belong():
    one, two, three = (Named(name, cost, figure(value), on_front=name != "c")
                       for name, cost, value in (("a", 1e4, 0.7), ("b", 1e6, 0.9), ("c", 1e5, 0.6)))  # fmt: skip
    found = drawn([two, one, three])
    b, a, c = found.points
    assert a.x < c.x < b.x
    assert c.x - a.x == pytest.approx(b.x - c.x, abs=0.2)  # tens are equally far apart
    assert b.y < a.y < c.y
    assert b.high < b.y < b.low
    assert found.front == f"{a.x},{a.y} {b.x},{b.y}"
    assert [tick.text for tick in found.x_ticks] == ["10 k", "100 k", "1 M"]
    assert "On the Pareto front are a and b." in found.description
    assert all(LEFT <= point.x <= WIDTH and 0 <= point.high <= point.low <= HEIGHT - BOTTOM for point in found.points)


def test_a_baseline_is_drawn_where_it_is_near():
    two = [Named("a", 1e4, figure(0.7), on_front=True), Named("b", 1e6, figure(0.9), on_front=True)]
    near, far = (drawn(two, baseline=Named("probe", 0, figure(value), on_front=False)) for value in (0.65, 0.1))
    assert near.baseline[1] == "probe"
    assert near.baseline[0] > max(point.y for point in near.points)
    assert far.baseline is None


def test_what_cannot_be_drawn_is_left_out():
    bad = [Named("a", 0.0, figure(0.7), on_front=False), Named("b", float("inf"), figure(0.9), on_front=False)]
    assert drawn(bad) is None
    assert drawn([*bad, Named("c", 10.0, figure(0.9), on_front=True)]) is None
    same = [Named(name, 5.0, figure(0.5, 0.0), on_front=True) for name in ("c", "d")]
    assert len(drawn(same, key="seconds").points) == 2


def test_names_touch_neither_each_other_nor_a_point():
    points = [(200.0 + place % 3, 100.0 + place % 4) for place in range(40)]
    written = lettered([f"candidate {place}" for place in range(40)], points, within=(66, 0, 480, 270))
    assert 12 <= sum(one is not None for one in written) < 40  # there is no room for all of them
    boxes = []
    for one in filter(None, written):
        left = one.x if one.anchor == "start" else one.x - LETTER * len(one.text)
        boxes.append((left, one.y - 5 - LINE / 2, left + LETTER * len(one.text), one.y - 5 + LINE / 2))
    for place, box in enumerate(boxes):
        assert box[0] >= 66
        assert box[2] <= 480
        for other in boxes[place + 1 :]:
            apart = (
                box[2] <= other[0] + 0.2
                or other[2] <= box[0] + 0.2
                or box[3] <= other[1] + 0.2
                or other[3] <= box[1] + 0.2
            )
            assert apart, (box, other)


def test_every_candidate_of_a_crowd_has_its_point():
    found = list(candidates_page.drawings(crowded(), list(crowded().standings)))
    assert len(found) == 4
    assert all(len(one.points) == 14 for one in found)


@pytest.mark.parametrize(
    ("value", "written"), [(77, "77"), (2_430_000, "2.43 M"), (22_713_216, "22.7 M"), (1e4, "10 k")]
)
def test_counts_in_few_letters(value, written):
    assert short(value) == written


def of_rows(found, rows):
    """The same on so few rows, where none is told apart."""

    def fewer(one, *, level):
        metrics = {key: replace(measured, n=rows) for key, measured in one.metrics.items()}
        behind = None if one.behind is None else replace(one.behind, n=rows)
        return replace(one, metrics=metrics, behind=behind, level=level)

    standings = tuple(fewer(one, level=one.behind is not None) for one in found.standings)
    return replace(
        found,
        rows=rows,
        standings=standings,
        baselines=tuple(fewer(one, level=True) for one in found.baselines),
        data=replace(found.data, rows={**found.data.rows, "test": rows}),
    )


def test_on_few_rows_two_that_are_the_same_are_not_one_ahead_of_the_other():
    found = of_rows(comparison(failed=False), 12)
    first, second, *others = found.standings
    second = replace(second, metrics=second.metrics | {found.metric: first.metrics[found.metric]})
    opening = said(replace(found, standings=(first, second, *others)))
    wanted = "have the same accuracy, and 12 rows are too few to tell (20 or more can)"
    assert opening.headline.endswith(wanted), opening.headline
    assert opening.headline.startswith(f"{first.name.capitalize()} and {second.name} ")


def test_on_few_rows_nobody_is_level_and_nothing_is_settled():
    found = of_rows(comparison(failed=False), 12)
    opening = said(found)
    assert (opening.tag, opening.tone) == ("Too few rows to tell", "few")
    assert opening.headline == "Full is ahead, but 12 rows are too few to tell (20 or more can)"
    answers = {question: (answer, note) for question, answer, note in opening.answers}
    assert answers["Which is the best?"] == (
        "Not known",
        "full is ahead: accuracy 87.1% (85.1-89.1) on 12 rows of the test split, the mean of 3 seeds",
    )
    assert answers["How sure is that?"] == (
        "Not known",
        "a verdict needs 20 rows or more; data.test names or holds out more",
    )
    assert answers["Which is the cheapest of the best?"][0] == "Not known"
    assert answers["Is it worth more than a baseline?"][0] == "Too few rows to tell"
    text = page(found).text
    assert text.count("interval over rows and seeds, which is too narrow on fewer than 20 rows") == 2
    assert "with its 95% interval, which is too narrow on fewer than 20 rows" in text
    assert "full 87.1% (85.1-89.1) ahead lora" in text
    assert "-0.5 points too few rows" in text
    assert " level" not in text.partition("“Level”")[0]
    assert said(of_rows(comparison(failed=False), 20)).tag == "Level"


def test_a_baseline_on_few_rows_is_too_few_to_tell():
    found = comparison()
    probe = replace(
        found.baselines[0], metrics={"accuracy": figure(0.6, rows=9)}, behind=figure(-0.2, rows=9), level=True
    )
    probe = replace(probe, remark="on 9 of the rows")
    answers = {question: answer for question, answer, _ in said(replace(found, baselines=(probe,))).answers}
    assert answers["Is it worth more than a baseline?"] == "Too few rows to tell"
    assert "-20.0 points too few rows, on 9 of the rows" in page(replace(found, baselines=(probe,))).text


VOID = "30 of 30 answers are empty"


def test_one_whose_answers_say_nothing_is_named_and_not_the_best():
    found = comparison(failed=False)
    first, second, *others = found.standings
    void = replace(first, remark=VOID, fronts=(), behind=None, level=False)
    behind = replace(second, behind=None, level=False)
    alone = replace(found, standings=(behind, void))
    assert said(alone).tag == "Nothing to compare with"
    assert said(alone).headline == (
        f"Accuracy 86.6% (84.6-88.6) of lora; no other candidate can be set beside it (full: {VOID})"
    )
    assert {question: answer for question, answer, _ in said(alone).answers}["How sure is that?"] == "Not known"
    several = said(replace(found, standings=(behind, *(replace(one, level=False) for one in others), void)))
    assert several.headline.startswith("Lora is the best, ")
    text = page(alone).text
    assert f"the best full 87.1% (85.1-89.1) {VOID}" in text


def test_of_those_that_all_say_nothing_none_is_the_best():
    found = comparison(failed=False)
    void = tuple(replace(one, remark=VOID, behind=None, level=False) for one in found.standings)
    opening = said(replace(found, standings=void))
    assert (opening.tag, opening.tone, opening.answers) == ("No best one", "void", ())
    assert opening.headline.startswith(f"None can be called the best. full: {VOID}; lora: {VOID}")
    assert "the best" not in page(replace(found, standings=void)).text.partition("behind the best")[2].partition("“")[0]


def test_one_without_a_figure_to_be_ranked_by_is_listed_with_the_reason():
    found = comparison(failed=False)
    *ranked, last = found.standings
    odd = replace(last, metrics={}, behind=None, reason="its accuracy is not a number")
    text = page(replace(found, standings=(*ranked, odd))).text
    assert f"{odd.name} finished its accuracy is not a number" in text


def test_every_cost_has_its_words_and_stands_in_the_tables_order():
    [one] = [one for one in comparison().standings if one.name == "lora"]
    assert tuple(COSTS) == compared.COSTS
    assert len(list(paid(one))) == len(COSTS)
    assert [cost.text for cost in paid(replace(one, costs={"bytes": 1024.0}, parameters=0))] == ["", "", "", "1 KiB"]
    text = page(comparison()).text
    for key, cost in COSTS.items():
        assert cost.name in text
        assert capital(cost.name) in text
        assert cost.cell(one.costs[key]) in text
