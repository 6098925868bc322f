"""A model that writes with its task: texts for rows, and what these and the losses are worth.

It needs no run: a finished one's model is asked and measured with it as well. What is recorded is `measuring`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import final

from affina.data.drawing import drawn_places
from affina.data.rows import Row
from affina.data.table import MOST_EXAMPLES
from affina.evaluation import perplexity, slots, text_metrics
from affina.evaluation.judging.base import Sampling
from affina.evaluation.slot_phrases import Coverage, Phrases
from affina.models.language import LanguageModel
from affina.models.quiet import Notify, silent
from affina.models.writing import HowToWrite, Written, write
from affina.record.figures import Measured
from affina.record.measures import OF_TEXTS
from affina.tasks.lessons import Lesson, Passage, Reading, Teacher
from affina.tasks.shots import Asked, ask_all, question_room
from affina.tasks.target_text import target_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ToWrite:
    """Rows for which a text is written, each input once.

    Attributes:
        rows: one of each input.
        references: of each the right answers.
    """

    rows: tuple[Row, ...]
    references: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """Rows as they are learned: their tokens, and the UTF-8 bytes of the text that is learned of each."""

    passages: Sequence[Passage]
    sizes: Sequence[int]


def taught_of(model: LanguageModel, lessons: Sequence[Lesson], passages: Sequence[Passage]) -> Taught:
    """Lessons with their tokens."""
    return Taught(passages=passages, sizes=target_bytes(model, lessons, passages))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a predictor reached.

    Attributes:
        metrics: with intervals; of losses over all rows, of texts over those that were written.
        written: the texts.
        texts: each written row's share in the metrics of texts; None where nothing is written.
        losses: each row's share in the losses; None where they were not measured.
        slots: what each written text says of its input; empty where slots are not counted.
    """

    metrics: dict[str, Measured]
    written: list[Written]
    texts: text_metrics.Statistics | None
    losses: perplexity.Statistics | None
    slots: list[Coverage | None]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """A model and its task.

    Attributes:
        model: predicts the next token.
        teacher: the task: what a row teaches, asks and has as its answer.
        reading: rows as tokens, batches, and their loss.
        how: how texts are written.
        alone: rows are texts without a prompt: nothing is written, and the loss is all.
        phrases: what stands for the slots of inputs that are attributes with values; None for other inputs.
    """

    model: LanguageModel
    teacher: Teacher
    reading: Reading
    how: HowToWrite
    alone: bool
    phrases: Phrases | None = None

    def taught(self, rows: Sequence[Row]) -> Taught:
        """Rows as tokens.

        Raises:
            UnfitRow: a row cannot be learned from.
        """
        lessons = [self.teacher.lesson(row) for row in rows]
        return taught_of(self.model, lessons, self.reading.encode(lessons))

    def losses(self, taught: Taught, *, budget: int) -> perplexity.Statistics:
        """Each row's losses, for the model as it is."""
        return perplexity.statistics(self.model, self.reading, taught.passages, sizes=taught.sizes, budget=budget)

    def to_write(self, rows: Sequence[Row], *, most: int | None, seed: int) -> ToWrite:
        """The rows that a text is written for: each input once, with all answers that it has; so many of them, drawn.

        Args:
            rows: of one split.
            most: how many; None for all.
            seed: decides the draw.
        """
        together: dict[str, list[Row]] = {}
        for row in rows:
            together.setdefault(row.fields["text"], []).append(row)
        groups = list(together.values())
        chosen = drawn_places(len(groups), most=most, seed=seed)
        return ToWrite(
            rows=tuple(groups[place][0] for place in chosen),
            references=tuple(tuple(map(self.teacher.answer, groups[place])) for place in chosen),
        )

    def ask(
        self, rows: Sequence[Row], *, shots: Sequence[Row] = (), in_talk: bool = False, notify: Notify = silent
    ) -> list[Asked]:
        """The questions of rows, each within the room that the context has for it.

        A question that is longer loses its beginning, or for an encoder its end.

        Args:
            rows: what is asked.
            shots: rows with their answers that stand before each question, as many as there is room for.
            in_talk: a question is what was said so far: its beginning goes, for an encoder, too.
            notify: told of questions that have no room for all shots, or are too long themselves.

        Raises:
            UnfitRow: a row cannot be asked.
        """
        room = question_room(self.model, answer=self.how.most_tokens)
        asked = ask_all(self.teacher, self.reading, rows, shots=shots, room=room, notify=notify)
        from_end = self.model.reads_apart and not in_talk
        return [one.within(room, self.reading.ends, from_end=from_end) for one in asked]

    def write(
        self,
        rows: Sequence[Row],
        *,
        shots: Sequence[Row] = (),
        notify: Notify = silent,
        progress: Callable[[int, int], None] = lambda *_: None,
    ) -> list[Written]:
        """A text for each row, from the model as it is.

        Args:
            rows: what is asked.
            shots: rows with their answers that stand before each question.
            notify: told of questions that have no room for all shots, or are too long themselves, and of texts that
                are cut off.
            progress: told how many texts are done, and of how many.
        """
        asked = self.ask(rows, shots=shots, notify=notify)
        prompts, until = [one.ids for one in asked], [one.until for one in asked]
        texts = write(self.model, prompts, self.how, until=until, progress=lambda done: progress(done, len(prompts)))
        if going := [row.where for row, text in zip(rows, texts, strict=True) if not text.ended]:
            notify(
                f"{len(going):,} of {len(texts):,} texts had not ended after generate.max_new_tokens="
                f"{self.how.most_tokens:,} and are cut off there: {', '.join(going[:MOST_EXAMPLES])}"
                + (f" and {len(going) - MOST_EXAMPLES:,} more" if len(going) > MOST_EXAMPLES else "")
            )
        return texts

    def judge(
        self, wanted: ToWrite, written: list[Written], losses: perplexity.Statistics | None, *, sampling: Sampling
    ) -> Judged:
        """What texts and losses come to.

        Args:
            wanted: the rows that texts were written for.
            written: the texts; none where nothing is written.
            losses: of all rows.
            sampling: how the intervals are drawn.
        """
        drawn = (sampling.resamples, sampling.confidence, sampling.seed)
        metrics: dict[str, Measured] = {}
        texts, covered = None, list[Coverage | None]()
        if written:
            texts = text_metrics.statistics([text.text for text in written], wanted.references)
            found = text_metrics.score(texts, resamples=drawn[0], confidence=drawn[1], seed=drawn[2])
            metrics = {OF_TEXTS: found[OF_TEXTS], **found}
            covered = self.covered([row.fields["text"] for row in wanted.rows], [text.text for text in written])
            metrics |= slots.score(slots.count(covered), resamples=drawn[0], confidence=drawn[1], seed=drawn[2])
        if losses is not None:
            metrics |= perplexity.score(losses, resamples=drawn[0], confidence=drawn[1], seed=drawn[2])
        return Judged(metrics=metrics, written=written, texts=texts, losses=losses, slots=covered)

    def covered(self, inputs: Sequence[str], texts: Sequence[str]) -> list[Coverage | None]:
        """Which attributes of their inputs texts state, miss and invent; empty where these are not counted."""
        return [] if self.phrases is None else slots.coverages(self.phrases, inputs, texts)

    def of_references(self, wanted: ToWrite, sampling: Sampling) -> dict[str, Measured]:
        """What the references themselves seem to miss and invent: the error of the count."""
        inputs = [row.fields["text"] for row, known in zip(wanted.rows, wanted.references, strict=True) for _ in known]
        found = slots.count(self.covered(inputs, [text for known in wanted.references for text in known]))
        return slots.score(found, resamples=sampling.resamples, confidence=sampling.confidence, seed=sampling.seed)

    def briefly(self, tokens: int) -> Writer:
        """The same with shorter texts."""
        return replace(self, how=replace(self.how, most_tokens=tokens))
