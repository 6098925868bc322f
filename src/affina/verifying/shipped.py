"""Checks of what is shipped: written, opened again by Affina and by plain transformers, it gives the run's own logits.

Rows go in as texts: what the tokenizer and the chat template that were saved make of them is a part of what is checked.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor

from affina.data.rows import Row
from affina.errors import ModelError, RunError
from affina.models.classifier import Classifier
from affina.models.language import LanguageModel
from affina.models.plain import load_plain
from affina.models.units import lost, units_of
from affina.pipeline.answering.kinds import KINDS
from affina.pipeline.answering.subject import Answering
from affina.pipeline.beginning import with_adapter
from affina.pipeline.naming.subject import ByName
from affina.pipeline.opening import Shipped, shipped
from affina.pipeline.prepared import Prepared
from affina.pipeline.resolved import resolved_recipe
from affina.pipeline.shipping import put
from affina.pipeline.writing.subject import Writing
from affina.pipeline.writing.teachers import teacher_of
from affina.recipe.load import dump_recipe
from affina.record.files import write_text
from affina.record.folder import RunFolder
from affina.reporting.formats import counted
from affina.tasks.asking import Asking
from affina.tasks.lessons import Passage, Reading
from affina.tasks.token_loss import IGNORED
from affina.verifying import kinds
from affina.verifying.arithmetic import LOOKED
from affina.verifying.bench import Bench
from affina.verifying.guarantees import SINGLE, Guarantee, absent, failed, within
from affina.verifying.measuring import off

RELOADED: Final = "model reloaded"
ADAPTER: Final = "adapter reloaded"
PLAIN: Final = "plain transformers"
ROUNDED: Final = 4.0
"""Times the rounding of a number in the user's units: to them and back."""


@torch.no_grad()
def of_shipped(bench: Bench) -> Iterator[Guarantee]:
    """Write what the run would ship of the model as it is, and open it in every way."""
    run, places = bench.run, bench.places[:LOOKED]
    folder = RunFolder(bench.folder / "shipped")
    put(run, run.attached.state_dict())
    expected = kinds.logits(run, places).cpu()
    run.subject.export(run, folder)
    recipe = resolved_recipe(run).model_copy(update={"model": run.model.source.without_adapter.reference})
    write_text(folder.recipe, dump_recipe(recipe))  # where an adapter finds its base
    write_text(folder.journal, "")
    rows = [run.rows["train"][place] for place in places]
    yield from _model(run, folder, rows, expected)
    yield _adapter(run, folder, rows, expected)


def _model(run: Prepared, folder: RunFolder, rows: Sequence[Row], expected: Tensor) -> Iterator[Guarantee]:
    if not folder.model.is_dir():
        why = f"this run ships adapter/ alone, of method {run.method.name}"
        yield absent(RELOADED, why)
        yield absent(PLAIN, why)
        return
    opened = _reader(run, shipped(folder, device=run.device))
    yield _same(RELOADED, run, lambda: opened(rows), expected, what="model/, opened again by Affina,")
    yield _same(PLAIN, run, lambda: _plain(run, folder, rows), expected, what="model/, opened by plain transformers,")


def _adapter(run: Prepared, folder: RunFolder, rows: Sequence[Row], expected: Tensor) -> Guarantee:
    if not folder.adapter.is_dir():
        return absent(ADAPTER, f"method {run.method.name} ships model/ alone")
    what = "adapter/, opened again beside its base,"

    def found() -> Tensor:
        return _reader(run, Shipped(with_adapter(str(folder.adapter)), run.device))(rows)

    return _same(ADAPTER, run, found, expected, what=what)


def _same(name: str, run: Prepared, found: Callable[[], Tensor], expected: Tensor, *, what: str) -> Guarantee:
    """Whether what was opened gives the run's own logits."""
    try:
        figure = off(found(), expected)
    except (ModelError, RunError) as error:
        return failed(name, f"{what} could not be opened: {error.problems[0].found}")
    finally:
        gc.collect()
    if math.isinf(figure):
        return failed(name, f"{what} reads the rows as other tokens than the run, or answers with other outputs")
    return within(
        name,
        figure,
        _bound(run),
        holds=f"{what} gives the logits of the run for {counted(min(LOOKED, len(run.rows['train'])), 'rows')}",
        broken=f"{what} gives other logits than the run",
    )


def _bound(run: Prepared) -> float:
    """Of the largest logit; that of a regression is rounded as the user's own numbers are."""
    subject = run.subject
    return max(SINGLE, ROUNDED * lost(subject.model.units)) if isinstance(subject, Answering) else SINGLE


def _reader(run: Prepared, opened: Shipped) -> Callable[[Sequence[Row]], Tensor]:
    """What was shipped, as a function of rows to logits in the units that the run trains in."""
    subject = run.subject
    if isinstance(subject, Answering):
        answering = subject

        def logits(rows: Sequence[Row]) -> Tensor:
            kind = KINDS[answering.spec.name]
            labelling = run.loaded.labelling
            model = opened.classifier(kind.head(answering.task.labels, labelling, []))
            return _answered(answering, model, rows, run)

        return logits
    own = kinds.learns(subject)
    return lambda rows: _said(own, opened.writer()[0], rows, run)


def _answered(subject: Answering, model: Classifier, rows: Sequence[Row], run: Prepared) -> Tensor:
    """Logits of a reopened classifier, whose tokenizer reads the rows, in the units of the run's own."""
    limit = model.tokenizer.model_max_length
    task = KINDS[subject.spec.name].task(model.tokenizer, subject.task.labels, max_length=limit, units=model.units)
    twin = replace(subject, model=model, task=task, examples={**subject.examples, "train": task.encode(rows)})
    found = kinds.logits(replace(run, subject=twin), range(len(rows))).cpu()
    return (
        ((model.units.shift + model.units.scale * found.double()) - subject.model.units.shift)
        .div(subject.model.units.scale)
        .float()
    )


def _said(own: Writing | ByName, model: LanguageModel, rows: Sequence[Row], run: Prepared) -> Tensor:
    """Logits of a reopened model that writes, whose tokenizer and template read the rows; none where they differ."""
    passages = _read(own, model, rows)
    if passages != _known(own, len(rows)):
        return torch.empty(0)
    twin = replace(own, model=model, passages={**own.passages, "train": passages})
    return kinds.logits(replace(run, subject=twin), range(len(rows))).cpu()


def _read(own: Writing | ByName, model: LanguageModel, rows: Sequence[Row]) -> list[Passage]:
    """Rows as a reopened model's tokenizer and template read them."""
    if isinstance(own, ByName):
        asking = Asking(model, own.namer.asking.labels, limit=own.namer.asking.limit)
        lessons, limit = [asking.lesson(row) for row in rows], None
    else:
        teacher = teacher_of(own.spec, model, {}, alone=own.writer.alone)
        lessons, limit = [teacher.lesson(row) for row in rows], own.max_length
    return Reading(model, max_length=limit).encode(lessons)


def _known(own: Writing | ByName, count: int) -> list[Passage]:
    return list(own.passages["train"][:count])


def _plain(run: Prepared, folder: RunFolder, rows: Sequence[Row]) -> Tensor:
    """The same by transformers alone."""
    subject = run.subject
    module, tokenizer = load_plain(folder.model, writes=not isinstance(subject, Answering))
    module.to(run.device)
    if isinstance(subject, Answering):
        return _classified(subject, module, tokenizer, rows)
    own = kinds.learns(subject)
    passages = _read(own, replace(own.model, module=module, tokenizer=tokenizer), rows)
    if passages != _known(own, len(rows)):
        return torch.empty(0)
    batch = own.reading.collate(passages, rows=range(len(rows))).to(run.device)
    made: Tensor = module(**batch.inputs).logits
    return made[batch.targets != IGNORED].cpu()


def _classified(subject: Answering, module: Any, tokenizer: Any, rows: Sequence[Row]) -> Tensor:
    first, *pair = zip(*(row.texts for row in rows), strict=True)
    inputs = tokenizer(list(first), *map(list, pair), truncation=True, padding=True, return_tensors="pt")
    units, own = units_of(module.config), subject.model.units
    found: Tensor = module(**inputs.to(module.device)).logits.cpu().double()
    return ((units.shift + units.scale * found - own.shift) / own.scale).float()
