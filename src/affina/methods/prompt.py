"""Method: prompt-tuning. Virtual tokens before the input are trained, and the head (Lester et al. 2021).

An untrained prompt already moves the logits: there is no zero to go back to by scaling, and nothing to merge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, final

import torch
from torch import Tensor, nn

from affina.errors import ModelError, Problem, RecipeError
from affina.methods.added import Added
from affina.models import starts
from affina.models.anatomy import Anatomy, two_tokens
from affina.models.virtual_tokens import VirtualTokens, reader
from affina.recipe.base import AUTO
from affina.recipe.method_specs import PromptSpec
from affina.values import Resolved

NAME: Final = "prompt_embeddings"
"""Of the trained tensor; PEFT's."""
_RANDOM: Final = 0.5
"""Random numbers are uniform between minus this and this (Lester et al. 2021, 3.2)."""


def attach(
    module: Any,
    anatomy: Anatomy,
    spec: PromptSpec,
    *,
    tokenizer: Any,
    texts: Sequence[str] = (),
    max_length: int | None = None,
) -> SoftPrompt:
    """Train virtual tokens, and the head. Draws from torch's random state, which the caller seeds.

    Args:
        module: the model, its head in place, on its device.
        anatomy: where its head is.
        spec: the recipe's `method`.
        tokenizer: the model's own.
        texts: what virtual tokens may start as, such as the labels.
        max_length: the longest input that the model can read; None without a limit.

    Raises:
        RecipeError: the prompt leaves no room for a text, or there is no text to start from.
        ModelError: a model of this kind cannot read virtual tokens. In either case nothing is attached.
    """
    check_length(spec.length, max_length)
    prompt = SoftPrompt(module, anatomy, lambda: _start(module, spec, tokenizer, texts))
    prompt.check()
    return prompt


def start_of(spec: PromptSpec, texts: Sequence[str]) -> Resolved[str]:
    """What virtual tokens start as."""
    if spec.init != AUTO:
        return Resolved(spec.init, "given in the recipe")
    if spec.text is not None or texts:
        return Resolved("texts", "the words of the recipe's text" if spec.text else "one for each label, then words")
    return Resolved("vocabulary", "common words, since there are no labels to start from")


def check_length(length: int, max_length: int | None) -> None:
    """Refuse virtual tokens that leave no room for a text.

    Raises:
        RecipeError: naming the limit.
    """
    if max_length is not None and length >= max_length:
        raise RecipeError(
            Problem(
                where="recipe key method.length",
                expected=f"fewer than {max_length} virtual tokens, which is the longest input of this model",
                found=str(length),
                fix=f"write method.length={max(1, min(20, max_length // 2))}",
            )
        )


def _start(module: Any, spec: PromptSpec, tokenizer: Any, texts: Sequence[str]) -> Tensor:
    table = reader(module).get_input_embeddings()
    way = start_of(spec, texts).value
    if way == "random":
        return torch.empty(spec.length, table.embedding_dim, device=table.weight.device).uniform_(-_RANDOM, _RANDOM)
    if way == "texts" and spec.text is not None:
        ids = starts.words_of(tokenizer, spec.text)
        if ids:
            return starts.embedded(table, starts.repeated(ids, spec.length))
    if way == "texts":
        rows = [starts.embedded(table, ids).mean(dim=0) for text in texts if (ids := starts.words_of(tokenizer, text))]
        if rows:
            more = max(0, spec.length - len(rows))
            drawn = starts.embedded(table, starts.draw(tokenizer, more))
            return torch.cat([torch.stack(rows), drawn])[: spec.length]
        raise _no_texts()
    return starts.embedded(table, starts.draw(tokenizer, spec.length))


def _no_texts() -> RecipeError:
    return RecipeError(
        Problem(
            where="recipe key method.init",
            expected="`texts` with a task that has labels, or with method.text",
            found="no text with a word in it",
            fix="write method.text='...', or method.init=vocabulary",
        )
    )


@final
class SoftPrompt(Added):
    """A model with trained virtual tokens: `Attached`.

    Args:
        module: the model; it is changed here.
        anatomy: its own.
        draw: what the virtual tokens start as, [length, width].
    """

    decays: ClassVar[bool] = False

    def __init__(self, module: Any, anatomy: Anatomy, draw: Callable[[], Tensor]) -> None:
        self._draw = draw
        start = draw()
        self.prompt = nn.Parameter(start.clone())
        self.length = len(start)
        self._before = {name: parameter.requires_grad for name, parameter in module.named_parameters()}
        # virtual tokens go through all that the words go through: nothing runs before the first of what trains
        reached = anatomy.embeddings or anatomy.blocks
        tokens = VirtualTokens(module, anatomy, lambda: self.prompt, length=self.length)
        super().__init__(module, anatomy, tensors={NAME: self.prompt}, places=[tokens], reached=reached)

    def check(self) -> None:
        """Try two tokens.

        Raises:
            ModelError: the model cannot read virtual tokens; it is as it was before.
        """
        inputs = two_tokens(self.module)
        if self.module.config.is_encoder_decoder:
            inputs["decoder_input_ids"] = inputs["input_ids"]
        try:
            with torch.no_grad():
                self.module(**inputs)
        except Exception as error:  # a family's own code, given embeddings instead of words
            self.detach()
            for name, parameter in self.module.named_parameters():
                parameter.requires_grad_(self._before[name])
            said = (str(error).strip().splitlines() or [""])[0]
            raise unfit(self.module, f"{type(error).__name__}: {said}"[:200]) from error

    @property
    def taken(self) -> int:
        """Positions of the model's longest input that are no longer there for a text."""
        return self.length

    def start_over(self) -> None:
        """The virtual tokens drawn again."""
        with torch.no_grad(), self.disabled():
            self.prompt.copy_(self._draw())


def unfit(module: Any, found: str) -> ModelError:
    """A model's kind cannot take the method."""
    return ModelError(
        Problem(
            where=f"a model of the kind {type(module).__name__}",
            expected="one that reads embeddings in the place of words, so that virtual tokens can stand before them",
            found=found,
            fix="choose another method, such as method=lora, or another model",
        )
    )
