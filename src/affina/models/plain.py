"""A saved model as anybody opens it: plain transformers, none of Affina's settings, for the check that it is the same.

This module trains nothing and repairs nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from affina.models.files import unloadable
from affina.models.quiet import quiet


def load_plain(folder: Path, *, writes: bool) -> tuple[Any, Any]:
    """The model, in evaluation mode, and the tokenizer in a folder.

    Args:
        folder: what was saved.
        writes: it predicts tokens; else it classifies.

    Raises:
        ModelError: transformers cannot open it.
    """
    try:
        with quiet():
            apart = AutoConfig.from_pretrained(folder).is_encoder_decoder
            writer = AutoModelForSeq2SeqLM if apart else AutoModelForCausalLM
            build: Any = writer if writes else AutoModelForSequenceClassification
            return build.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    except Exception as error:  # whatever a family's own code makes of a file
        raise unloadable(str(folder), error) from error
