"""An adapter on disk, in PEFT's layout: `adapter_config.json` and `adapter_model.safetensors`, and a note on its base.

The note, `affina.json`, says what PEFT's layout does not: which weights the adapter was trained beside. Files are
checked here for being whole; what is in them is read by the method whose adapter it is (`methods`), and the head by
`adapter_head`. peft itself is never needed. The write is not atomic: give it a folder of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from affina.errors import ModelError, Problem
from affina.models.anatomy import Anatomy
from affina.models.packed import packed_in, sampled
from affina.runtime.cache import file_sha256

CONFIG: Final = "adapter_config.json"
WEIGHTS: Final = "adapter_model.safetensors"
NOTE: Final = "affina.json"
BASE: Final = "base"
PACKED: Final = "four_bits"
"""Key of the note: the adapter was trained beside matrices in four bits."""
BASE_FINGERPRINT: Final = "base_fingerprint"
SHA256: Final = "weights_sha256"
"""Key of the note: what the bytes of the weights hash to, so that a file that was damaged is not believed."""
PREFIX: Final = "base_model.model."
"""What PEFT puts before the names of the model that it wraps,"""
WRAPPED: Final = "base_model."
"""and for methods that change no layer."""
CLASSIFIES: Final = "SEQ_CLS"
"""PEFT's word for a model with a head for labels or a number."""
MERGE: Final = "merge it with peft (merge_and_unload, save_pretrained) and give the merged model as `model:`"
"""The fix for a feature that we do not have."""
_PICKLED: Final = "adapter_model.bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """What is in an adapter's folder.

    Attributes:
        where: the folder, for messages.
        config: PEFT's keys.
        tensors: name to tensor, with PEFT's names.
        fingerprint: of the weights that it was trained beside; None where nobody wrote it down.
    """

    where: str
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseName:
    """What the weights that an adapter stands beside are called where anyone can find them.

    Attributes:
        hub_id: on the model hub; None where they are not there.
        starter: of the starters; None where they are none.
        packed: whether their matrices were in four bits.
    """

    hub_id: str | None = None
    starter: str | None = None
    packed: bool = False


UNNAMED: Final = BaseName()
"""Of weights that are on one machine alone: a folder's name means nothing elsewhere."""


def write_adapter(
    folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor], *, fingerprint: str, base: BaseName
) -> None:
    """Write an adapter.

    Args:
        folder: an empty or absent folder.
        config: PEFT's keys.
        tensors: name to tensor, with PEFT's names.
        fingerprint: of the base, from `fingerprint_of`.
        base: its names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(dict(config), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    whole = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }
    save_file(whole, folder / WEIGHTS, metadata={"format": "pt"})
    note: dict[str, Any] = {BASE_FINGERPRINT: fingerprint} | ({BASE: base.starter} if base.starter else {})
    note |= {PACKED: True} if base.packed else {}
    note[SHA256] = file_sha256(folder / WEIGHTS)
    (folder / NOTE).write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")


def refused(adapter: Adapter, expected: str, found: str, fix: str) -> ModelError:
    """An adapter that cannot be taken."""
    return ModelError(Problem(where=adapter.where, expected=expected, found=found, fix=fix))


def read_adapter(folder: Path) -> Adapter:
    """Read an adapter that Affina or PEFT wrote.

    Raises:
        ModelError: a file is missing, damaged, not as it was written, or pickled; or a number in it is NaN or infinite.
    """
    where = f"the adapter {folder}"
    config, note, tensors = read_config(folder), read_note(folder), _tensors(folder, where)
    if SHA256 in note and note[SHA256] != file_sha256(folder / WEIGHTS):
        raise _unfit(
            where,
            f"{WEIGHTS} as it was written",
            "other bytes: it was damaged, or somebody changed it",
            f"take another copy of it; if you changed it on purpose, remove {SHA256} from {NOTE} beside it",
        )
    return Adapter(where=where, config=config, tensors=tensors, fingerprint=note.get(BASE_FINGERPRINT))


def read_config(folder: Path) -> dict[str, Any]:
    """What PEFT's configuration in an adapter's folder says.

    Raises:
        ModelError: it is missing or damaged, or does not say of which method the adapter is.
    """
    where = f"the adapter {folder}"
    config = _json(folder / CONFIG, where)
    if not isinstance(config.get("peft_type"), str):
        raise _unfit(where, "adapter_config.json with a `peft_type`", "none in it", "take the folder that PEFT saved")
    return config


def read_note(folder: Path) -> dict[str, Any]:
    """What Affina noted beside an adapter; empty beside one that it did not write.

    Raises:
        ModelError: the note is damaged.
    """
    return _json(folder / NOTE, f"the adapter {folder}") if (folder / NOTE).is_file() else {}


def _json(path: Path, where: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        found = None
    except (OSError, ValueError) as error:
        raise _damaged(where, path.name, error) from error
    if isinstance(found, dict):
        return found
    said = "no such file" if found is None else "no object of keys and values"
    raise _unfit(where, f"{path.name} with PEFT's keys", said, "give the folder that an adapter was saved in")


def _tensors(folder: Path, where: str) -> dict[str, Tensor]:
    path = folder / WEIGHTS
    if not path.is_file():
        pickled = (folder / _PICKLED).is_file()
        fix = "load it once with peft and save it with save_pretrained, which writes safetensors"
        raise _unfit(
            where,
            f"{WEIGHTS}",
            f"{_PICKLED}, which could run code when it is read" if pickled else "no such file",
            fix if pickled else "give the folder that an adapter was saved in, or save it again",
        )
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise _damaged(where, path.name, error) from error
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise _unfit(where, "finite numbers", f"NaN or infinity in {name}", "take an earlier copy of the adapter")
    return tensors


def task_type(module: Any, anatomy: Anatomy) -> str:
    """PEFT's word for what a model is for."""
    if anatomy.head:
        return CLASSIFIES
    return "SEQ_2_SEQ_LM" if module.config.is_encoder_decoder else "CAUSAL_LM"


def check_base(adapter: Adapter, module: Any, anatomy: Anatomy) -> None:
    """Refuse a model whose weights are not those that an adapter was trained beside, where that is known.

    It is not where a classifier takes the adapter of a model that writes: that one has an output layer beside.

    Raises:
        ModelError: they are others.
    """
    known = adapter.fingerprint is not None and adapter.config.get("task_type") == task_type(module, anatomy)
    if not known or adapter.fingerprint == fingerprint_of(module, anatomy):
        return
    named = adapter.config.get("base_model_name_or_path")
    raise ModelError(
        Problem(
            where=adapter.where,
            expected="the base model that it was trained beside"
            + (f" ({CONFIG} names {named})" if named else ", which it does not name"),
            found="a model of the same shapes with other weights",
            fix="load that model as the base, or train a new adapter for this one",
        )
    )


def fingerprint_of(module: Any, anatomy: Anatomy) -> str:
    """One SHA-256 for the weights of a model, its head left out; the same in whatever files they are kept, and packed.

    Of each tensor its name, its shape and some numbers are taken.
    """
    whole = hashlib.sha256()
    packed = packed_in(module)
    for name, parameter in sorted(module.named_parameters(), key=lambda pair: str(pair[0])):
        if anatomy.part_of(name) == "head":
            continue
        known = packed.get(name)
        whole.update(f"{name} {tuple(parameter.shape) if known is None else known.shape}\n".encode())
        whole.update((sampled(parameter) if known is None else known.sample).numpy().tobytes())
    return whole.hexdigest()


def _unfit(where: str, expected: str, found: str, fix: str) -> ModelError:
    return ModelError(Problem(where=where, expected=expected, found=found, fix=fix))


def _damaged(where: str, name: str, error: Exception) -> ModelError:
    said = (str(error).strip().splitlines() or [""])[0]
    fix = "copy the adapter again from where it was trained, or train it again"
    return _unfit(where, f"{name}, whole", f"{type(error).__name__}: {said}"[:200], fix)
