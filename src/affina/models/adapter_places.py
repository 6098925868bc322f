"""Adapters as `model:`: the folder of one, or of a run that shipped one, and the name of the base that it is beside.

Nothing is loaded here, and the base is not looked for (`source`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from affina.errors import ModelError, Problem
from affina.models.adapters import BASE, CONFIG, NOTE, read_config, read_note
from affina.models.folders import CONFIG as MODEL_CONFIG
from affina.models.folders import weight_files
from affina.models.starters import STARTERS
from affina.recipe.load import load_recipe
from affina.record import journal
from affina.record.folder import RunFolder
from affina.record.starts import ModelLoaded

_NAMED: Final = "base_model_name_or_path"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterPlace:
    """An adapter on this machine.

    Attributes:
        reference: what the user wrote.
        folder: where the adapter is.
        base: the base model, as `model:` would name it.
        named_in: the file that says so.
        whole: a reference to the two as one, where a run shipped that; None elsewhere.
    """

    reference: str
    folder: Path
    base: str
    named_in: Path
    whole: str | None

    @property
    def where(self) -> str:
        """For messages."""
        return f"the adapter {self.folder}"

    @property
    def is_ours(self) -> bool:
        """Whether a run of Affina wrote it."""
        return (self.folder / NOTE).is_file()


def find_adapter(reference: str) -> AdapterPlace | None:
    """The adapter that a reference names; None where it names a whole model, or nothing that is there.

    Args:
        reference: a folder that PEFT or a run saved an adapter in, or a run that shipped one.

    Raises:
        ModelError: its files are damaged, nothing says which base it stands beside, or two files name two.
    """
    path = Path(reference).expanduser()
    if not path.is_dir():
        return None
    run = _run_of(path)
    folder = run.adapter if run is not None else path
    if not (folder / CONFIG).is_file() or weight_files(folder):
        return None
    noted, said = _bases_said(folder)
    if noted and said and not _is_same(noted, said):
        raise ModelError(_two_bases(folder, noted, said))
    base = _base_in(run) if run is not None else noted or said
    if not base or Path(base).expanduser().resolve() in (folder.resolve(), path.resolve()):
        raise ModelError(_without_base(folder, found="its own folder" if base else "none"))
    named_in = run.recipe if run is not None else folder / (NOTE if noted else CONFIG)
    whole = str(run.model) if run is not None and run.model.is_dir() else None
    return AdapterPlace(reference=reference, folder=folder, base=base, named_in=named_in, whole=whole)


def _run_of(path: Path) -> RunFolder | None:
    """The run that a folder is, or whose adapter it is."""
    for place in (path, path.parent) if path.name == RunFolder(path.parent).adapter.name else (path,):
        run = RunFolder(place)
        if run.journal.is_file() and run.recipe.is_file() and not (place / MODEL_CONFIG).is_file():
            return run
    return None


def _base_in(run: RunFolder) -> str:
    """What a run trained beside: the model of its recipe, or where that was an adapter, the base of it."""
    records = journal.read_known(run.journal).records
    loaded = next((record for record in records if isinstance(record, ModelLoaded)), None)
    return (loaded.base if loaded is not None else None) or load_recipe(run.recipe).model


def _bases_said(folder: Path) -> tuple[str | None, str | None]:
    """What an adapter's own files say, Affina's and PEFT's.

    The first is a starter's name, which stands for exactly its weights; the hub's stands for those there.
    """
    noted, said = read_note(folder).get(BASE), read_config(folder).get(_NAMED)
    return (noted if isinstance(noted, str) else None), (said if isinstance(said, str) else None)


def _is_same(starter: str, said: str) -> bool:
    """Whether the two names may be one model's: a starter that this version has not, and a folder, may be any."""
    known = STARTERS.get(starter)
    names = () if known is None else (known.name.lower(), known.hub_id.lower())
    return known is None or said.lower() in names or Path(said).expanduser().is_dir()


def _two_bases(folder: Path, noted: str, said: str) -> Problem:
    known = STARTERS[noted].hub_id
    return Problem(
        where=f"the adapter {folder}",
        expected=f"one base model: {noted}, which is {known} on the hub, in {folder / NOTE} and in {folder / CONFIG}",
        found=f"{noted} as {BASE} in {NOTE}, {said} as {_NAMED} in {CONFIG}",
        fix=f"write {known} in {CONFIG} if it was trained beside that; if beside {said}, take {BASE} out of {NOTE}",
    )


def _without_base(folder: Path, *, found: str) -> Problem:
    return Problem(
        where=f"the adapter {folder}",
        expected=f"the name of its base model, as {_NAMED} in {CONFIG}",
        found=found,
        fix=f"write the base's folder or hub id there: {folder / CONFIG}",
    )
