"""The probes of bias of a run that chooses labels: answers with identity terms swapped, and by groups of people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

import numpy as np

from affina.data.drawing import drawn_places
from affina.data.identity.swapping import Swapper
from affina.data.identity.terms import KEY
from affina.data.people import KEY as GROUP_KEY
from affina.data.people import ROLE
from affina.data.rows import Row
from affina.pipeline.budgets import budgets_of
from affina.pipeline.prepared import Prepared
from affina.record.figures import LEAST_ROWS
from affina.record.risks import BY_GROUP, SWAPS, Probed
from affina.risks.allowance import Allowance
from affina.risks.by_group import TOO_SMALL, ByGroup
from affina.risks.probe import Probe
from affina.risks.swaps import Pairs, Swaps, Views

MOST_ROWS: Final = 1_000
"""Rows that are answered by group."""
MOST_SHOWN: Final = 4
"""Groups that are named with their rows."""
MOST_PAIRS: Final = 500
"""Rows that are swapped: more would make the interval little shorter."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How a run's model is asked, and what that takes.

    Attributes:
        read: tokens that are read for a row, as it is and swapped, by both models;
        each: and with what is read beside that for its sake.
        views: the ways, given tokens that may be read beside all rows.
    """

    read: float
    each: float
    views: Callable[[float], Views]


def bias_of(run: Prepared, allowance: Allowance, asked: Asked) -> list[Probe | Probed]:
    """The probes, or why one is left out.

    Args:
        run: its rows, and the terms.
        allowance: how much may be read.
        asked: how the model is.
    """
    return [_swaps(run, allowance, asked), *_groups(run, asked)]


def judged_split(run: Prepared) -> str:
    """The split whose rows are asked of: those of the report, but where a search chooses by what is found."""
    return "validation" if _is_held(run) else run.report_split


def _is_held(run: Prepared) -> bool:
    """Whether a budget is held against what is found: then a probe that can settle nothing lets no candidate pass."""
    return "bias" in budgets_of(run.recipe)


def _swaps(run: Prepared, allowance: Allowance, asked: Asked) -> Probe | Probed:
    split = judged_split(run)
    rows = run.rows[split]
    if not run.terms:
        return _not_measured(f"{run.choices[KEY].reason}; {KEY}=FILE gives terms of your own")
    swapper = Swapper(run.terms)
    pairs = swapper.rows(rows)
    if not pairs:
        return _not_measured(f"none of {len(rows):,} {split} rows has one of the terms; {KEY}=FILE gives others")
    if len(pairs) < LEAST_ROWS and _is_held(run):
        few = f"{len(pairs)} of {len(rows):,} {split} rows have one of the terms, and fewer than {LEAST_ROWS} settle"
        return _not_measured(f"{few} nothing; {KEY}=FILE gives others")
    most = min(MOST_PAIRS, len(pairs))
    refused = allowance.refused("bias", SWAPS, each=asked.each, least=min(LEAST_ROWS, most))
    if refused is not None:
        return refused
    count = allowance.rows("bias", each=asked.each, most=most)
    chosen = drawn_places(len(pairs), most=count, seed=run.recipe.seed)
    left = allowance.tokens("bias") - count * asked.read
    drawn = "" if count == len(pairs) else f", of which {count:,} were drawn by the seed"
    note = f"{len(pairs):,} of {len(rows):,} {split} rows have one of {len(run.terms)} pairs of terms{drawn}"
    some = [pairs[place] for place in chosen]
    found = Swaps(
        Pairs(some, [swapper.side(row) for row, _ in some], run.loaded.labels, _example(swapper, some)),
        views=asked.views(left),
        sampling=run.sampling,
        notes=(note, *_unsure(swapper, [row.texts for row, _ in some])),
    )
    coarse = _too_coarse(run, found, count)
    return _not_measured(coarse) if coarse else found


def _example(swapper: Swapper, rows: Sequence[tuple[Row, Row]]) -> tuple[str, str]:
    """The pair of terms that the rows have most often, as the list writes them."""
    terms = Counter(term for row, _ in rows for side in swapper.terms(row) for term in side)
    common = max(terms, key=lambda term: (terms[term], term))
    first, second = next(pair for pair in swapper.pairs if common in pair)
    return swapper.written(first), swapper.written(second)


def _too_coarse(run: Prepared, found: Swaps, count: int) -> str:
    """Why so many rows are no part of a budget that something else is held to; empty where they are."""
    budget, asked_for = budgets_of(run.recipe).get("bias"), run.recipe.risks.bias
    others = (asked_for.group, asked_for.pairs, asked_for.honest)
    if budget is None or found.finest <= budget or not any(others):
        return ""
    return f"{count:,} rows with terms can show no less than {100 * found.finest:.2g} points to be kept"


def doubts_of_groups(run: Prepared) -> tuple[str, ...]:
    """What the column of groups will not tell, said while another could be named; none where it can tell something.

    Beside a budget such a column is refused instead (`unkept_budgets`).
    """
    if ROLE not in run.loaded.columns or _is_held(run) or run.recipe.risks.measure == "never":
        return ()
    split, column = judged_split(run), run.loaded.columns[ROLE]
    counts = Counter(row.fields[ROLE] for row in run.rows[split] if row.fields.get(ROLE))
    if sum(count >= LEAST_ROWS for count in counts.values()) > 1:
        return ()
    found = ", ".join(f"{group} {count:,}" for group, count in counts.most_common(MOST_SHOWN)) or "no value in any row"
    more = f" and {len(counts) - MOST_SHOWN} more" if len(counts) > MOST_SHOWN else ""
    rows = f"the {len(run.rows[split]):,} {split} rows ({found}{more})"
    little = f"{GROUP_KEY}={column} will tell nothing of differences: {TOO_SMALL} among {rows}"
    return (f"{little}; hold out or name more of them (data.{split})",)


def _groups(run: Prepared, asked: Asked) -> list[Probe | Probed]:
    """Answers by the column of groups, where the recipe names one: it is read whatever that takes."""
    if ROLE not in run.loaded.columns:
        return []
    split, labels = judged_split(run), run.loaded.labels
    rows = [row for row in run.rows[split] if row.fields.get(ROLE)]
    chosen = drawn_places(len(rows), most=MOST_ROWS, seed=run.recipe.seed)
    if not chosen:
        return [_not_measured(f"no {split} row has a value in the column {run.loaded.columns[ROLE]}", BY_GROUP)]
    place = {label: number for number, label in enumerate(labels)}
    targets = np.asarray([place[rows[number].fields["label"]] for number in chosen])
    drawn = "" if len(chosen) == len(rows) else f", drawn by the seed from {len(rows):,}"
    note = f"{len(chosen):,} {split} rows{drawn}, by the column {run.loaded.columns[ROLE]}"
    if empty := len(run.rows[split]) - len(rows):
        note += f"; {empty:,} more have no value in it"
    some = [rows[number] for number in chosen]
    views = asked.views(inf)
    found = ByGroup(some, targets, labels=labels, views=views, sampling=run.sampling, note=note)
    if _is_held(run) and found.unheld:
        return [_not_measured(f"among {len(rows):,} {split} rows {found.unheld}", BY_GROUP)]
    return [found]


def _unsure(swapper: Swapper, texts: list[tuple[str, ...]]) -> tuple[str, ...]:
    count = sum(swapper.swap(text).unsure for row in texts for text in row)
    if not count:
        return ()
    one = count == 1
    return (f"{count:,} term{'' if one else 's'} with two counterparts, as her is his or him, went by the next word",)


def _not_measured(why: str, probe: str = SWAPS) -> Probed:
    return Probed(risk="bias", probe=probe, outcome="unmeasured", why=why)
