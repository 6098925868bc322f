"""Groups of people in the rows: how many each has, and labels that are more frequent in one than in the others.

And the same of identity terms in the texts: labels that go with the one side of their pairs. What the model makes of it
is measured after the training (`risks`); that a difference is there does not say that it is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from affina.data.audit.balance import find_similar
from affina.data.drawing import drawn_places
from affina.data.identity.swapping import Swapper
from affina.data.people import ROLE, groups_of
from affina.data.rows import Row
from affina.data.table import MOST_EXAMPLES, excerpt
from affina.evaluation.chance import CONFIDENCE, LEAST_SUPPORT, LEVEL, fisher
from affina.evaluation.proportions import difference_of, share_of
from affina.record.audited import Check
from affina.record.payloads import Finding

MOST_ROWS: Final = 50_000
"""Rows in which terms are looked for; of more, so many are drawn."""
MOST_GROUPS_TOLD: Final = 5
Found = tuple[Finding, ...]
Noticed = tuple[Found, tuple[Check, ...]]
TERMS: Final = "differences_by_term"
"""The names of the findings."""
GROUPS: Final = "differences_by_group"
SMALL: Final = "small_groups"
UNGROUPED: Final = "rows_without_a_group"
SIMILAR: Final = "similar_groups"
UNUSED: Final = "pairs_of_terms_in_no_row"
_EVEN_OUT: Final = "a model learns such a difference; if it should not, "


@dataclass(frozen=True, slots=True)
class _Look:
    """One label on two sides."""

    label: str
    sides: tuple[str, str]
    hits: tuple[int, int]
    rows: tuple[int, int]

    def told(self) -> str:
        """`'1': 72% of 180 rows with he, 35% of 150 with she (37 points more, 27 to 46)`."""
        first, second = (
            share_of(hits, rows, confidence=CONFIDENCE) for hits, rows in zip(self.hits, self.rows, strict=True)
        )
        if first.value < second.value:
            return _Look(self.label, self.sides[::-1], self.hits[::-1], self.rows[::-1]).told()
        more = difference_of(first, second)
        return (
            f"{excerpt(self.label)}: {first.value:.0%} of {first.n:,} rows {self.sides[0]}, {second.value:.0%} of"
            f" {second.n:,} {self.sides[1]} ({more.value * 100:.0f} points more,"
            f" {more.low * 100:.0f} to {more.high * 100:.0f})"
        )


def look_at_groups(splits: Mapping[str, Sequence[Row]], column: str, *, reweighed: bool = False) -> Noticed:
    """How many rows each group has, and labels that its training rows have more or less often than the others'.

    Args:
        splits: name to rows.
        column: what the column is called.
        reweighed: whether training rows are weighed so that labels do not go by group.
    """
    splits = {name: rows for name, rows in splits.items() if rows}
    train, counts = splits["train"], {name: groups_of(rows) for name, rows in splits.items()}
    looks = list(_of_groups(train, counts["train"]))
    shown = "; ".join(f"{name}: {_shares(found, of=len(splits[name]))}" for name, found in counts.items())
    grouped = sum(counts["train"].values())
    check = Check(name="groups", rows=grouped, of=len(train), how=f"the column {column}, {shown}; {_how(looks)}")
    meaning = "a label that one group's training rows have more often than the others'"
    advice = "write data.reweigh=true (for a head that chooses the label), or add rows that even it out"
    if reweighed:
        advice = "data.reweigh=true evens it out in the training; more rows do so too"
    every = groups_of(row for rows in splits.values() for row in rows)
    alike = f"groups of the column {column} that differ only in case or blanks; each is a group of its own"
    findings = (
        *_findings(looks, GROUPS, meaning, advice=_EVEN_OUT + advice),
        *_small(every, counts, column),
        *_ungrouped(splits, column),
        *find_similar(every, name=SIMILAR, meaning=alike),
    )
    return findings, (check,)


def _small(every: Mapping[str, int], counts: Mapping[str, Mapping[str, int]], column: str) -> Found:
    """Groups of which a split has too few rows, each once."""
    small = {
        group: [(name, found.get(group, 0)) for name, found in counts.items() if found.get(group, 0) < LEAST_SUPPORT]
        for group in every
    }
    told = [
        f"{group}: {', '.join(f'{count:,} {name} rows' for name, count in few)}" for group, few in small.items() if few
    ]
    if not told:
        return ()
    finding = Finding(
        name=SMALL,
        count=len(told),
        meaning=f"groups of the column {column}, of {len(every):,}, with fewer than {LEAST_SUPPORT} rows in a split: of"
        " their share of answers and mistakes nothing can be said there",
        advice="add rows of them, or put small groups together",
        examples=tuple(told[:MOST_EXAMPLES]),
    )
    return (finding,)


def _ungrouped(splits: Mapping[str, Sequence[Row]], column: str) -> Found:
    """Rows whose cell is empty, which no figure by group has a part of."""
    empty = {name: [row.where for row in rows if not row.fields.get(ROLE)] for name, rows in splits.items()}
    count = sum(map(len, empty.values()))
    if not count:
        return ()
    finding = Finding(
        name=UNGROUPED,
        count=count,
        meaning=f"rows without a value in the column {column}: of no group, and in no figure by group",
        advice="fill the column in where it is known, or write one value for all of them, which is a group then",
        examples=tuple(
            f"{name}: {len(places):,} of {len(splits[name]):,} rows, the first {places[0]}"
            for name, places in empty.items()
            if places
        ),
    )
    return (finding,)


def look_at_terms(rows: Sequence[Row], swapper: Swapper, *, seed: int, own: str | None = None) -> Noticed:
    """Labels that rows with terms of the first side have more or less often than rows with those of the second.

    Args:
        rows: of training, with one label each.
        swapper: of the terms.
        seed: decides which of many rows are looked at.
        own: the user's file of the terms, who expects them in the rows; None where they are Affina's.
    """
    chosen = drawn_places(len(rows), most=MOST_ROWS, seed=seed)
    with_terms = [(row, swapper.terms(row)) for row in (rows[place] for place in chosen)]
    looks = list(_of_terms([(row, first, second) for row, (first, second) in with_terms if first or second], swapper))
    count = sum(bool(first or second) for _, (first, second) in with_terms)
    how = f"{count:,} of {len(chosen):,} training rows have identity terms; {_how(looks)}"
    findings = _findings(
        looks,
        TERMS,
        "a label that training rows with one identity term have more often than those with its counterpart",
        advice=_EVEN_OUT + "add rows that even it out, or write data.swap_terms=true",
    )
    if own is not None and not count:
        findings += (
            Finding(
                name=UNUSED,
                count=len(swapper.pairs),
                meaning=f"what {own} has, of which no term is in any of {len(chosen):,} training rows",
                advice="write the terms as the rows have them: whole words, whatever their case",
            ),
        )
    return findings, (Check(name="identity terms", rows=len(chosen), of=len(rows), how=how),)


def _of_groups(rows: Sequence[Row], counts: Mapping[str, int]) -> Iterator[_Look]:
    """Each label of each group against all others; of two groups, or two labels, the one says what the other does."""
    table = Counter((row.fields[ROLE], row.fields["label"]) for row in rows if row.fields.get(ROLE))
    totals, every = Counter[str](), sum(counts.values())
    for (_, label), count in table.items():
        totals[label] += count
    for group in list(counts)[: 1 if len(counts) == 2 else None]:
        sizes = counts[group], every - counts[group]
        others = "of " + next(other for other in counts if other != group) if len(counts) == 2 else "of the others"
        for label in _told_apart(totals):
            if min(sizes) >= LEAST_SUPPORT:
                hits = table[group, label], totals[label] - table[group, label]
                yield _Look(label, (f"of {group}", others), hits, sizes)


def _of_terms(rows: Sequence[tuple[Row, frozenset[str], frozenset[str]]], swapper: Swapper) -> Iterator[_Look]:
    """Both sides as a whole, and each pair of single terms; a row with terms of both sides says nothing."""
    one_sided = [(row, first, second) for row, first, second in rows if bool(first) != bool(second)]
    labels = _told_apart(Counter(row.fields["label"] for row, _, _ in one_sided))
    sides = [[(row, terms[side]) for row, *terms in one_sided if terms[side]] for side in (0, 1)]
    named = [", ".join(map(swapper.written, _frequent(own for _, own in side))) for side in sides]
    yield from _on_sides([[row for row, _ in side] for side in sides], (f"{named[0]}, ...", f"{named[1]}, ..."), labels)
    for first, second in swapper.pairs:
        both = [[row for row, own in side if term in own] for side, term in zip(sides, (first, second), strict=True)]
        yield from _on_sides(both, (swapper.written(first), swapper.written(second)), labels)


def _frequent(terms: Iterable[frozenset[str]]) -> list[str]:
    return [term for term, _ in Counter(sorted(term for own in terms for term in own)).most_common(3)]


def _on_sides(sides: Sequence[Sequence[Row]], names: tuple[str, str], labels: Sequence[str]) -> Iterator[_Look]:
    rows = len(sides[0]), len(sides[1])
    if min(rows) < LEAST_SUPPORT:
        return
    counts = [Counter(row.fields["label"] for row in side) for side in sides]
    for label in labels:
        yield _Look(label, (f"with {names[0]}", f"with {names[1]}"), (counts[0][label], counts[1][label]), rows)


def _told_apart(labels: Mapping[str, int]) -> list[str]:
    """The labels to look at: of two, the second is what the first is not."""
    return sorted(labels)[: 1 if len(labels) == 2 else None]


def _findings(looks: Sequence[_Look], name: str, meaning: str, *, advice: str) -> Found:
    chances = [fisher(look.hits, look.rows) for look in looks]
    each = sorted(zip(chances, looks, strict=True), key=lambda found: found[0])
    sure = [look for chance, look in each if chance * len(looks) <= LEVEL]
    if not sure:
        return ()
    examples = tuple(look.told() for look in sure[:MOST_EXAMPLES])
    return (Finding(name=name, count=len(sure), meaning=meaning, advice=advice, examples=examples),)


def _how(looks: Sequence[_Look]) -> str:
    if not looks:
        return f"no two sides with {LEAST_SUPPORT} rows or more each, so that no labels were compared"
    return f"{len(looks):,} differences of labels looked at, at {LEVEL:.0%} for all together (Fisher, Bonferroni)"


def _shares(counts: Mapping[str, int], *, of: int) -> str:
    """The largest groups; of a column with many, the names of all would be no summary, and may be personal data."""
    total, shown = sum(counts.values()), list(counts.items())[:MOST_GROUPS_TOLD]
    told = [f"{group} {count:,} ({count / total:.0%})" for group, count in shown]
    if others := total - sum(count for _, count in shown):
        told.append(f"and {len(counts) - len(shown):,} more groups with {others:,} rows")
    if total < of:
        told.append(f"{'and ' if told else ''}{of - total:,} of {of:,} rows without a value")
    return ", ".join(told)
