"""How much of the training file is held out: what the user asked for, or what `auto` means for that many rows.

Which rows they are is decided in `splits`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from affina.data.labelling.base import Labelling
from affina.data.labelling.single import SingleLabels
from affina.data.passages import LONGEST, is_running_text
from affina.data.rows import Row, named
from affina.data.splits import hold_out
from affina.errors import DataError, Problem, RecipeError
from affina.recipe.base import AUTO
from affina.recipe.data_spec import DataSpec
from affina.values import Resolved

AUTO_SHARE: Final = 0.1
USEFUL_ROWS: Final = 50
"""Below this many rows, one row more or less right moves the accuracy by more than two points."""
LARGEST_AUTO_SHARE: Final = 0.15
MOST_ROWS: Final = 10_000
"""Of so many rows a share of 90% is known to 0.6 points (95%); more are read at every run's end and tell little."""
ROWS_FOR_TEST: Final = 200
"""Below this many rows all of them are better spent on training and validation than on an imprecise test."""
ONE_LABEL: Final = SingleLabels()


def is_file(value: str | float | None) -> bool:
    """Whether `data.validation` or `data.test` names a file, and not a share or a word."""
    return isinstance(value, str) and value not in {AUTO, "none"}


def divide(
    rows: Sequence[Row], spec: DataSpec, labelling: Labelling = ONE_LABEL, *, seed: int
) -> tuple[dict[str, Sequence[Row]], dict[str, Resolved[str | float]]]:
    """The training file's rows by split, and for each `auto` what it came to, under its recipe key.

    A split whose rows come from a file of its own is not in the result.

    Args:
        rows: of the training file, their labels read.
        spec: the recipe's `data`.
        labelling: what the splits keep alike.
        seed: decides which rows are drawn.

    Raises:
        DataError: no row can be held out: one group, or one text, has them all.
        RecipeError: the shares leave nothing to train on.
    """
    asked = {"validation": spec.validation, "test": spec.test}
    auto = {name for name, value in asked.items() if value == AUTO}
    wanted = _wanted(asked, len(rows))
    chosen: dict[str, Resolved[str | float]] = {}
    if "test" in auto - wanted.keys():
        reason = (
            f"{len(rows)} rows are too few to hold a test out of them (from {ROWS_FOR_TEST} on); name a file for one"
        )
        chosen["data.test"] = Resolved("none", reason)
    strata = labelling.strata(rows)
    splits = hold_out(rows, wanted, strata, seed=seed)
    if "test" in auto & wanted.keys() and not all(splits.values()):
        reason = "no rows can be held out for a test without tearing a group apart or losing a class in training"
        chosen["data.test"] = Resolved("none", reason)
        del wanted["test"]
        splits = hold_out(rows, wanted, strata, seed=seed)
    empty = [name for name in wanted if not splits[name]]
    if empty:
        raise DataError(*(_nothing_held_out(rows, name, spec, labels=bool(labelling.stratified)) for name in empty))
    chosen |= {
        f"data.{name}": _resolved(rows, splits[name], size, labelling) for name, size in wanted.items() if name in auto
    }
    return splits, chosen


def _wanted(asked: Mapping[str, str | float], rows: int) -> dict[str, int]:
    """Split to the number of rows to hold out for it, the more needed split first."""
    shares = {name: value for name, value in asked.items() if isinstance(value, float)}
    if sum(shares.values()) >= 1:
        _refuse_shares(shares)
    wanted = {}
    for name, value in asked.items():
        if isinstance(value, float):
            wanted[name] = round(value * rows)  # where that is 0, `hold_out` still finds a row
        elif value == AUTO and (name == "validation" or rows >= ROWS_FOR_TEST):
            wanted[name] = _auto_rows(rows)
    return wanted


def _auto_rows(rows: int) -> int:
    """A tenth of the rows; of a small file more, up to a useful number or to what training can spare; not too many."""
    floor = min(USEFUL_ROWS, int(LARGEST_AUTO_SHARE * rows))
    return min(max(1, round(AUTO_SHARE * rows), floor), MOST_ROWS)


def _resolved(rows: Sequence[Row], held_out: Sequence[Row], wanted: int, labelling: Labelling) -> Resolved[str | float]:
    """The share that gives the same split again, and how it came about."""
    tenth = round(AUTO_SHARE * len(rows))
    pieces = "passages" if is_running_text(rows[0].file) else "rows"
    kept = f"{pieces} with the same text" + (" or group" if "group" in rows[0].fields else "")
    files = named(row.file for row in rows)
    reason = f"{len(held_out)} of the {len(rows)} {pieces} of {files}"
    reason += f", stratified {labelling.stratified}" if labelling.stratified else ", by chance"
    reason += f"; {kept} stay together"
    if wanted > tenth:
        few = f"{tenth} would tell little" if tenth else f"a tenth of {len(rows)} is less than one"
        reason += f"; more than a tenth, because {few}"
    if wanted < tenth:
        reason += f"; no more than {MOST_ROWS:,}, which know a share of 90% to 0.6 points"
    return Resolved(_share(wanted, len(rows)), reason)


def _share(wanted: int, rows: int) -> float:
    """The shortest number that is that many of the rows."""
    digits = next(digits for digits in range(1, 17) if round(round(wanted / rows, digits) * rows) == wanted)
    return round(wanted / rows, digits)


def _refuse_shares(shares: Mapping[str, float]) -> None:
    raise RecipeError(
        Problem(
            where="data.validation, data.test",
            expected="shares that leave rows to train on",
            found=" and ".join(f"{name} {share:g}" for name, share in shares.items()),
            fix="lower one of them, for example data.validation=0.1 data.test=0.1",
        )
    )


def _nothing_held_out(rows: Sequence[Row], name: str, spec: DataSpec, *, labels: bool) -> Problem:
    groups = {row.fields["group"] for row in rows if row.fields.get("group")}
    fix = f"name a file for it: data.{name}=FILE"
    if spec.group is not None and len(groups) == 1:
        return Problem(
            where=f"{named(row.file for row in rows)}, column {spec.group} (data.group)",
            expected=f"two or more groups, so that one can be held out for {name}",
            found=f"one group, {next(iter(groups))!r}, with all {len(rows)} rows",
            fix=f"name another column with data.group, leave it out, or {fix}",
        )
    text = f"more text, of which passages of up to {LONGEST:,} characters are held out"
    more = text if is_running_text(rows[0].file) else "rows with other texts"
    why = "rows with the same text" + (" or group" if spec.group is not None else "") + " stay together"
    return Problem(
        where=f"{named(row.file for row in rows)} (data.{name})",
        expected=f"rows that can be held out for {name}",
        found=f"none in {len(rows)} rows: {why}" + (", and every label keeps a row to train on" if labels else ""),
        fix=f"add {more}, or {fix}",
    )
