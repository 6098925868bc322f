"""Data sets of the Hub, `hf://OWNER/NAME`, fetched by the library `datasets` (the extra `affina[hub]`).

No code of a data set is run: the library reads data files alone since its version 4, and an older one is refused. What
it keeps in its cache are Arrow files, which are then read as any others (`columnar`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from affina.errors import DataError, Problem

_SCHEME: Final = "hf://"
_ADDRESS: Final = re.compile(r"hf://(?P<name>[\w.-]+/[\w.-]+)(:(?P<config>[^/:\s]+))?(/(?P<split>[\w.-]+))?/?")
_FORM: Final = "hf://OWNER/NAME, hf://OWNER/NAME:CONFIG, or with /SPLIT at its end"
_SECONDS: Final = 5.0
_OLDEST: Final = 4
"""The first version of the library that never runs a data set's own code."""
_HELD_OUT: Final = {"validation": ("validation", "valid", "dev"), "test": ("test",)}


@dataclass(frozen=True, slots=True)
class Fetched:
    """A data set on this machine.

    Attributes:
        files: the name and the place of each file of the split that is read.
        split: which that is.
        reason: why, where the address does not say it.
        splits: validation and test to their addresses, where the data set has them.
    """

    files: tuple[tuple[str, Path], ...]
    split: str
    reason: str = ""
    splits: Mapping[str, str] = field(default_factory=dict)


def is_hub(address: str) -> bool:
    """Whether an address names a data set of the Hub."""
    return address.startswith(_SCHEME)


def fetch(address: str) -> Fetched:
    """Fetch a data set, or find it in the library's cache.

    Args:
        address: `hf://owner/name`, `hf://owner/name:config`, and either with `/split`.

    Raises:
        DataError: the library is not installed, the Hub cannot be reached, or there is no such data set, configuration
            or split.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        fix = f"write {_FORM}, such as hf://stanfordnlp/imdb"
        raise DataError(Problem(where=address, expected=f"a data set of the Hub: {_FORM}", found=address, fix=fix))
    name, config, wanted = found["name"], found["config"], found["split"]
    library = _library(address)
    _ask(name, address)
    given = _load(library, name, config, address)
    base = f"{_SCHEME}{name}" + (f":{config}" if config else "")
    if wanted is not None and wanted not in given:
        raise DataError(_no_split(address, wanted, base, given))
    if wanted is not None:
        return Fetched(_files(given[wanted], f"{base}/{wanted}"), wanted)
    if "train" not in given and len(given) > 1:
        raise DataError(_no_split(address, "train", base, given))
    split = "train" if "train" in given else next(iter(given))
    splits = {
        role: f"{base}/{own}"
        for role, names in _HELD_OUT.items()
        if (own := next((n for n in names if n in given), ""))
    }
    left = sorted(given.keys() - {split, *(address.rpartition("/")[2] for address in splits.values())})
    reason = f"the data set has the splits {', '.join(given)}" + (f"; not read: {', '.join(left)}" if left else "")
    return Fetched(_files(given[split], f"{base}/{split}"), split, reason, splits if split == "train" else {})


def _library(address: str) -> Any:
    try:
        import datasets  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        found, fix = "it is not installed", "run: python -m pip install 'affina[hub]'"
    else:
        if int(datasets.__version__.partition(".")[0]) >= _OLDEST:
            return datasets
        found = f"version {datasets.__version__}, which may run code that a data set brings along"
        fix = f"run: python -m pip install 'datasets>={_OLDEST}'"
    fix += "; or download the files of the data set and name them"
    raise DataError(Problem(where=address, expected="the library datasets", found=found, fix=fix))


def _ask(name: str, address: str) -> None:
    """Ask the Hub for the data set within seconds, since the library itself tries for long before it gives up."""
    from huggingface_hub import HfApi, constants  # noqa: PLC0415 - heavy
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError  # noqa: PLC0415

    if constants.HF_HUB_OFFLINE:
        return
    try:
        HfApi().dataset_info(name, timeout=_SECONDS)
        return
    except GatedRepoError:
        found = "the Hub gives this one only to those who accepted its terms"
        fix = "accept the terms on the data set's page, set HF_TOKEN to your token, and run the same command again"
    except RepositoryNotFoundError:
        found, fix = "no public data set of that name", "correct the name; for a private data set set HF_TOKEN"
    except Exception as error:  # the errors of a failed connection belong to whichever HTTP library the client uses
        found = f"the Hub cannot be reached ({_first_line(error)})"
        fix = "try again with a network; to use what was fetched before, set HF_HUB_OFFLINE=1; or name a file"
    raise DataError(Problem(where=address, expected="a data set of the Hub", found=found, fix=fix))


def _load(library: Any, name: str, config: str | None, address: str) -> Mapping[str, Any]:
    """Split to data set."""
    try:
        given: Mapping[str, Any] = library.load_dataset(name, config)
    except Exception as error:  # the library raises errors of many others
        raise DataError(_refused(error, name, address)) from error
    return given


def _refused(error: Exception, name: str, address: str) -> Problem:
    said = str(error)
    fix = "look at the data set's page; or download its files and name them"
    if "Config name is missing" in said or "BuilderConfig" in said:
        names = re.findall(r"'([^']+)'", said.partition("[")[2].partition("]")[0])
        found = f"several configurations: {', '.join(names[:12])}" if names else _first_line(error)
        fix = f"name one: {_SCHEME}{name}:{names[0]}" if names else f"name one: {_SCHEME}{name}:CONFIG"
        return Problem(where=address, expected="a configuration that the data set has", found=found, fix=fix)
    if "script" in said.lower():
        found = "a data set that is made by code of its own, which is never run"
        return Problem(where=address, expected="a data set made of data files", found=found, fix=fix)
    return Problem(where=address, expected="a data set that can be read", found=_first_line(error), fix=fix)


def _files(split: Any, name: str) -> tuple[tuple[str, Path], ...]:
    paths = [Path(entry["filename"]) for entry in split.cache_files]
    if len(paths) == 1:
        return ((name, paths[0]),)
    return tuple((f"{name} (part {number})", path) for number, path in enumerate(paths, start=1))


def _no_split(address: str, wanted: str, base: str, given: Mapping[str, Any]) -> Problem:
    return Problem(
        where=address,
        expected=f"the split {wanted}",
        found=f"the splits {', '.join(given)}",
        fix=f"name one of them, such as {base}/{next(iter(given))}",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
