"""What a run's figures follow from, as one hash: the same for a run of the same recipe, data, model and machine.

What is kept for a later run (forecasts, states of frozen blocks, starts) is found by it. Which keys of the recipe
matter for something, and what else does, says who keeps it.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from affina.models.source import fingerprint, fingerprint_beside
from affina.pipeline.prepared import Prepared
from affina.record.starts import QUANTIZE
from affina.runtime import machine
from affina.runtime.four_bits import LIBRARY
from affina.training.optimizer import KEY as EIGHT_BITS


def hash_of(prepared: Prepared, recipe: Mapping[str, Any], *more: Any) -> str:
    """One SHA-256 for some keys of a recipe, the files, the model, device, threads, versions, and what else matters.

    Args:
        prepared: the run.
        recipe: the keys that matter, as plain data.
        more: anything that JSON or `str` writes down whole.
    """
    here = [machine.facts(prepared.device)["device"], torch.get_num_threads(), versions_of(prepared)]
    source, terms = prepared.model.source, [asdict(pair) for pair in prepared.terms]
    parts = [recipe, prepared.loaded.files, terms, fingerprint(source), fingerprint_beside(source), *more, *here]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def versions_of(prepared: Prepared) -> dict[str, str]:
    """Of the libraries that decide the run's numbers."""
    return machine.versions(*([LIBRARY] if {QUANTIZE, EIGHT_BITS} & prepared.choices.keys() else []))


@functools.cache
def code_hash() -> str:
    """Affina's own source, and its lists of words, hashed: another version may measure otherwise."""
    folder, found = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted((*folder.rglob("*.py"), *folder.rglob("*.txt"))):
        found.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()
