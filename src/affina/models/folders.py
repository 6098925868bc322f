"""A folder with a model: whether it is complete, safe and of a kind that can be loaded, before anything is loaded.

Only safetensors weights are read: a pickle can run code when it is opened. This module does not find folders (`source`)
and does not load them (`classifier`).
"""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open
from transformers import CONFIG_MAPPING

from affina.errors import ModelError, Problem

CONFIG: Final = "config.json"
INDEX: Final = "model.safetensors.index.json"
_ADAPTER: Final = "adapter_"
_READY_TOKENIZERS: Final = ("tokenizer.json", "vocab.*")
_SENTENCEPIECE: Final = "*.model"
_SENTENCEPIECE_READERS: Final = ("sentencepiece", "protobuf")
"""The packages with which transformers turns a SentencePiece file into a tokenizer."""
PICKLES: Final = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})

PICKLE_FIX: Final = (
    "convert it once, on a machine where you trust the file, and give `model` the new folder:\n"
    "              from transformers import AutoModel, AutoTokenizer\n"
    '              AutoModel.from_pretrained("OLD", use_safetensors=False).save_pretrained("NEW")\n'
    '              AutoTokenizer.from_pretrained("OLD").save_pretrained("NEW")\n'
    "            (AutoModelForSequenceClassification or AutoModelForCausalLM keeps the head as well)"
)


def check_folder(folder: Path, *, where: str) -> None:
    """Refuse a folder that is incomplete, holds only pickles, or needs code of its own.

    Args:
        folder: the folder to look at.
        where: what the user wrote, for the message.

    Raises:
        ModelError: naming what is missing or refused, and the way out.
    """
    weights = weight_files(folder)
    if not weights:
        raise _without_weights(folder, where)
    config = _config(folder, where)
    _check_kind(config, where)
    for path in weights:
        _check_weights(path, where)
    _check_tokenizer(folder, where)


def weight_files(folder: Path) -> tuple[Path, ...]:
    """Return the safetensors files of a model, in order of their names: those of the index where there is one."""
    index = folder / INDEX
    if (folder / "model.safetensors").is_file() or not index.is_file():
        return _all_weights(folder)
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, AttributeError):
        return _all_weights(folder)
    return tuple(folder / str(name) for name in sorted(names))


def _all_weights(folder: Path) -> tuple[Path, ...]:
    """An adapter's are no model's."""
    return tuple(path for path in sorted(folder.glob("*.safetensors")) if not path.name.startswith(_ADAPTER))


def has_tokenizer(folder: Path) -> bool:
    """Tell whether a folder has a tokenizer's files, readable here or not."""
    return any(any(folder.glob(pattern)) for pattern in (*_READY_TOKENIZERS, _SENTENCEPIECE))


def is_pickle(name: str) -> bool:
    """Tell whether a file name is one of a pickled checkpoint."""
    return Path(name).suffix.lower() in PICKLES and Path(name).name != "training_args.bin"


def pickle_refused(where: str, name: str) -> ModelError:
    """Return the error for weights that exist only as a pickle, with the way to convert them."""
    return ModelError(
        Problem(
            where=where,
            expected="weights as safetensors",
            found=f"only {name}, a pickle, which can run any code when it is opened",
            fix=PICKLE_FIX,
        )
    )


def _without_weights(folder: Path, where: str) -> ModelError:
    names = sorted(path.name for path in folder.iterdir())
    for name in names:
        if is_pickle(name):
            return pickle_refused(where, name)
    found, fix = "no weights", f"put model.safetensors into {folder}, or give `model` another folder"
    ggufs = [name for name in names if name.endswith(".gguf")]
    if "adapter_config.json" in names:
        found, fix = "an adapter without its base model", f"give `model` the adapter's own folder: {folder}"
    elif ggufs:
        found, fix = f"no safetensors, but {ggufs[0]}", f"give `model` the file itself: {folder / ggufs[0]}"
    elif CONFIG not in names:
        found = f"neither {CONFIG} nor weights ({', '.join(names[:5]) or 'the folder is empty'})"
    return ModelError(Problem(where=where, expected="a folder with config.json and safetensors", found=found, fix=fix))


def _config(folder: Path, where: str) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(
            Problem(
                where=where,
                expected=f"{CONFIG}, which says what kind of model the weights are",
                found="weights without it",
                fix=f"put the model's {CONFIG} (and its tokenizer files) into {folder}",
            )
        ) from error
    except (OSError, ValueError) as error:
        raise _damaged(path, where, error) from error
    if not isinstance(config, dict):
        raise _damaged(path, where, TypeError("it holds no JSON object"))
    return config


def _check_kind(config: dict[str, Any], where: str) -> None:
    kind = config.get("model_type")
    if isinstance(kind, str) and kind in CONFIG_MAPPING:
        return
    own_code = "auto_map" in config
    raise ModelError(
        Problem(
            where=where,
            expected="a kind of model that transformers defines itself (`model_type` in config.json)",
            found=f"model_type {kind!r}" + (", defined by code that comes with the model" if own_code else ""),
            fix=(
                "choose another model: Affina never runs code that comes with a model"
                if own_code
                else "correct `model_type`, choose another model, or update transformers if this one is newer than it"
            ),
        )
    )


def _check_weights(path: Path, where: str) -> None:
    """Read the header of a weight file, which also compares the file's length with what the header promises."""
    try:
        with safe_open(path, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise _damaged(path, where, error) from error


def _check_tokenizer(folder: Path, where: str) -> None:
    """Refuse a folder without a tokenizer, or with one that cannot be read here.

    For the first, transformers would make up an empty tokenizer, and every text would be unknown tokens; for the
    second, its message names another package.
    """
    if any(any(folder.glob(pattern)) for pattern in _READY_TOKENIZERS):
        return
    if not has_tokenizer(folder):
        raise ModelError(
            Problem(
                where=where,
                expected="a tokenizer beside the weights (tokenizer.json, or a vocabulary)",
                found="none",
                fix=f"put the tokenizer files that the model was trained with into {folder}",
            )
        )
    absent = [package for package in _SENTENCEPIECE_READERS if not _installed(package)]
    if absent:
        raise ModelError(
            Problem(
                where=where,
                expected=f"the packages {' and '.join(_SENTENCEPIECE_READERS)}, which read this model's tokenizer",
                found=f"{' and '.join(absent)} not installed",
                fix=f"run `python -m pip install {' '.join(absent)}`, then the same command again",
            )
        )


def _installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _damaged(path: Path, where: str, error: Exception) -> ModelError:
    return ModelError(
        Problem(
            where=f"{where} ({path.name})",
            expected="a whole file",
            found=f"it cannot be read ({error})"[:240],
            fix="copy or fetch the file again and compare its size",
        )
    )
