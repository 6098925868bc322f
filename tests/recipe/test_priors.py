"""The table of learning rates: every line has its source, and what lies between the lines is said to be scaled."""

from __future__ import annotations

from pathlib import Path

import pytest

from affina.recipe.priors import MOST_UP, PRIORS, Prior, prior_rate

LOG = Path(__file__).parents[2] / "docs" / "log.md"


def line(width, rate, trained="full"):
    return Prior(task="classification", trained=trained, width=width, rate=rate, source="")


def rate_at(width, *lines):
    return prior_rate(task="classification", trained="full", width=width, table=lines)


@pytest.mark.parametrize("prior", PRIORS, ids=lambda prior: f"{prior.trained}-{prior.width}")
def test_every_line_names_an_entry_of_the_log_that_is_there(prior):
    file, title = prior.source.split(", ", maxsplit=1)
    assert LOG.match(file)
    date, what = title.split(", ", maxsplit=1)
    assert f"## {date}: {what}" in LOG.read_text(encoding="utf-8")


def test_a_measured_width_gives_its_own_line():
    rate, reason = rate_at(768, line(384, 1e-4), line(768, 3e-5))
    assert rate == 3e-5
    assert "measured at a hidden size of 768" in reason
    assert "scaled" not in reason


def test_other_widths_scale_the_nearest_line_and_say_so():
    rate, reason = rate_at(1536, line(384, 1e-4), line(768, 3e-5))
    assert rate == pytest.approx(3e-5 / 4)
    assert "scaled to 1536" in reason
    assert rate_at(1, line(384, 1e-4))[0] == pytest.approx(1e-4 * MOST_UP)


def test_other_methods_do_not_count():
    assert rate_at(384, line(384, 5.0, trained="head"), line(768, 1e-5))[0] == pytest.approx(4e-5)
