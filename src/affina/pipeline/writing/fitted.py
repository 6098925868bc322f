"""The probes of a run that writes: how far it learned its rows by heart, and what it forgot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from affina.data.canaries import own_count
from affina.data.drawing import drawn_places
from affina.evaluation import perplexity
from affina.models.ending import end_tokens
from affina.models.writing import HowToWrite, read_back, write
from affina.pipeline.compared_rows import SPLITS, compared_rows, mean_tokens
from affina.pipeline.forgetting import forgetting_of
from affina.pipeline.prepared import Prepared
from affina.pipeline.writing.measuring import MOST_LOOKED_AT
from affina.pipeline.writing.planted import exposure_of
from affina.record.journal import Journal
from affina.record.progress import Progress
from affina.record.risks import REPRODUCED, Probed
from affina.risks.allowance import Allowance
from affina.risks.memorising import LEAST_ROWS, LEAST_TOKENS, LENGTH, MOST_ROWS, Memorised, reproduces
from affina.risks.overfitting import WHOLE, OfTexts
from affina.risks.own_texts import WRITTEN
from affina.risks.probe import Probe
from affina.tasks.answers import Answer, begun, longest_answer
from affina.tasks.shots import question_room

if TYPE_CHECKING:
    from affina.pipeline.writing.subject import Writing


BEGUN: Final = 32
"""Tokens that are learned of a row, as far as it is read where there is no time for all of it."""
BEGINNINGS: Final = f"each up to the first {BEGUN} tokens that are learned, since whole rows would take too long"
MOST_SEARCHED: Final = 10_000
"""Rows of a split that are searched for long answers."""


def probes_of(subject: Writing, run: Prepared, allowance: Allowance, journal: Journal) -> list[Probe | Probed]:
    """The probes, or why one is left out."""
    found = [_overfitting(subject, run, allowance)]
    if not subject.writer.alone:
        found.append(_memorising(subject, run, allowance, journal))
    if (exposed := exposure_of(subject, run, journal)) is not None:
        found.append(exposed)
    return [*found, *forgetting_of(subject.model, run, allowance, journal)]


def _overfitting(subject: Writing, run: Prepared, allowance: Allowance) -> Probe | Probed:
    places, how = compared_rows(run, allowance, each=_twice(mean_tokens(run))), WHOLE
    if isinstance(places, Probed):
        places, how = compared_rows(run, allowance, each=_twice(_mean_beginnings(subject))), BEGINNINGS
    if isinstance(places, Probed):
        return places

    def losses(split: str) -> perplexity.Statistics:
        looked_at = [subject.passages[split][place] for place in places[split]]
        if how == BEGINNINGS:
            looked_at = [begun(passage, learned=BEGUN) for passage in looked_at]
        sizes = [0] * len(looked_at)
        return perplexity.statistics(
            subject.model, subject.read_by, looked_at, sizes=sizes, budget=run.evaluation_budget
        )

    return OfTexts(losses, trained=own_count(subject.rows["train"]), sampling=run.sampling, how=how)


def _mean_beginnings(subject: Writing) -> dict[str, float]:
    """Split to the tokens of a row as far as its beginning reaches, on the mean of some rows."""
    found = {}
    for split in SPLITS:
        passages = subject.passages[split]
        some = [passages[place] for place in drawn_places(len(passages), most=MOST_LOOKED_AT, seed=0)]
        found[split] = sum(len(begun(passage, learned=BEGUN)) for passage in some) / max(1, len(some))
    return found


def _twice(each: Mapping[str, float]) -> dict[str, float]:
    """What the untouched and the tuned model read together."""
    return {split: 2 * tokens for split, tokens in each.items()}


def _memorising(subject: Writing, run: Prepared, allowance: Allowance, journal: Journal) -> Probe | Probed:
    drawn = {split: long_answers(subject, split, count=MOST_ROWS, seed=run.recipe.seed) for split in SPLITS}
    prompts = {split: _prompts(subject, answers) for split, answers in drawn.items()}
    each = sum(sum(map(len, asked)) / max(1, len(asked)) + WRITTEN * LENGTH for asked in prompts.values())
    least = min(LEAST_ROWS, *map(len, drawn.values()))  # of none, the probe itself says why
    refused = allowance.refused("memorising", REPRODUCED, each=each, least=least)
    if refused is not None:
        return refused
    count = allowance.rows("memorising", each=each, most=MOST_ROWS)

    def reproduced(split: str) -> list[bool]:
        def going(done: int) -> None:
            journal.show(Progress(what=f"answers, {split}", done=done, of=len(answers)))

        answers = drawn[split][:count]
        texts = write(subject.model, prompts[split][:count], HowToWrite(most_tokens=LENGTH), progress=going)
        stops = end_tokens(subject.model)
        learned = (read_back(subject.model, answer.ids, stops) for answer in answers)
        return [reproduces(text, answer) for text, answer in zip(texts, learned, strict=True)]

    return Memorised(reproduced, confidence=run.recipe.evaluate.confidence)


def long_answers(subject: Writing, split: str, *, count: int, seed: int) -> list[Answer]:
    """Of rows the longest answer each, where that is long enough to be learned by heart, drawn by the seed."""
    order, found = np.random.default_rng(seed).permutation(own_count(subject.rows[split])), list[Answer]()
    for place in order[:MOST_SEARCHED].tolist():
        answer = longest_answer(subject.passages[split][place])
        if answer is not None and len(answer.ids) >= LEAST_TOKENS:
            found.append(answer)
        if len(found) == count:
            break
    return found


def _prompts(subject: Writing, answers: Sequence[Answer]) -> list[tuple[int, ...]]:
    """What stands before them, from its beginning less what there is no room for beside the text."""
    room, ends = question_room(subject.model, answer=LENGTH), subject.reading.ends
    asked = [answer.asked for answer in answers]
    return asked if room is None else [ends.shorten(ids, room, from_end=subject.model.reads_apart) for ids in asked]
