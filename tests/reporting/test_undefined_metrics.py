"""A metric that is not defined on the rows is said to be so, wherever figures are shown, and is no 0."""

import io
import json
from dataclasses import replace

from report_records import finished, measured
from rich.console import Console

from affina.cli.tables import scores_table
from affina.record.journal import Reading
from affina.record.payloads import Scores
from affina.reporting import card, page
from affina.reporting.comparison_page import render
from affina.reporting.gathered import gather


def test_the_page_the_card_and_the_terminal_say_not_defined():
    figures = {"rmse": measured(1.5), "mae": measured(1.0)}
    records = tuple(
        replace(line, metrics=figures, undefined=("r2", "pearson")) if isinstance(line, Scores) else line
        for line in finished(("a", "b"))
    )
    assert page.render(records, title="run").count("not defined</span>") >= 2
    text = card.render(records, title="run")
    assert "| Pearson's r | not defined |" in text
    tuned = gather(records).scores["tuned"]
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(scores_table(tuned, {}))
    assert console.export_text().count("not defined") == 2
    html, found = render(Reading(records, ()), Reading(records, ()), names=("A", "B"))
    assert html.count(">not defined<") == 4
    assert found.lines[0].key == "rmse"
    assert json.loads(json.dumps(tuned.as_json()))["r2"]["value"] is None
