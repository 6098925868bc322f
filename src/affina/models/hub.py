"""A model on the hub: asked for within seconds, fetched as data only, and kept in the hub client's own cache.

This module does not judge what was fetched (`folders`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

from affina.errors import ModelError, Problem
from affina.models.folders import is_pickle, pickle_refused
from affina.models.quiet import Notify
from affina.models.starters import STARTERS

_SECONDS: Final = 5.0
_WANTED: Final = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]
_UNWANTED: Final = ["*/*"]
"""Folders in a repository hold other formats of the same weights."""
_STARTERS: Final = f"{' and '.join(STARTERS)} need only the package index"


def hub_folder(repository: str, *, notify: Notify) -> Path:
    """Return the folder of a hub model on this machine, fetched first where it is not there or not the newest.

    Where the hub cannot be reached, the copy of an earlier run is used.

    Raises:
        ModelError: no such model, no access to it, only pickled weights, or the hub cannot be reached.
    """
    try:
        info = HfApi().model_info(repository, timeout=_SECONDS, files_metadata=True)
    except GatedRepoError as error:
        raise _gated(repository) from error
    except RepositoryNotFoundError as error:
        raise _unknown(repository) from error
    except Exception as error:  # the errors of a failed connection belong to whichever HTTP library the client uses
        return _earlier_copy(repository, error, notify=notify)
    files = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    weights = [name for name in files if name.endswith(".safetensors") and "/" not in name]
    pickles = [name for name in files if is_pickle(name)]
    if not weights and pickles:
        raise pickle_refused(f"model: {repository}", pickles[0])
    local = _on_this_machine(repository, info.sha)
    if local is not None:
        return local
    notify(f"fetching {repository} from the model hub ({sum(files[name] for name in weights) / 1e6:.0f} MB, once)")
    return _download(repository, info.sha)


def _on_this_machine(repository: str, revision: str | None) -> Path | None:
    try:
        folder = Path(
            snapshot_download(
                repository, revision=revision, local_files_only=True, allow_patterns=_WANTED, ignore_patterns=_UNWANTED
            )
        )
    except LocalEntryNotFoundError:
        return None
    return folder if (folder / "config.json").is_file() and any(folder.glob("*.safetensors")) else None


def _earlier_copy(repository: str, error: Exception, *, notify: Notify) -> Path:
    local = _on_this_machine(repository, None)
    if local is None:
        raise _unreachable(repository, error) from error
    notify(f"the model hub cannot be reached; using the copy of {repository} on this machine")
    return local


def _download(repository: str, revision: str | None) -> Path:
    """Fetch the data files; the client's own progress bar stays, since gigabytes in silence look like a hang."""
    try:
        return Path(
            snapshot_download(
                repository,
                revision=revision,
                allow_patterns=_WANTED,
                ignore_patterns=_UNWANTED,
                etag_timeout=_SECONDS,
            )
        )
    except Exception as error:  # as above
        raise _unreachable(repository, error) from error


def _unreachable(repository: str, error: Exception) -> ModelError:
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return ModelError(
        Problem(
            where=f"model: {repository}",
            expected="a local path, or the id of a model on a hub that can be reached",
            found=f"no folder or file of that name here, and the model hub cannot be reached ({said[:160]})",
            fix=f"correct the path, or use a model that needs no hub: {_STARTERS}",
        )
    )


def _unknown(repository: str) -> ModelError:
    return ModelError(
        Problem(
            where=f"model: {repository}",
            expected="a local path, or the id of a model on the hub",
            found="no folder or file of that name here, and no public model of that name on the hub",
            fix=f"correct the name; for a private model set HF_TOKEN; {_STARTERS}",
        )
    )


def _gated(repository: str) -> ModelError:
    return ModelError(
        Problem(
            where=f"model: {repository}",
            expected="a model that you have access to",
            found="the hub gives this one only to those who accepted its terms",
            fix="accept the terms on the model's page, set HF_TOKEN to your token, and run the same command again",
        )
    )
