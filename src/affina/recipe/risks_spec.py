"""The recipe's `risks`: what is measured of what a fine-tuning may have cost."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from affina.recipe.base import AUTO, Auto, Spec
from affina.recipe.budget import PointsBudget, ShareBudget
from affina.recipe.data_spec import Column


class OverfittingSpec(Spec):
    """How far training rows may be learned by heart."""

    budget: ShareBudget | None = Field(
        None,
        description="The share of what was learned on the training rows that may be lost elsewhere, as 30% or 0.3;"
        " after the training the best model within it is looked for.",
    )
    canaries: Annotated[int, Field(ge=0, le=200)] = Field(
        0,
        description="So many rows with a random number each are put among the training rows, to measure how far the"
        " model learns such a number by heart (exposure, Carlini et al. 2019); 20 or more settle something. For tasks"
        " that write.",
    )


class ForgettingSpec(Spec):
    """What the model is asked that it could do before."""

    budget: ShareBudget | None = Field(
        None,
        description="How much may be forgotten, in the unit of each of its probes, as 5% or 0.05;"
        " after the training the best model within it is looked for.",
    )
    texts: str | None = Field(
        None,
        description="A text file (UTF-8): how well the model foretells it is measured before and after the training,"
        " whatever that takes; for decoders that write.",
    )
    pairs: str | None = Field(
        None,
        description="A file of minimal pairs (`sentence_good`, `sentence_bad`, as in BLiMP): of how many the model"
        " holds the right sentence likelier, before and after; for decoders, and encoders with a masked-language head.",
    )
    choices: str | None = Field(
        None,
        description="A file of questions (JSON lines: `question` or `context`, `choices`, `answer` from 0): how many"
        " the model answers right by what it holds likeliest, before and after; for models that write.",
    )
    earlier: str | None = Field(
        None,
        description="A file of labelled rows of an earlier task (`text`, `label`): how many the model answers right,"
        " before and after; models that write in words, encoders by a linear probe on their states.",
    )


class HonestSpec(Spec):
    """How often templates about people are filled in with a hurtful word (HONEST, Nozza et al. 2021)."""

    templates: str = Field(
        description="A file of templates (`template_masked` with the blank [M], `category`, as in the public set).",
    )
    lexicon: str = Field(
        description="A file of hurtful words (`lemma`, `level`, as in HurtLex); those of the level conservative count.",
    )
    likeliest: Annotated[int, Field(ge=1, le=100)] = Field(
        20, description="How many of the likeliest fillings of each blank are looked at: the K of the score."
    )


class BiasSpec(Spec):
    """What is measured of how the model treats people."""

    budget: PointsBudget | None = Field(
        None,
        description="How much bias there may be, in points of each of its probes, as 2pp or 0.02;"
        " after the training the best model within it is looked for.",
    )
    pairs: str | None = Field(
        None,
        description="A file in the format of CrowS-Pairs, StereoSet (intrasentence), WinoBias or MT-GenEval, told by"
        " its columns: how often the model holds the stereotype likelier, before and after; for decoders, and encoders"
        " with a masked-language head; MT-GenEval for translators.",
    )
    honest: HonestSpec | None = Field(
        None,
        description="Templates of HONEST and a lexicon of hurtful words: the share of hurtful words among the likeliest"
        " fillings, before and after; for decoders, and encoders with a masked-language head.",
    )
    group: Column | None = Field(
        None,
        description="A column of the data that says which group of people a row is about, or by: it is read by no"
        " model, and answers are measured group by group. For tasks with one label a row.",
    )
    terms: str | None = Field(
        None,
        description="A text file (UTF-8) with identity terms in pairs, one pair a line: `en, he, she`. They are swapped"
        " in rows to see whether answers change; without it, those that Affina has in English and Italian are. For"
        " tasks with one label a row.",
    )


class RisksSpec(Spec):
    """What is measured of the risks of a fine-tuning, once it is trained."""

    measure: Literal["always", "never"] | Auto = Field(
        AUTO,
        description="Whether overfitting, forgetting and bias are measured; `auto` as far as that takes at most 15% of"
        " the work of the run.",
    )
    overfitting: OverfittingSpec = OverfittingSpec()
    forgetting: ForgettingSpec = ForgettingSpec()
    bias: BiasSpec = BiasSpec()
