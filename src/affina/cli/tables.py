"""Figures and tables for the terminal. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

from rich.table import Table
from rich.text import Text

from affina.record.measures import SHARES, title
from affina.record.payloads import Measured, Sample, Scores
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


def figure(name: str, measured: Measured) -> str:
    """A value with its interval: `92.8% (91.9-93.6)`."""
    if name in SHARES:
        return f"{percent(measured.value)} ({100 * measured.low:.1f}-{100 * measured.high:.1f})"
    return f"{measured.value:.3f} ({measured.low:.3f}-{measured.high:.3f})"


def scores_line(scores: Scores) -> str:
    """The two main metrics in a line."""
    macro_f1 = percent(scores.metrics["macro_f1"].value)
    return f"accuracy {figure('accuracy', scores.metrics['accuracy'])}, macro-F1 {macro_f1}"


def scores_table(scores: Scores, others: dict[str, Scores]) -> Table:
    """Metrics down, predictors across."""
    table = Table(
        title=f"On {scores.metrics['accuracy'].n:,} rows ({scores.split}), bootstrap intervals in brackets",
        title_justify="left",
    )
    table.add_column("")
    for who in ("tuned", *others):
        table.add_column(who.replace("_", " "), justify="right")
    for name in scores.metrics:
        cells = [figure(name, found.metrics[name]) for found in (scores, *others.values())]
        table.add_row(title(name), *cells)
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
    table = Table(title="Some predictions, the surest mistakes first", title_justify="left")
    for name in ("text", "expected", "predicted", "probability"):
        table.add_column(name, justify="right" if name == "probability" else "left")
    for sample in samples:
        style = "" if sample.expected == sample.predicted else "yellow"
        text = Text(shortened(sample.text, LONGEST_TEXT, hidden=sample.hidden))
        cells = (text, Text(sample.expected), Text(sample.predicted, style=style))
        table.add_row(*cells, percent(sample.probability) if sample.probability is not None else "")
    return table
