"""The recipe's `generate`: how texts are written where a task writes them, while a run is measured and afterwards."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from affina.recipe.base import AUTO, Auto, Spec

Count = Annotated[int, Field(gt=0)]


class GenerateSpec(Spec):
    """How texts are written, for tasks that write them."""

    max_new_tokens: Count | Auto = Field(
        AUTO,
        description="Tokens that are written for a row, at most; `auto` is enough for 99% of the training answers, but"
        " no more than 512, or half of what the model can hold. What is cut off is counted and named.",
    )
    temperature: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = Field(
        0.0, description="0 writes the likeliest token; above it tokens are drawn, by the seed."
    )
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="Tokens are drawn from the likeliest ones that have this probability together."
    )
    beams: Count | Auto = Field(AUTO, description="Texts that are followed at once in a beam search; 1 for none.")
    rows: Count | Literal["auto", "all"] = Field(
        AUTO, description="Rows of the report's split for which texts are written and judged; the loss is of all."
    )
    shots: Annotated[int, Field(ge=0)] | Auto = Field(
        AUTO, description="Training rows that the base model is shown as examples in the few-shot baseline; 0 for none."
    )
