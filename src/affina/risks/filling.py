"""What a model puts into the blanks of templates: for each its likeliest tokens, with their log-probabilities.

An encoder with its masked-language head fills in the mask, as published. A decoder is asked for the next token behind
what stands before the blank, which must end its sentence: an adaptation, since the published figures of decoders are of
words that were drawn. A filling is one token in both cases: words of several tokens are not seen whole.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch

from affina.data.batching import by_length
from affina.errors import DataError, Problem
from affina.evaluation.masked import Hidden, likeliest
from affina.evaluation.predictions import check_finite
from affina.models.classifier import Classifier
from affina.models.language import LanguageModel
from affina.models.masked_head import MaskedHead
from affina.risks.honest_files import Template, Templates
from affina.risks.likelier import too_long
from affina.risks.likelier_masked import read_text
from affina.risks.own_texts import beginning
from affina.tasks.lessons import Passage, Reading

FILLED_IN: Final = "the mask filled in by the masked-language head that the model came with, as published"
NEXT: Final = "the next token behind each template, an adaptation for models that write"


@dataclass(frozen=True, slots=True)
class Filled:
    """The likeliest fillings of a blank, the likeliest first.

    Attributes:
        words: as text.
        scores: their log-probabilities, in nats.
    """

    words: tuple[str, ...]
    scores: tuple[float, ...]


Fill = Callable[[], Sequence[Filled]]
"""Fills all templates by the model as it is."""


def by_writer(
    model: LanguageModel, asked: Templates, *, budget: int, progress: Callable[[int, int], None] = lambda *_: None
) -> Fill:
    """What a decoder says next.

    Args:
        model: in evaluation mode when it is asked.
        asked: the templates.
        budget: tokens of a batch, padding included, at most.
        progress: told how many templates are done, and of how many.
    """
    reading = Reading(model)
    passages = [_passage(model, reading, one) for one in asked.templates]

    @torch.inference_mode()
    def fill() -> list[Filled]:
        found: list[Filled] = [Filled((), ())] * len(passages)
        done = 0
        for places in by_length([len(passage) for passage in passages], budget=budget):
            lines = reading.collate([passages[place] for place in places], rows=places).to(model.module.device)
            last = torch.tensor(lines.filled, device=model.module.device) - 1
            states = model.states(lines.inputs)[torch.arange(len(places), device=last.device), last]
            logs = model.output(states).double().log_softmax(dim=-1)
            scores, tokens = logs.topk(min(asked.likeliest, logs.shape[1]), dim=1)
            for place, some, ids in zip(places, scores.tolist(), tokens.tolist(), strict=True):
                found[place] = _filled(model.tokenizer, ids, some)
            done += len(places)
            progress(done, len(passages))
        return _checked(found, asked)

    return fill


def by_encoder(
    model: Classifier,
    asked: Templates,
    *,
    head: Callable[[], MaskedHead],
    budget: int,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Fill:
    """What an encoder with its head puts into the mask; see `by_writer`.

    Args:
        model: in evaluation mode when it is asked.
        asked: the templates.
        head: gives the head of its checkpoint.
        budget: tokens of a batch, padding included, at most.
        progress: told how many templates are done, and of how many.
    """

    def fill() -> list[Filled]:
        masked = head()  # first: a model without it has no mask token, maybe
        hidden = [_hidden(model.tokenizer, one) for one in asked.templates]
        found = likeliest(
            model,
            masked,
            hidden,
            count=asked.likeliest,
            budget=budget,
            progress=lambda done: progress(done, len(hidden)),
        )
        return _checked([_filled(model.tokenizer, ids, scores) for ids, scores in found], asked)

    return fill


def _checked(found: list[Filled], asked: Templates) -> list[Filled]:
    """The same; a model that gives what is no number is an error."""
    check_finite(np.asarray([[one.scores[0]] for one in found]), lambda place: asked.templates[place].where)
    return found


def _filled(tokenizer: Any, ids: Sequence[int], scores: Sequence[float]) -> Filled:
    return Filled(tuple(tokenizer.decode([one]).strip() for one in ids), tuple(scores))


def _passage(model: LanguageModel, reading: Reading, template: Template) -> Passage:
    read = model.tokenizer(template.before.rstrip(), add_special_tokens=False)["input_ids"]
    ids = (*beginning(model, reading), *read)
    return Passage(ids, (False,) * len(ids))


def _hidden(tokenizer: Any, template: Template) -> Hidden:
    read = read_text(tokenizer, f"{template.before}{tokenizer.mask_token}{template.after}")
    return Hidden(read.ids, read.types, read.ids.index(tokenizer.mask_token_id), tokenizer.mask_token_id)


def refuse_unfillable(model: LanguageModel | Classifier, asked: Templates) -> None:
    """Stop at templates that the model cannot fill in, or not read whole.

    Nothing is refused where a tokenizer has no mask token: then nothing is measured, which is said.

    Raises:
        DataError: one problem for each such template.
    """
    if isinstance(model, Classifier) and model.tokenizer.mask_token_id is None:
        return
    problems = list[Problem]()
    for one in asked.templates:
        if isinstance(model, LanguageModel) and one.after.strip(string.punctuation + string.whitespace):
            problems.append(_in_the_middle(one))
            continue
        if isinstance(model, LanguageModel):
            tokens = len(_passage(model, Reading(model), one).ids)
        else:
            tokens = len(_hidden(model.tokenizer, one).ids)
        if model.max_length is not None and tokens > model.max_length:
            problems.append(too_long(one.where, tokens, model.max_length))
    if problems:
        raise DataError(*problems)


def _in_the_middle(template: Template) -> Problem:
    return Problem(
        where=template.where,
        expected="a blank at the end of its sentence: a model that writes does not read what stands behind it",
        found=f"behind it: {template.after.strip()[:40]}",
        fix="put the blank at the end, remove the row, or measure an encoder with it",
    )
