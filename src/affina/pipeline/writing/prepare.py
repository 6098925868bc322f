"""The preparation of a run that writes: its model, what rows teach, the limit in tokens, and how texts are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from affina.data.conversations import parse
from affina.data.labelling.written import Written
from affina.data.loading import Loaded
from affina.data.rows import Row
from affina.data.written.composing import composed
from affina.data.written.names import ATTRIBUTE_ROLE
from affina.errors import Problem, RecipeError
from affina.evaluation.slot_phrases import Phrases, phrases_of
from affina.evaluation.slots import not_judged
from affina.models.language import LanguageModel, load_language_model
from affina.models.source import Source
from affina.models.writing import search_with
from affina.pipeline.attaching import with_room
from affina.pipeline.prepared import Notify, report_split
from affina.pipeline.writing.answer_limit import how_to_write
from affina.pipeline.writing.planted import planted
from affina.pipeline.writing.rows import read_rows
from affina.pipeline.writing.subject import Writing
from affina.pipeline.writing.writer import Taught, Writer
from affina.recipe.base import AUTO
from affina.recipe.resolve import GIVEN
from affina.recipe.schema import Recipe
from affina.recipe.task_specs import ChatSpec, GenerationSpec, TranslationSpec, WritingSpec
from affina.record.audited import Audited
from affina.record.payloads import Finding
from affina.record.starts import ASKED
from affina.runtime import machine
from affina.tasks.lessons import Teacher
from affina.values import Resolved

SHOTS: Final = 4

Choices = dict[str, Resolved[Any]]


def prepare(
    recipe: Recipe, loaded: Loaded, written: Written, source: Source, choices: Choices, *, notify: Notify
) -> tuple[Writing, tuple[Audited, tuple[Finding, ...]]]:
    """The subject of a run that writes, its model on its device, and what was looked at in the rows.

    Raises:
        InputError: something that the user gave cannot be used.
    """
    dropout = None if recipe.train.dropout == AUTO else recipe.train.dropout
    model = with_room(load_language_model(source, dropout=dropout, notify=notify), recipe)
    found = read_rows(recipe, loaded, written, model, choices)
    rows = found.limited.rows
    passages = {split: found.lessons.of(part, found.reading) for split, part in rows.items()}
    split = report_split(rows)
    sizes = found.lessons.sizes(rows[split], passages[split], limit=found.limited.limit)
    reported = Taught(passages=passages[split], sizes=sizes)
    added = planted(recipe, written.spec, found, model, choices)
    passages["train"] = [*passages["train"], *added.passages]
    answers = [] if found.alone else found.lessons.answers(rows["train"])
    how = how_to_write(recipe, model, answers, choices)
    search_with(model.module, how.beams)
    choices[ASKED] = _asked(written.spec, found.teacher, loaded.columns, as_turns=not model.reads_apart)
    model.module.to(machine.choose_device(recipe.device))
    writer = Writer(
        model=model,
        teacher=found.teacher,
        reading=found.reading,
        how=how,
        alone=found.alone,
        phrases=_phrases(written, rows["train"], choices),
    )
    subject = Writing(
        model=model,
        rows={**rows, "train": (*rows["train"], *added.rows)},
        reading=found.reading,
        passages=passages,
        lengths={split: [len(passage) for passage in part] for split, part in passages.items()},
        max_length=found.limited.limit,
        writer=writer,
        shots=_shots(recipe, model, written.spec, choices, alone=found.alone),
        spec=written.spec,
        reported=reported,
    )
    return subject, (found.audited, found.findings)


def _phrases(written: Written, rows: Sequence[Row], choices: Choices) -> Phrases | None:
    """What stands for the attributes of the inputs, where these are attributes with values."""
    if not isinstance(written.spec, GenerationSpec):
        return None
    found = phrases_of([(row.fields["text"], row.fields["label"]) for row in rows])
    if found is not None:
        reason = "the inputs are attributes with values; found by their words, and by phrases of the training texts"
        unjudged = not_judged(found, [row.fields["text"] for row in rows])
        choices["evaluate (slots)"] = Resolved("counted", f"{reason}; {unjudged}" if unjudged else reason)
    return found


def _asked(spec: WritingSpec, teacher: Teacher, columns: Mapping[str, str], *, as_turns: bool) -> Resolved[Any]:
    """What the model is asked for a stand-in, so that nobody has to guess it."""
    role = {"chat": "prompt", "translation": "source"}.get(spec.name, "text" if "text" in columns else "prompt")
    cells = {name: "a value" for name in columns if name.startswith(ATTRIBUTE_ROLE)}
    cells = cells or {role: "a question" if spec.name == "chat" else "a text"}
    row = composed(Row(cells, "", 0, 0), spec, answered=False)
    if isinstance(spec, ChatSpec) and as_turns:
        turns = [{"role": turn.role, "content": turn.content} for turn in parse(row.fields["messages"])]
        return Resolved(turns, "in the model's chat template, for `a question`")
    return Resolved(teacher.question(row).text, f"for `{' and '.join(dict.fromkeys(cells.values()))}`")


def _shots(recipe: Recipe, model: LanguageModel, spec: WritingSpec, choices: Choices, *, alone: bool) -> int:
    """Training rows that the base model is shown.

    Raises:
        RecipeError: some are asked for where none can be shown.
    """
    given, why = recipe.generate.shots, ""
    if alone:
        why = "texts that are gone on with have no answers to be shown"
    elif model.reads_apart and isinstance(spec, TranslationSpec):
        why = f"{model.source.reference}, an encoder-decoder, reads one text to translate"
    if given != AUTO:
        if given and why:
            fix = "leave it out, or write generate.shots=0"
            found = f"{given}; {why}"
            raise RecipeError(Problem(where="recipe key generate.shots", expected="0 or auto", found=found, fix=fix))
        choices["generate.shots"] = Resolved(given, GIVEN)
        return given
    if why or model.reads_apart:
        reason = (
            why or "an encoder-decoder was made to read one text; write generate.shots=4 to show it rows all the same"
        )
        choices["generate.shots"] = Resolved(0, reason)
        return 0
    choices["generate.shots"] = Resolved(SHOTS, "what the untouched model can do when it is shown examples")
    return SHOTS
