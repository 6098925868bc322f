"""A pre-trained model with a classification head, as transformers defines it, loaded ready to be trained.

This module decides nothing about training; how a new head starts and what is frozen is the method's and the task's.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from torch import nn
from transformers import AutoModelForSequenceClassification

from affina.errors import ModelError, Problem
from affina.models.adapter_head import has_output, put_head
from affina.models.adapters import read_adapter
from affina.models.anatomy import Anatomy, under
from affina.models.beside import OTHER_BASE, naming_base
from affina.models.dropout import quicken
from affina.models.files import config_of, load_files
from affina.models.folders import CONFIG
from affina.models.head_start import last_layer
from affina.models.kinds import can_classify, can_write
from affina.models.packed import pack
from affina.models.quiet import Notify, silent
from affina.models.settings import (
    HeadSpec,
    length_limit,
    replace_dropout,
    same_head,
    set_dropout,
    set_head,
    set_no_notices,
    set_padding,
    set_plain_outputs,
    set_special_tokens,
)
from affina.models.source import Source
from affina.models.trial import check_numbers, check_vocabulary, try_out
from affina.models.units import PLAIN, Units, rebased, units_for, units_of

_MOST_MISSING: Final = 0.01
"""Share of the backbone's parameters that may be missing in a checkpoint (each is said); more is another model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier:
    """A model that gives one logit for each label, or one for a number, with what the stages need to know of it.

    Attributes:
        module: the transformers `PreTrainedModel`, float32, in evaluation mode; its own configuration, which is
            what is exported, has the checkpoint's dropout rates whatever it trains with.
        tokenizer: its tokenizer, padding on the right.
        anatomy: which parameters are which part.
        source: where it came from.
        max_length: the longest input in tokens, special tokens included; None without a limit.
        new_parameters: names of the parameters that start from random numbers, in the model's order.
        head: what its outputs stand for.
        units: of a regression's logit; plain for any other model.
    """

    module: Any
    tokenizer: Any
    anatomy: Anatomy
    source: Source
    max_length: int | None
    new_parameters: tuple[str, ...]
    head: HeadSpec
    units: Units = PLAIN

    def again(self) -> Any:
        """The module read from its files once more; a new head is random."""
        return load_classifier(self.source, self.head).module


def load_classifier(
    source: Source, head: HeadSpec | Sequence[str], *, dropout: float | None = None, notify: Notify = silent
) -> Classifier:
    """Load a model whose outputs stand for `head`.

    A head that was trained for the same outputs in the same order is kept; any other starts anew, from torch's global
    random state, which the caller seeds. The logit of a regression comes in standard units (`units`). Of an adapter
    the head is loaded here, the rest is its method's to attach.

    Args:
        source: where the model, or the adapter with its base, is.
        head: what the outputs stand for; labels alone are classes of which a text has one.
        dropout: replaces every dropout rate of the model's configuration; None leaves them.
        notify: told what the user should know.

    Raises:
        ModelError: the model is of a kind without a classification head, incomplete, damaged, another's weights, or
            cannot be run on a text.
    """
    where = f"model: {source.reference}"
    config = read_config(source, where)
    head = head if isinstance(head, HeadSpec) else HeadSpec(labels=tuple(head))
    keeps_head = same_head(config, head)
    set_head(config, head)
    set_plain_outputs(config)
    rates = replace_dropout(config, dropout, notify=notify)
    with naming_base(source):
        module, tokenizer, info = load_files(
            AutoModelForSequenceClassification, source, config, where=where, may_differ=True
        )
    set_padding(module, tokenizer, where=where)
    # what is inside the module keeps the shared configuration: some blocks read their rates from it as they run
    module.config = copy.deepcopy(module.config)
    set_dropout(module.config, rates)
    set_special_tokens(module, tokenizer)
    set_no_notices(tokenizer)
    check_numbers(module, where=where)
    check_vocabulary(module, tokenizer, where=where)
    anatomy = try_out(module, tokenizer, where=where, notify=notify)
    quicken(module)
    absent = set(info["missing_keys"]) | {entry[0] for entry in info["mismatched_keys"]}
    with naming_base(source):
        _check_backbone(module, anatomy, absent, source=source, notify=notify)
        absent = _still_random(source, module, anatomy, absent, keeps_head=keeps_head, notify=notify)
    new = tuple(name for name, _ in module.named_parameters() if name in absent)
    is_new = any(name.startswith(f"{anatomy.output}.") for name in new)
    units = _standardised(module, anatomy, head, is_new=is_new)
    if source.packed:
        pack(module, anatomy)
    return Classifier(
        module=module,
        tokenizer=tokenizer,
        anatomy=anatomy,
        source=source,
        max_length=length_limit(module, tokenizer if source.kind != "run" else None),
        new_parameters=new,
        head=head,
        units=units,
    )


def _still_random(
    source: Source, module: Any, anatomy: Anatomy, absent: set[str], *, keeps_head: bool, notify: Notify
) -> set[str]:
    """The parameters that are random numbers, once an adapter's head is in and an output layer for others is drawn."""
    output = {name for name, _ in module.named_parameters() if under(name, anatomy.output)}
    brought = not output & absent
    if source.adapter is not None:
        adapter = read_adapter(source.adapter)
        absent = absent - put_head(adapter, module, anatomy, absent=absent, keeps_output=keeps_head)
        brought = brought or has_output(adapter, module, anatomy)
    if keeps_head or not brought:
        return absent
    if source.adapter in (None, source.config_folder):
        notify(f"the output layer of {source.reference} was trained for other labels and starts anew")
    else:
        why = "has no config.json, which would say for which labels its output layer was trained"
        notify(f"{source.reference} {why}: it starts anew")
    return absent if output & absent else absent | _start_anew(module, anatomy.output)


def _standardised(module: Any, anatomy: Anatomy, head: HeadSpec, *, is_new: bool) -> Units:
    """The units that a regression's head counts in; one that was kept is brought to those of these numbers."""
    if head.problem != "regression":
        return PLAIN
    before = PLAIN if is_new else units_of(module.config)
    if not head.deviation:
        return before
    units = units_for(module, anatomy, mean=head.mean, deviation=head.deviation)
    return units if is_new else rebased(last_layer(module, anatomy), before, units)


def read_config(source: Source, where: str) -> Any:
    """A model's configuration.

    Raises:
        ModelError: it cannot be read, or is of a kind that cannot classify.
    """
    config = config_of(source, where)
    _check_kind(config, where)
    return config


def _check_kind(config: Any, where: str) -> None:
    """Refuse a kind of model that cannot classify.

    Raises:
        ModelError: an encoder-decoder, or a kind without a classification head.
    """
    if can_classify(config):
        return
    kind = "an encoder-decoder" if config.is_encoder_decoder else "a kind without a classification head"
    raise ModelError(
        Problem(
            where=where,
            expected="an encoder or a decoder that transformers can classify with",
            found=f"model_type {config.model_type!r}, {kind}",
            fix="choose another model, such as starter/encoder"
            + (", or write task.form=words for one label a row" if can_write(config) else ""),
        )
    )


def _check_backbone(module: Any, anatomy: Anatomy, absent: set[str], *, source: Source, notify: Notify) -> None:
    """Refuse weights that are another model's; say which few of the backbone's were not there."""
    backbone = {name: p for name, p in module.named_parameters() if anatomy.part_of(name) != "head"}
    missing = [name for name in backbone if name in absent]
    share = sum(backbone[name].numel() for name in missing) / sum(p.numel() for p in backbone.values())
    if share > _MOST_MISSING:
        fix = "give the folder the config.json that belongs to its weights, or choose another model"
        raise ModelError(
            Problem(
                where=f"model: {source.reference}",
                expected=f"the weights of the {type(module).__name__} that {source.config_folder / CONFIG} describes",
                found=f"{share:.0%} of the backbone is not in them or of another shape: {_some(missing)}",
                fix=fix if source.adapter is None else OTHER_BASE,
            )
        )
    if missing:
        notify(f"not in the weights, so they start from random numbers: {_some(missing)}")


def _start_anew(module: Any, output: str) -> set[str]:
    """Draw the output layer anew as transformers does for a missing one; return its parameters' names."""
    layer = module.get_submodule(output)
    deviation = float(module.config.to_dict().get("initializer_range", 0.02))
    for name, parameter in layer.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        else:
            nn.init.normal_(parameter, std=deviation)
    return {f"{output}.{name}" for name, _ in layer.named_parameters()}


def _some(names: Sequence[str]) -> str:
    hidden = len(names) - 3
    return ", ".join(names[:3]) + (f" and {hidden} more" if hidden > 0 else "")
