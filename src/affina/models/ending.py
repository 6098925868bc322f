"""Where a text that a model writes ends: the tokens that end it, and words before which it is to end.

The tokens are the tokenizer's own end token and what the model's generation settings name, which is what plain
transformers goes by. This module writes no text (`writing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor
from transformers import StoppingCriteria

from affina.models.language import LanguageModel


def end_tokens(model: LanguageModel) -> list[int]:
    """The tokens that end a text: the tokenizer's own end token, and what the model's generation settings name."""
    own = model.module.generation_config.eos_token_id
    return sorted({model.tokenizer.eos_token_id, *_listed(own)})


def end_with(module: Any, token: int) -> bool:
    """Have every text end with a token too; it is saved with the model. Returns whether it did not before."""
    known = _listed(module.generation_config.eos_token_id)
    if token in known:
        return False
    module.generation_config.eos_token_id = [*known, token]
    return True


def _listed(ids: int | Sequence[int] | None) -> list[int]:
    return [] if ids is None else [ids] if isinstance(ids, int) else list(ids)


def until_words(text: str, words: str) -> str | None:
    """A text up to `words`, without blanks in front; None where it does not hold them."""
    whole = text.lstrip()
    return whole.partition(words)[0] if words and words in whole else None


def decoded(model: LanguageModel, ids: Sequence[int]) -> str:
    """Tokens as text, without special ones."""
    text: str = model.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return text


def begun(model: LanguageModel, prompt: int) -> int:
    """The place of a text's first token among what is generated: a decoder of its own begins with its start token."""
    return 1 if model.reads_apart else prompt


@final
class Until(StoppingCriteria):  # type: ignore[misc]
    """Ends each row of a batch once its text, special tokens left out, holds the words given for it.

    Args:
        model: whose texts these are.
        words: of each row; "" for none.

    Attributes:
        lengths: of each row, the tokens that it had then; None where it never held them.
    """

    def __init__(self, model: LanguageModel, words: Sequence[str]) -> None:
        self._model, self._words = model, words
        self.lengths: list[int | None] = [None] * len(words)
        self._start: int | None = None

    @property
    def is_asked(self) -> bool:
        """Whether any row has such words."""
        return any(self._words)

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:  # noqa: ARG002 - transformers'
        """[rows], whether each is done; called after every token."""
        if self._start is None:
            self._start = begun(self._model, input_ids.shape[1] - 1)
        written = input_ids[:, self._start :]
        for place, words in enumerate(self._words):
            if not words or self.lengths[place] is not None:
                continue
            if until_words(decoded(self._model, written[place].tolist()), words) is not None:
                self.lengths[place] = written.shape[1]
        return torch.tensor([length is not None for length in self.lengths], device=input_ids.device)
