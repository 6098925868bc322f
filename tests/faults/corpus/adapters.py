"""Malformed adapters: what a run of LoRA shipped, with one of its files changed, and trained on from."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

import affina
from corpus.case import Case
from workbench import sample_rows, tiny, write_csv

CONFIG, WEIGHTS, NOTE = "adapter_config.json", "adapter_model.safetensors", "affina.json"


@functools.cache
def shipped() -> Path:
    """The adapter of a short run, made once in a test session."""
    folder = tempfile.TemporaryDirectory(prefix="adapter-")
    atexit.register(folder.cleanup)
    data = write_csv(Path(folder.name) / "rows.csv", sample_rows())
    recipe = {
        "model": str(tiny()),
        "run": f"{folder.name}/run",
        "data": {"train": str(data)},
        "method": "lora",
        "train": {"max_steps": 1},
        "evaluate": {"baselines": False, "resamples": 10},
        "risks": {"measure": "never"},
    }
    adapter = Path(affina.train(recipe).folder.adapter)
    settings = json.loads((adapter / CONFIG).read_text("utf-8"))
    (adapter / CONFIG).write_text(json.dumps({**settings, "base_model_name_or_path": str(tiny())}), encoding="utf-8")
    return adapter


def _changed(name: str, change: Callable[[bytes], bytes], *says: str) -> Case:
    def make() -> list[str]:
        shutil.copytree(shipped(), "adapter")
        path = Path("adapter", name)
        path.write_bytes(change(path.read_bytes()))
        return ["train", "good.csv", "model=adapter"]

    return Case(make, ("adapter", *says))


def _settings(changes: Mapping[str, Any], *says: str) -> Case:
    return _changed(CONFIG, lambda content: json.dumps({**json.loads(content), **changes}).encode(), *says)


def _tensors(change: Callable[[dict[str, Any]], object], *says: str) -> Case:
    def make() -> list[str]:
        shutil.copytree(shipped(), "adapter")
        tensors = load_file(f"adapter/{WEIGHTS}")
        change(tensors)
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, f"adapter/{WEIGHTS}")
        return ["train", "good.csv", "model=adapter"]

    return Case(make, ("adapter", *says))


def _without(name: str, *says: str) -> Case:
    def make() -> list[str]:
        shutil.copytree(shipped(), "adapter", ignore=shutil.ignore_patterns(name))
        return ["train", "good.csv", "model=adapter"]

    return Case(make, ("adapter", *says))


def _pickled() -> list[str]:
    shutil.copytree(shipped(), "adapter", ignore=shutil.ignore_patterns(WEIGHTS))
    Path("adapter", "adapter_model.bin").write_bytes(b"cos\nsystem\n(S'touch hacked'\ntR.")
    return ["train", "good.csv", "model=adapter"]


def _some(tensors: dict[str, Any], part: str) -> str:
    return next(name for name in tensors if part in name)


CASES: dict[str, Case] = {
    "an adapter that ends early": _changed(WEIGHTS, lambda content: content[: len(content) // 2]),
    "an adapter of nothing": _changed(WEIGHTS, lambda _: b""),
    "an adapter with a header of no end": _changed(
        WEIGHTS, lambda content: (2**62).to_bytes(8, "little") + content[8:]
    ),
    "an adapter whose settings are no JSON": _changed(CONFIG, lambda _: b"{"),
    "an adapter whose settings are a list": _changed(CONFIG, lambda _: b"[]"),
    "an adapter whose note is no JSON": _changed(NOTE, lambda _: b"{"),
    "an adapter without weights": _without(WEIGHTS),
    "an adapter that is a pickle": Case(_pickled, ("adapter", "could run code")),
    "an adapter of an unknown kind": _settings({"peft_type": "MAGIC"}, "MAGIC"),
    "an adapter without a kind": _settings({"peft_type": None}, "peft_type"),
    "an adapter with DoRA": _settings({"use_dora": True}, "use_dora"),
    "an adapter with patterns of ranks": _settings({"rank_pattern": {"query": 4}}, "rank_pattern"),
    "an adapter with another rank": _settings({"r": 64}),
    "an adapter with a rank that is a text": _settings({"r": "eight"}),
    "an adapter with a rank below nothing": _settings({"r": -8}),
    "an adapter whose base is not there": _settings({"base_model_name_or_path": "no/such/model"}),
    "an adapter of NaN": _tensors(lambda tensors: tensors[_some(tensors, "lora_A")].fill_(float("nan"))),
    "an adapter without half of a pair": _tensors(lambda tensors: tensors.pop(_some(tensors, "lora_B"))),
    "an adapter of other shapes": _tensors(
        lambda tensors: tensors.update({_some(tensors, "lora_A"): tensors[_some(tensors, "lora_A")][:, :3]})
    ),
    "an adapter of layers that are not there": _tensors(
        lambda tensors: tensors.update(
            {"base_model.model.nowhere.lora_A.weight": tensors[_some(tensors, "lora_A")].clone()}
        )
    ),
}
