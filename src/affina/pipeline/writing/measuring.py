"""What is measured and recorded of a run that writes, before and after its training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from affina.data.rows import Row
from affina.evaluation import text_metrics
from affina.evaluation.judging.base import Sampling
from affina.pipeline.prepared import Measured, Prepared
from affina.pipeline.writing import shown
from affina.pipeline.writing.writer import Judged, ToWrite
from affina.record.journal import Journal
from affina.record.payloads import Chosen, Event, Scores
from affina.record.progress import Progress
from affina.tasks.shots import draw_shots

if TYPE_CHECKING:
    from affina.pipeline.writing.subject import Writing

USUAL_ROWS: Final = 100
"""Rows for which texts are written where the recipe does not say."""
ZERO_SHOT: Final = "zero_shot"
FEW_SHOT: Final = "few_shot"
TUNED: Final = "tuned"


def measure_baselines(subject: Writing, run: Prepared, journal: Journal) -> None:
    """The model as it came: asked as it is, and shown training rows where shots are asked for."""
    run.attached.eval()
    _measure(subject, run, journal, who=ZERO_SHOT)
    if subject.shots and not subject.writer.alone:
        shots = draw_shots(subject.writer.teacher, subject.rows["train"], count=subject.shots, seed=run.recipe.seed)
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
        samples=shown.samples(wanted, found.written, seed=run.recipe.seed),
        worst=shown.worst(wanted, found.written),
    )


def most_rows(asked: int | str) -> int | None:
    """`generate.rows` as a number; None for all."""
    return None if asked == "all" else USUAL_ROWS if isinstance(asked, str) else asked


def _measure(
    subject: Writing, run: Prepared, journal: Journal, *, who: str, shots: Sequence[Row] = ()
) -> tuple[Scores, Judged, ToWrite]:
    """Measure and record the model as it is; shown rows first, its loss is not measured."""
    writer, split, spec = subject.writer, run.report_split, run.recipe.evaluate
    rows, seed = subject.rows[split], run.recipe.seed

    def told(text: str) -> None:
        journal.append(Event(step=0, name=who, text=text))

    def going(done: int, of: int) -> None:
        journal.show(Progress(what=f"texts, {who.replace('_', ' ')}", done=done, of=of))

    losses = None if shots else writer.losses(subject.taught[split], budget=run.evaluation_budget)
    most = 0 if writer.alone else most_rows(run.recipe.generate.rows)
    wanted = writer.to_write(rows, most=most, seed=seed)
    written = writer.write(wanted.rows, shots=shots, notify=told, progress=going) if wanted.rows else []
    sampling = Sampling(resamples=spec.resamples, confidence=spec.confidence, seed=seed)
    found = writer.judge(wanted, written, losses, sampling=sampling)
    scores = Scores(who=who, split=split, metrics=found.metrics)
    journal.append(scores)
    if found.texts is not None:
        journal.append(shown.texts(written, who=who, split=split))
        journal.append(shown.rows_of_texts(wanted, found.texts, who=who, split=split))
    elif losses is not None:
        journal.append(shown.rows_of_losses(rows, losses, who=who, split=split))
    return scores, found, wanted
