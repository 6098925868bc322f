"""The report: one self-contained HTML page about a run, made from its record alone.

The page loads nothing from anywhere, runs no script, and escapes everything that came from the user's data. This module
does not measure and does not need the model; the layout is in `template.html.j2`, the colours in `style.css`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from affina.record import journal
from affina.record.files import write_text
from affina.record.folder import RunFolder
from affina.record.measures import SHARES
from affina.record.payloads import Payload
from affina.reporting import curves, formats
from affina.reporting.confusion import confusion
from affina.reporting.curves import Chart, Series
from affina.reporting.gathered import Gathered, gather
from affina.reporting.verdict import verdict

TEMPLATE: Final = "template.html.j2"
MOST_CLASSES: Final = 20
"""Lines of the per-class table that are open; the others unfold."""


def write(run_folder: Path) -> Path:
    """Make the page of a run from its record and put it into the run folder, whole or not at all.

    Returns:
        The page's path.

    Raises:
        RunError: the folder has no record, or one that cannot be read.
    """
    folder = RunFolder(run_folder)
    records = journal.read(folder.journal)
    write_text(folder.report, render(records, title=run_folder.resolve().name))
    return folder.report


def render(records: Sequence[Payload], *, title: str) -> str:
    """The page as HTML, of a finished run or of one still on its way.

    Args:
        records: the run's record, in order.
        title: the run's name.
    """
    run = gather(records)
    tuned = run.scores.get("tuned")
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            title=title,
            run=run,
            verdict=verdict(run.scores, chosen_metric=run.chosen_metric),
            tuned=tuned,
            metrics=_metric_names(run),
            looks=_look_names(run),
            charts=_charts(run),
            range_chart=_range_chart(run),
            frame=curves,
            most_classes=MOST_CLASSES,
            confusion=confusion(tuned) if tuned else None,
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for write_as in (
        formats.name,
        formats.capital,
        formats.percent,
        formats.share,
        formats.number,
        formats.duration,
        formats.memory,
        formats.plain,
    ):
        environment.filters[write_as.__name__] = write_as
    environment.globals.update(metric=formats.metric, interval=formats.interval)
    return environment


def _metric_names(run: Gathered) -> list[str]:
    """Every metric that some predictor has, in the order of the record."""
    return list(dict.fromkeys(key for scored in run.scores.values() for key in scored.metrics))


def _look_names(run: Gathered) -> list[str]:
    """Every metric that was measured during training."""
    return list(dict.fromkeys(key for look in run.evaluations for key in look.metrics))


def _range_chart(run: Gathered) -> Chart | None:
    """The range test's curve: loss over the rate's logarithm, with the rate that was chosen marked."""
    if (test := run.range_test) is None:
        return None
    places = [math.log10(rate) for rate in test.rates]
    lines = [
        Series("change of the loss", tuple(zip(places, test.changes, strict=True))),
        Series("its running mean", tuple(zip(places, test.smooth, strict=True))),
    ]
    title, used = "Range test: loss against the learning rate", math.log10(test.used)
    return curves.chart(title, lines, write=formats.number, mark=used, axis=curves.RATES)


def _charts(run: Gathered) -> list[Chart]:
    """Losses, validation metrics, learning rate and gradient norm; those without a point are left out."""
    looked = {
        key: Series(
            f"validation {formats.name(key)}",
            tuple((look.step, look.metrics[key]) for look in run.evaluations if key in look.metrics),
        )
        for key in _look_names(run)
    }
    shares = [line for key, line in looked.items() if key in SHARES]
    others = [line for key, line in looked.items() if key not in SHARES]
    losses = [Series("training loss", tuple((step.step, step.loss) for step in run.steps)), *others]
    rates = [Series("learning rate", tuple((step.step, step.learning_rate) for step in run.steps))]
    # A negative norm stands for a step that fp16 loss scaling skipped: there was no norm to record.
    norms = [Series("gradient norm", tuple((s.step, s.gradient_norm) for s in run.steps if s.gradient_norm >= 0))]
    laid_out = (
        curves.chart("Loss", losses, write=formats.number, mark=run.best_step),
        curves.chart("Validation metrics", shares, write=formats.round_percent, mark=run.best_step),
        curves.chart("Learning rate", rates, write=formats.number),
        curves.chart("Gradient norm, before clipping", norms, write=formats.number),
    )
    return [chart for chart in laid_out if chart]
