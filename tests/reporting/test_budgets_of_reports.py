"""A search within budgets in the page, the card, the terminal and report.json: what was tried and chosen."""

import io
from dataclasses import replace

import pytest
from report_records import finished, measured
from rich.console import Console
from search_records import FOUND, TRIED, tried, with_search

from affina.cli.display import Display
from affina.record.measures import title
from affina.record.risks import Figure, Probed
from affina.record.searched import Held
from affina.reporting import card, page
from affina.reporting.again import commands
from affina.reporting.budgets import search_of, told
from affina.reporting.gathered import gather
from affina.reporting.plain import as_json
from affina.reporting.risks import risks_of

NONE = replace(FOUND, exported=None, why="none of 4 candidates is within all budgets", unseen=False)


def test_the_page_has_every_candidate_the_choice_and_the_cost():
    text = page.render(with_search(FOUND), title="run")
    for part in (
        "Within its budgets", "Strength 0.4 is exported, within the budgets (forgetting 5%): the best of 2",
        "Strength 1", "After step 8", "30.0% (29.0-31.0)", "over a budget", "not shown to be within", "+20.0 points",
        "The search took 12.0 s for 4 candidates", "A note of the search", "had no part in the search",
        'href="#budgets"', "Rise of the bits per byte", "Pareto front",
    ):  # fmt: skip
        assert part in text, part


def test_a_run_without_budgets_has_no_such_section():
    records = finished(("card", "fee"))
    assert "candidates-tried" not in page.render(records, title="run")
    assert "## Budgets" not in card.render(records, title="run")
    assert as_json(gather(records), title="run")["budgets"] is None


def test_where_none_fits_it_is_said_first_and_nothing_is_offered_for_use():
    text = card.render(with_search(NONE), title="run")
    assert "**This model has not passed: no model passes (forgetting 5%)" in text.partition("## Results")[0]
    assert "over-budget/" in text
    assert "None fits" in page.render(with_search(NONE), title="run")
    lines = [command.line for command in commands(gather(with_search(NONE)), title="run")]
    assert not any(line.startswith(("affina predict", "affina evaluate")) for line in lines)
    assert any(
        line.startswith("affina predict")
        for line in (one.line for one in commands(gather(with_search(FOUND)), title="run"))
    )


def test_report_json_has_the_candidates_and_whether_it_passed():
    plain = as_json(gather(with_search(FOUND)), title="run")["budgets"]
    assert (plain["passed"], plain["exported"], plain["seconds"]) == (True, "strength 0.4", 12.0)
    assert [(one["name"], one["fits"]) for one in plain["tried"]] == [
        ("strength 1", False), ("strength 0.6", False), ("strength 0.4", True), ("after step 8", True),
    ]  # fmt: skip
    assert not as_json(gather(with_search(NONE)), title="run")["budgets"]["passed"]


def test_the_front_holds_what_no_other_is_better_than_in_both():
    drawn = search_of(gather(with_search(FOUND))).front
    assert all(point.on_front for point in drawn.points), "each is better in one of the two"
    worse = (*TRIED, tried(0.5, 0.65, 0.04))
    records = finished(("card", "fee"))
    drawn = search_of(gather([*records[:-1], *worse, FOUND, records[-1]])).front
    assert [point.name for point in drawn.points if not point.on_front] == ["strength 0.5"]


@pytest.mark.parametrize(("outcome", "word"), [("flagged", "Over its budget"), ("within", "Within its budget")])
def test_a_probe_that_is_held_to_a_budget_is_told_so(outcome, word):
    figure = Figure(metric="foretelling_rise", of="", found=measured(0.03, 0.01))
    line = Probed(risk="forgetting", probe="own texts", outcome=outcome, limit=0.05, is_budget=True, figures=(figure,))
    records = finished(("card", "fee"))
    found = next(one for one in risks_of(gather([*records, line])) if one.risk == "forgetting")
    assert found.word == word
    assert found.sentences[0].endswith("the budget is 5%")
    assert '<td class="n">5%</td>' in page.render([*records, line], title="run")


@pytest.mark.parametrize(
    ("risk", "metric", "budget", "said"),
    [
        ("forgetting", "foretelling_rise", 0.005, "the budget is 0.5%"),
        ("forgetting", "similarity_change", 0.2, "the budget is 20% (0.200)"),
        ("overfitting", "lost_elsewhere", 0.1234, "the budget is 12.34%"),
        ("bias", "flip_rate", 0.07, "the budget is 7 points"),
    ],
)
def test_a_budget_is_shown_in_the_unit_in_which_it_is_written(risk, metric, budget, said):
    figure = Figure(metric=metric, of="", found=measured(0.03, 0.01))
    assert told(Held(risk=risk, probe="p", budget=budget, outcome="open", figure=figure)).endswith(said)
    line = Probed(risk=risk, probe="p", outcome="open", limit=budget, is_budget=True, figures=(figure,))
    run = gather([*finished(("card", "fee")), line])
    assert next(one for one in risks_of(run) if one.risk == risk).sentences[0].endswith(said)


def test_where_all_keep_the_budgets_and_none_gains_that_is_said_and_not_that_none_fits():
    records, why = finished(("card", "fee")), "2 of 2 candidates are within all budgets"
    found = replace(FOUND, exported=None, why=why)
    level = [replace(one, gain=measured(0.0, 0.1)) for one in (tried(1.0, 0.5, 0.02), tried(0.4, 0.5, 0.01))]
    lines = [*records[:-1], *level, found, records[-1]]
    search = search_of(gather(lines))
    assert search.word == "None shown to gain"
    assert search.way_out.startswith("more training"), "less change would not help"
    assert search.sentences[0].startswith("no model that keeps the budgets is shown to gain anything (forgetting 5%)")
    assert search.sentences[1].endswith("lies in over-budget/ and was not shown to gain; it is over no budget")
    for text in (page.render(lines, title="run"), card.render(lines, title="run")):
        assert "None fits" not in text
        assert "over no budget" in text
    over = search_of(gather([*records[:-1], tried(1.0, 0.9, 0.3), level[1], found, records[-1]]))
    assert over.word == "None shown to gain"
    assert over.sentences[1].endswith("lies in over-budget/ and has not passed")


def test_the_terminal_has_a_line_for_each_candidate_as_it_comes():
    out = io.StringIO()
    display = Display(Console(file=out, width=300))
    for one in TRIED[:2]:
        display(one)
    assert f"strength 1: {title('accuracy')} 90.0%" in out.getvalue()
    assert "over a budget" in out.getvalue()
    assert f"forgetting ({TRIED[0].held[0].probe}) 4.5% (3.5-5.5), the budget is 5%" in out.getvalue()
