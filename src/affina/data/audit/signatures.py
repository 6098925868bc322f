"""MinHash signatures of texts, and which texts they make candidates of near duplication; all in numpy.

A text is the set of its character shingles. The share of equal entries in two signatures estimates the Jaccard
similarity of the sets (Broder 1997); cut into bands, texts that are equal in a whole band are candidates (Leskovec,
Rajaraman & Ullman 2020, section 3.4). Whether candidates are near duplicates is decided exactly, in `near`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

SHINGLE: Final = 5
"""Characters."""
BANDS: Final = 14
ROWS: Final = 5
"""Entries in a band: with 14 bands of 5, a pair of similarity 0.85 is a candidate with probability 0.9997, one of 0.6
with 0.68, one of 0.3 with 0.03."""
NEIGHBOURS: Final = 4
"""Texts of a band's bucket that each is paired with, besides the first."""
SIGNED_CHARACTERS: Final = 1_000
"""Of each text, from its start: what a signature is made of."""
_CHUNK: Final = 2_000_000
"""Characters whose shingles are in memory at once."""
_PAIRS_AT_ONCE: Final = 100_000

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]


def shingles(text: str) -> Hashes:
    """The hashes of a text's character shingles, each once, sorted; a shorter text is one shingle."""
    hashes, _ = _windows([text])
    return np.unique(hashes)


def signatures(texts: Sequence[str]) -> Hashes:
    """MinHash signatures: [texts, BANDS x ROWS]."""
    generator = np.random.default_rng(0)
    factors = generator.integers(0, 2**63, BANDS * ROWS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    found = np.empty((len(texts), len(factors)), dtype=np.uint64)
    start = 0
    while start < len(texts):
        end, size = start, 0
        while end < len(texts) and (size == 0 or size < _CHUNK):
            size += min(len(texts[end]), SIGNED_CHARACTERS)
            end += 1
        hashes, starts = _windows([text[:SIGNED_CHARACTERS] for text in texts[start:end]])
        for place, factor in enumerate(factors):
            # an odd factor is a bijection of the 64-bit numbers: each orders the hashes anew
            found[start:end, place] = np.minimum.reduceat(_mixed(hashes * factor), starts)
        start = end
    return found


def candidates(signed: Hashes, *, least: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Pairs of texts that are equal in a band, the lower place first; for each later text the likeliest first.

    Args:
        signed: [texts, BANDS x ROWS].
        least: [texts], the share of equal entries from which on a pair is a candidate: the larger one of its two.
    """
    pairs = np.unique(np.concatenate([_in_band(signed, band, least) for band in range(BANDS)]))
    one, other = pairs // len(signed), pairs % len(signed)
    order = np.lexsort((-_agreement(signed, one, other), other))
    for start in range(0, len(order), _PAIRS_AT_ONCE):
        part = order[start : start + _PAIRS_AT_ONCE]
        yield from zip(one[part].tolist(), other[part].tolist(), strict=True)


def _in_band(signed: Hashes, band: int, least: NDArray[np.float64]) -> Places:
    """The pairs of one band's buckets whose signatures are alike enough, each as one number."""
    bucket = signed[:, band * ROWS].copy()
    for entry in range(1, ROWS):
        bucket = bucket * np.uint64(0x100000001B3) + signed[:, band * ROWS + entry]
    order = np.argsort(bucket, kind="stable")
    ordered, places = bucket[order], np.arange(len(order))
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    start = np.maximum.accumulate(np.where(new, places, 0))
    found = []
    for partner in (start, *(places - step for step in range(1, NEIGHBOURS + 1))):
        inside = np.flatnonzero((partner >= start) & (partner < places))
        one, other = order[partner[inside]], order[inside]  # a stable order: the partner's place is the lower one
        keep = _agreement(signed, one, other) >= np.maximum(least[one], least[other])
        found.append(one[keep] * len(signed) + other[keep])
    return np.unique(np.concatenate(found))


def _agreement(signed: Hashes, one: Places, other: Places) -> NDArray[np.float64]:
    """The share of equal entries of each pair."""
    found = np.empty(len(one))
    for start in range(0, len(one), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        found[part] = (signed[one[part]] == signed[other[part]]).mean(axis=1)
    return found


def _windows(texts: Sequence[str]) -> tuple[Hashes, Places]:
    """The hash of every shingle of every text, one text after the other, and where each text's begin."""
    padded = [text.ljust(SHINGLE) for text in texts]
    letters = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    lengths = np.array([len(text) for text in padded], dtype=np.int64)
    hashes = np.zeros(len(letters) - SHINGLE + 1, dtype=np.uint64)
    for offset in range(SHINGLE):
        hashes = hashes * np.uint64(0x100000001B3) + letters[offset : len(letters) - SHINGLE + 1 + offset]
    ends = np.cumsum(lengths)
    inside = np.ones(len(letters), dtype=bool)
    for offset in range(1, SHINGLE):
        inside[ends - offset] = False  # windows that would reach into the next text
    counts = lengths - SHINGLE + 1
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    return _mixed(hashes[inside[: len(hashes)]]), starts


def _mixed(values: Hashes) -> Hashes:
    """Spread over all 64 bits: two rounds of splitmix64's finalizer (Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    return values ^ (values >> np.uint64(31))
