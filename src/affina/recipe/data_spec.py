"""The recipe's `data`: where the rows are, which columns hold what, and how they are split. It reads no file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from affina.recipe.base import AUTO, Auto, Spec

TooLong = Literal["truncate", "drop", "error"]
Unfit = Literal["error", "drop"]
PositiveInt = Annotated[int, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _text(value: Any) -> Any:
    """A column may be called 5: YAML reads that as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Column = Annotated[str, BeforeValidator(_text)]


class MixedFile(Spec):
    """One of several sources of training rows."""

    file: str = Field(description="As `data.train` names one: a file, a folder, an archive, or hf://OWNER/NAME.")
    weight: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] = Field(
        1.0, description="How often its rows are seen in an epoch; of a fraction that share, drawn anew for each."
    )


def _mix(value: Any) -> Any:
    """`a.csv` in a list is short for `{file: a.csv}`; anything that is no such list is refused in one sentence."""
    if value is None or isinstance(value, str):
        return value
    try:
        files = [entry if isinstance(entry, Mapping | MixedFile) else {"file": entry} for entry in value]
        return _MIX.validate_python(files if isinstance(value, list | tuple) else ())
    except (ValidationError, TypeError):
        raise ValueError(
            "a file, or a list of files such as [a.csv, {file: b.csv, weight: 2}], with weights above 0, up to 100"
        ) from None


_MIX: Final = TypeAdapter(Annotated[tuple[MixedFile, ...], Field(min_length=1)])


class DataSpec(Spec):
    """Where the rows are, which columns hold what, and how they are split."""

    train: Annotated[str | tuple[str | MixedFile, ...] | None, BeforeValidator(_mix)] = Field(
        None,
        description="The training rows: a file (CSV, TSV, JSON, JSONL, Parquet, TXT), a folder or a zip of such, "
        "hf://OWNER/NAME, or a list of these, each as it is or as {file: ..., weight: ...}.",
    )
    validation: str | Annotated[float, Field(gt=0, le=0.5)] | Auto = Field(
        AUTO,
        description="A file or other source, or the share of the training rows to hold out for choosing a checkpoint.",
    )
    test: str | Annotated[float, Field(gt=0, le=0.5)] | Literal["auto", "none"] = Field(
        AUTO,
        description="A file or other source, or the share of the training rows to hold out for the figures, or none.",
    )
    text: Column | Auto = Field(AUTO, description="The column with the text.")
    text_pair: Column | Literal["auto", "none"] = Field(AUTO, description="The column with a second text, for pairs.")
    label: Column | Auto | Annotated[tuple[Column, ...], Field(min_length=2)] = Field(
        AUTO,
        description="The column with the label, or for multi-label a list of columns of 0 and 1, one for each label.",
    )
    messages: Column | Auto = Field(AUTO, description="For chat: the column with conversations, as lists of turns.")
    prompt: Column | Auto | Annotated[tuple[Column, ...], Field(min_length=2)] = Field(
        AUTO,
        description="For chat and generation: the column with what is asked, or a list of columns with attributes,"
        " which are put in front of the text that is written: `style: plain | topic: sport`.",
    )
    completion: Column | Auto = Field(AUTO, description="For chat and generation: the column with the answer.")
    system: Column | Literal["auto", "none"] = Field(
        AUTO, description="For chat: the column with what the assistant is told first."
    )
    context: Column | Literal["auto", "none"] = Field(
        AUTO, description="For chat and generation: the column with what the prompt is about, put under it."
    )
    source: Column | Auto = Field(AUTO, description="For translation: the column with the texts to translate.")
    target: Column | Auto = Field(AUTO, description="For translation: the column with their translations.")
    unfit: Unfit = Field(
        "error", description="What happens to rows from which nothing can be learned, such as an empty answer."
    )
    group: Column | None = Field(None, description="A column whose rows with the same value stay in the same split.")
    seed: Seed | Auto = Field(
        AUTO,
        description="Decides which rows are held out, which of these texts are written for, and which an untouched "
        "model is asked about; `auto` is the run's `seed`. Given, runs of any seed share them.",
    )
    too_long: TooLong = Field("truncate", description="What happens to a text longer than the limit; always counted.")
    max_length: PositiveInt | Auto = Field(AUTO, description="The limit in tokens, special tokens included.")
    drop_duplicates: bool = Field(
        False, description="Leave out training rows with the text and the label of an earlier one; they are counted."
    )
    drop_shared: bool = Field(
        False, description="Leave out training rows whose text is in the validation or test file; they are counted."
    )
    swap_terms: bool = Field(
        False,
        description="Learn training rows with identity terms (he, she, given names) a second time with the terms"
        " swapped and the label as it is, so that answers go less by them; `risks.bias.terms` gives terms of your own.",
    )
    reweigh: bool = Field(
        False,
        description="Weigh training rows so that labels are independent of the groups of `risks.bias.group` (Kamiran &"
        " Calders 2012); for one label a row, by a head.",
    )
    check_labels: bool = Field(
        False, description="Look for probable label errors in the training rows, with a model's features."
    )
