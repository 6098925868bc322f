"""Reading a model's files through transformers: configuration, tokenizer and weights, never code, never the network.

What cannot be read ends as one error that names the model. Which class a model is loaded as is the caller's choice.
"""

from __future__ import annotations

from typing import Any

import torch
from tokenizers.models import BPE
from transformers import AutoConfig, AutoTokenizer

from affina.errors import AffinaError, ModelError, Problem
from affina.models.promised import laid_out, weights_in
from affina.models.quiet import quiet
from affina.models.source import Source


def config_of(source: Source, where: str) -> Any:
    """A model's configuration.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        with quiet():
            return AutoConfig.from_pretrained(source.config_folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # whatever a family's own code makes of a file
        raise unloadable(where, error) from error


def load_files(
    build: Any, source: Source, config: Any, *, where: str, may_differ: bool
) -> tuple[Any, Any, dict[str, Any]]:
    """A model in float32, its tokenizer, and what transformers says of tensors that were missing or of another shape.

    Args:
        build: one of transformers' `AutoModelFor...`.
        source: the files.
        config: the model's configuration, as it is to be used.
        where: what the user wrote as `model:`.
        may_differ: a tensor of another shape is no error but starts anew.

    Raises:
        ModelError: the files cannot be used.
    """
    try:
        with quiet():
            laid_out(build, config, there=weights_in(source.folder), where=where)
            tokenizer = AutoTokenizer.from_pretrained(
                source.tokenizer_folder, trust_remote_code=False, local_files_only=True
            )
            module, info = build.from_pretrained(
                source.folder,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                ignore_mismatched_sizes=may_differ,
                output_loading_info=True,
                trust_remote_code=False,
                local_files_only=True,
            )
    except AffinaError:
        raise
    except Exception as error:  # whatever a family's own code makes of a file
        raise unloadable(where, error) from error
    forget_words(tokenizer)
    module.config.name_or_path = ""  # a path of this machine has no place in a model that is passed on
    return module, tokenizer, info


def forget_words(tokenizer: Any) -> None:
    """Have a BPE tokenizer keep no words: what a thread keeps of them outlives the tokenizer, in every thread.

    By tokenizers 0.23 each loaded tokenizer left up to 10,000 words behind in each thread that had used it: 1.6 MiB for
    Banking77. Without them 8,000 answers of bitext_support took as long to tokenize (docs/log.md).
    """
    model = tokenizer.backend_tokenizer.model if tokenizer.is_fast else None
    if isinstance(model, BPE):
        model._resize_cache(0)


def unloadable(where: str, error: Exception) -> ModelError:
    """What transformers raised for a model's files, as an error that names the model."""
    said = (str(error).strip().splitlines() or [""])[0]
    return ModelError(
        Problem(
            where=where,
            expected="a model and a tokenizer that transformers can load",
            found=f"{type(error).__name__}: {said}"[:300],
            fix="check that config.json, the weights and the tokenizer files there belong to one and the same model",
        )
    )
