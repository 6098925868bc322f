"""What a run keeps of its model before the first step: what it made of some texts, and how much its weights matter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from torch import Tensor, nn

from affina.data.rows import Row
from affina.methods.base import Attached
from affina.models.classifier import Classifier
from affina.models.language import LanguageModel
from affina.pipeline.attaching import is_beside, untouched
from affina.pipeline.prepared import Prepared
from affina.pipeline.replayed import KEY, lessons_in, passages_of, stand_ins, texts_for
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.record.progress import Progress
from affina.runtime import randomness
from affina.tasks.holding import Held, HeldDirections, HeldTokens
from affina.tasks.lessons import Lesson, Reading
from affina.tasks.lines import Lines
from affina.tasks.texts import tokenize
from affina.training.beforehand import Beforehand
from affina.training.importance import Likelihood, fisher
from affina.training.precision import Precision


def pre_trained(attached: Attached) -> dict[str, nn.Parameter]:
    """What trains of the weights that the model came with."""
    if is_beside(attached):
        return {}
    groups = [group.parameters for group in attached.parameter_groups() if group.part == "body"]
    return {name: weight for group in groups for name, weight in group.items()}


def with_beforehand(run: Prepared, folder: RunFolder, journal: Journal) -> Prepared:
    """The run with what is kept of its model, which is as it came.

    Args:
        run: before its first step, or before the checkpoint that it goes on from is put into the model.
        folder: the texts are written there, or read where they are there.
        journal: shown how far the writing is.
    """
    texts = texts_for(run)
    if texts is None:
        return run

    def going(done: int, of: int) -> None:
        journal.show(Progress(what="texts to replay, untouched model", done=done, of=of))

    run.attached.eval()
    with untouched(run), randomness.untouched():
        return replace(run, before=_of(run, lessons_in(folder, run, texts, going)))


def with_stand_ins(run: Prepared) -> Prepared:
    """The same with texts of the same sizes that cost nothing to write, for a rehearsal."""
    texts = texts_for(run)
    if texts is None:
        return run
    run.attached.eval()
    with untouched(run), randomness.untouched():
        return replace(run, before=_of(run, stand_ins(run, texts)))


def _of(run: Prepared, lessons: Sequence[Lesson]) -> Beforehand:
    train = run.recipe.train
    return Beforehand(
        held=None if train.replay is None else _held(run, lessons),
        fisher=fisher(pre_trained(run.attached), _likelihoods(run, lessons)) if train.ewc else None,
    )


def _held(run: Prepared, lessons: Sequence[Lesson]) -> Held:
    model, budget = run.model, run.hyper.batch_tokens.value
    with Precision(run.precision, run.device).autocast():
        if isinstance(model, LanguageModel):
            reading = Reading(model, max_length=model.max_length)
            return HeldTokens(model, reading, passages_of(model, lessons), budget=budget)
        if not isinstance(model, Classifier):
            raise TypeError(type(model))
        rows = [Row(fields={"text": one.text}, file=KEY, number=place, line=0) for place, one in enumerate(lessons, 1)]
        examples = tokenize(model.tokenizer, rows, [None] * len(rows), max_length=model.max_length)
        return HeldDirections(model, examples, budget=budget)


def _likelihoods(run: Prepared, lessons: Sequence[Lesson]) -> Iterator[Likelihood]:
    """Of each text by itself; every token of it was drawn by the model."""
    model = run.model
    if not isinstance(model, LanguageModel):
        raise TypeError(type(model))
    reading = Reading(model, max_length=model.max_length)
    for passage in passages_of(model, lessons):
        lines = reading.collate([passage], rows=[0]).to(run.device)

        yield Likelihood(partial(_unlikeliness, model, reading, lines), passage.targets)


def _unlikeliness(model: LanguageModel, reading: Reading, lines: Lines) -> Tensor:
    return reading.loss(model.states(lines.inputs), model.output, lines)[0]
