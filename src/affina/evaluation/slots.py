"""Slot coverage of data-to-text: which attributes of its input a text states, which it misses, which it invents.

An attribute with its value is stated by the value's own words, or by a phrase that the training texts use for it and
for hardly anything else ("5 star" for `rating[5 out of 5]`). The phrases are learned from the training rows: an
approximation, whose error is what the references themselves seem to miss and invent; that figure belongs beside every
other.

This module reads no file and generates nothing.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from affina.evaluation.intervals import Floats, bootstrap
from affina.record.payloads import Measured

Slot = tuple[str, str]
"""An attribute and its value."""
Words = tuple[str, ...]

LONGEST_PHRASE: Final = 4
LEAST_SUPPORT: Final = 10
"""Training texts with a phrase, below which it says nothing."""
PRECISION: Final = 0.9
"""Share of the texts with a phrase whose input has the slot that it stands for (docs/log.md has other shares)."""
MOST_ROWS: Final = 5_000
"""Training rows that phrases are learned from."""
_WORD: Final = re.compile(r"\w+")
_BRACKETS: Final = re.compile(r"\s*([^\[\],|]+)\[([^\]]*)\]\s*[,|]?")
_PAIR: Final = re.compile(r"\s*([^:=|;]+?)\s*[:=]\s*([^|;]*?)\s*(?:[|;]|$)")


def parse_slots(given: str) -> tuple[Slot, ...]:
    """Attributes with values as people write them: `a[x], b[y]`, `a: x | b: y` or `a = x; b = y`; else nothing."""
    for pattern in (_BRACKETS, _PAIR):
        found = []
        position = 0
        while position < len(given.rstrip()) and (match := pattern.match(given, position)) and match.end() > position:
            found.append((match[1].strip(), match[2].strip()))
            position = match.end()
        if found and position >= len(given.rstrip()):
            return tuple(found)
    return ()


NAMES: Final = ("slot_error", "slot_missed", "slot_invented")
"""Of the slots of the inputs, the share that texts get wrong, and its two parts; inventions may make it more than 1."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What each row contributes, [rows] each: the slots of its input, and how many its text misses and invents."""

    slots: Floats
    missed: Floats
    invented: Floats


def count(phrases: Phrases, inputs: Sequence[str], texts: Sequence[str]) -> Counts:
    """Count the slots that texts miss and invent.

    Args:
        phrases: what stands for a slot.
        inputs: as they stand in the rows.
        texts: one for each.
    """
    parsed = map(parse_slots, inputs)
    pairs = [(given, phrases.coverage(text, given)) for given, text in zip(parsed, texts, strict=True)]
    return Counts(
        slots=np.asarray([len(slots) for slots, _ in pairs], dtype=np.float64),
        missed=np.asarray([len(found.missed) for _, found in pairs], dtype=np.float64),
        invented=np.asarray([len(found.invented) for _, found in pairs], dtype=np.float64),
    )


def score(rows: Counts, *, resamples: int, confidence: float, seed: int) -> dict[str, Measured]:
    """Each metric with its interval over the rows."""

    def measure(weights: Floats) -> Floats:
        total, missed, invented = (float(weights @ part) for part in (rows.slots, rows.missed, rows.invented))
        return np.asarray([missed + invented, missed, invented]) / max(total, 1.0)

    found = bootstrap(measure, len(rows.slots), resamples=resamples, confidence=confidence, seed=seed)
    values = zip(NAMES, *(part.tolist() for part in found), strict=True)
    return {name: Measured(value=value, low=low, high=high, n=len(rows.slots)) for name, value, low, high in values}


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a text says of its input."""

    stated: tuple[Slot, ...]
    missed: tuple[Slot, ...]
    invented: tuple[Slot, ...]
    """Values that it states and that its input does not have."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """What the training texts say for each slot.

    Attributes:
        meanings: a phrase to the slot that it stands for.
    """

    meanings: Mapping[Words, Slot]

    def coverage(self, text: str, slots: Sequence[Slot]) -> Coverage:
        """What `text` states, misses and invents of `slots`."""
        phrases = set(_phrases(_words(text), longest=max(map(len, self.meanings), default=1)))
        said = {self.meanings[phrase] for phrase in phrases if phrase in self.meanings}
        given = set(slots)
        stated = tuple(slot for slot in slots if slot in said or _literally(slot, phrases))
        invented = tuple(sorted(slot for slot in said if slot not in given))
        return Coverage(stated, tuple(slot for slot in slots if slot not in stated), invented)


def learn(rows: Sequence[tuple[Sequence[Slot], str]]) -> Phrases:
    """The phrases that stand for a slot, from training rows.

    Args:
        rows: the slots of each input with a text that was written for it.
    """
    texts: Counter[Words] = Counter()
    together: dict[Words, Counter[Slot]] = defaultdict(Counter)
    for slots, text in rows[:MOST_ROWS]:
        for phrase in set(_phrases(_words(text), longest=LONGEST_PHRASE)):
            texts[phrase] += 1
            together[phrase].update(slots)
    meanings = {
        phrase: found[0][0]
        for phrase, count in texts.items()
        if count >= LEAST_SUPPORT and (found := together[phrase].most_common(2)) and _stands_for(found, count)
    }
    own = {tuple(_words(slot[1])): slot for slots, _ in rows for slot in slots}
    shared = Counter(tuple(_words(value)) for _, value in {slot for slots, _ in rows for slot in slots})
    literal = {words: slot for words, slot in own.items() if len(words) and shared[words] == 1 and not _vague(words)}
    return Phrases(_shortest(meanings) | literal)


def _stands_for(found: Sequence[tuple[Slot, int]], count: int) -> bool:
    """Whether a phrase goes with its first slot nearly always, and with no second one as often."""
    return found[0][1] >= PRECISION * count and (len(found) == 1 or found[1][1] < PRECISION * count)


def _shortest(meanings: Mapping[Words, Slot]) -> dict[Words, Slot]:
    """Without phrases that hold a shorter one of the same meaning."""
    return {
        phrase: slot
        for phrase, slot in meanings.items()
        if not any(part != phrase and meanings.get(part) == slot for part in _phrases(phrase, longest=len(phrase)))
    }


def _literally(slot: Slot, phrases: set[Words]) -> bool:
    words = tuple(_words(slot[1]))
    return not _vague(words) and words in phrases


def _vague(words: Words) -> bool:
    """A value such as `yes` or `no`, which says nothing without its attribute."""
    return not words or (len(words) == 1 and (len(words[0]) <= 3 or words[0] in {"true", "false", "none"}))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _phrases(words: Sequence[str], *, longest: int) -> Iterator[Words]:
    for length in range(1, longest + 1):
        for start in range(len(words) - length + 1):
            yield tuple(words[start : start + length])


LEAST_SHARE: Final = 0.9
"""Of the inputs must read as attributes with values, for slots to be counted."""


def phrases_of(pairs: Sequence[tuple[str, str]]) -> Phrases | None:
    """The phrases that training rows teach; None where their inputs are no attributes with values.

    Args:
        pairs: inputs, and the texts that were written for them.
    """
    parsed = [(parse_slots(given), text) for given, text in pairs]
    with_slots = [(slots, text) for slots, text in parsed if slots]
    if not parsed or len(with_slots) < LEAST_SHARE * len(parsed):
        return None
    return learn(with_slots)
