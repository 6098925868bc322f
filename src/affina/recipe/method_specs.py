"""The recipe's `method` for what trains tensors beside the model's own: one type for each method, with its keys."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from affina.recipe.base import AUTO, Auto, Spec

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]

WHOLE_TARGETS: Final = ("linear", "attention", "embeddings")
"""Words in `targets` that stand for a kind of layer; any other is the name of layers, or of what they are in."""


def _words(value: Any) -> Any:
    """`targets: attention` is short for `targets: [attention]`."""
    return (value,) if isinstance(value, str) else value


Words = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_words)]


class LoraSpec(Spec):
    """Low-rank updates of the model's matrices are trained, beside them (Hu et al. 2022)."""

    name: Literal["lora"] = "lora"
    rank: PositiveInt = Field(8, description="The rank of each update.")
    alpha: PositiveFloat | Auto = Field(
        AUTO,
        description="The update is multiplied by alpha / rank; `auto`: twice the rank, with `rslora` sqrt(32).",
    )
    dropout: Share = Field(0.0, description="Dropout on what enters an update.")
    targets: Annotated[Words, Field(min_length=1)] = Field(
        ("linear",),
        description="Which layers: `linear` for all matrix products of the blocks, `attention` for those of attention, "
        "`embeddings` for the word embeddings, or names of layers, such as `q_proj`, or of what they are in, "
        "such as `mlp`.",
    )
    blocks: PositiveInt | Literal["all"] = Field("all", description="How many blocks, counted from the top.")
    init: Literal["uniform", "gaussian"] = Field(
        "uniform", description="How A starts: as a new layer of torch does, as in the authors' code, or normal; B is 0."
    )
    rslora: bool = Field(False, description="Multiply by alpha / sqrt(rank) instead (Kalajdzievski 2023).")
    rate_ratio: PositiveFloat = Field(
        1.0, description="The learning rate of B over that of A; 16 is that of LoRA+ (Hayou et al. 2024)."
    )


class PromptSpec(Spec):
    """Virtual tokens before the input are trained (Lester et al. 2021)."""

    name: Literal["prompt"] = "prompt"
    length: PositiveInt = Field(20, description="How many virtual tokens.")
    init: Literal["texts", "vocabulary", "random"] | Auto = Field(
        AUTO,
        description="How they start: as the embeddings of texts (`text`, or else the labels), of common words, or as "
        "random numbers; `auto` is texts where there are any.",
    )
    text: str | None = Field(None, description="A text whose words the virtual tokens start as, instead of the labels.")

    @model_validator(mode="after")
    def _starts_as_its_text(self) -> Self:
        _check_text(self.text, read=self.init in (AUTO, "texts"), by="init: texts")
        return self


class PrefixSpec(Spec):
    """Keys and values before those of the input are trained, at every layer (Li & Liang 2021)."""

    name: Literal["prefix"] = "prefix"
    length: PositiveInt = Field(10, description="How many positions the prefix has.")
    reparameterise: bool = Field(
        True,
        description="Train it through a small network that is dropped after training; else the numbers themselves.",
    )
    width: PositiveInt = Field(512, description="The width of that network.")
    init: Literal["words", "random"] = Field(
        "words", description="How it starts: as the keys and values of real words, or as random numbers."
    )
    text: str | None = Field(
        None, description="A text whose words it starts as, instead of the labels or common words."
    )
    stacks: Literal["decoder", "both"] = Field(
        "decoder", description="In an encoder-decoder: in the decoder alone, or in the encoder, too."
    )

    @model_validator(mode="after")
    def _nothing_unread(self) -> Self:
        """Refuse a text or a width that nothing would read."""
        _check_text(self.text, read=self.init == "words", by="init: words")
        if not self.reparameterise and self.width != type(self).model_fields["width"].default:
            raise ValueError("`width` beside `reparameterise: true`, whose network it is the width of")
        return self


def _check_text(text: str | None, *, read: bool, by: str) -> None:
    if text is not None and not read:
        raise ValueError(f"`text` beside `{by}`, which alone reads it")
    if text is not None and not text.strip():
        raise ValueError("a `text` with words in it, or none")
