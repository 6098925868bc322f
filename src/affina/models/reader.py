"""What of a model reads texts: its tokenizer and its length limit, without its weights.

For what is measured before any training. This module holds no rule of its own: settings and limits are those that a
loaded model gets (`classifier`, `settings`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    GenerationConfig,
)

from affina.errors import AffinaError
from affina.models.classifier import read_config
from affina.models.files import unloadable
from affina.models.language import check_end, read_writer_config
from affina.models.promised import laid_out, weights_in
from affina.models.quiet import quiet
from affina.models.settings import length_limit, set_no_notices, set_padding, set_special_tokens
from affina.models.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A model's tokenizer and limit.

    Attributes:
        tokenizer: padding on the right.
        source: where the model came from.
        max_length: the longest input in tokens, special tokens included; None without a limit.
    """

    tokenizer: Any
    source: Source
    max_length: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterReader:
    """The same of a model that writes.

    Attributes:
        module: the model without its weights: its configurations alone mean something.
        reads_apart: an encoder reads the input and a decoder writes the answer.
    """

    module: Any
    tokenizer: Any
    source: Source
    max_length: int | None
    reads_apart: bool


def load_writer_reader(source: Source) -> WriterReader:
    """Load the tokenizer of a model that writes; no memory is taken for its weights.

    Raises:
        ModelError: the model's files cannot be used, or it is of a kind that does not write.
    """
    where = f"model: {source.reference}"
    config = read_writer_config(source, where)
    build = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(
                source.tokenizer_folder, trust_remote_code=False, local_files_only=True
            )
            module = laid_out(build, config, there=weights_in(source.folder), where=where)
            if (source.folder / "generation_config.json").is_file():
                module.generation_config = GenerationConfig.from_pretrained(source.folder, local_files_only=True)
    except AffinaError:
        raise
    except Exception as error:  # whatever a family's own code makes of a file
        raise unloadable(where, error) from error
    set_padding(module, tokenizer, where=where)
    set_no_notices(tokenizer)
    check_end(tokenizer, where)
    return WriterReader(
        module=module,
        tokenizer=tokenizer,
        source=source,
        max_length=length_limit(module, tokenizer if source.kind != "run" else None),
        reads_apart=bool(config.is_encoder_decoder),
    )


def load_reader(source: Source) -> Reader:
    """Load a model's tokenizer; the model itself is built without any memory for its weights, for its limits alone.

    Raises:
        ModelError: the model's files cannot be used, or it is of a kind that cannot classify.
    """
    where = f"model: {source.reference}"
    config = read_config(source, where)
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(
                source.tokenizer_folder, trust_remote_code=False, local_files_only=True
            )
            module = laid_out(AutoModelForSequenceClassification, config, there=weights_in(source.folder), where=where)
    except AffinaError:
        raise
    except Exception as error:  # whatever a family's own code makes of a file
        raise unloadable(where, error) from error
    set_padding(module, tokenizer, where=where)
    set_special_tokens(module, tokenizer)
    set_no_notices(tokenizer)
    limit = length_limit(module, tokenizer if source.kind != "run" else None)
    return Reader(tokenizer=tokenizer, source=source, max_length=limit)
