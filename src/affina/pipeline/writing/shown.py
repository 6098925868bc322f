"""What a report shows of texts: random ones, those that are furthest from their references, and each row's figures.

Texts are cut at `LONGEST`, and personal data in them is masked as in the audit: a record is passed on more easily than
the data behind it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from affina.data.audit.personal import masked
from affina.data.rows import Row, text_key
from affina.evaluation import perplexity, slots, text_metrics
from affina.evaluation.intervals import Floats
from affina.models.writing import Written
from affina.record.payloads import Sample
from affina.record.row_results import CUT_OFF, RowResults, WrittenTexts

if TYPE_CHECKING:
    from affina.pipeline.writing.writer import Judged, ToWrite

SAMPLES: Final = 8
WORST: Final = 20
LONGEST: Final = 600
"""Characters of a text that are recorded."""
LITTLE_ALIKE: Final = 0.5
"""ROUGE-L below which a text is far from its reference."""


def samples(wanted: ToWrite, found: Judged, *, seed: int) -> tuple[Sample, ...]:
    """Rows drawn at random.

    Args:
        wanted: the rows.
        found: the tuned model's text for each.
        seed: decides the draw.
    """
    order = np.random.default_rng(seed).permutation(len(wanted.rows))[:SAMPLES]
    return tuple(_sample(wanted, found, place) for place in order.tolist())


def worst(wanted: ToWrite, found: Judged) -> tuple[Sample, ...]:
    """The rows whose text has least in common with a reference (ROUGE-L), the worst first."""
    pairs = zip(found.written, wanted.references, strict=True)
    alike = [max(text_metrics.rouge_l(text.text, reference) for reference in known) for text, known in pairs]
    order = np.argsort(alike, kind="stable")[:WORST]
    return tuple(_sample(wanted, found, place) for place in order.tolist() if alike[place] < LITTLE_ALIKE)


def texts(written: Sequence[Written], *, who: str, split: str) -> WrittenTexts:
    """What a predictor wrote, for the record."""
    return WrittenTexts(who=who, split=split, texts=tuple(map(_said, written)))


def rows_of_texts(wanted: ToWrite, judged: Judged, *, who: str, split: str) -> RowResults:
    """Each written row's figures, so that predictors can be compared row by row.

    Raises:
        ValueError: nothing was written.
    """
    if (found := judged.texts) is None:
        raise ValueError("rows of texts need texts")
    covered = slots.count(judged.slots).parts if judged.slots else {}
    return RowResults(
        who=who,
        split=split,
        rows=tuple(
            _key([row.fields["text"], *known]) for row, known in zip(wanted.rows, wanted.references, strict=True)
        ),
        values={"rouge_l": _numbers(found.rouge_l), "exact_match": _numbers(found.exact)},
        parts={name: tuple(map(_numbers, counts.T)) for name, counts in (("chrf", found.chrf), ("bleu", found.bleu))}
        | {name: tuple(map(_numbers, pair)) for name, pair in covered.items()},
    )


def rows_of_losses(rows: Sequence[Row], found: perplexity.Statistics, *, who: str, split: str) -> RowResults:
    """The same where nothing is written."""
    keys = tuple(_key(text_key(row)) for row in rows)
    return RowResults(who=who, split=split, rows=keys, values={}, parts=perplexity.parts(found))


def _numbers(values: Floats) -> tuple[float, ...]:
    return tuple(float(f"{value:.6g}") for value in values.tolist())


def _key(texts: Iterable[str]) -> str:
    """Eight hexadecimal digits of the SHA-256 of what was asked and expected."""
    return hashlib.sha256("\0".join(texts).encode(errors="backslashreplace")).hexdigest()[:8]


def _sample(wanted: ToWrite, found: Judged, place: int) -> Sample:
    row, known = wanted.rows[place], wanted.references[place]
    asked = masked(row.fields["text"])
    more = f" [and {len(known) - 1} more]" if len(known) > 1 else ""
    return Sample(
        text=asked[:LONGEST],
        hidden=max(0, len(asked) - LONGEST),
        where=row.where,
        expected=_cut(masked(known[0])) + more,
        predicted=_said(found.written[place]),
        row=place,
        slots=masked(slots.told(found.slots[place])) if found.slots else "",
    )


def _said(text: Written) -> str:
    return _cut(masked(text.text.strip())) + ("" if text.ended else CUT_OFF)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} [{len(text) - LONGEST:,} more characters]"
