"""The recipe's `export`: what a finished run ships."""

from __future__ import annotations

from pydantic import Field

from affina.recipe.base import AUTO, Auto, Spec


class ExportSpec(Spec):
    """What is shipped beside the report."""

    merge: bool | Auto = Field(
        AUTO,
        description="For method lora: whether `model/`, the merged model, is written beside `adapter/`; `auto` does. "
        "Prompts and prefixes cannot be merged.",
    )
