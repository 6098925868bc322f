"""The table of learning rates: every line has its source, and what lies between the lines is said to be scaled."""

from __future__ import annotations

from pathlib import Path

import pytest

from affina.recipe.priors import FALLS, MOST_UP, PRIORS, Prior, prior_rate

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


PUBLISHED = {
    "full, BERT-base": ("classification", "full", 768, 2e-5, 5e-5),
    "full, GPT-3": ("writing", "full", 12_288, 5e-6, 5e-6),
    "lora, RoBERTa-base": ("classification", "lora", 768, 4e-4, 5e-4),
    "lora, GPT-2 of 1,024": ("writing", "lora", 1_024, 2e-4, 1.2e-3),  # 2e-4 at alpha / rank of 8; here that is 2
    "lora, GPT-3": ("writing", "lora", 12_288, 2e-4, 2e-4),
    "prefix, GPT-2 of 1,280": ("writing", "prefix", 1_280, 5e-5, 3e-4),
    "prompt, GPT-3": ("writing", "prompt", 12_288, 5e-4, 5e-4),
    "prefix of each layer, GPT-3": ("writing", "direct prefix", 12_288, 1e-4, 3e-4),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_wide_models_get_rates_near_those_that_are_published(name):
    """The ranges are those of the papers that `FALLS` names, with what lies between two of them."""
    task, trained, width, least, most = PUBLISHED[name]
    assert least <= prior_rate(task=task, trained=trained, width=width)[0] <= most


@pytest.mark.parametrize("trained", FALLS)
def test_rates_never_rise_with_the_width(trained):
    for task in ("classification", "writing"):
        rates = [prior_rate(task=task, trained=trained, width=width)[0] for width in (576, 577, 1_000, 4_096, 20_000)]
        assert rates == sorted(rates, reverse=True)


def test_other_methods_do_not_count():
    assert rate_at(384, line(384, 5.0, trained="head"), line(768, 1e-5))[0] == pytest.approx(4e-5)
