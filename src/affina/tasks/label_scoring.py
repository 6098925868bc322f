"""Classification without training: how likely a language model holds each label's name behind a text.

Scored is the text of the name, token by token, as the model's own loss sees it; nothing is written. The prompt is read
once for all labels, where the model's cache gives what reading each label behind its prompt gives, which is tried on
the first question; else every label is read with its prompt, in batches.

Owns the scores. The words around them are a task's (`naming`), metrics are elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice, takewhile
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affina.data.batching import by_length
from affina.models.language import LanguageModel
from affina.models.quiet import Notify, silent
from affina.models.shared_prompt import states_of_tails
from affina.tasks.lessons import Lesson, Passage, Question, Reading
from affina.tasks.naming import Naming
from affina.tasks.token_loss import IGNORED, token_losses

Floats = NDArray[np.float64]

BUDGET: Final = 4_096
"""Tokens in memory at once: prompts and labels, each label with its share of the cache."""
CLOSE: Final = 1e-5
"""Of a label's loss: what the order of float32 sums may change."""
_TRIED: Final = 4
"""Labels that the cache is tried on."""


@dataclass(frozen=True, slots=True)
class LabelScores:
    """What a model makes of each label behind each question.

    Attributes:
        sums: [rows, labels], the log-probability of the label's text in nats.
        tokens: [rows, labels], its tokens.
    """

    sums: Floats
    tokens: Floats


@dataclass(frozen=True, slots=True)
class _Choice:
    """A question with its labels as tokens: what they share, and how each goes on."""

    shared: tuple[int, ...]
    tails: tuple[Passage, ...]


def score_labels(
    model: LanguageModel,
    task: Naming,
    questions: Sequence[Question],
    *,
    labels: Sequence[str],
    ended: bool = False,
    notify: Notify = silent,
) -> LabelScores:
    """Score every label behind every question.

    Args:
        model: in evaluation mode.
        task: whose words these are.
        questions: from `task.question`, with or without shots.
        labels: the names, in the order of the columns.
        ended: the end token behind a name counts too: for a model that was tuned to end there. Without it a name that
            begins another is never less likely than that.
        notify: told of questions that lose their beginning, and of a model that reads each label with its prompt.
    """
    lessons = [[task.named(one, label, ended=ended) for label in labels] for one in questions]
    return score_lessons(model, lessons, ways=len(labels), notify=notify)


def score_lessons(
    model: LanguageModel, lessons: Sequence[Sequence[Lesson]], *, ways: int, notify: Notify = silent
) -> LabelScores:
    """Score lessons that ask the same and differ in what is learned, [questions][ways]; see `score_labels`."""
    reading = Reading(model)
    found = [_choice(model, reading, some) for some in lessons]
    choices = [choice for choice, _ in found]
    if cut := sum(lost > 0 for _, lost in found):
        notify(
            f"{cut:,} of {len(found):,} questions lose their beginning: a text has {model.max_length:,} tokens at most"
        )
    sums = np.zeros((len(choices), ways))
    order = sorted(range(len(choices)), key=lambda place: -len(choices[place].shared))
    if choices and _shares(model, reading, choices[order[-1]], notify):
        for places in _together(choices, order):
            sums[places] = _read_once(model, [choices[place] for place in places])
    else:
        for place in order:
            sums[place] = _read_each(model, reading, choices[place])
    tokens = [[sum(tail.learned) for tail in choice.tails] for choice in choices]
    return LabelScores(sums, np.asarray(tokens, dtype=np.float64).reshape(sums.shape))


def log_probabilities(scores: LabelScores, *, per_token: bool = False, prior: LabelScores | None = None) -> Floats:
    """Scores to log-probabilities over the labels, [rows, labels].

    Args:
        scores: from `score_labels`.
        per_token: a label's score is the mean over its tokens, so that a long name is no worse than a short one; else
            their sum, which is the probability of the name: the default, also of a tuned model (docs/log.md).
        prior: the scores of `Naming.no_question`, one row; they are subtracted, so that what the model likes to say
            whatever it is asked does not decide (Zhao et al. 2021, section 5).
    """
    found = scores.sums / scores.tokens if per_token else scores.sums
    if prior is not None:
        found = found - (prior.sums / prior.tokens if per_token else prior.sums)
    normalised: Floats = found - np.logaddexp.reduce(found, axis=1, keepdims=True)
    return normalised


def _choice(model: LanguageModel, reading: Reading, lessons: Sequence[Lesson]) -> tuple[_Choice, int]:
    """The lessons of one question, and how many tokens of its beginning are beyond the model's limit."""
    passages = reading.encode(lessons)
    limit = model.max_length
    if model.reads_apart:
        source = passages[0].source
        kept = source if limit is None else reading.ends.shorten(source, limit, from_end=False)
        return _Choice((), tuple(replace(one, source=kept) for one in passages)), len(source) - len(kept)
    ids = zip(*(passage.ids for passage in passages), strict=False)
    learned = min(passage.learned.index(True) for passage in passages)
    length = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, islice(ids, learned)))
    shared = passages[0].ids[:length]
    tails = tuple(Passage(one.ids[length:], one.learned[length:]) for one in passages)
    beyond = 0 if limit is None else max(0, length + max(map(len, tails)) - limit)
    lead = len(reading.ends.lead)  # a begin-of-text token stays
    return _Choice((*shared[:lead], *shared[lead + beyond :]), tails), beyond


def _shares(model: LanguageModel, reading: Reading, choice: _Choice, notify: Notify) -> bool:
    """Whether the prompt's cache gives what reading each label with its prompt gives; tried on a few labels."""
    if model.reads_apart:
        return False
    few = replace(choice, tails=choice.tails[:_TRIED])
    try:
        once = _read_once(model, [few])[0]
    except Exception:  # a family's own code, given a cache that it may not be made for
        once = np.full(len(few.tails), np.nan)
    each = _read_each(model, reading, few)
    if np.allclose(once, each, rtol=CLOSE, atol=CLOSE):
        return True
    notify(f"a {type(model.module).__name__} cannot go on from a prompt's cache: each label is read with its prompt")
    return False


def _together(choices: Sequence[_Choice], order: Sequence[int]) -> Iterator[list[int]]:
    """Questions of the same number of tokens, which need no padding, as many as there is room for."""
    for length, group in groupby(order, key=lambda place: len(choices[place].shared)):
        places = list(group)
        longest = max(len(tail) for place in places for tail in choices[place].tails)
        count = max(1, BUDGET // (len(choices[places[0]].tails) * (length + longest)))
        yield from (places[start : start + count] for start in range(0, len(places), count))


def _read_once(model: LanguageModel, choices: Sequence[_Choice]) -> Floats:
    """Questions of the same number of tokens to the sums of their labels, [questions, labels]."""
    device = model.module.device
    longest = max(len(tail) for choice in choices for tail in choice.tails)
    prompts = torch.tensor([choice.shared for choice in choices], device=device)
    tails = torch.zeros(len(choices), len(choices[0].tails), longest, dtype=torch.long)
    targets = torch.full_like(tails, IGNORED)
    for line, choice in enumerate(choices):
        for column, tail in enumerate(choice.tails):
            ids = torch.tensor(tail.ids)
            tails[line, column, : len(ids)] = ids
            targets[line, column, : len(ids)] = ids.masked_fill(~torch.tensor(tail.learned), IGNORED)
    together = max(1, BUDGET // (prompts.shape[1] + longest))
    states = states_of_tails(model, prompts, tails.to(device), together=together)
    return _summed(token_losses(states, targets.to(device), model.output))


def _read_each(model: LanguageModel, reading: Reading, choice: _Choice) -> Floats:
    """A question to the sums of its labels, [labels], each read with the whole prompt."""
    blank = (False,) * len(choice.shared)
    passages = [replace(tail, ids=choice.shared + tail.ids, learned=blank + tail.learned) for tail in choice.tails]
    sums = np.zeros(len(passages))
    for places in by_length([len(passage) for passage in passages], budget=BUDGET):
        batch = reading.collate([passages[place] for place in places], rows=places).to(model.module.device)
        with torch.inference_mode():
            sums[places] = _summed(token_losses(model.states(batch.inputs), batch.targets, model.output))
    return sums


def _summed(losses: Tensor) -> Floats:
    found: Floats = -losses.sum(dim=-1, dtype=torch.float64).cpu().numpy()
    return found
