"""The probes of a run that writes: how far it learned its rows by heart, and what it forgot."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from affina.data.canaries import own_count
from affina.data.drawing import drawn_places
from affina.data.rows import Row
from affina.evaluation import perplexity
from affina.models.writing import HowToWrite
from affina.pipeline.compared_rows import compared_rows, mean_tokens
from affina.pipeline.forgetting import forgetting_of
from affina.pipeline.prepared import Prepared
from affina.pipeline.writing.planted import exposure_of
from affina.record.journal import Journal
from affina.record.progress import Progress
from affina.record.risks import REPRODUCED, Probed
from affina.risks.allowance import Allowance
from affina.risks.memorising import LEAST_ROWS, LEAST_TOKENS, LENGTH, MOST_ROWS, Memorised, reproduces
from affina.risks.overfitting import OfTexts
from affina.risks.own_texts import WRITTEN
from affina.risks.probe import Probe

if TYPE_CHECKING:
    from affina.pipeline.writing.subject import Writing


def probes_of(subject: Writing, run: Prepared, allowance: Allowance, journal: Journal) -> list[Probe | Probed]:
    """The probes, or why one is left out."""
    found = [_overfitting(subject, run, allowance)]
    if not subject.writer.alone:
        found.append(_memorising(subject, run, allowance, journal))
    if (exposed := exposure_of(subject, run, journal)) is not None:
        found.append(exposed)
    return [*found, *forgetting_of(subject.model, run, allowance, journal)]


def _overfitting(subject: Writing, run: Prepared, allowance: Allowance) -> Probe | Probed:
    places = compared_rows(run, allowance, each={split: 2 * tokens for split, tokens in mean_tokens(run).items()})
    if isinstance(places, Probed):
        return places

    def losses(split: str) -> perplexity.Statistics:
        passages = [subject.passages[split][place] for place in places[split]]
        sizes = [0] * len(passages)
        return perplexity.statistics(
            subject.model, subject.reading, passages, sizes=sizes, budget=run.evaluation_budget
        )

    return OfTexts(losses, trained=own_count(subject.rows["train"]), sampling=run.sampling)


def _memorising(subject: Writing, run: Prepared, allowance: Allowance, journal: Journal) -> Probe | Probed:
    each = sum(mean_tokens(run).values()) + 2 * WRITTEN * LENGTH  # what is asked is a part of the row, and is read once
    refused = allowance.refused("memorising", REPRODUCED, each=each, least=LEAST_ROWS)
    if refused is not None:
        return refused
    count = allowance.rows("memorising", each=each, most=MOST_ROWS)
    how = HowToWrite(most_tokens=LENGTH)

    def reproduced(split: str) -> list[bool]:
        def going(done: int, of: int) -> None:
            journal.show(Progress(what=f"answers, {split}", done=done, of=of))

        rows = _with_long_answers(subject, split, count=count, seed=run.recipe.seed)
        texts = replace(subject.writer, how=how).write(rows, progress=going)
        answers = map(subject.writer.teacher.answer, rows)
        return [reproduces(text, answer) for text, answer in zip(texts, answers, strict=True)]

    return Memorised(reproduced, confidence=run.recipe.evaluate.confidence)


def _with_long_answers(subject: Writing, split: str, *, count: int, seed: int) -> list[Row]:
    """Rows of which enough is learned to be learned by heart, drawn by the seed."""
    users = subject.passages[split][: own_count(subject.rows[split])]
    long = [place for place, passage in enumerate(users) if passage.targets >= LEAST_TOKENS]
    chosen = drawn_places(len(long), most=count, seed=seed)
    return [subject.rows[split][long[place]] for place in chosen]
