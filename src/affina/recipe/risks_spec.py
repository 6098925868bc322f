"""The recipe's `risks`: what is measured of what a fine-tuning may have cost."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from affina.recipe.base import AUTO, Auto, Spec


class ForgettingSpec(Spec):
    """What the model is asked that it could do before."""

    texts: str | None = Field(
        None,
        description="A text file (UTF-8): how well the model foretells it is measured before and after the training,"
        " whatever that takes; for decoders that write.",
    )


class RisksSpec(Spec):
    """What is measured of the risks of a fine-tuning, once it is trained."""

    measure: Literal["always", "never"] | Auto = Field(
        AUTO,
        description="Whether overfitting and forgetting are measured; `auto` as far as that takes at most 15% of the"
        " work of the training.",
    )
    forgetting: ForgettingSpec = ForgettingSpec()
