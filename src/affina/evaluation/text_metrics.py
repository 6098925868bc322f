"""Metrics of generated texts against references: BLEU, chrF, ROUGE-L and exact match, with intervals over the rows.

BLEU (Papineni et al. 2002) and chrF (Popovic 2015) are sacrebleu's own numbers, with its signatures; corpus scores are
made of counts that add up over rows, so a resample is a weighted sum of them. ROUGE-L (Lin 2004, section 3) is the F1
of the longest common subsequence of words, the mean over rows; of several references the best one counts. A row may
have any number of references.

This module generates nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from affina.evaluation.intervals import Floats, bootstrap
from affina.evaluation.proportions import widened
from affina.record.figures import Measured

NAMES: Final = ("bleu", "chrf", "rouge_l", "exact_match")
"""The metrics, in the order in which they are computed; BLEU and chrF from 0 to 100, the others from 0 to 1."""
SHARES: Final = NAMES[2:]
_WORD: Final = re.compile(r"\w+")

References = Sequence[Sequence[str]]
"""For each row its references, one at least."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """What each row contributes.

    Attributes:
        bleu: [rows, counts], as sacrebleu counts them.
        chrf: [rows, counts].
        rouge_l: [rows].
        exact: [rows], 1 where the output is a reference, outer blanks and Unicode forms aside.
    """

    bleu: Floats
    chrf: Floats
    rouge_l: Floats
    exact: Floats


def statistics(outputs: Sequence[str], references: References) -> Statistics:
    """What `measure` needs, row by row.

    Args:
        outputs: one text a row.
        references: the texts that each is compared with.

    Raises:
        ValueError: another number of rows, or a row without a reference.
    """
    if len(outputs) != len(references) or not all(references):
        raise ValueError("one list of references a row, with one reference at least")
    streams = _streams(references)
    return Statistics(
        bleu=np.asarray(_BLEU._extract_corpus_statistics(list(outputs), streams), dtype=np.float64),
        chrf=np.asarray(_CHRF._extract_corpus_statistics(list(outputs), streams), dtype=np.float64),
        rouge_l=np.asarray([_best_rouge_l(out, refs) for out, refs in zip(outputs, references, strict=True)]),
        exact=np.asarray([_is_exact(out, refs) for out, refs in zip(outputs, references, strict=True)], np.float64),
    )


def measure(rows: Statistics, weights: Floats) -> Floats:
    """The metrics where row i counts `weights[i]` times, in the order of `NAMES`."""
    total = weights.sum()
    return np.asarray(
        [
            _BLEU._compute_score_from_stats((weights @ rows.bleu).tolist()).score,
            _CHRF._compute_score_from_stats((weights @ rows.chrf).tolist()).score,
            weights @ rows.rouge_l / total,
            weights @ rows.exact / total,
        ]
    )


def score(rows: Statistics, *, resamples: int, confidence: float, seed: int) -> dict[str, Measured]:
    """Each metric with its interval."""
    found = bootstrap(
        lambda weights: measure(rows, weights), len(rows.exact), resamples=resamples, confidence=confidence, seed=seed
    )
    values = zip(NAMES, *(part.tolist() for part in found), strict=True)
    figures = {name: Measured(value=value, low=low, high=high, n=len(rows.exact)) for name, value, low, high in values}
    return {name: widened(one, confidence=confidence) if name in SHARES else one for name, one in figures.items()}


def signatures(outputs: Sequence[str], references: References) -> dict[str, str]:
    """What sacrebleu asks to be reported beside its numbers."""
    streams = _streams(references)
    return {
        name: str(_with_signature(metric, list(outputs), streams))
        for name, metric in (("bleu", BLEU(force=True)), ("chrf", CHRF()))
    }


def rouge_l(output: str, reference: str) -> float:
    """ROUGE-L F1 of two texts; words are runs of letters and digits, case aside."""
    said, wanted = _words(output), _words(reference)
    common = _longest_common(said, wanted)
    return 2 * common / (len(said) + len(wanted)) if common else 0.0


_BLEU: Final[Any] = BLEU(force=True)  # without a notice where texts come tokenized, as E2E's do
_CHRF: Final[Any] = CHRF()


def _with_signature(metric: Any, outputs: list[str], streams: list[list[str | None]]) -> Any:
    metric.corpus_score(outputs, streams)
    return metric.get_signature()


def _streams(references: References) -> list[list[str | None]]:
    """First references, second references, ...: None where a row has no more, as sacrebleu wants them."""
    most = max(map(len, references))
    return [[refs[place] if place < len(refs) else None for refs in references] for place in range(most)]


def _best_rouge_l(output: str, references: Sequence[str]) -> float:
    return max(rouge_l(output, reference) for reference in references)


def _is_exact(output: str, references: Sequence[str]) -> bool:
    return _plain(output) in {_plain(reference) for reference in references}


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFC", text).lower())


def _longest_common(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest common subsequence, in O(len(left) x len(right)) time and one line of memory."""
    numbers = {word: number for number, word in enumerate(dict.fromkeys(right))}
    codes = np.asarray([numbers[word] for word in right], dtype=np.int64)
    line = np.zeros(len(right) + 1, dtype=np.int64)
    for word in left:
        if word in numbers:
            # the best that ends at or before each place: one more than before each match, or what was there
            hit = np.where(codes == numbers[word], line[:-1] + 1, line[1:])
            line[1:] = np.maximum.accumulate(hit)
    return int(line[-1])
