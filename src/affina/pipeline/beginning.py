"""What a run begins with: the model that `model:` names, an adapter that training goes on from, or that adapter merged.

Which of them, says the method: an adapter goes on in its own method; for any other it is merged into its base, where it
can be. A merged one is kept in Affina's cache folder, as a converted model is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from affina.errors import ModelError, Problem, RecipeError
from affina.methods.agreeing import SHAPE, agreed
from affina.methods.saved import BesideSpec, method_of
from affina.models.adapter_places import AdapterPlace, find_adapter
from affina.models.adapters import PACKED, read_adapter, read_config, read_note
from affina.models.folders import CONFIG
from affina.models.quiet import Notify, silent
from affina.models.source import Kind, Source, fingerprint, locate
from affina.pipeline.merging import write_merged
from affina.recipe.schema import Recipe
from affina.runtime.cache import cached, file_sha256
from affina.values import Resolved

ADAPTER_GOES_ON: Final = "model (adapter)"
MATRICES: Final = "model (matrices)"
_MERGEABLE: Final = "lora"
_DIRECTLY: Final = "the network that a prefix is trained through is dropped after training: it goes on directly"


def begin(
    recipe: Recipe, reference: str, choices: dict[str, Resolved[Any]], *, notify: Notify = silent
) -> tuple[Source, Recipe]:
    """The model, and the recipe with the method that it goes on with where it is an adapter.

    Args:
        recipe: as asked.
        reference: the model's, `auto` resolved.
        choices: gets what was decided.
        notify: told what takes longer than a moment, and of an adapter that is merged.

    Raises:
        ModelError: nothing of that name can be used.
        RecipeError: the method is none that the adapter can go on with, or a key of it says otherwise than the adapter.
    """
    place = find_adapter(reference)
    if place is None:
        return locate(reference, notify=notify), recipe
    kind, asked = method_of(read_config(place.folder), where=place.where), recipe.method
    if not isinstance(asked, str) and asked.name != kind:
        if kind != _MERGEABLE:
            raise RecipeError(_stays_beside(place, kind, asked.name))
        notify(f"method {asked.name} does not go on from a LoRA adapter: {reference} is merged into {place.base} first")
        choices |= _told_of_bits(place, "it is merged to whole ones, and computes something else there")
        return _merged(place, notify=notify), recipe
    if not recipe.packs:
        choices |= _told_of_bits(place, "it computes something else here; quantize=nf4 keeps them as they were")
    anew = f"a new adapter begins beside a whole model: model={place.whole or place.base}"
    given = asked if isinstance(asked, BesideSpec) else None
    method = agreed(given, read_adapter(place.folder), anew=anew)
    choices |= _told(place, method, given=given is not None)
    return _beside(place, notify=notify), recipe.model_copy(update={"method": method})


def _told_of_bits(place: AdapterPlace, reason: str) -> Mapping[str, Resolved[Any]]:
    """What is said of an adapter that was trained beside other matrices than it will stand beside."""
    whole = "whole, where the adapter was trained beside matrices in four bits"
    return {MATRICES: Resolved(whole, reason)} if read_note(place.folder).get(PACKED) else {}


def with_adapter(reference: str, *, notify: Notify = silent) -> Source:
    """A model, and an adapter where the reference names one; what a method makes of the two is not asked.

    Raises:
        ModelError: nothing of that name can be used.
    """
    place = find_adapter(reference)
    return locate(reference, notify=notify) if place is None else _beside(place, notify=notify)


def whole(reference: str, *, notify: Notify = silent) -> Source:
    """A model without anything beside it: an adapter is merged into its base.

    Raises:
        ModelError: nothing of that name can be used, or it is an adapter that cannot be merged.
    """
    place = find_adapter(reference)
    return locate(reference, notify=notify) if place is None else _merged(place, notify=notify)


def _beside(place: AdapterPlace, *, notify: Notify) -> Source:
    """An adapter with its base.

    Raises:
        ModelError: the base cannot be found; the message says whose it is.
    """
    try:
        base = whole(place.base, notify=notify)
    except ModelError as error:
        raise ModelError(*(_of_base(problem, place) for problem in error.problems)) from error
    kind: Kind = "run" if place.is_ours else "folder"
    return Source(
        reference=place.reference,
        folder=base.folder,
        kind=kind,
        adapter=place.folder,
        base=base,
        named_in=place.named_in,
    )


def _merged(place: AdapterPlace, *, notify: Notify) -> Source:
    """An adapter and its base as one: as its run shipped it, or made and kept."""
    if place.whole is not None:
        return replace(locate(place.whole, notify=notify), reference=place.reference, kind="run")
    kind = method_of(read_config(place.folder), where=place.where)
    if kind != _MERGEABLE:
        raise ModelError(_stays_beside(place, kind, "a whole model"))
    found = _beside(place, notify=notify)
    name = f"merged-{fingerprint(found)[:24]}-{file_sha256(found.config_folder / CONFIG)[:8]}"
    folder = cached(name, partial(_build, found, notify=notify), notify=notify)
    return replace(found, folder=folder, adapter=None)


def _build(found: Source, folder: Path, *, notify: Notify) -> None:
    notify(f"merging {found.reference} into its base (once)")
    write_merged(found, folder)


def _told(place: AdapterPlace, method: BesideSpec, *, given: bool) -> Mapping[str, Resolved[Any]]:
    """What is said of an adapter that goes on."""
    goes_on = Resolved("goes on", f"from the tensors of {place.where}, beside {place.base}")
    found: dict[str, Resolved[Any]] = {ADAPTER_GOES_ON: goes_on}
    if not given:
        found["method"] = Resolved(method.name, "the model is an adapter of this method, and goes on training in it")
    for key, value in method.model_dump().items():
        if key in SHAPE and (key != "rslora" or value):
            found[f"method.{key}"] = Resolved(value, _DIRECTLY if key == "reparameterise" else "the adapter's own")
    return found


def _of_base(problem: Problem, place: AdapterPlace) -> Problem:
    where = f"{problem.where}, the base model of {place.where}"
    return replace(problem, where=where, fix=f"{problem.fix}; the base's name stands in {place.named_in}")


def _stays_beside(place: AdapterPlace, kind: str, asked: str) -> Problem:
    return Problem(
        where=f"recipe key method, with {place.where}",
        expected=f"{kind}, in which it goes on training: a {kind} cannot be merged into weights, for another method",
        found=asked,
        fix=f"leave method out to go on from the adapter, or begin with its base model: model={place.base}",
    )
