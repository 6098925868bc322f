"""The recipe's `method` for what trains the model's own weights: one type for each method, with its keys."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from affina.recipe.base import Spec

Unfreezing = Literal["none", "gradual", "chain_thaw"]
_WHOLE_PARTS: Final = frozenset({"blocks", "embeddings"})


def _at_least_one(decay: float) -> float:
    """Others call the factor itself layer decay, 0.95 say: the two cannot be taken for each other."""
    if decay < 1:
        same = f"; for a factor of {decay:g} write {1 / decay:.5g}" if decay > 0 else ""
        raise ValueError(f"1 or more: each lower rate is the one above over this{same}")
    return decay


class FullSpec(Spec):
    """Every weight of the model is trained; the options are those of ULMFiT (Howard & Ruder 2018)."""

    name: Literal["full"] = "full"
    layer_decay: Annotated[float, Field(allow_inf_nan=False), AfterValidator(_at_least_one)] = Field(
        1.0,
        description="Discriminative learning rates: each block's rate is that of the block above over this, and the "
        "head's is this times that of the highest block. 1 for one rate; 2.6 is ULMFiT's.",
    )
    unfreezing: Unfreezing = Field(
        "none",
        description="What trains when: `gradual` begins with the head and takes one block more at a time from the top, "
        "the embeddings last; `chain_thaw` (Felbo et al. 2017) trains the head alone, each layer alone from the "
        "embeddings up, then all.",
    )
    stage_epochs: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        1.0, description="With `unfreezing`: epochs of each stage but the last, which is the rest of the run."
    )

    @model_validator(mode="after")
    def _stages_of_something(self) -> Self:
        """Refuse a length of stages where there are none."""
        if "stage_epochs" in self.model_fields_set and self.unfreezing == "none":
            raise ValueError("`stage_epochs` beside `unfreezing: gradual` or `chain_thaw`, whose stages it is about")
        return self

    @model_serializer(mode="wrap")
    def _as_asked(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without stages their length is left out, so that the recipe reads back."""
        keys: dict[str, Any] = plain(self)
        return {key: value for key, value in keys.items() if key != "stage_epochs" or self.unfreezing != "none"}


class PartialSpec(Spec):
    """Some weights are trained, the others stay bit for bit what they were."""

    name: Literal["partial"] = "partial"
    blocks: Annotated[int, Field(ge=0)] | Literal["all"] = Field(
        "all", description="How many blocks are trained, counted from the top; 0 trains the head alone."
    )
    layers: tuple[str, ...] = Field((), description="Train exactly the parameters whose names contain one of these.")
    embeddings: Literal["frozen", "trained"] = Field("frozen", description="Whether the embeddings are trained too.")

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        """Refuse, beside `layers`, a key that it would silently override."""
        beside = sorted(self.model_fields_set & _WHOLE_PARTS)
        if self.layers and beside:
            raise ValueError(f"`layers` without `{beside[0]}`, since it names exactly what trains")
        return self

    @model_serializer(mode="wrap")
    def _as_asked(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Beside `layers`, the defaults that it stands instead of are left out, so that the recipe reads back."""
        keys: dict[str, Any] = plain(self)
        return {key: value for key, value in keys.items() if not (self.layers and key in _WHOLE_PARTS)}
