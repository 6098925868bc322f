"""Writing a tuned model so that plain transformers loads it and gives the same, without Affina.

This module does not choose which weights are saved, and does not make the write atomic: give it a folder of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from affina.models.quiet import quiet


def save_model(module: Any, tokenizer: Any, folder: Path, *, max_length: int | None = None) -> None:
    """Write a model and its tokenizer, chat template included, in transformers' layout, weights as safetensors.

    Args:
        module: the model; its configuration already names a classifier's labels and the padding token.
        tokenizer: the tokenizer it was trained with.
        folder: an empty or absent folder.
        max_length: the limit in tokens it was trained with; kept as the tokenizer's own limit; None keeps
            the tokenizer's.
    """
    with quiet():
        module.save_pretrained(folder)
    _save_tokenizer(tokenizer, folder, max_length)


def save_settings(module: Any, tokenizer: Any, folder: Path, *, max_length: int | None = None) -> None:
    """Write what is no weight, beside an adapter: the configuration and the tokenizer, as `save_model` does."""
    with quiet():
        module.config.save_pretrained(folder)
    _save_tokenizer(tokenizer, folder, max_length)


def _save_tokenizer(tokenizer: Any, folder: Path, max_length: int | None) -> None:
    before = tokenizer.model_max_length
    backend = tokenizer.backend_tokenizer if tokenizer.is_fast else None
    if backend is not None:
        # cutting and padding are set anew by each call and would otherwise be saved as the last call left them
        backend.no_truncation()
        backend.no_padding()
    try:
        tokenizer.model_max_length = before if max_length is None else max_length
        with quiet():
            tokenizer.save_pretrained(folder)
    finally:
        tokenizer.model_max_length = before
