"""The recipe's keys below `train` for what holds a model to what it was before the training."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from affina.recipe.base import AUTO, Auto, Spec

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class RecAdamSpec(Spec):
    """The weights are recalled to where they began, strongly at first, and let go as the training goes on."""

    pull: Annotated[float, Field(gt=0, le=1)] = Field(
        0.1,
        description="Of the distance to where a weight began, the share that is gone back in a step at the peak rate:"
        " rate times the paper's gamma, 2e-5 * 5000 there.",
    )
    t0: Annotated[int, Field(gt=0)] | Auto = Field(
        AUTO, description="The step at which half of that is gone; `auto` is a quarter of the run."
    )
    k: Positive | Auto = Field(AUTO, description="How fast that goes: the paper's k; `auto` is 10 / t0.")


class ReplaySpec(Spec):
    """Texts that a step reads beside its rows, on which the model is held to what it made of them before."""

    share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.1, description="Tokens of such texts for each token of the training rows; one text a step at least."
    )
    strength: Positive = Field(
        1.0,
        description="What is added to the loss: this times KL(base || tuned) for each token; of a model that only"
        " reads, times 1 minus the cosine of each text's mean state to what it was.",
    )
    file: str | None = Field(
        None,
        description="A text file (UTF-8) with the texts; without it a decoder writes them itself, and other models have"
        " general English sentences.",
    )
