"""Checks of what is shipped: written, opened again by Affina and by plain transformers, it gives the run's own logits.

Rows go in as texts: what the tokenizer and the chat template that were saved make of them is a part of what is checked.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from affina.data.rows import Row
from affina.errors import ModelError, RunError
from affina.methods.base import Mergeable
from affina.models.language import LanguageModel
from affina.models.plain import load_plain
from affina.models.units import PLAIN as PLAIN_UNITS
from affina.models.units import Units, lost, units_of
from affina.pipeline.answering.kinds import KINDS
from affina.pipeline.answering.subject import Answering
from affina.pipeline.beginning import with_adapter
from affina.pipeline.naming.subject import ByName
from affina.pipeline.opening import Shipped, shipped
from affina.pipeline.prepared import Prepared
from affina.pipeline.resolved import resolved_recipe
from affina.pipeline.writing.subject import Writing
from affina.pipeline.writing.teachers import teacher_of
from affina.recipe.load import dump_recipe
from affina.record.files import write_text
from affina.record.folder import RunFolder
from affina.reporting.formats import counted
from affina.tasks.asking import Asking
from affina.tasks.lessons import Passage, Reading
from affina.verifying import kinds
from affina.verifying.bench import Bench
from affina.verifying.guarantees import SINGLE, Guarantee, absent, failed, within
from affina.verifying.measuring import off

RELOADED: Final = "model reloaded"
ADAPTER: Final = "adapter reloaded"
PLAIN: Final = "plain transformers"
ROUNDED: Final = 4.0
"""Times the rounding of a number in the user's units: to them and back."""
_Logits = Callable[[Prepared, Sequence[int]], Tensor]
"""A run and places of its training rows to logits, in one of the ways of `kinds`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What is asked of everything that is opened.

    Attributes:
        run: whose model was written.
        rows: whose texts go in.
        places: of these rows among those of the run.
        expected: the logits of the run.
    """

    run: Prepared
    rows: Sequence[Row]
    places: Sequence[int]
    expected: Tensor


@torch.no_grad()
def of_shipped(bench: Bench) -> Iterator[Guarantee]:
    """Write what the run would ship of the model as it is, and open it in every way."""
    run, places = bench.run, bench.looked
    folder = RunFolder(bench.folder / "shipped")
    run.subject.settle(run)
    rows = [run.rows["train"][place] for place in places]
    asked = _Asked(run=run, rows=rows, places=places, expected=kinds.logits(run, places).cpu())
    run.subject.export(run, folder)
    recipe = resolved_recipe(run).model_copy(update={"model": run.model.source.without_adapter.reference})
    write_text(folder.recipe, dump_recipe(recipe))  # where an adapter finds its base
    write_text(folder.journal, "")
    yield from _model(asked, folder)
    yield _adapter(asked, folder)


def _model(asked: _Asked, folder: RunFolder) -> Iterator[Guarantee]:
    if not folder.model.is_dir():
        why = f"method {asked.run.method.name} ships adapter/ alone"
        if isinstance(asked.run.attached, Mergeable):
            why = "this run ships adapter/ alone (export.merge=false)"
        yield absent(RELOADED, why)
        yield absent(PLAIN, why)
        return

    def ours() -> Tensor:
        return _reopened(asked, shipped(folder, packed=False, device=asked.run.device))

    yield _same(RELOADED, asked, ours, what="model/, opened again by Affina,")
    yield _same(PLAIN, asked, lambda: _plain(asked, folder), what="model/, opened by plain transformers,")


def _adapter(asked: _Asked, folder: RunFolder) -> Guarantee:
    if not folder.adapter.is_dir():
        return absent(ADAPTER, f"method {asked.run.method.name} ships model/ alone")

    def found() -> Tensor:
        beside = replace(with_adapter(str(folder.adapter)), packed=asked.run.model.source.packed)
        return _reopened(asked, Shipped(beside, asked.run.device))

    return _same(ADAPTER, asked, found, what="adapter/, opened again beside its base,")


def _same(name: str, asked: _Asked, found: Callable[[], Tensor], *, what: str) -> Guarantee:
    """Whether what was opened gives the run's own logits."""
    try:
        figure = off(found(), asked.expected, least=_least(asked.run))
    except (ModelError, RunError) as error:
        return failed(name, f"{what} could not be opened: {error.problems[0].found}")
    finally:
        gc.collect()
    if math.isinf(figure):
        return failed(name, f"{what} reads the rows as other tokens than the run, or answers with other outputs")
    return within(
        name,
        figure,
        _bound(asked.run),
        holds=f"{what} gives the logits of the run, from the texts of {counted(len(asked.rows), 'rows')}",
        broken=f"{what} gives other logits than the run",
    )


def _least(run: Prepared) -> float:
    """What a difference is measured by, at least: that of a regression, one deviation of the user's numbers."""
    subject = run.subject
    return float(isinstance(subject, Answering) and subject.model.units != PLAIN_UNITS)


def _bound(run: Prepared) -> float:
    """Of the largest logit; that of a regression is rounded as the user's own numbers are."""
    subject = run.subject
    return max(SINGLE, ROUNDED * lost(subject.model.units)) if isinstance(subject, Answering) else SINGLE


def _reopened(asked: _Asked, opened: Shipped) -> Tensor:
    """The logits of what was shipped, in the units that the run trains in."""
    run, subject = asked.run, asked.run.subject
    if not isinstance(subject, Answering):
        return _said(asked, opened.writer()[0])
    kind = KINDS[subject.spec.name]
    model = opened.classifier(kind.head(subject.task.labels, run.loaded.labelling, []))
    limit = model.tokenizer.model_max_length
    task = kind.task(model.tokenizer, subject.task.labels, max_length=limit, units=model.units)
    examples = {**subject.examples, "train": task.encode(asked.rows)}
    twin = replace(subject, model=model, task=task, examples=examples)
    return _in_units(subject, kinds.logits(replace(run, subject=twin), range(len(asked.rows))), model.units)


def _in_units(subject: Answering, logits: Tensor, units: Units) -> Tensor:
    """Logits that count in some units in those of the run."""
    own = subject.model.units
    return ((units.shift + units.scale * logits.cpu().double() - own.shift) / own.scale).float()


def _said(asked: _Asked, model: LanguageModel, *, logits: _Logits = kinds.logits) -> Tensor:
    """Logits of a reopened model that writes, whose tokenizer and template read the rows; none where they differ."""
    own = kinds.learns(asked.run.subject)
    passages = _read(own, model, asked.rows)
    if passages != _known(own, asked.places):
        return torch.empty(0)
    twin = replace(own, model=model, passages={**own.passages, "train": passages})
    return logits(replace(asked.run, subject=twin), range(len(passages))).cpu()


def _read(own: Writing | ByName, model: LanguageModel, rows: Sequence[Row]) -> list[Passage]:
    """Rows as a reopened model's tokenizer and template read them."""
    if isinstance(own, ByName):
        asking = Asking(model, own.namer.asking.labels, limit=own.namer.asking.limit)
        lessons, limit = [asking.lesson(row) for row in rows], None
    else:
        teacher = teacher_of(own.spec, model, {}, alone=own.writer.alone)
        lessons, limit = [teacher.lesson(row) for row in rows], own.max_length
    return Reading(model, max_length=limit).encode(lessons)


def _known(own: Writing | ByName, places: Sequence[int]) -> list[Passage]:
    return [own.passages["train"][place] for place in places]


def _plain(asked: _Asked, folder: RunFolder) -> Tensor:
    """The same by transformers alone."""
    run, subject = asked.run, asked.run.subject
    module, tokenizer = load_plain(folder.model, writes=not isinstance(subject, Answering))
    module.to(run.device)
    if isinstance(subject, Answering):
        first, *pair = zip(*(row.texts for row in asked.rows), strict=True)
        inputs = tokenizer(list(first), *map(list, pair), truncation=True, padding=True, return_tensors="pt")
        return _in_units(subject, module(**inputs.to(run.device)).logits, units_of(module.config))
    own = kinds.learns(subject)
    return _said(asked, replace(own.model, module=module, tokenizer=tokenizer), logits=kinds.own_logits)
