"""What batches cost to compute, in floating point operations: what seconds are divided among.

A block's product takes two operations for each weight and token forward, and as many backward for the states and for
the weights that train, as far as the backward pass reaches; attention comes on top. Virtual tokens before each row go
through all of that, a prefix is attended to alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch

from affina.data.batching import by_length
from affina.methods.added import taken_by
from affina.methods.prompt import SoftPrompt
from affina.models.base import width
from affina.models.frozen_prefix import Cut
from affina.pipeline.effort import passed_of, stages_and_shares, weights_in
from affina.pipeline.prepared import Prepared
from affina.pipeline.training import planner_of
from affina.planning.activations import Shape
from affina.planning.estimate import shapes
from affina.training.plan import Plan

PRODUCTS: Final = 5
"""Matrix products whose speed is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """A model with its method, as far as it decides what a batch costs.

    Attributes:
        forward_weights: in all blocks.
        backward_weights: weights of the blocks that the backward pass comes through, those that train counted twice.
        blocks: how many there are,
        reached: and how many of them the backward pass comes through.
        moved: of the weights that ever train, the share that a step moves.
        width: of the hidden states.
        again_weights: in the blocks that are run again in the backward pass,
        again: and how many they are.
        virtual: tokens that stand before each row and go through the blocks with it.
        prefix: keys and values that stand before those of each row.
    """

    forward_weights: float
    backward_weights: float
    blocks: float
    reached: float
    width: int
    moved: float = 1.0
    again_weights: float = 0.0
    again: float = 0.0
    virtual: int = 0
    prefix: int = 0

    def forward(self, shape: Shape) -> float:
        """Operations of a forward pass."""
        return 2.0 * self.forward_weights * self._tokens(shape) + self.blocks * self._attention(shape)

    def backward(self, shape: Shape) -> float:
        """Operations of a backward pass."""
        weights, attentions = self.backward_weights + self.again_weights, 2 * self.reached + self.again
        return 2.0 * weights * self._tokens(shape) + attentions * self._attention(shape)

    def step(self, shape: Shape) -> float:
        """Operations of both."""
        return self.forward(shape) + self.backward(shape)

    def untouched(self) -> Costs:
        """Those of the model as it came."""
        return replace(self, virtual=0, prefix=0)

    def _tokens(self, shape: Shape) -> int:
        return shape.rows * (self.virtual + shape.length)

    def _attention(self, shape: Shape) -> float:
        return 4.0 * (self.prefix + self.virtual + shape.keys) * self._tokens(shape) * self.width


def costs_on_the_whole(prepared: Prepared, plan: Plan) -> Costs:
    """The same on the mean of a run's steps, where not all of them train all that trains."""
    whole, stages = costs_of(prepared), stages_and_shares(prepared, plan)
    if not stages:
        return whole
    found = [(share, costs_of(prepared, names)) for names, share in stages]

    def mean(of: Callable[[Costs], float]) -> float:
        return sum(share * of(costs) for share, costs in found)

    return replace(
        whole,
        backward_weights=mean(lambda costs: costs.backward_weights),
        reached=mean(lambda costs: costs.reached),
        moved=mean(lambda costs: costs.moved),
        again_weights=mean(lambda costs: costs.again_weights),
        again=mean(lambda costs: costs.again),
    )


def without_known(prepared: Prepared, costs: Costs) -> Costs:
    """What passes cost that step over the frozen blocks of a run, whose states it keeps; on the mean of its steps."""
    for stretch in prepared.kept.stretches if prepared.kept else ():
        costs = above(prepared, costs, stretch.cut, share=stretch.share)
    return costs


def above(prepared: Prepared, costs: Costs, cut: Cut, *, share: float = 1.0) -> Costs:
    """What passes cost of which a share steps over the blocks of a cut."""
    weights = costs.forward_weights - share * weights_in(prepared, cut)
    return replace(costs, forward_weights=weights, blocks=costs.blocks - share * len(cut.blocks))


def costs_of(prepared: Prepared, names: Collection[str] | None = None) -> Costs:
    """The costs of a run's model with the method that is on it, where `names` of what trains do, or all of it."""
    anatomy, state = prepared.model.anatomy, prepared.attached.state_dict()
    trained, passed = state.keys() if names is None else names, passed_of(prepared, names)
    reached = len(anatomy.blocks) - passed.lowest
    again = prepared.recipe.train.checkpoint_activations
    taken, goes_through = taken_by(prepared.attached), isinstance(prepared.attached, SoftPrompt)
    return Costs(
        forward_weights=passed.forward,
        backward_weights=passed.backward,
        blocks=len(anatomy.blocks),
        reached=reached,
        width=width(prepared.model),
        moved=sum(state[name].numel() for name in trained) / sum(tensor.numel() for tensor in state.values()),
        again_weights=passed.reached if again else 0.0,
        again=reached if again else 0.0,
        virtual=taken if goes_through else 0,
        prefix=0 if goes_through else taken,
    )


@dataclass(frozen=True, slots=True)
class Batches:
    """The micro-batches of the first epoch: places of rows, and shapes."""

    places: Sequence[list[int]]
    shapes: list[Shape]


def batches_of(prepared: Prepared) -> Batches:
    """The micro-batches that the run begins with."""
    places = planner_of(prepared)(0)
    return Batches(places, [Shape(*prepared.subject.shape_of(batch)) for batch in places])


def evaluation_cost(prepared: Prepared, costs: Costs, lengths: Sequence[int]) -> float:
    """Operations of an evaluation of rows of these lengths."""
    batches = by_length(lengths, budget=prepared.evaluation_budget)
    return sum(costs.forward(shape) for shape in shapes(lengths, batches))


def operations_per_second(prepared: Prepared) -> float:
    """The speed of matrix products of the model's width here and now, measured in a few hundredths of a second."""
    wide, device = width(prepared.model), prepared.device
    left = torch.ones(512, wide, device=device)
    right = torch.ones(wide, 4 * wide, device=device)
    (left @ right).sum().item()
    seconds = []
    for _ in range(PRODUCTS):
        started = time.perf_counter()
        (left @ right).sum().item()
        seconds.append(time.perf_counter() - started)
    return 2.0 * 512 * wide * 4 * wide * PRODUCTS / max(sum(seconds), 1e-9)
