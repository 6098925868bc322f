"""A finished run whose model writes, opened again: to write texts, and to measure it. Shared by the verbs that do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from affina.data.gathering import one_set
from affina.data.places import locate
from affina.data.rows import Row
from affina.data.written.again import written_rows
from affina.data.written.composing import composed
from affina.errors import Problem, RunError
from affina.evaluation import slots
from affina.evaluation.judging.base import Sampling
from affina.evaluation.slot_phrases import Phrases, load_phrases
from affina.methods.base import Attached
from affina.models.language import LanguageModel
from affina.models.quiet import Notify, silent
from affina.models.writing import HowToWrite
from affina.pipeline.opening import shipped, untouched
from affina.pipeline.writing import shown
from affina.pipeline.writing.answer_limit import most_new
from affina.pipeline.writing.measuring import most_rows
from affina.pipeline.writing.pieces import divided
from affina.pipeline.writing.teachers import teacher_of
from affina.pipeline.writing.writer import Judged, ToWrite, Writer
from affina.recipe.generate_spec import GenerateSpec
from affina.recipe.task_specs import ChatSpec, GenerationSpec, TranslationSpec, WritingSpec
from affina.record.folder import RunFolder
from affina.record.payloads import Scores
from affina.reporting.degenerate import degenerate
from affina.runtime import products
from affina.runtime.machine import choose_device
from affina.tasks.lessons import Reading
from affina.verbs.runs import FinishedRun, tell_of_shared

BATCH_TOKENS = 2_048


@dataclass(frozen=True, slots=True)
class OpenWriter:
    """A run to write with.

    Attributes:
        run: what it left.
        spec: its task.
        writer: the exported model with that task, on its device.
        attached: what stands beside the model's own weights; None where the model is whole.
    """

    run: FinishedRun
    spec: WritingSpec
    writer: Writer
    attached: Attached | None = None

    def read(self, address: str, *, answered: bool, notify: Notify = silent) -> tuple[Row, ...]:
        """The rows of a file or another source.

        Args:
            address: of the source.
            answered: whether the answers are needed.
            notify: told of rows that were left out.

        Raises:
            DataError: it cannot be used, or a row is unfit.
        """
        unfit, columns = self.run.recipe.data.unfit, self.run.data.columns
        items = one_set(locate(address))
        return written_rows(items, columns, self.spec, unfit=unfit, answered=answered, notify=notify)

    def rows(self, texts: Sequence[str]) -> list[Row]:
        """Rows made of texts given directly: each what a user says, an input, or a source."""
        role = "source" if isinstance(self.spec, TranslationSpec) else "text" if self.writer.alone else "prompt"
        rows = (Row({role: text}, "the command line", number, number) for number, text in enumerate(texts, start=1))
        return [composed(row, self.spec, answered=False) for row in rows]

    def evaluate(self, address: str, *, notify: Notify) -> Scores:
        """Measure the model on rows with their answers; texts alone in pieces, where the training had them so.

        Raises:
            DataError: the rows cannot be used.
        """
        recipe = self.run.recipe
        rows = self.read(address, answered=True, notify=notify)
        tell_of_shared(self.run.trained_on(rows, writing=self.spec), notify)
        rows = self._in_pieces(rows, notify)
        taught = self.writer.taught(rows)
        longest = max(map(len, taught.passages))
        losses = self.writer.losses(taught, budget=max(BATCH_TOKENS, longest))
        cut = [row.where for row, passage in zip(rows, taught.passages, strict=True) if passage.cut]
        if cut:
            limit = recipe.data.max_length
            notify(f"{len(cut):,} rows are cut to the run's {limit} tokens for the loss, {cut[0]} the first of them")
        most = 0 if self.writer.alone else most_rows(recipe.generate.rows)
        wanted = self.writer.to_write(rows, most=most, seed=recipe.rows_seed)
        written = self.writer.write(wanted.rows, notify=notify) if wanted.rows else []
        spec = recipe.evaluate
        sampling = Sampling(resamples=spec.resamples, confidence=spec.confidence, seed=recipe.seed)
        found = self.writer.judge(wanted, written, losses, sampling=sampling)
        self._tell_of_slots(wanted, sampling, notify)
        self._tell_of_degenerate(wanted, found, split=address, notify=notify)
        return Scores(who="tuned", split=address, metrics=found.metrics)

    def _tell_of_degenerate(self, wanted: ToWrite, found: Judged, *, split: str, notify: Notify) -> None:
        """Answers that are none, whatever their figures are."""
        if found.texts is None:
            return
        texts = shown.texts(found.written, who="tuned", split=split)
        wrong = degenerate(texts, shown.rows_of_texts(wanted, found, who="tuned", split=split))
        if wrong is not None:
            notify(f"{wrong.told}; `affina predict {self.run.folder.path} {split}` writes them down")

    def _in_pieces(self, rows: tuple[Row, ...], notify: Notify) -> tuple[Row, ...]:
        data = self.run.recipe.data
        if not self.writer.alone or data.too_long != "truncate" or isinstance(data.max_length, str):
            return rows
        found = divided(rows, self.writer.model, limit=data.max_length)
        if found.long:
            notify(
                f"{found.long:,} texts of more than the run's {data.max_length:,} tokens are measured in "
                f"{found.pieces:,} pieces, as they are learned"
            )
        return found.rows

    def _tell_of_slots(self, wanted: ToWrite, sampling: Sampling, notify: Notify) -> None:
        """What the count of slots is worth on these rows."""
        phrases = self.writer.phrases
        if phrases is None:
            if slots.REFERENCES in self.run.baselines:
                notify(f"slots are not counted: {self.run.folder.slots} is not there, which this run was to keep")
            return
        if unjudged := slots.not_judged(phrases, [row.fields["text"] for row in wanted.rows]):
            notify(f"slots: {unjudged}")
        error = self.writer.of_references(wanted, sampling).get(slots.ERROR)
        notify(
            "slots are not counted: no input of these rows is attributes with values that can be judged"
            if error is None
            else f"slots: the references of these rows themselves count as {error.value:.1%} wrong"
        )


def open_writer(run: FinishedRun, *, device: str = "auto", base: bool = False, notify: Notify = silent) -> OpenWriter:
    """Load the model that a run exported, or the one that it began with.

    Args:
        run: from `read_run`.
        device: auto, cpu, cuda or mps.
        base: the model as it was before the training.
        notify: told of slow work.

    Raises:
        RunError: the run's model does not write, or its slots.json is damaged.
        RecipeError: its recipe was changed, to texts as long as the model's context.
    """
    spec = run.recipe.task
    if not isinstance(spec, ChatSpec | GenerationSpec | TranslationSpec):
        raise RunError(
            Problem(
                where=str(run.folder.path),
                expected="a run whose model writes: chat, generation or translation",
                found=f"a run of the task {run.data.task}",
                fix=f"ask it with `affina predict {run.folder.path} TEXT`",
            )
        )
    phrases = _phrases(run.folder)
    where, packed = choose_device(device), run.recipe.packs
    products.use_fastest(where)
    if base:
        found = untouched(run.recipe.model, packed=packed, went_on=run.went_on, device=where, notify=notify)
    else:
        found = shipped(run.folder, packed=packed, device=where, notify=notify)
    model, attached = found.writer(notify=notify)
    alone = run.data.task == "generation" and "completion" not in run.data.columns
    teacher = teacher_of(spec, model, {}, alone=alone)
    limit = run.recipe.data.max_length
    reading = Reading(model, max_length=None if isinstance(limit, str) else limit)
    how = settled(run.recipe.generate, model, seed=run.recipe.seed)
    writer = Writer(model=model, teacher=teacher, reading=reading, how=how, alone=alone, phrases=phrases)
    return OpenWriter(run, spec, writer, attached)


def _phrases(folder: RunFolder) -> Phrases | None:
    """What slots are counted by; None where the run counts none, or its file is gone."""
    if not folder.slots.is_file():
        return None
    try:
        return load_phrases(folder.slots.read_text("utf-8"))
    except ValueError as error:
        raise RunError(
            Problem(
                where=str(folder.slots),
                expected="the phrases that the run counts slots by, as it wrote them",
                found=str(error),
                fix="put the whole file back, or remove it: the model is used without it, and slots are not counted",
            )
        ) from error


def settled(spec: GenerateSpec, model: LanguageModel, *, seed: int) -> HowToWrite:
    """How a finished run writes: its recipe has `auto` left where no training row had an answer."""
    return HowToWrite(
        most_tokens=most_new(spec.max_new_tokens, model),
        temperature=spec.temperature,
        top_p=spec.top_p,
        beams=1 if isinstance(spec.beams, str) else spec.beams,
        seed=seed,
    )
