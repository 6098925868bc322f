"""Figures and tables for the terminal. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

from rich.table import Table
from rich.text import Text

from affina.record.figures import LEAST_ROWS, Measured
from affina.record.measures import MEASURES, WRITING, title
from affina.record.payloads import DataRead, Sample, Scores
from affina.reporting.formats import NOT_DEFINED, counted, interval, metric
from affina.reporting.texts import shortened

MOST_CLASSES = 12
MOST_FILES = 5
LONGEST_TEXT = 120


def percent(share: float) -> str:
    """`0.928` as `92.8%`."""
    return f"{100 * share:.1f}%"


def files_line(files: Iterable[str]) -> str:
    """The names of files, without their folders, and addresses: the first few, and how many more."""
    names = [file if "://" in file else PurePath(file).name for file in files]
    more = len(names) - MOST_FILES
    return ", ".join(names[:MOST_FILES]) + (f" and {more:,} more files" if more > 0 else "")


def answers_line(data: DataRead) -> str:
    """How many labels there are, or how the numbers are spread."""
    if data.task in WRITING:
        return f"task {data.task}"
    if (spread := data.spread) is None:
        return counted(len(data.labels), "labels")
    return (
        f"numbers from {spread.least:.4g} to {spread.most:.4g}, median {spread.median:.4g}, "
        f"mean {spread.mean:.4g}, deviation {spread.deviation:.4g}"
    )


def scores_line(scores: Scores) -> str:
    """The main metrics in a line, the first with its interval."""
    first, *others = list(scores.metrics)[:2]
    line = f"{title(first)} {interval(first, scores.metrics[first])}"
    return ", ".join([line, *(f"{title(name)} {metric(name, scores.metrics[name].value)}" for name in others)])


def metric_of(scores: Scores, name: str) -> str:
    """A metric with its interval, that it is not defined on these rows, or nothing where it was not measured."""
    if name in scores.undefined:
        return NOT_DEFINED
    return interval(name, scores.metrics[name]) if name in scores.metrics else ""


def too_narrow(rows: int) -> str:
    """What to say behind intervals over so many rows: nothing, or that they are too narrow."""
    return f" (too narrow: {counted(rows, 'rows')} are few)" if rows < LEAST_ROWS else ""


def scores_table(scores: Scores, others: dict[str, Scores]) -> Table:
    """Metrics down, predictors across."""
    rows = max(measured.n for measured in scores.metrics.values())
    fewest = min(measured.n for measured in scores.metrics.values())
    some = f"; texts were written for {fewest:,} of them" if fewest < rows else ""
    heading = f"On {counted(rows, 'rows')} ({scores.split}), bootstrap intervals in brackets{too_narrow(fewest)}{some}"
    table = Table(title=heading, title_justify="left")
    table.add_column("")
    for who, found in {"tuned": scores, **others}.items():
        seen = max((measured.n for measured in found.metrics.values()), default=rows)
        table.add_column(who.replace("_", " ") + (f" ({seen:,} rows)" if seen < fewest else ""), justify="right")
    for name in sorted(scores.names, key=list(MEASURES).index):
        table.add_row(title(name), *(metric_of(found, name) for found in (scores, *others.values())))
    return table


def classes_table(scores: Scores) -> Table:
    """The per-class table, the worst classes first when there are many."""
    rows = sorted(scores.classes, key=lambda row: row.f1.value)[:MOST_CLASSES]
    hidden = len(scores.classes) - len(rows)
    title = "Per class, lowest F1 first" + (f" ({hidden} more with --json)" if hidden else "")
    table = Table(title=title, title_justify="left")
    table.add_column("label")
    for name in ("precision", "recall", "F1", "rows"):
        table.add_column(name, justify="right", no_wrap=True)  # a narrow terminal folds the labels, not the figures
    for row in rows:
        figures = (_round_figure(measured) for measured in (row.precision, row.recall, row.f1))
        table.add_row(Text(row.label), *figures, str(row.support))
    return table


def _round_figure(measured: Measured) -> str:
    """Without the decimals that few rows do not bear: `93% (85-97)`."""
    return f"{100 * measured.value:.0f}% ({100 * measured.low:.0f}-{100 * measured.high:.0f})"


def samples_table(samples: tuple[Sample, ...]) -> Table:
    """Some rows and what the model says of them."""
    kind = "texts, those furthest from their references" if any(sample.row is not None for sample in samples) else ""
    table = Table(title=f"Some {kind or 'predictions, the surest mistakes'} first", title_justify="left")
    numbers = any(sample.error is not None for sample in samples)
    shown = any(sample.probability is not None or sample.probabilities for sample in samples) or numbers
    for name in ("text", "expected", "predicted"):
        table.add_column(name, justify="right" if numbers and name != "text" else "left")
    covered = any(sample.slots for sample in samples)
    if covered:
        table.add_column("attributes")
    elif shown:
        table.add_column("error" if numbers else "probability", justify="right")
    for sample in samples:
        style = "" if numbers or sample.expected == sample.predicted else "yellow"
        text = Text(shortened(sample.text, LONGEST_TEXT, hidden=sample.hidden))
        style = "" if sample.row is not None else style
        said = (shortened(words, LONGEST_TEXT) or "(nothing)" for words in (sample.expected, sample.predicted))
        cells = (text, *(Text(words, style=style * place) for place, words in enumerate(said)))
        table.add_row(*cells, *([Text(_behind(sample))] if shown or covered else []))
    return table


def _behind(sample: Sample) -> str:
    """The error, the probability of the label or labels, or what the text makes of its input's attributes."""
    if sample.row is not None:
        return shortened(sample.slots, LONGEST_TEXT)
    if sample.error is not None:
        return f"{sample.error:+.3g}"
    if sample.probabilities:
        return ", ".join(f"{label} {percent(share)}" for label, share in sample.probabilities.items())
    return percent(sample.probability or 0.0)
