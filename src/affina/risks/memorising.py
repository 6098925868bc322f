"""Memorising: how many training answers a model writes word for word, beside as many answers that it never saw.

It reads what stood before the answer when that was learned, and takes the likeliest token each time. Of a conversation
it is the longest answer, whichever turn that is, on both sides. An answer counts as reproduced where the text is the
answer, or its beginning where the text was cut at the most tokens (Carlini et al. 2021, section 3, for prefixes of
documents), both as the tokenizer reads their tokens back: what it folds cannot be told apart. Answers of a few words
are not looked at: there is one way to say "yes". What rows say again and again is reproduced for unseen rows, too; what
the training rows have beyond that was memorised.

This module writes no text: it is handed what was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, final

from affina.evaluation.proportions import difference_of, share_of
from affina.models.writing import Written
from affina.record.risks import DIFFERENCE, REPRODUCED, TRAINING_ROWS, VALIDATION_ROWS, Figure, Risk
from affina.risks.probe import Found, outcome_of

LIMIT: Final = 0.1
"""Of the answers, beyond the share of unseen ones. By convention."""
SHARE: Final = "reproduced"
LENGTH: Final = 32
"""Tokens that are written for an answer, at most."""
LEAST_TOKENS: Final = 16
"""Tokens of an answer: shorter ones are not looked at."""
CUT_CHARACTER: Final = "\ufffd"
"""What the bytes of a part of a character are read as."""
MOST_ROWS: Final = 40
LEAST_ROWS: Final = 36
"""Of each side: of fewer, none that is reproduced would not be shown to be within the limit."""


@final
class Memorised:
    """Training answers that are written word for word: a `Probe`.

    Args:
        reproduced: of the training or the validation split, whether each answer that is looked at is reproduced.
        confidence: the level of the intervals.
    """

    risk: Risk = "overfitting"
    name = REPRODUCED
    needs_base = False

    def __init__(self, reproduced: Callable[[str], Sequence[bool]], *, confidence: float) -> None:
        self._reproduced, self._confidence = reproduced, confidence

    def before(self) -> None:
        """Nothing."""

    def after(self) -> Found:
        """Both sides."""
        sides = [self._reproduced(split) for split in ("train", "validation")]
        if not all(sides):
            why = f"there are no answers of {LEAST_TOKENS} tokens or more on both sides"
            return Found(outcome="unmeasured", why=why)
        train, unseen = (share_of(sum(side), len(side), confidence=self._confidence) for side in sides)
        more = difference_of(train, unseen)
        of = zip((DIFFERENCE, TRAINING_ROWS, VALIDATION_ROWS), (more, train, unseen), strict=True)
        return Found(
            outcome=outcome_of(more, LIMIT),
            limit=LIMIT,
            figures=tuple(Figure(metric=SHARE, of=side, found=found) for side, found in of),
            notes=(
                f"answers of {LEAST_TOKENS} tokens or more, of a conversation the longest one, drawn by the seed, of"
                f" which the first {LENGTH} tokens are written after what stood before them, the likeliest each time",
            ),
        )


def reproduces(written: Written, learned: Written) -> bool:
    """Whether a text is the learned one, or one the beginning of the other where that was cut off; outer blanks aside.

    Args:
        written: by the model.
        learned: the learned tokens, read back as written ones are: tokenizers fold blanks and letters alike in both.
    """
    text, whole = _bare(written), _bare(learned)
    if not text or not whole:
        return False
    is_beginning = whole.startswith(text) and not written.ended
    return text == whole or is_beginning or (text.startswith(whole) and not learned.ended)


def _bare(one: Written) -> str:
    """Without outer blanks, and without what the cut left of a character at the end."""
    return (one.text if one.ended else one.text.rstrip(CUT_CHARACTER)).strip()
