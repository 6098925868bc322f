"""Method: prefix-tuning. Keys and values before those of the input are trained at every layer (Li & Liang 2021).

They are trained through a network of two layers, or as they are. The network is kept in checkpoints, for going on, and
dropped in what is exported. An untrained prefix already moves the logits: there is nothing to scale or to merge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from affina.errors import ModelError, Problem, RecipeError
from affina.methods.added import Added
from affina.methods.prompt import check_length
from affina.models import starts
from affina.models.anatomy import Anatomy
from affina.models.prefixed import Stack, stacks_of
from affina.recipe.method_specs import PrefixSpec


def attach(
    module: Any,
    anatomy: Anatomy,
    spec: PrefixSpec,
    *,
    tokenizer: Any,
    texts: Sequence[str] = (),
    max_length: int | None = None,
) -> TunedPrefix:
    """Train a prefix, and the head. Draws from torch's random state, which the caller seeds.

    Args:
        module: the model, its head in place, on its device.
        anatomy: where its blocks and head are.
        spec: the recipe's `method`.
        tokenizer: the model's own.
        texts: what it may start as, such as the labels.
        max_length: the longest input that the model can read; None without a limit.

    Raises:
        RecipeError: the prefix leaves no room for a text.
        ModelError: a model of this kind cannot have one. In either case nothing is attached.
    """
    check_length(spec.length, max_length)
    given = [spec.text] if spec.text is not None else list(texts)
    ids = [token for text in given for token in starts.words_of(tokenizer, text)]
    words = starts.repeated(ids, spec.length) if ids else starts.draw(tokenizer, spec.length)
    stacks = find_stacks(module, anatomy, words, both=spec.stacks == "both")
    tuned = TunedPrefix(module, anatomy, spec, stacks)
    tuned.start()
    return tuned


@final
class Flat(nn.Module):
    """A prefix as it is: one row for each position.

    Args:
        length: positions.
        width: numbers of each: keys and values of all layers.
    """

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(length, width)

    def forward(self) -> Tensor:
        """[length, width]."""
        return self.embedding.weight

    def become(self, rows: Tensor) -> None:
        """Take the numbers of real words."""
        with torch.no_grad():
            self.embedding.weight.copy_(rows)


@final
class Reparameterised(nn.Module):
    """A prefix through a network: Embedding, Linear, Tanh, Linear (Li & Liang 2021, 4.3).

    Args:
        length: positions.
        width: numbers of each.
        inner: the width of what goes in, that of one layer's keys.
        middle: the width between.
    """

    def __init__(self, length: int, width: int, *, inner: int, middle: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(length, inner)
        self.transform = nn.Sequential(nn.Linear(inner, middle), nn.Tanh(), nn.Linear(middle, width))

    def forward(self) -> Tensor:
        """[length, width]."""
        made: Tensor = self.transform(self.embedding.weight)
        return made

    def become(self, rows: Tensor) -> None:
        """Give the numbers of real words, exactly where the network is wider than the prefix is long.

        The authors take 500 steps of Adam; the last layer alone can be solved for in least squares.
        """
        last: Any = self.transform[2]
        with torch.no_grad():
            between = self.transform[1](self.transform[0](self.embedding.weight))
            missing = (rows - between @ last.weight.t() - last.bias).double()
            # the smallest change of the layer that does it
            last.weight += (torch.linalg.pinv(between.double()) @ missing).t().to(last.weight)


@final
class TunedPrefix(Added):
    """A model with a trained prefix: `Attached`.

    Args:
        module: the model; it is changed here.
        anatomy: its own.
        spec: length and parametrisation.
        stacks: which stacks of blocks have one.
    """

    decays: ClassVar[bool] = False

    def __init__(self, module: Any, anatomy: Anatomy, spec: PrefixSpec, stacks: Mapping[str, Stack]) -> None:
        self.spec, self.stacks = spec, dict(stacks)
        like = next(module.parameters())
        self.makers: dict[str, Flat | Reparameterised] = {
            name: _maker(spec, stack).to(like) for name, stack in stacks.items()
        }
        places = [stack.place(self._giver(name), spec.length) for name, stack in stacks.items()]
        tensors = {
            f"prefix.{stack}.{name}": parameter
            for stack, maker in self.makers.items()
            for name, parameter in maker.named_parameters()
        }
        super().__init__(module, anatomy, tensors=tensors, places=places, reached=anatomy.blocks)

    def start(self) -> None:
        """Start as real words, if asked."""
        if self.spec.init == "words":
            for name, maker in self.makers.items():
                maker.become(flat(self.stacks[name].words).to(maker.embedding.weight))

    def start_over(self) -> None:
        """The prefix or its network drawn again."""
        for maker in self.makers.values():
            for layer in maker.modules():
                if isinstance(layer, nn.Embedding | nn.Linear):
                    layer.reset_parameters()
        self.start()

    def rows(self) -> dict[str, Tensor]:
        """Each stack's prefix without its network, [length, layers * 2 * heads * size]: what is exported."""
        with torch.no_grad():
            return {name: maker().clone() for name, maker in self.makers.items()}

    @property
    def taken(self) -> int:
        """Positions of the model's longest input that are no longer there for a text."""
        return self.spec.length

    @property
    def in_cache(self) -> bool:
        """Whether a stack takes the prefix through its cache."""
        return any(stack.cached for stack in self.stacks.values())

    def _giver(self, name: str) -> Any:
        shape = self.stacks[name].words.shape

        def give() -> Tensor:
            layers, two, heads, length, size = shape
            made: Tensor = self.makers[name]()
            return made.view(length, layers, two, heads, size).permute(1, 2, 3, 0, 4)

        return give


def flat(words: Tensor) -> Tensor:
    """[layers, 2, heads, length, size] to PEFT's [length, layers * 2 * heads * size]."""
    return words.permute(3, 0, 1, 2, 4).flatten(1)


def _maker(spec: PrefixSpec, stack: Stack) -> Flat | Reparameterised:
    layers, two, heads, length, size = stack.words.shape
    if spec.reparameterise:
        return Reparameterised(length, layers * two * heads * size, inner=heads * size, middle=spec.width)
    return Flat(length, layers * two * heads * size)


def find_stacks(module: Any, anatomy: Anatomy, words: Sequence[int], *, both: bool) -> Mapping[str, Stack]:
    """The stacks of a model that are to have a prefix.

    Raises:
        RecipeError: both are asked for where there is one.
        ModelError: one of them cannot.
    """
    if both and not module.config.is_encoder_decoder:
        raise RecipeError(_one_stack(module))
    try:
        stacks = stacks_of(module, anatomy, words, both=both)
    except Exception as error:  # a family's own code, given a cache or a configuration that it may not be made for
        said = (str(error).strip().splitlines() or [""])[0]
        raise _unfit(module, f"{type(error).__name__}: {said}"[:200]) from error
    if not stacks:
        raise _unfit(module, "none, or some that forget their beginning")
    return stacks


def _one_stack(module: Any) -> Problem:
    return Problem(
        where="recipe key method.stacks",
        expected=f"decoder (the default), since a {type(module).__name__} has one stack of blocks",
        found="both",
        fix="leave method.stacks out, or choose an encoder-decoder",
    )


def _unfit(module: Any, found: str) -> ModelError:
    return ModelError(
        Problem(
            where=f"a model of the kind {type(module).__name__}",
            expected="layers of one shape that keep keys and values in a cache, or attend by transformers' function",
            found=found,
            fix="choose another method, such as method=lora or method=prompt, or another model",
        )
    )
