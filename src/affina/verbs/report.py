"""Verb: report. The page about a run, or about two against each other, made from the records, without a model."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path

from affina.record.compared import FILE
from affina.reporting import candidates_page, comparison_page, page


def report(
    run: str | PathLike[str],
    other: str | PathLike[str] | None = None,
    *,
    notify: Callable[[str], None] = lambda _: None,
) -> Path:
    """Write `report.html` and `card.md` in the run folder, and the card beside its model.

    The folder of a comparison has its `report.html` alone, made from `compare.json`.

    With two runs, write one page that compares them, `RUN-vs-OTHER.html` beside the first run's folder; neither
    run's own pages are touched.

    Args:
        run: a run folder, or the folder of a comparison.
        other: another one, to compare with.
        notify: told which of two is better, and how sure that is, or why they cannot be compared.

    Returns:
        The page's path.

    Raises:
        RunError: a folder holds no record, or a damaged one; or both are the same.
    """
    if other is None:
        folder = Path(fspath(run))
        return candidates_page.write(folder) if (folder / FILE).is_file() else page.write(folder)
    path, found = comparison_page.write(Path(fspath(run)), Path(fspath(other)))
    notify(". ".join(part for part in (found.headline, found.sentence, *found.reasons) if part))
    return path
