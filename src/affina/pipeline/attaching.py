"""A run's method: which one it is, what it decides beside what it trains, and the model with it attached.

Where a method trains beside the model's own weights, the model's files cannot tell what was trained: whether they are
shipped merged is decided here as well.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any, TypeVar

from affina.errors import Problem, RecipeError
from affina.methods import full, lora, partial, prefix, prompt
from affina.methods.base import Attached, Mergeable
from affina.methods.lora import LowRank
from affina.methods.saved import Beside, attach_saved, layout
from affina.methods.targets import reached
from affina.methods.weights import TrainedWeights
from affina.models.adapter_head import head_modules
from affina.models.base import base_tensors, length_beside
from affina.models.beside import naming_base
from affina.models.classifier import Classifier
from affina.models.language import LanguageModel
from affina.models.reader import Reader, WriterReader
from affina.pipeline.kept import WHOLE
from affina.pipeline.prepared import Prepared, Subject
from affina.recipe.base import AUTO
from affina.recipe.method_specs import LoraSpec, PrefixSpec, PromptSpec
from affina.recipe.resolve import GIVEN
from affina.recipe.schema import Method, Recipe
from affina.recipe.weight_specs import FullSpec, PartialSpec
from affina.record.payloads import ADAPTER, MERGED
from affina.values import Resolved

Model = TypeVar("Model", Classifier, LanguageModel, Reader, WriterReader)


def with_room(model: Model, recipe: Recipe) -> Model:
    """The model with the room that virtual tokens leave for a text.

    Raises:
        RecipeError: they leave none.
    """
    method = recipe.method
    if not isinstance(method, PromptSpec | PrefixSpec) or model.max_length is None:
        return model
    prompt.check_length(method.length, model.max_length)
    return replace(model, max_length=length_beside(model.max_length, method.length))


def begin_method(method: Method, subject: Subject) -> tuple[Method, Attached]:
    """The method as it is on the model: what an adapter began, or begun anew.

    Draws from torch's random state.

    Args:
        method: from `choose_method`.
        subject: with the model.

    Raises:
        RecipeError: the method asks for what this model has not, or for other layers than the adapter updates.
        ModelError: a model of this kind cannot take it, or the adapter does not fit. In either case nothing is
            attached.
    """
    model = subject.model
    if model.source.adapter is None:
        return method, attach(method, subject)
    head_modules(model.module, model.anatomy)
    asked = method if isinstance(method, LoraSpec) else None
    with naming_base(model.source):
        attached = attach_saved(model.module, model.anatomy, model.source.adapter, asked=asked)
    return attached.spec if isinstance(attached, LowRank) else method, attached


def attach(method: Method, subject: Subject) -> Attached:
    """The model with what `method` says trains, and nothing else, begun anew. Draws from torch's random state.

    Raises:
        RecipeError: the method asks for what this model has not.
        ModelError: a model of this kind cannot take it. In either case nothing is attached.
    """
    module, anatomy = subject.model.module, subject.model.anatomy
    read_base = functools.partial(base_tensors, subject.model)
    if isinstance(method, FullSpec):
        return full.attach(module, anatomy, method, base_tensors=read_base)
    if isinstance(method, PartialSpec):
        return partial.attach(module, anatomy, method, base_tensors=read_base)
    head_modules(module, anatomy)  # an adapter must be able to hold the head
    if isinstance(method, LoraSpec):
        return lora.attach(module, anatomy, method)
    tokenizer, texts = subject.model.tokenizer, subject.start_texts
    if isinstance(method, PromptSpec):
        return prompt.attach(module, anatomy, method, tokenizer=tokenizer, texts=texts)
    return prefix.attach(module, anatomy, method, tokenizer=tokenizer, texts=texts)


def is_beside(attached: Attached) -> bool:
    """Whether what trains stands beside the model's own weights."""
    return not isinstance(attached, TrainedWeights)


def goes_on(run: Prepared) -> bool:
    """Whether what trains beside the model is an adapter that the run began with."""
    return run.model.source.adapter is not None


def takes_others(run: Prepared) -> bool:
    """Whether another method can train the run's model: a prompt or prefix that goes on cannot be merged for one."""
    return not goes_on(run) or isinstance(run.attached, Mergeable)


def untouched(run: Prepared) -> AbstractContextManager[None]:
    """The model as it came, before the first step: of an adapter that goes on, with it."""
    return run.attached.as_it_came() if is_beside(run.attached) else nullcontext()


def _alone(attached: Attached) -> AbstractContextManager[None]:
    """The model with nothing beside it."""
    return attached.disabled() if is_beside(attached) else nullcontext()


def told_of(
    method: Method, attached: Attached, subject: Subject, recipe: Recipe, *, precision: str
) -> dict[str, Resolved[Any]]:
    """What a method decides beside what trains, by key: how it is computed or starts, and what is shipped.

    Raises:
        RecipeError: the recipe asks to merge what cannot be merged.
    """
    merge = _merge(method, attached, recipe)
    if not isinstance(attached, Beside):
        return {}
    found: dict[str, Resolved[Any]] = {MERGED: merge}
    begun = subject.model.source.adapter is not None
    if isinstance(method, LoraSpec):
        found["method (forward)"] = lora.form_of(method, precision, packed=subject.model.source.packed)
        if isinstance(attached, LowRank):
            layers = [update.layer for update in attached.updates]
            said = reached(subject.model.module, subject.model.anatomy, layers)
            own = "the adapter's own, " if begun else ""
            found["method.targets"] = Resolved(", ".join(method.targets), f"{own}{said}")
    if isinstance(method, PromptSpec) and not begun:
        found["method.init"] = prompt.start_of(method, subject.start_texts)
    found[ADAPTER] = layout(attached, subject.model.anatomy)
    return found


def _merge(method: Method, attached: Attached, recipe: Recipe) -> Resolved[bool]:
    """Whether the model is shipped merged."""
    asked, can = recipe.export.merge, isinstance(attached, Mergeable)
    if asked is True and isinstance(attached, LowRank) and not can:
        raise RecipeError(
            Problem(
                where=f"recipe key {MERGED}",
                expected="matrices that an update can be added to",
                found=f"matrices in four bits (quantize={recipe.quantize})",
                fix=f"leave {MERGED} out: the adapter is shipped, and loads with peft onto the whole model, too",
            )
        )
    if (asked is True and not can) or (asked != AUTO and not is_beside(attached)):
        what = "stands before every text" if is_beside(attached) else "trains the model's own weights"
        raise RecipeError(
            Problem(
                where=f"recipe key {MERGED}",
                expected="a method whose training can be merged or left beside the model, which is lora",
                found=f"{str(asked).lower()}, with method {method.name}, which {what}",
                fix=f"leave {MERGED} out",
            )
        )
    if not can and isinstance(attached, LowRank):
        return Resolved(False, "nothing can be added to matrices in four bits: adapter/ alone is shipped")
    if not can:
        return Resolved(False, "virtual tokens cannot be written into weights: adapter/ alone is shipped")
    if asked == AUTO:
        return Resolved(True, "model/ loads with plain transformers; adapter/ holds the updates alone")
    return Resolved(asked, GIVEN)


@contextmanager
def as_exported(run: Prepared) -> Iterator[None]:
    """The model as its files have it, while the block runs: merged where it is shipped so."""
    if isinstance(run.attached, Mergeable) and run.choices[MERGED].value:
        with run.attached.merged():
            yield
        return
    yield


@contextmanager
def instead(run: Prepared, method: Method) -> Iterator[Prepared]:
    """The run with another method on its model, while the block runs; then its own is back as it was."""
    trains = {name: tensor.requires_grad for name, tensor in run.model.module.named_parameters()}
    with _alone(run.attached):
        other = attach(method, run.subject)
        try:
            yield replace(run, attached=other, method=method, kept=None, frozen=WHOLE)
        finally:
            other.detach()
            for name, tensor in run.model.module.named_parameters():
                tensor.requires_grad_(trains[name])
