"""A pre-trained model that writes: a decoder, or an encoder with a decoder, loaded ready to be trained.

Loaded is what transformers defines for the checkpoint; its output layer is read off its own logits (`output_layer`).
This module decides nothing about training and writes no text (`writing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

from affina.errors import ModelError, Problem
from affina.models.anatomy import Anatomy
from affina.models.anatomy_of_writers import describe_writer
from affina.models.beside import OTHER_BASE, naming_base
from affina.models.files import config_of, load_files, unloadable
from affina.models.kinds import can_write
from affina.models.output_layer import OutputLayer, OwnLogits, last_states, read_output_layer
from affina.models.packed import pack
from affina.models.quiet import Notify, silent
from affina.models.settings import (
    length_limit,
    replace_dropout,
    set_no_notices,
    set_padding,
)
from affina.models.source import Source
from affina.models.trial import check_numbers, check_vocabulary

_SAMPLE: Final = "one two three four"


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageModel:
    """A model that predicts the next token, with what the stages need to know of it.

    Attributes:
        module: the transformers `PreTrainedModel`, float32, in evaluation mode.
        tokenizer: its tokenizer, padding on the right.
        anatomy: which parameters are which part.
        source: where it came from.
        max_length: the longest text in tokens that it can read, for an encoder-decoder on either side; None without
            a limit.
        output: from states to logits.
        reads_apart: an encoder reads the input and a decoder writes the answer; else one text holds both.
    """

    module: Any
    tokenizer: Any
    anatomy: Anatomy
    source: Source
    max_length: int | None
    output: OutputLayer
    reads_apart: bool

    def states(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """What `output` makes logits of, [B, T, width]; gradients flow."""
        if isinstance(self.output, OwnLogits):
            logits: Tensor = self.module(**inputs, use_cache=False).logits
            return logits
        return last_states(self.module, inputs)

    def again(self) -> Any:
        """The module read from its files once more."""
        return load_language_model(self.source).module


def load_language_model(source: Source, *, dropout: float | None = None, notify: Notify = silent) -> LanguageModel:
    """Load a model that writes.

    Args:
        source: from `locate`.
        dropout: replaces every dropout rate of the model's configuration; None leaves them.
        notify: told what the user should know.

    Raises:
        ModelError: the model is of a kind that does not write, incomplete, damaged, or cannot be run on a text.
    """
    where = f"model: {source.reference}"
    config = read_writer_config(source, where)
    replace_dropout(config, dropout, notify=notify)
    build = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    with naming_base(source):
        module, tokenizer, info = load_files(build, source, config, where=where, may_differ=False)
        _check_whole(module, info, source)
    module.eval()
    set_padding(module, tokenizer, where=where)
    set_no_notices(tokenizer)
    check_numbers(module, where=where)
    check_vocabulary(module, tokenizer, where=where)
    check_end(tokenizer, where)
    anatomy, output = describe_writer(module), _output(module, tokenizer, where=where, notify=notify)
    if source.packed:
        pack(module, anatomy)
    return LanguageModel(
        module=module,
        tokenizer=tokenizer,
        anatomy=anatomy,
        source=source,
        max_length=length_limit(module, tokenizer if source.kind != "run" else None),
        output=output,
        reads_apart=bool(config.is_encoder_decoder),
    )


def read_writer_config(source: Source, where: str) -> Any:
    """A model's configuration, where it is of a kind that writes.

    Raises:
        ModelError: it reads only.
    """
    config = config_of(source, where)
    if not can_write(config):
        raise ModelError(
            Problem(
                where=where,
                expected="a model that writes: a decoder (GPT-2, Llama, ...) or an encoder-decoder (T5, BART, ...)",
                found=f"model_type {config.model_type!r}, which reads only",
                fix="choose another model, such as starter/decoder",
            )
        )
    return config


def _check_whole(module: Any, info: Mapping[str, Any], source: Source) -> None:
    """Refuse a checkpoint that leaves weights to chance: nobody asked for a new output layer."""
    missing = sorted(info["missing_keys"])
    if missing:
        fix = "choose the checkpoint that was trained to write, not one of its classifier or its backbone"
        raise ModelError(
            Problem(
                where=f"model: {source.reference}",
                expected=f"all the weights of a {type(module).__name__}",
                found=f"{len(missing)} tensors are not there: {', '.join(missing[:3])}",
                fix=fix if source.adapter is None else OTHER_BASE,
            )
        )


def check_end(tokenizer: Any, where: str) -> None:
    """Stop at a tokenizer that has no way to say that a text is over.

    Raises:
        ModelError: it has no end token.
    """
    if tokenizer.eos_token_id is None:
        raise ModelError(
            Problem(
                where=where,
                expected="a tokenizer with an end token, by which the model says that its answer is whole",
                found="none",
                fix="set `eos_token` in the model's tokenizer_config.json to a token of its vocabulary",
            )
        )


def _output(module: Any, tokenizer: Any, *, where: str, notify: Notify) -> OutputLayer:
    inputs = tokenizer(_SAMPLE, return_tensors="pt", return_token_type_ids=False)
    fed: dict[str, Tensor] = {"input_ids": inputs["input_ids"], "attention_mask": inputs["attention_mask"]}
    if module.config.is_encoder_decoder:
        fed["decoder_input_ids"] = fed["input_ids"]
    try:
        found = read_output_layer(module, fed)
    except ModelError:
        raise
    except Exception as error:  # a family's own code, given inputs that it may not be made for
        raise unloadable(where, error) from error
    if found is not None:
        return found
    kind = type(module).__name__
    notify(f"the output layer of a {kind} is no plain product: its logits are computed for every token, all at once")
    return OwnLogits(vocabulary=int(module.config.get_text_config().vocab_size))
