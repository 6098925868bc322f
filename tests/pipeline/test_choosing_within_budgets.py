"""Which of the candidates of a search is exported, where it is looked for next, and what is said of it."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from affina.errors import NonFiniteError
from affina.evaluation.perplexity import Statistics
from affina.evaluation.proportions import share_of
from affina.pipeline.choosing import best_of, next_strength, notes_on, why_none, why_this
from affina.pipeline.learning import Learns
from affina.record.figures import Measured
from affina.record.risks import Figure
from affina.record.searched import Held, Tried


def tried(strength, score, figure, *, gain=(0.1, 0.05, 0.2), step=40, metric="accuracy", n=50, budget=0.05):
    value, low, high = figure
    outcome = "within" if high <= budget else "flagged" if low > budget else "open"
    shown = Figure(metric="foretelling_rise", of="", found=Measured(value=value, low=low, high=high, n=40))
    return Tried(
        step=step,
        strength=strength,
        metric=metric,
        score=Measured(value=score, low=score, high=score, n=n),
        gain=Measured(value=gain[0], low=gain[1], high=gain[2], n=n),
        held=(Held(risk="forgetting", probe="own texts", budget=budget, outcome=outcome, figure=shown),),
        seconds=1.0,
    )


WITHIN, OVER, OPEN = (0.02, 0.01, 0.03), (0.2, 0.15, 0.25), (0.04, 0.02, 0.06)
NO_GAIN = (0.01, -0.02, 0.03)


def test_the_best_within_all_budgets_whose_gain_is_sure():
    found = [tried(1.0, 0.9, OVER), tried(0.8, 0.85, OPEN), tried(0.6, 0.8, WITHIN), tried(0.4, 0.7, WITHIN)]
    assert best_of(found).strength == 0.6
    assert best_of(found[:2]) is None
    assert "the best of 2 candidates" in why_this(found[2], found)


def test_a_loss_is_better_when_lower_and_of_equals_the_one_that_changed_less_is_taken():
    found = [tried(1.0, 2.0, WITHIN, metric="loss"), tried(0.8, 1.5, WITHIN, metric="loss")]
    assert best_of(found).strength == 0.8
    assert best_of([tried(0.8, 0.9, WITHIN), tried(0.6, 0.9, WITHIN)]).strength == 0.6


@pytest.mark.parametrize("other", [{"gain": NO_GAIN}, {"n": 19}])
def test_a_gain_that_the_rows_leave_open_is_none(other):
    found = [tried(0.6, 0.8, WITHIN, **other)]
    assert best_of(found) is None
    said = why_none(found, baseline="linear probe")
    assert (
        "1 of 1 candidate is within all budgets, and none of these is shown to be better than the linear probe" in said
    )


def test_a_probe_that_was_not_measured_lets_nothing_pass():
    bare = tried(0.6, 0.8, WITHIN)
    lost = Held(risk="bias", probe="swaps", budget=0.02, outcome="unmeasured", figure=None, why="the base is gone")
    found = Tried(**{**{name: getattr(bare, name) for name in bare.__slots__}, "held": (*bare.held, lost)})
    assert best_of([found]) is None
    assert "the base is gone" in why_none([found], baseline="x")
    assert best_of([Tried(**{**{name: getattr(bare, name) for name in bare.__slots__}, "held": ()})]) is None


def test_where_the_line_is_looked_at_more_closely():
    line = [tried(1.0, 0.9, OVER), tried(0.6, 0.8, WITHIN), tried(0.2, 0.6, WITHIN)]
    assert next_strength(line) == 0.8, "between the best within and the next above"
    assert next_strength([tried(1.0, 0.9, OVER), tried(0.2, 0.5, OVER)]) == 0.1, "below all, where none is within"
    assert next_strength([tried(1.0, 0.9, WITHIN), tried(0.8, 0.8, WITHIN)]) == 0.9, "below the tuned model"
    earlier = tried(None, 0.99, WITHIN, step=5)
    assert next_strength([*line, earlier]) == 0.8, "earlier weights are not on it"


def test_a_budget_that_no_interval_is_fine_enough_for_is_said_with_what_could_be():
    wide = tried(0.6, 0.8, (0.03, -0.07, 0.13))
    [said] = notes_on([wide, tried(1.0, 0.9, OVER)], {"forgetting": 0.05})
    assert "risks.forgetting.budget=5% is finer than what own texts can tell" in said
    assert "reaches 10% above the figure, and budgets from 10% on can be resolved" in said
    assert not [*notes_on([wide, tried(0.2, 0.5, WITHIN)], {"forgetting": 0.05})], "it is resolved elsewhere"
    assert not [*notes_on([tried(1.0, 0.9, OVER)], {"forgetting": 0.05})], "over it by more than chance"


@pytest.mark.parametrize(("rows", "budget", "least"), [(60, 0.01, 0.061), (100, 0.02, 0.037)])
def test_a_share_of_none_has_an_interval_on_one_side_and_a_budget_of_all_of_it_is_kept(rows, budget, least):
    found = share_of(0, rows, confidence=0.95)
    none = (found.value, found.low, found.high)
    [said] = notes_on([tried(0.6, 0.8, none, budget=budget)], {"forgetting": budget})
    assert f"budgets from {100 * least:g}% on can be resolved" in said
    assert tried(0.6, 0.8, none, budget=least).is_within
    assert not tried(0.6, 0.8, none, budget=least - 0.001).is_within


def test_rows_that_are_too_few_are_the_reason_and_not_a_figure_that_would_keep_the_budget():
    few = tried(0.4, 0.8, WITHIN)
    few = replace(few, held=(replace(few.held[0], outcome="few"),))
    said = why_none([few], baseline="x")
    assert "forgetting: 40 rows are too few to tell (own texts)" in said
    assert "2.0%" not in said
    assert "the nearest is strength 0.6" in why_none([few, tried(0.6, 0.8, OPEN)], baseline="x")


def test_a_candidate_with_a_row_that_has_no_loss_has_no_score():
    rows = [SimpleNamespace(where=f"rows.csv, row {number}") for number in range(30)]
    odd = Statistics(np.where(np.arange(30) == 7, np.nan, 2.0), np.ones(30), np.zeros(30))
    subject = SimpleNamespace(rows={"validation": rows}, judged=lambda _: [], _losses=lambda *_: odd)
    run = SimpleNamespace(rows={"validation": rows}, hyper=SimpleNamespace(evaluation_rows=SimpleNamespace(value=30)))
    with pytest.raises(NonFiniteError, match="row 7"):
        Learns.rate(subject, run)
