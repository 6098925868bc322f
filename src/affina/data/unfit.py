"""Rows from which nothing can be learned: counted, named with their reasons, and an error or left out.

What makes a row unfit is the caller's to say, with `UnfitRow`; `data.unfit` says what follows from it. Nothing is
repaired here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from affina.data.checks import name_in
from affina.data.rows import Row, named
from affina.data.table import MOST_EXAMPLES
from affina.errors import DataError, Problem, UnfitRow
from affina.recipe.data_spec import Unfit
from affina.record.payloads import Finding

Made = TypeVar("Made")
GIVEN: Final = "given"
"""Stands for a split where rows are given to a trained model, whose recipe is settled."""
_MOST_REASONS: Final = 20
_NUMBERS: Final = re.compile(r"\d+")


@dataclass(slots=True)
class UnfitRows:
    """The unfit rows of a split as they are met: how many for each reason, and the first of them.

    Attributes:
        reasons: with their numbers left out, to the rows that have them.
        alike: of these, those whose rows have the same numbers, to the reason with them.
        examples: the first rows, each with its reason, and the first one of each further reason.
    """

    reasons: Counter[str] = field(default_factory=Counter)
    alike: dict[str, str] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    def add(self, row: Row, reason: str) -> None:
        """Count a row."""
        in_short = _NUMBERS.sub("…", reason)
        self.reasons[in_short] += 1
        if self.reasons[in_short] == 1:
            self.alike[in_short] = reason
        elif self.alike.get(in_short) != reason:
            self.alike.pop(in_short, None)
        is_new = self.reasons[in_short] == 1 and len(self.reasons) <= _MOST_REASONS
        if is_new or len(self.examples) < MOST_EXAMPLES:
            self.examples.append(f"{row.where}: {reason}")

    def settle(self, policy: Unfit, *, split: str, file: str, of: int, name: str = "unfit_rows") -> tuple[Finding, ...]:
        """What `data.unfit` makes of them.

        Args:
            policy: the recipe's.
            split: whose rows these are.
            file: what its files are called together.
            of: how many rows there are, these included.
            name: the finding's, as of train.

        Raises:
            DataError: there are such rows and the policy is `error`, or no row is left without them.
        """
        count = self.reasons.total()
        if not count:
            return ()
        if policy == "error" or count == of:
            raise DataError(self._problem(file, of=of, policy=policy, trains=split != GIVEN))
        meaning = f"{split} rows from which nothing can be learned were left out, as data.unfit says: {self._tally()}"
        advice = "mend them if they should count"
        examples = tuple(self.examples)
        return (Finding(name=name_in(name, split), count=count, meaning=meaning, advice=advice, examples=examples),)

    def _problem(self, file: str, *, of: int, policy: Unfit, trains: bool) -> Problem:
        count = self.reasons.total()
        more = f"\n            and {count - len(self.examples):,} more" if count > len(self.examples) else ""
        fix = "mend these rows or remove them"
        fix += ", or leave them out and have them counted: data.unfit=drop" if trains else ""
        if count == of:
            fix = "check that the columns are the right ones" + ("" if policy == "drop" else ", and mend the rows")
        return Problem(
            where=file,
            expected="rows from which something can be learned",
            found=f"{count:,} of {of:,} rows that are unfit ({self._tally()}):"
            + "".join(f"\n            {example}" for example in self.examples)
            + more,
            fix=fix,
        )

    def _tally(self) -> str:
        """`3 times it ends with the user, 2 times turn … is an empty answer`: numbers that differ are left out."""
        most = self.reasons.most_common(_MOST_REASONS)
        told = [
            f"{f'{count:,} times' if count > 1 else 'once'} {self.alike.get(reason, reason)}" for reason, count in most
        ]
        others = self.reasons.total() - sum(count for _, count in most)
        return ", ".join(told) + (f", and {others:,} for other reasons" if others else "")


def settle(
    rows: Sequence[Row], make: Callable[[Row], Made], *, policy: Unfit, split: str, name: str = "unfit_rows"
) -> tuple[tuple[Made, ...], tuple[Finding, ...]]:
    """What `make` makes of the rows, without those that it finds unfit.

    Args:
        rows: of one split.
        make: gives something for a row, or raises `UnfitRow` with the reason.
        policy: the recipe's `data.unfit`.
        split: whose rows these are.
        name: the finding's, as of train.

    Returns:
        One thing for each row that is fit, in order, and a finding where some were left out.

    Raises:
        DataError: a row is unfit and the policy is `error`, or all of them are.
    """
    unfit = UnfitRows()
    made = sort_out(rows, make, unfit)
    file = named(row.file for row in rows) if rows else ""
    return made, unfit.settle(policy, split=split, file=file, of=len(rows), name=name)


def sort_out(rows: Sequence[Row], make: Callable[[Row], Made], unfit: UnfitRows) -> tuple[Made, ...]:
    """What `make` makes of the rows that are fit; the others are added to `unfit`."""
    made: list[Made] = []
    for row in rows:
        try:
            made.append(make(row))
        except UnfitRow as error:
            unfit.add(row, str(error))
    return tuple(made)
