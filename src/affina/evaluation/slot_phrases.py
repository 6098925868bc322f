"""The attributes of an input, and what a text says for each: their values' own words, and phrases learned from texts.

A value is stated by its own words, or by a phrase that the training texts use for it and for hardly anything else
("5 star" for `rating[5 out of 5]`). A value that says nothing without its attribute (`familyFriendly[yes]`) is looked
for by such phrases alone; where none was learned, it is not judged. The phrases are an approximation, whose error is
what the references themselves seem to miss and invent; that figure belongs beside every other.

How inputs are written is `slot_notation`. This module counts no rows (`slots`) and reads no file.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from affina.evaluation.slot_notation import LEAST_SHARE, Slot, are_headings, is_plain, parse_slots

Words = tuple[str, ...]

LONGEST_PHRASE: Final = 4
LEAST_SUPPORT: Final = 10
"""Training texts with a phrase, below which it says nothing."""
PRECISION: Final = 0.9
"""Share of the texts with a phrase whose input has the slot that it stands for (docs/log.md has other shares)."""
MOST_ROWS: Final = 5_000
"""Training rows that phrases are learned from."""
MOST_TRIED: Final = 500
"""Training rows on which it is seen whether texts say their attributes."""
LEAST_SAID: Final = 0.5
"""Share of the texts with an attribute that say it; fewer are written by it. E2E's references say 81% of all."""
_WORD: Final = re.compile(r"\w+")
_SAYS_NOTHING: Final = frozenset({"yes", "no", "true", "false", "none", "null", "unknown", "on", "off", "0", "1"})
"""Values that mean nothing without their attribute."""
_SHORT: Final = 3
"""Letters of a word that is no sign of a value that the input does not have."""
_SHOWN: Final = 60
"""Letters of what is no phrase, in an error."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a text says of its input."""

    stated: tuple[Slot, ...]
    missed: tuple[Slot, ...]
    invented: tuple[Slot, ...]
    """Values that it states and that its input does not have."""
    unjudged: tuple[Slot, ...]
    """Slots of the input that nothing can be looked for of: neither stated nor missed."""


@dataclass(frozen=True)
class Phrases:
    """What stands for each slot.

    Attributes:
        meanings: a phrase to the slot that it stands for.
        unsaid: attributes that texts are written by and do not say, such as a style: these are not judged.
    """

    meanings: Mapping[Words, Slot]
    unsaid: frozenset[str] = frozenset()

    @cached_property
    def _lengths(self) -> tuple[int, ...]:
        return tuple(sorted({len(phrase) for phrase in self.meanings}))

    @cached_property
    def _learned(self) -> frozenset[Slot]:
        return frozenset(self.meanings.values())

    def judges(self, slot: Slot) -> bool:
        """Whether a text can be asked for a slot: its value has words of its own, or a phrase stands for it."""
        if slot[0] in self.unsaid:
            return False
        return slot in self._learned or not _says_nothing(_words(slot[1]))

    def coverage(self, text: str, slots: Sequence[Slot]) -> Coverage:
        """What `text` states, misses and invents of `slots`."""
        words = _words(text)
        said = {self.meanings[phrase] for phrase in _phrases(words, self._lengths) if phrase in self.meanings}
        given, judged = set(slots), [slot for slot in slots if self.judges(slot)]
        stated = tuple(slot for slot in judged if slot in said or _is_in(_words(slot[1]), words))
        return Coverage(
            stated=stated,
            missed=tuple(slot for slot in judged if slot not in stated),
            invented=tuple(sorted(slot for slot in said if slot not in given)),
            unjudged=tuple(slot for slot in slots if slot not in judged),
        )

    def dump(self) -> str:
        """As JSON text: an object for each phrase."""
        found = [
            {"phrase": " ".join(phrase), "attribute": slot[0], "value": slot[1]}
            for phrase, slot in self.meanings.items()
        ]
        return json.dumps({"phrases": found, "unsaid": sorted(self.unsaid)}, ensure_ascii=False, indent=1) + "\n"


def load_phrases(text: str) -> Phrases:
    """What `dump` wrote.

    Raises:
        ValueError: the text is something else.
    """
    match json.loads(text):
        case {"phrases": [*found], **rest}:
            unsaid = rest.get("unsaid", [])
            if isinstance(unsaid, list) and all(isinstance(name, str) for name in unsaid):
                return Phrases(dict(map(_meaning, found)), frozenset(unsaid))
    raise ValueError("no object with a list of phrases")


def _meaning(one: Any) -> tuple[Words, Slot]:
    match one:
        case {"phrase": str(phrase), "attribute": str(attribute), "value": str(value)}:
            return tuple(phrase.split(" ")), (attribute, value)
    raise ValueError(f"no phrase with an attribute and a value: {json.dumps(one)[:_SHOWN]}")


def phrases_of(pairs: Sequence[tuple[str, str]]) -> Phrases | None:
    """The phrases that training rows teach; None where their inputs are no attributes with values.

    Args:
        pairs: inputs, and the texts that were written for them.
    """
    parsed = [(parse_slots(given), text) for given, text in pairs]
    with_slots = [(slots, text) for slots, text in parsed if slots]
    if not parsed or len(with_slots) < LEAST_SHARE * len(parsed):
        return None
    plain = [slots for (given, _), (slots, _) in zip(pairs, parsed, strict=True) if slots and is_plain(given)]
    if are_headings(plain):
        return None
    found = learn(with_slots)
    unsaid = _unsaid(found, with_slots[:MOST_TRIED])
    names = {name for slots, _ in with_slots for name, _ in slots}
    return None if names <= unsaid else replace(found, unsaid=unsaid)


def _unsaid(phrases: Phrases, rows: Sequence[tuple[Sequence[Slot], str]]) -> frozenset[str]:
    """The attributes that texts do not say, but are written by."""
    found = [phrases.coverage(text, slots) for slots, text in rows]
    missed = Counter(name for one in found for name, _ in one.missed)
    stated = Counter(name for one in found for name, _ in one.stated)
    return frozenset(name for name, count in missed.items() if stated[name] < LEAST_SAID * (stated[name] + count))


def learn(rows: Sequence[tuple[Sequence[Slot], str]]) -> Phrases:
    """The phrases that stand for a slot, from training rows.

    Args:
        rows: the slots of each input with a text that was written for it.
    """
    texts: Counter[Words] = Counter()
    together: dict[Words, Counter[Slot]] = defaultdict(Counter)
    for slots, text in rows[:MOST_ROWS]:
        for phrase in set(_phrases(_words(text), range(1, LONGEST_PHRASE + 1))):
            texts[phrase] += 1
            together[phrase].update(slots)
    frequent = Counter(slot for slots, _ in rows[:MOST_ROWS] for slot in set(slots))
    nearly_all = {slot for slot, count in frequent.items() if count >= PRECISION * len(rows[:MOST_ROWS])}
    meanings = {
        phrase: found[0][0]
        for phrase, count in texts.items()
        if count >= LEAST_SUPPORT and (found := together[phrase].most_common(2)) and _stands_for(found, count)
        if found[0][0] not in nearly_all  # any phrase goes with these
    }
    own = {_words(slot[1]): slot for slots, _ in rows for slot in slots}
    shared = Counter(_words(value) for _, value in {slot for slots, _ in rows for slot in slots})
    literal = {words: slot for words, slot in own.items() if shared[words] == 1 and _is_a_sign(words)}
    return Phrases(_shortest(meanings) | literal)


def _stands_for(found: Sequence[tuple[Slot, int]], count: int) -> bool:
    """Whether a phrase goes with its first slot nearly always, and with no second one as often."""
    return found[0][1] >= PRECISION * count and (len(found) == 1 or found[1][1] < PRECISION * count)


def _shortest(meanings: Mapping[Words, Slot]) -> dict[Words, Slot]:
    """Without phrases that hold a shorter one of the same meaning."""
    return {
        phrase: slot
        for phrase, slot in meanings.items()
        if not any(part != phrase and meanings.get(part) == slot for part in _phrases(phrase, range(1, len(phrase))))
    }


def _says_nothing(words: Words) -> bool:
    """A value such as `yes`, which says nothing without its attribute."""
    return not words or (len(words) == 1 and words[0] in _SAYS_NOTHING)


def _is_a_sign(words: Words) -> bool:
    """Whether a value's own words, met in a text for another input, are that value and not a word by chance."""
    return not _says_nothing(words) and (len(words) > 1 or len(words[0]) > _SHORT)


def _is_in(part: Words, words: Words) -> bool:
    """Whether a value's words stand in a text one behind the other."""
    if _says_nothing(part):
        return False
    return any(words[start : start + len(part)] == part for start in range(len(words) - len(part) + 1))


def _words(text: str) -> Words:
    return tuple(_WORD.findall(text.lower()))


def _phrases(words: Words, lengths: Iterable[int]) -> Iterator[Words]:
    for length in lengths:
        for start in range(len(words) - length + 1):
            yield words[start : start + length]
