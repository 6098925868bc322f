"""Rows whose texts are nearly the same, within a split and in two splits.

Candidates come from `signatures`, the decision about each is `wording`'s. Texts that are the same letter by letter are
`repeats`'. Nothing is changed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affina.data.audit.personal import masked_excerpt
from affina.data.audit.repeats import What
from affina.data.audit.signatures import SIGNED_CHARACTERS, candidates, signatures
from affina.data.audit.wording import SHORT, SIMILAR, compact, nearly_same, worded
from affina.data.rows import Row, text_key
from affina.data.table import MOST_EXAMPLES
from affina.record.audited import Check
from affina.record.payloads import Finding

MOST_ROWS: Final = 200_000
"""Rows that are compared; of more, a sample."""
HELD_OUT_SHARE: Final = 4
"""Of a sample, validation and test have at most one part in so many each, so that training rows are left."""
_MOST_TRIED: Final = 10
"""Texts that a text turns out to be different from, of the same splits, before it is left alone."""
_LEAST: Final = 0.5
"""The signatures' estimate of a pair's similarity from which on it is looked at: far below `SIMILAR`, since an estimate
has a standard deviation of up to 0.06, and a slip in a short text costs much."""
_LEAST_OF_LONG: Final = 0.66
"""The same where similarity alone decides: at `SIMILAR` the standard deviation is 0.043, of which this is 4.4 below."""


@dataclass(frozen=True, slots=True)
class _Texts:
    """The different texts of all splits, as they are compared.

    Attributes:
        words: [texts], each text of the row, worded.
        first: [texts, splits], the first row of a split with it, or -1.
    """

    words: list[tuple[str, ...]]
    first: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Near:
    """A row, and another one that is nearly the same."""

    row: Row
    other: Row


def find_near(
    splits: Mapping[str, Sequence[Row]], *, seed: int, of: int | None = None, what: What = "label"
) -> tuple[tuple[Finding, ...], Check]:
    """Near duplicates within each split, and rows of a later split that are nearly in an earlier one.

    Args:
        splits: name to rows, in the order train, validation, test.
        seed: decides the sample, where there are too many rows.
        of: how many rows there are, where `splits` is a sample already.
        what: is given to a text; answers, which are texts to be written, differ in any case.
    """
    given = sum(map(len, splits.values()))
    total = given if of is None else of
    looked = _sampled(splits, seed) if given > MOST_ROWS else dict(splits)
    names = list(looked)
    rows = [row for part in looked.values() for row in part]
    homes = np.repeat(np.arange(len(names)), [len(part) for part in looked.values()])
    within: dict[str, list[_Near]] = {name: [] for name in names}
    across: dict[tuple[str, str], list[_Near]] = {}
    texts = _different(rows, homes, names, within, across)
    for one, other in _pairs(texts):
        _place(texts, rows, (one, other), names, within, across)
    share = len(rows) / total if total else 1.0
    findings = [_duplicates(name, found, share, what) for name, found in within.items() if found]
    findings += [_shared(*pair, found, share, what) for pair, found in across.items() if found]
    how = (
        f"texts in lower case, without accents and punctuation; Jaccard similarity of their 5-letter shingles from"
        f" {SIMILAR}, below {SHORT} words no word in the place of another"
    )
    return tuple(findings), Check(name="near duplicates", rows=len(rows), of=total, how=how)


def _sampled(splits: Mapping[str, Sequence[Row]], seed: int) -> dict[str, Sequence[Row]]:
    generator = np.random.default_rng(seed)
    room = MOST_ROWS
    found: dict[str, Sequence[Row]] = {}
    for name in sorted(splits, key=lambda name: name == "train"):
        part = splits[name]
        size = min(len(part), room if name == "train" else MOST_ROWS // HELD_OUT_SHARE)
        places = np.sort(generator.choice(len(part), size, replace=False)).tolist()
        found[name] = [part[place] for place in places]
        room -= size
    return {name: found[name] for name in splits}


def _different(
    rows: Sequence[Row],
    homes: NDArray[np.int64],
    names: Sequence[str],
    within: dict[str, list[_Near]],
    across: dict[tuple[str, str], list[_Near]],
) -> _Texts:
    """The different texts; rows that differ in case, accents, blanks and punctuation alone are put into the results."""
    words: list[tuple[str, ...]] = []
    first: list[list[int]] = []
    places: dict[tuple[str, ...], int] = {}
    exact: dict[int, set[tuple[int, int]]] = {}  # text to (split, hash) of its rows' exact texts
    for index, (row, home) in enumerate(zip(rows, homes.tolist(), strict=True)):
        worded_texts = tuple(worded(text) for text in text_key(row) if text) or ("",)
        place = places.setdefault(tuple(map(compact, worded_texts)), len(words))
        key = hash(text_key(row))
        if place == len(words):
            words.append(worded_texts)
            first.append([-1] * len(names))
            exact[place] = set()
        starts = first[place]
        if starts[home] >= 0 and (home, key) not in exact[place]:
            within[names[home]].append(_Near(row, rows[starts[home]]))
        for earlier in range(home):
            if starts[earlier] >= 0 and (earlier, key) not in exact[place]:
                across.setdefault((names[home], names[earlier]), []).append(_Near(row, rows[starts[earlier]]))
        if starts[home] < 0:
            starts[home] = index
        exact[place].add((home, key))
    return _Texts(words, np.array(first, dtype=np.int64).reshape(len(words), len(names)))


def _pairs(texts: _Texts) -> list[tuple[int, int]]:
    """The different texts that are nearly the same, the lower place first; for each, enough to place its rows.

    Rows made from a template are all alike, and comparing each with each would take for ever: a text is compared until
    it is nearly the same as one text of the same splits, the likeliest first, and given up after `_MOST_TRIED`.
    """
    if len(texts.words) < 2:
        return []
    signed = signatures([" ".join(words) for words in texts.words])
    homes = (texts.first >= 0) @ (1 << np.arange(texts.first.shape[1]))
    done: set[tuple[int, int]] = set()
    tried: Counter[tuple[int, int]] = Counter()
    found = []
    least = np.array([_least(words) for words in texts.words])
    for one, other in candidates(signed, least=least):
        key = (other, int(homes[one]))
        if key in done or tried[key] >= _MOST_TRIED:
            continue
        tried[key] += 1
        if len(texts.words[one]) == len(texts.words[other]) and nearly_same(texts.words[one], texts.words[other]):
            done.add(key)
            found.append((one, other))
    return found


def _least(words: tuple[str, ...]) -> float:
    """The estimate from which on a text is compared: of one that has no slips to be forgiven, nearer to the similarity.

    Rows of a long template are alike by half, and comparing ten pairs of each exactly is what takes the time.
    """
    [text, *more] = words
    is_long = not more and len(text) <= SIGNED_CHARACTERS and text.count(" ") + 1 >= SHORT
    return _LEAST_OF_LONG if is_long else _LEAST


def _place(
    texts: _Texts,
    rows: Sequence[Row],
    pair: tuple[int, int],
    names: Sequence[str],
    within: dict[str, list[_Near]],
    across: dict[tuple[str, str], list[_Near]],
) -> None:
    """Put a pair of nearly equal texts where its rows are: into one split's results, or those of two."""
    for home, name in enumerate(names):
        one, other = sorted(int(texts.first[place, home]) for place in pair)
        if one >= 0:
            within[name].append(_Near(rows[other], rows[one]))
        for earlier in range(home):
            for late, early in (pair, pair[::-1]):
                row, there = int(texts.first[late, home]), int(texts.first[early, earlier])
                if row >= 0 and there >= 0 and texts.first[late, earlier] < 0:
                    across.setdefault((name, names[earlier]), []).append(_Near(rows[row], rows[there]))


def _duplicates(split: str, found: Sequence[_Near], share: float, what: What) -> Finding:
    suffix = "" if split == "train" else f"_in_{split}"
    advice = "look at the examples; keep one of each if they are slips" + (
        ", or name a column that links them (data.group)" if split == "train" else ""
    )
    meaning = f"{split} rows nearly the same as an earlier one"
    return _finding(f"near_duplicates{suffix}", meaning + _differing(found, what), advice, found, share)


def _shared(split: str, other: str, found: Sequence[_Near], share: float, what: What) -> Finding:
    meaning = f"{split} rows nearly the same as a row of {other}; they flatter the {split} figures"
    advice = "look at the examples; if they are slips, remove one of each, or keep them together with data.group"
    return _finding(f"{split}_rows_nearly_in_{other}", meaning + _differing(found, what), advice, found, share)


def _differing(found: Sequence[_Near], what: What) -> str:
    differ = sum(near.row.fields["label"] != near.other.fields["label"] for near in _by_row(found))
    return f"; {differ:,} of them with another {what}" if differ and what != "answer" else ""


def _by_row(found: Sequence[_Near]) -> list[_Near]:
    """The first partner of each row, in the files' order."""
    first = {(near.row.file, near.row.number): near for near in reversed(found)}
    return [first[place] for place in sorted(first)]


def _finding(name: str, meaning: str, advice: str, found: Sequence[_Near], share: float) -> Finding:
    nears = _by_row(found)
    meaning += f"; found in a sample of {share:.0%} of the rows, so there are more" if share < 1 else ""
    examples = tuple(_example(near) for near in nears[:MOST_EXAMPLES])
    return Finding(name=name, count=len(nears), meaning=meaning, advice=advice, examples=examples)


def _example(near: _Near) -> str:
    """Where the two rows are, and how the first begins; personal data is masked."""
    other = f"row {near.other.number}" if near.other.file == near.row.file else near.other.where
    return f"{near.row.where} is nearly {other}: {masked_excerpt(near.row.fields['text'])}"
