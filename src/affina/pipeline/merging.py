"""A LoRA adapter merged into its base: a whole model in transformers' layout, which stands for the two from then on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from affina.errors import ModelError, Problem
from affina.methods.lora import MergeableLowRank
from affina.methods.saved import attach_saved
from affina.models.adapters import CLASSIFIES, read_config
from affina.models.beside import naming_base
from affina.models.classifier import Classifier, load_classifier
from affina.models.files import config_of
from affina.models.kinds import can_write
from affina.models.language import LanguageModel, load_language_model
from affina.models.saving import save_model
from affina.models.settings import head_of
from affina.models.source import Source

_LABELS: Final = "save the labels beside it (base.config.save_pretrained(FOLDER), with id2label), or write method=lora"


def write_merged(found: Source, folder: Path) -> None:
    """Write an adapter and its base as one, head and tokenizer included.

    Args:
        found: the adapter, of LoRA, with its base.
        folder: an empty folder.

    Raises:
        ModelError: the adapter or its base cannot be used, or nothing says what the outputs of its head stand for.
    """
    if found.adapter is None:
        raise ValueError("a whole model has nothing to merge")
    model = _loaded(found, found.adapter)
    with naming_base(found):
        attached = attach_saved(model.module, model.anatomy, found.adapter)
    if not isinstance(attached, MergeableLowRank):
        raise TypeError("only low-rank updates can be merged")
    with attached.merged():
        save_model(model.module, model.tokenizer, folder)


def _loaded(found: Source, adapter: Path) -> Classifier | LanguageModel:
    kind, config = read_config(adapter).get("task_type"), config_of(found, f"model: {found.reference}")
    if kind != CLASSIFIES and can_write(config):
        return load_language_model(found)
    if found.config_folder != adapter:
        raise ModelError(
            Problem(
                where=f"the adapter {adapter}",
                expected="a config.json that says what the outputs of its head stand for, since it is to be merged",
                found="none",
                fix=_LABELS,
            )
        )
    return load_classifier(found, head_of(config))
