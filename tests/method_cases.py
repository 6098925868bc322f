"""What tests of methods share: small models of every kind, each with a batch of different lengths and a loss."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AutoConfig, AutoModelForSeq2SeqLM

from affina.models.adapter_head import put_head
from affina.models.adapters import NOTE, SHA256, Adapter
from affina.models.anatomy import Anatomy
from affina.models.anatomy_of_writers import describe_writer
from affina.models.classifier import load_classifier
from affina.models.language import load_language_model
from affina.models.source import locate
from tiny_models import DECODERS, ENCODERS, VOCABULARY
from workbench import tiny

TEXTS = ("my card has not arrived yet", "why was I charged a fee for this transfer", "refund")
LABELS = ("card", "fee", "refund")

_SMALL = {"vocab_size": VOCABULARY, "d_model": 32, "max_position_embeddings": 64, "pad_token_id": 0, "eos_token_id": 1}
_LAYERS = {"encoder_layers": 2, "decoder_layers": 3, "encoder_attention_heads": 4, "decoder_attention_heads": 4}
_WIDE = {"encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "scale_embedding": True, "decoder_start_token_id": 0}
_T5 = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 3, "num_decoder_layers": 3, "num_heads": 4}
_APART = {
    "bart": {**_SMALL, **_LAYERS, **_WIDE, "forced_eos_token_id": None, "bos_token_id": 2},
    "marian": {**_SMALL, **_LAYERS, **_WIDE, "forced_eos_token_id": None},
    "mbart": {**_SMALL, **_LAYERS, **_WIDE, "forced_eos_token_id": None},
    "t5": {**_T5, "vocab_size": VOCABULARY, "decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 1},
}
CLASSIFIERS = tuple(f"{family}/classify" for family in (*ENCODERS, *DECODERS))
WRITERS = tuple(f"{family}/write" for family in DECODERS)
APART = tuple(f"{family}/apart" for family in _APART)
ALL = (*CLASSIFIERS, *WRITERS, *APART)
FEW = ("bert/classify", "gpt2/classify", "llama/write", "gpt2/write", "t5/apart", "bart/apart")


@dataclass(frozen=True)
class Case:
    """A model with a batch.

    Attributes:
        kind: classify, write or apart.
        inputs: the batch, as the model's arguments, padded.
        targets: of the loss.
    """

    kind: str
    module: Any
    anatomy: Anatomy
    inputs: dict[str, Tensor]
    targets: Tensor

    def logits(self) -> Tensor:
        options = {} if self.kind == "classify" else {"use_cache": False}
        return self.module(**self.inputs, **options).logits

    def loss(self, logits: Tensor | None = None) -> Tensor:
        """Summed cross-entropies, of the next token where the model writes."""
        logits = self.logits() if logits is None else logits
        return functional.cross_entropy(logits.flatten(0, -2), self.targets.flatten(), reduction="sum")

    def twin(self) -> Case:
        return replace(self, module=copy.deepcopy(self.module))


def case(name: str, *, double: bool = False, texts: tuple[str, ...] = TEXTS) -> Case:
    """A small model, in evaluation mode, always the same one for a name; nobody else has it."""
    made = _built(name, texts).twin()
    if double:
        made.module.double()
    return made


@functools.cache
def _built(name: str, texts: tuple[str, ...]) -> Case:
    family, _, kind = name.partition("/")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return {"classify": _classifier, "write": _writer, "apart": _apart}[kind](family, texts)


def _classifier(family: str, texts: tuple[str, ...]) -> Case:
    loaded = load_classifier(locate(str(tiny(family))), LABELS)
    inputs = dict(loaded.tokenizer(list(texts), padding=True, return_tensors="pt"))
    targets = torch.arange(len(texts)) % len(LABELS)
    return Case("classify", loaded.module, loaded.anatomy, inputs, targets)


def _writer(family: str, texts: tuple[str, ...]) -> Case:
    loaded = load_language_model(locate(str(tiny(family))))
    inputs = dict(loaded.tokenizer(list(texts), padding=True, return_tensors="pt", return_token_type_ids=False))
    targets = torch.full_like(inputs["input_ids"], -100)
    targets[:, :-1] = inputs["input_ids"][:, 1:].masked_fill(inputs["attention_mask"][:, 1:] == 0, -100)
    return Case("write", loaded.module, loaded.anatomy, inputs, targets)


def _apart(family: str, texts: tuple[str, ...]) -> Case:
    module = AutoModelForSeq2SeqLM.from_config(AutoConfig.for_model(family, **_APART[family])).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    longest = max(len(text) for text in texts) // 4
    ids = torch.randint(3, VOCABULARY, (len(texts), longest))
    mask = torch.ones_like(ids)
    for row, text in enumerate(texts):
        mask[row, len(text) // 4 :] = 0
    ids = ids.masked_fill(mask == 0, 0)
    targets = torch.randint(3, VOCABULARY, (len(texts), 5))
    written = torch.cat([torch.zeros_like(targets[:, :1]), targets[:, :-1]], dim=1)
    inputs = {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": written}
    return Case("apart", module, describe_writer(module), inputs, targets)


def head_of(made: Case) -> frozenset[str]:
    """The names of the head's parameters, as random as those of a new one."""
    return frozenset(name for name, _ in made.module.named_parameters() if made.anatomy.part_of(name) == "head")


def put_on(attach: Callable[..., Any], made: Case, adapter: Adapter, *, absent: Collection[str] | None = None) -> Any:
    """An adapter on a model, as it is loaded: its head, then what its method trains."""
    if made.anatomy.head:
        put_head(adapter, made.module, made.anatomy, absent=head_of(made) if absent is None else absent)
    return attach(made.module, made.anatomy, adapter)


def randomise(state: dict[str, Tensor], *, seed: int = 5) -> None:
    """Put small random numbers into trained tensors, as if they had been trained."""
    draw = torch.Generator().manual_seed(seed)
    for tensor in state.values():
        tensor.add_(0.1 * torch.randn(tensor.shape, generator=draw, dtype=torch.float64).to(tensor.dtype))


def distance(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference, relative to the largest value."""
    return float((ours - theirs).abs().max() / theirs.abs().max())


def apart_as_vectors(ours: list[Tensor], theirs: list[Tensor]) -> float:
    """The length of the difference over the length of theirs, all tensors as one vector."""
    one, two = (torch.cat([tensor.flatten() for tensor in tensors]) for tensors in (ours, theirs))
    return float((one - two).norm() / two.norm())


def unnoted(folder: Path) -> None:
    """Have weights of an adapter that a test changed taken for what was written."""
    note = folder / NOTE
    note.write_text(json.dumps({key: held for key, held in json.loads(note.read_text()).items() if key != SHA256}))
