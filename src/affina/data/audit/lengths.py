"""How long texts are: the quantiles that the audit shows. What counts as a length is the caller's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from affina.data.rows import Row
from affina.record.audited import Lengths


def describe_lengths(values: ArrayLike, *, split: str, unit: str) -> tuple[Lengths, ...]:
    """The quantiles of some lengths, each a length that occurs; none of no lengths."""
    lengths = np.asarray(values, dtype=np.int64)
    if not len(lengths):
        return ()
    q05, q25, median, q75, q95 = np.quantile(lengths, (0.05, 0.25, 0.5, 0.75, 0.95), method="inverted_cdf").tolist()
    found = Lengths(
        split=split,
        unit=unit,
        rows=len(lengths),
        least=int(lengths.min()),
        q05=q05,
        q25=q25,
        median=median,
        q75=q75,
        q95=q95,
        most=int(lengths.max()),
        total=int(lengths.sum()),
    )
    return (found,)


def text_lengths(rows: Sequence[Row], *, split: str, written: bool = False) -> tuple[Lengths, ...]:
    """The lengths of a split's texts in characters and in words, both texts of a pair together.

    Args:
        rows: of the split.
        split: its name.
        written: whether labels are texts to be written, whose lengths are told too.
    """
    characters = [sum(map(len, row.texts)) for row in rows]
    words = [sum(len(text.split()) for text in row.texts) for row in rows]
    answers = [row.fields["label"] for row in rows if written and row.fields["label"]]
    return (
        *describe_lengths(characters, split=split, unit="characters"),
        *describe_lengths(words, split=split, unit="words"),
        *describe_lengths([len(text) for text in answers], split=split, unit="characters of the answers"),
        *describe_lengths([len(text.split()) for text in answers], split=split, unit="words of the answers"),
    )
