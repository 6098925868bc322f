"""Method: LoRA. Low-rank updates of the model's matrices are trained beside them; the head is trained whole.

The matrices themselves are never written to. The model keeps its own modules and names: only the forward of the layers
with an update is another one, so that anatomy, saving and the base stay what they are. With an update on tied word
embeddings, what the model reads changes and its output layer does not; merged, the two are no longer tied.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, final

import torch
from torch import Tensor, nn

from affina.methods.added import Added
from affina.methods.base import between
from affina.methods.low_rank import WIDE, Form, Update
from affina.methods.targets import choose
from affina.models.anatomy import Anatomy
from affina.models.dropout import LaneDropout
from affina.models.layers import Layer
from affina.models.untying import untied
from affina.recipe.base import AUTO
from affina.recipe.method_specs import LoraSpec
from affina.values import Resolved

_PLAIN_RANK: Final = 8
"""The recipe's own rank: there rsLoRA's scale is that of plain LoRA."""


def attach(module: Any, anatomy: Anatomy, spec: LoraSpec) -> LowRank:
    """Train updates of the layers that `spec` names, and the head.

    Draws from torch's random state, which the caller seeds.

    Args:
        module: the model, its head in place, on its device.
        anatomy: where its embeddings, blocks and head are.
        spec: the recipe's `method`.

    Raises:
        RecipeError: a target matches nothing, or the rank is above a matrix.
        ModelError: the weights are quantized, or a target cannot have an update. In either case nothing is attached.
    """
    lora = low_rank(module, anatomy, spec, choose(module, anatomy, spec))
    lora.start_over()
    return lora


def low_rank(module: Any, anatomy: Anatomy, spec: LoraSpec, layers: Sequence[Layer]) -> LowRank:
    """A model with updates of `layers`; they can be merged where no matrix among them is in four bits."""
    kind = LowRank if any(layer.is_packed for layer in layers) else MergeableLowRank
    return kind(module, anatomy, spec, layers)


def alpha_of(spec: LoraSpec) -> Resolved[float]:
    """The alpha that `spec` comes to."""
    if spec.alpha == AUTO and spec.rslora:
        reason = f"updates of rank {_PLAIN_RANK} are scaled by 2 as without rslora, others by 1 / sqrt(rank) of that"
        return Resolved(2.0 * math.sqrt(_PLAIN_RANK), reason)
    if spec.alpha == AUTO:
        return Resolved(2.0 * spec.rank, "twice the rank, so that another rank needs no other learning rate")
    return Resolved(float(spec.alpha), "given in the recipe")


def scale_of(spec: LoraSpec) -> float:
    """What an update is multiplied by."""
    alpha = alpha_of(spec).value
    return alpha / math.sqrt(spec.rank) if spec.rslora else alpha / spec.rank


def form_of(spec: LoraSpec, precision: str, *, packed: bool = False) -> Resolved[Form]:
    """How the updates are computed in training, for the plan of a run.

    Args:
        spec: the recipe's `method`.
        precision: of the matrix products: fp32, bf16 or fp16.
        packed: whether the matrices are in four bits.
    """
    if packed:
        return Resolved("two paths", "nothing can be added to a matrix in four bits")
    if spec.dropout:
        return Resolved("two paths", "dropout acts on what enters an update, not on what enters the layer")
    if precision != "fp32":
        return Resolved("two paths", f"in {precision} the sum of a matrix and its update would round the update away")
    return Resolved("merged weight", "one product with W + s B A, the same function in float32 without dropout")


class LowRank(Added):
    """A model with low-rank updates: `Attached` and `Scalable`.

    Args:
        module: the model; it is changed here.
        anatomy: its own.
        spec: rank, alpha, dropout, initialisation, rates.
        layers: which layers have an update.
    """

    def __init__(self, module: Any, anatomy: Anatomy, spec: LoraSpec, layers: Sequence[Layer]) -> None:
        self.spec = spec
        self._dropout = LaneDropout(spec.dropout).eval()
        self.updates = tuple(
            Update(layer, rank=spec.rank, scale=scale_of(spec), dropout=self._dropout) for layer in layers
        )
        tensors: dict[str, nn.Parameter] = {}
        rates: dict[str, float] = {}
        for update in self.updates:
            a, b = names_of(update.layer.path, update.layer.kind == "embedding")
            tensors |= {a: update.a, b: update.b}
            if update.layer.kind != "embedding":  # LoRA+ is about products; a table's A is the one that starts at 0
                rates[b] = spec.rate_ratio
        reached = [layer.path for layer in layers]
        super().__init__(module, anatomy, tensors=tensors, places=self.updates, reached=reached, rates=rates)

    def start_over(self) -> None:
        """The updates as they start: all of them zero (Hu et al. 2022, 4.1; loralib for the distributions)."""
        for update in self.updates:
            if update.layer.kind == "embedding":
                nn.init.zeros_(update.a)
                nn.init.normal_(update.b)
                continue
            if self.spec.init == "uniform":
                nn.init.kaiming_uniform_(update.a, a=math.sqrt(5))
            else:
                nn.init.normal_(update.a, std=1 / self.spec.rank)
            nn.init.zeros_(update.b)

    @property
    def taken(self) -> int:
        """None."""
        return 0

    def train(self) -> None:
        """Dropout on, the updates' own too, except in what runs before the first layer with an update."""
        super().train()
        self._dropout.train()

    def eval(self) -> None:
        """Dropout off everywhere."""
        super().eval()
        self._dropout.eval()

    def form(self) -> Form:
        """How the updates are computed in training, outside low precision."""
        narrow = any(update.layer.weight.dtype not in WIDE for update in self.updates)  # packed ones among them
        return "two paths" if narrow or self.spec.dropout else "merged weight"

    def scaled(self, strength: float, *, start: Mapping[str, Tensor], tuned: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The updates times `strength`, by their B, and the head on the straight line.

        An adapter that goes on has no such scale to what it was: there A and B are on the straight line themselves.
        """
        found = between(start, tuned, strength)
        if strength in (0.0, 1.0) or self.goes_on:
            return found
        for update in self.updates:
            a, b = names_of(update.layer.path, update.layer.kind == "embedding")
            found |= {a: tuned[a], b: strength * tuned[b]}
        return found


@final
class MergeableLowRank(LowRank):
    """Low-rank updates of matrices that they can be added to: `Mergeable`, too."""

    _is_merged = False

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """The layers' own forwards: the base, bit for bit; another method may be attached meanwhile."""
        self._check_apart()
        with super().disabled():
            yield

    @contextmanager
    def as_it_came(self) -> Iterator[None]:
        """The layers' own forwards, or the updates of the adapter that goes on."""
        self._check_apart()
        with super().as_it_came():
            yield

    def _check_apart(self) -> None:
        if self._is_merged:
            raise RuntimeError("the updates are merged: disable them before or after, not inside")

    @property
    def merge_bytes(self) -> int:
        """The updated matrices once more."""
        weights = [update.layer.weight for update in self.updates]
        return sum(weight.numel() * weight.element_size() for weight in weights)

    @contextmanager
    def merged(self) -> Iterator[None]:
        """Matrices with their updates in the place of the stored ones, which are kept and put back.

        Takes the memory of those matrices once more.
        """
        stored = [update.layer.weight for update in self.updates]
        tables = [update.layer for update in self.updates if update.layer.kind == "embedding"]
        with torch.no_grad():
            sums = [nn.Parameter(update.merged(), requires_grad=False) for update in self.updates]
        self._is_merged = True
        try:
            for update, total in zip(self.updates, sums, strict=True):
                update.detach()
                _put(update.layer, total)
            with untied(self.module, tables):
                yield
        finally:
            for update, weight in zip(self.updates, stored, strict=True):
                _put(update.layer, weight)
                update.attach()
            self._is_merged = False


def names_of(path: str, is_embedding: bool) -> tuple[str, str]:
    """The names of A and B of the layer at `path`: PEFT's, without its prefix."""
    kind = "lora_embedding_{}" if is_embedding else "lora_{}.weight"
    return f"{path}.{kind.format('A')}", f"{path}.{kind.format('B')}"


def _put(layer: Layer, weight: nn.Parameter) -> None:
    for module in layer.modules:
        module.weight = weight
