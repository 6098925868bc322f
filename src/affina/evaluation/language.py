"""Whether a model was made for the language of the texts, as far as its tokenizer shows: no language is identified.

A tokenizer is made from the texts that a model was trained on, and cuts what was rare there into small pieces (Rust et
al. 2021, section 3). Measured are the letters in a piece, over the plain words of a sample of rows, next to the most
that the same tokenizer reaches on everyday passages in six languages; and the share of words with a piece that it does
not know. This module does not load tokenizers.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from affina.data.rows import Row
from affina.evaluation.passages import PASSAGES
from affina.record.audited import Check
from affina.record.payloads import Finding

MOST_ROWS: Final = 2_000
MOST_CHARACTERS: Final = 2_000
"""Of each text, from its start."""
UNFAMILIAR: Final = "unfamiliar_language"
"""The name of the finding."""
FEWEST_WORDS: Final = 50
"""With fewer words than this, nothing is said."""
LEAST_SHARE: Final = 0.75
"""Of the letters in a piece of the tokenizer's own language: measured on 24 columns of real sets, English texts reach
0.80 to 1.10 of it and texts in other languages 0.5 to 0.69 (docs/log.md)."""
LEAST_OF_SCRIPT: Final = {"LATIN": 0.0, "CJK": 0.9, "HIRAGANA": 0.9, "KATAKANA": 0.9, "HANGUL": 0.9, "THAI": 0.9}
"""Letters in a piece, by script; scripts that write many words with few letters, or without blanks, have their own."""
LEAST_OF_OTHERS: Final = 1.5
MOST_UNKNOWN: Final = 0.05
CODES: Final = {"English": "en", "Italian": "it", "German": "de", "French": "fr", "Spanish": "es", "Portuguese": "pt"}
LEAST_COVERED: Final = 0.06
"""Of the words, by those of one passage alone: texts of five languages have 0.10 to 0.23 of their own passage's, and
0.02 at the most of another's (docs/log.md),"""
TIMES: Final = 3.0
"""and so many times what the next language has."""
_WORD: Final = re.compile(r"[^\W\d_]+")
_NO_WORDS: Final = re.compile(r"\S*(?:[@#/\\]|\w\.\w)\S*")
"""Addresses, user names, hashtags, paths."""


@dataclass(frozen=True, slots=True)
class _Pieces:
    """How a tokenizer cuts words: letters in the mean piece, and the share of words with an unknown piece."""

    letters: float
    unknown: float


def check_language(
    tokenizer: Any, rows: Sequence[Row], *, model: str, seed: int, written: bool = False
) -> tuple[tuple[Finding, ...], tuple[Check, ...]]:
    """Compare how the tokenizer cuts the texts with how it cuts its own language.

    Args:
        tokenizer: the model's own (transformers).
        rows: of the training split.
        model: its name, for the sentences.
        seed: decides the sample.
        written: look at the texts that are to be written, not at those that are read.

    Returns:
        A finding where the texts look foreign to it, and what was measured; nothing of fewer than `FEWEST_WORDS`.
    """
    chosen = np.random.default_rng(seed).permutation(len(rows))[:MOST_ROWS].tolist()
    words = Counter(word for place in chosen for text in _texts(rows[place], written) for word in words_of(text))
    if words.total() < FEWEST_WORDS:
        return (), ()
    own = {name: _cut(tokenizer, Counter(words_of(text))).letters for name, text in PASSAGES.items()}
    best = max(own, key=lambda name: own[name])
    found = _cut(tokenizer, words)
    script, share = _script(words)
    how = (
        f"the tokenizer of {model} cuts the plain words into pieces of {found.letters:.1f} letters on average, and"
        f" those of {best}, which it cuts the least of {len(own)} languages, into pieces of {own[best]:.1f};"
        f" {found.unknown:.1%} of the words hold a piece that it does not know, and {share:.0%} of the letters are"
        f" {script.title()}"
    )
    which = "the answers" if written else "these texts"
    check = Check(name=f"language of {which}" if written else "language", rows=len(chosen), of=len(rows), how=how)
    least = LEAST_SHARE * own[best] if script == "LATIN" else LEAST_OF_SCRIPT.get(script, LEAST_OF_OTHERS)
    likely = _likeliest(words)
    # names are cut small in any language: one that the tokenizer cuts nearly as little as its best is its own
    made_for = bool(likely) and own[likely] >= LEAST_SHARE * own[best]
    if found.unknown <= MOST_UNKNOWN and (found.letters >= least or made_for):
        return (), (check,)
    guess = f", which looks like {likely}" if likely else ""
    finding = Finding(
        name=f"{UNFAMILIAR}_of_answers" if written else UNFAMILIAR,
        count=len(rows),
        meaning=f"{model} seems not to be made for the language of {which}{guess}: {how.partition(';')[0]}",
        advice="choose a model that was trained on the language (model=...), or expect less of it",
    )
    return (finding,), (check,)


def _texts(row: Row, written: bool) -> tuple[str, ...]:
    return (row.fields["label"],) if written else row.texts


def words_of(text: str) -> Iterable[str]:
    """The plain words of a text's beginning: letters alone, no addresses, user names or hashtags."""
    return _WORD.findall(_NO_WORDS.sub(" ", text[:MOST_CHARACTERS]))


def _cut(tokenizer: Any, words: Counter[str]) -> _Pieces:
    kinds = list(words)
    pieces = tokenizer([f" {word}" for word in kinds], add_special_tokens=False)["input_ids"]
    unknown = None if tokenizer.unk_token == tokenizer.eos_token else tokenizer.unk_token_id
    letters = sum(len(word) * words[word] for word in kinds)
    count = sum(len(ids) * words[word] for word, ids in zip(kinds, pieces, strict=True))
    strange = sum(words[word] for word, ids in zip(kinds, pieces, strict=True) if unknown in ids)
    return _Pieces(letters / max(1, count), strange / words.total())


def _script(words: Counter[str]) -> tuple[str, float]:
    """The script of most letters, as Unicode names it, and its share."""
    letters = Counter[str]()
    for word, count in words.items():
        for letter in word:
            letters[letter] += count
    scripts = Counter[str]()
    for letter, count in letters.items():
        scripts[unicodedata.name(letter, "UNKNOWN").split(" ")[0].split("-")[0]] += count
    name, most = scripts.most_common(1)[0]
    return name, most / scripts.total()


def language_of(rows: Sequence[Row], *, seed: int) -> str:
    """The code of the language that most of the rows' words speak for; empty where none of the six clearly is it."""
    chosen = np.random.default_rng(seed).permutation(len(rows))[:MOST_ROWS].tolist()
    words = Counter(word for place in chosen for text in rows[place].texts for word in words_of(text))
    return CODES[_likeliest(words)] if words.total() >= FEWEST_WORDS and _likeliest(words) else ""


def _likeliest(words: Counter[str]) -> str:
    """The language of the passage whose own words, which no other passage has, cover clearly the most of these."""
    lower = Counter[str]()
    for word, count in words.items():
        lower[word.lower()] += count
    passages = {name: {word.lower() for word in words_of(text)} for name, text in PASSAGES.items()}
    shared = Counter(word for own in passages.values() for word in own)
    covered = {
        name: sum(lower[word] for word in own if shared[word] == 1) / lower.total() for name, own in passages.items()
    }
    first, second = sorted(covered, key=lambda name: -covered[name])[:2]
    return first if covered[first] >= LEAST_COVERED and covered[first] >= TIMES * covered[second] else ""
