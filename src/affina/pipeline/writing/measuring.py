"""What is measured and recorded of a run that writes, before and after its training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from affina.data.canaries import own
from affina.data.drawing import drawn_places
from affina.data.rows import Row
from affina.evaluation import slots, text_metrics
from affina.pipeline.prepared import Prepared
from affina.pipeline.results import Measured
from affina.pipeline.writing import shown
from affina.pipeline.writing.writer import Judged, ToWrite
from affina.record.journal import Journal
from affina.record.payloads import Chosen, Event, Scores
from affina.record.progress import Progress
from affina.risks.own_texts import WRITTEN
from affina.tasks.answers import last_answer
from affina.tasks.shots import draw_shots

if TYPE_CHECKING:
    from affina.pipeline.writing.subject import Writing

USUAL_ROWS: Final = 100
"""Rows for which texts are written where the recipe does not say."""
MOST_LOOKED_AT: Final = 1_000
"""Rows whose mean length stands for that of all."""
ZERO_SHOT: Final = "zero_shot"
FEW_SHOT: Final = "few_shot"
TUNED: Final = "tuned"


def measure_baselines(subject: Writing, run: Prepared, journal: Journal) -> None:
    """The model as it came: asked as it is, and shown training rows where shots are asked for."""
    run.attached.eval()
    _measure_references(subject, run, journal)
    _measure(subject, run, journal, who=ZERO_SHOT)
    if subject.shots and not subject.writer.alone:
        rows = own(subject.rows["train"])
        shots = draw_shots(subject.writer.teacher, rows, count=subject.shots, seed=run.recipe.seed)
        _measure(subject, run, journal, who=FEW_SHOT, shots=shots)


def measure_tuned(subject: Writing, run: Prepared, journal: Journal) -> Measured:
    """The tuned model, as it was exported."""
    run.attached.eval()
    scores, found, wanted = _measure(subject, run, journal, who=TUNED)
    if not found.written:
        return Measured(scores=scores, samples=(), worst=())
    signed = text_metrics.signatures([text.text for text in found.written], wanted.references)
    for name, signature in signed.items():
        journal.append(Chosen(key=f"evaluate ({name})", value=signature, reason="sacrebleu's signature"))
    return Measured(
        scores=scores,
        samples=shown.samples(wanted, found, seed=run.recipe.seed),
        worst=shown.worst(wanted, found),
    )


def work_of_texts(subject: Writing, run: Prepared, *, shots: int = 0) -> float:
    """What it takes to write the report's texts, as long as the right ones, in tokens that go through the model.

    Args:
        subject: its rows.
        run: whose report it is.
        shots: training rows that stand before each question.
    """
    passages, lengths = subject.reported.passages, subject.lengths["train"]
    some = [passages[place] for place in drawn_places(len(passages), most=MOST_LOOKED_AT, seed=0)]
    answers = [last_answer(passage.learned) for passage in some]
    asked = sum(map(len, some)) - sum(answers)
    written = sum(min(answer, subject.writer.how.most_tokens) for answer in answers)
    each = shots * sum(lengths) / len(lengths) + (asked + WRITTEN * written) / max(1, len(some))
    return len(_wanted(subject, run).rows) * each


def _measure_references(subject: Writing, run: Prepared, journal: Journal) -> None:
    """What the references themselves seem to miss and invent: the error of the count."""
    found = subject.writer.of_references(_wanted(subject, run), run.sampling)
    if found:
        journal.append(Scores(who=slots.REFERENCES, split=run.report_split, metrics=found))


def _wanted(subject: Writing, run: Prepared) -> ToWrite:
    """The rows that a text is written for, the same ones for every predictor."""
    most = 0 if subject.writer.alone else most_rows(run.recipe.generate.rows)
    return subject.writer.to_write(subject.rows[run.report_split], most=most, seed=run.recipe.rows_seed)


def most_rows(asked: int | str) -> int | None:
    """`generate.rows` as a number; None for all."""
    return None if asked == "all" else USUAL_ROWS if isinstance(asked, str) else asked


def _measure(
    subject: Writing, run: Prepared, journal: Journal, *, who: str, shots: Sequence[Row] = ()
) -> tuple[Scores, Judged, ToWrite]:
    """Measure and record the model as it is; shown rows first, its loss is not measured."""
    writer, split = subject.writer, run.report_split

    def told(text: str) -> None:
        journal.append(Event(step=0, name=who, text=text))

    def going(done: int, of: int) -> None:
        journal.show(Progress(what=f"texts, {who.replace('_', ' ')}", done=done, of=of))

    losses = None if shots else writer.losses(subject.reported, budget=run.evaluation_budget)
    wanted = _wanted(subject, run)
    written = writer.write(wanted.rows, shots=shots, notify=told, progress=going) if wanted.rows else []
    found = writer.judge(wanted, written, losses, sampling=run.sampling)
    scores = Scores(who=who, split=split, metrics=found.metrics)
    journal.append(scores)
    if found.texts is not None:
        journal.append(shown.texts(written, who=who, split=split))
        journal.append(shown.rows_of_texts(wanted, found, who=who, split=split))
    elif losses is not None:
        journal.append(shown.rows_of_losses(subject.rows[split], losses, who=who, split=split))
    return scores, found, wanted
