"""A run's method, where the recipe leaves it open, and what it leaves open itself.

What a method trains is known by `methods`; it is put on the model by `attaching`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from pydantic import TypeAdapter

from affina.errors import Problem, RecipeError
from affina.methods import lora
from affina.models.base import Pretrained
from affina.models.language import LanguageModel
from affina.pipeline.prepared import Subject
from affina.recipe.base import AUTO
from affina.recipe.measured_methods import Way, better_than, told
from affina.recipe.method_specs import LoraSpec
from affina.recipe.schema import Method, MethodSpec, Recipe
from affina.recipe.weight_specs import FullSpec, PartialSpec
from affina.reporting.formats import mebibytes
from affina.runtime import machine
from affina.values import Resolved

EMBEDDINGS_SHARE: Final = 0.3
"""With more of the weights in the embeddings than this, `auto` freezes them."""
BESIDE_WEIGHTS: Final = 3
"""Numbers that a training holds for each weight that trains: its gradient and AdamW's two moments."""


def choose_method(
    recipe: Recipe, subject: Subject, choices: dict[str, Resolved[Any]], *, begun: Callable[[], Resolved[Any] | None]
) -> Method:
    """The method, with what it leaves open decided.

    Args:
        recipe: as asked.
        subject: the model whose sizes count, and the training rows.
        choices: gets what is decided.
        begun: gives the method of the stopped run that goes on, as plain data, which another one could not.
    """
    method = recipe.method
    if isinstance(method, str):
        before = begun()
        chosen = _by_model(subject) if before is None else _as_begun(before)
        choices["method"], method = Resolved(chosen.value.name, chosen.reason), chosen.value
    if not isinstance(method, LoraSpec):
        return method
    alpha = lora.alpha_of(method)
    if method.alpha == AUTO:
        choices["method.alpha"] = alpha
    return method.model_copy(update={"alpha": alpha.value})


def _by_model(subject: Subject) -> Resolved[Method]:
    model = subject.model
    if model.source.packed:
        return Resolved(LoraSpec(), "matrices in four bits cannot train themselves")
    return _by_memory(model, _by_sizes(subject))


def check_beside(method: Method | str) -> None:
    """Refuse a method that trains the matrices which are kept in four bits.

    Raises:
        RecipeError: it does.
    """
    if isinstance(method, FullSpec | PartialSpec):
        raise RecipeError(
            Problem(
                where="recipe key quantize",
                expected="a method that trains beside the model's own weights: lora, prompt or prefix",
                found=f"method {method.name}, which trains matrices that four bits could not hold",
                fix="write method=lora, or leave quantize out",
            )
        )


def _as_begun(begun: Resolved[Any]) -> Resolved[Method]:
    return Resolved(TypeAdapter[Method](MethodSpec).validate_python(begun.value), begun.reason)


def _by_sizes(subject: Subject) -> Resolved[Method]:
    """All weights, or all but the embeddings; of labels, unless another way was clearly better on as many rows."""
    model = subject.model
    if isinstance(model, LanguageModel):
        reason = "a model that writes often has its word embeddings for its output layer, too"
        return Resolved(FullSpec(), reason)
    sizes = Counter[str]()
    for name, parameter in model.module.named_parameters():
        sizes[model.anatomy.part_of(name)] += parameter.numel()
    share = sizes["embeddings"] / sizes.total()
    usual: Way = "full" if share <= EMBEDDINGS_SHARE else "embeddings frozen"
    has_labels, rows = subject.outputs > 1, len(subject.rows["train"])
    way = better_than(usual, rows) if has_labels else usual
    kept = "" if way != "embeddings frozen" else "; they stay frozen, all blocks train"
    reason = f"the embeddings are {share:.0%} of the weights{kept}{f'; {told(rows)}' if has_labels else ''}"
    return Resolved(_spec_of(way, blocks=len(model.anatomy.blocks)), reason)


def _spec_of(way: Way, *, blocks: int) -> Method:
    match way:
        case "full":
            return FullSpec()
        case "embeddings frozen":
            return PartialSpec()
        case "lora":
            return LoraSpec()
        case "upper half":
            return PartialSpec(blocks=(blocks + 1) // 2)
        case "head":
            return PartialSpec(blocks=0)


def _by_memory(model: Pretrained, whole: Resolved[Method]) -> Resolved[Method]:
    """LoRA, where the gradients and moments of all that would train do not fit into what is free."""
    frozen = isinstance(whole.value, PartialSpec) and whole.value.blocks == "all"
    if not frozen and not isinstance(whole.value, FullSpec):
        return whole
    trained = sum(
        parameter.numel() * parameter.element_size()
        for name, parameter in model.module.named_parameters()
        if not (frozen and model.anatomy.part_of(name) == "embeddings")
    )
    needed, free = BESIDE_WEIGHTS * trained, machine.free_memory(model.module.device)
    if free is None or needed <= free:
        return Resolved(whole.value, whole.reason)
    reason = f"gradients and moments of all weights would take {mebibytes(needed)}, and {mebibytes(free)} are free"
    return Resolved(LoraSpec(), f"{reason}; an update of low rank takes a small part of that")
