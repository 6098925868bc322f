"""The masked-language head that an encoder was pre-trained with, read beside its classifier: from states to logits.

A classifier is loaded without it. Where the checkpoint still has it, it is run on the states of the classifier's own
backbone, one position at a time, and stays as it came whatever was trained: what is asked is how far the backbone still
serves it. This module hides no tokens and computes no loss.
"""

from __future__ import annotations

from typing import Any, Final, final

import torch
from safetensors import safe_open
from torch import Tensor
from transformers import AutoModelForMaskedLM

from affina.errors import ModelError, Problem
from affina.models.anatomy import under
from affina.models.classifier import Classifier
from affina.models.files import config_of, load_files
from affina.models.folders import weight_files
from affina.models.heads import head_logits, hidden_states

_SAMPLE: Final = "one two three four"
CLOSE: Final = 1e-4
"""Of the largest logit: what the order of float32 sums may change."""


@final
class MaskedHead:
    """The head, on the device of the classifier.

    Args:
        module: the model with its head (transformers); its backbone is never run again, and lets its weights go.

    Attributes:
        vocabulary: how many logits a position has.
    """

    def __init__(self, module: Any) -> None:
        self._module = module
        self.vocabulary = int(module.get_output_embeddings().weight.shape[0])

    @torch.no_grad()
    def __call__(self, states: Tensor) -> Tensor:
        """Last states of single positions, [N, width], to logits, [N, vocabulary]."""
        ids = torch.zeros(len(states), 1, dtype=torch.long, device=states.device)
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        return head_logits(self._module, states[:, None], inputs)[:, 0]

    def drop_backbone(self) -> None:
        """Let go of the backbone's weights, which the classifier has; a pooler's stay, since some heads run it."""
        prefix = self._module.base_model_prefix
        matrix = self._module.get_output_embeddings().weight
        for name, tensor in self._module.named_parameters():
            if under(name, prefix) and not under(name, f"{prefix}.pooler") and tensor is not matrix:
                tensor.data = tensor.data.new_empty(0)


def load_masked_head(model: Classifier) -> MaskedHead:
    """The head that the classifier's checkpoint has.

    Random numbers that are drawn for what is not there are not taken from the run's.

    Raises:
        ModelError: it has none, or one that cannot be run on single positions.
    """
    where = f"model: {model.source.reference}"
    if model.tokenizer.mask_token_id is None:
        raise ModelError(_without(where, "a tokenizer without a mask token"))
    config = config_of(model.source, where)
    if type(config) not in AutoModelForMaskedLM._model_mapping:
        raise ModelError(_without(where, f"a {config.model_type} model, of a kind that has none"))
    with torch.random.fork_rng(devices=[]):
        module, _, info = load_files(AutoModelForMaskedLM, model.source, config, where=where, may_differ=True)
    absent = {*info["missing_keys"], *(entry[0] for entry in info["mismatched_keys"])}
    if lacking := sorted(name for name in absent if not under(name, module.base_model_prefix)):
        raise ModelError(_without(where, f"a checkpoint without one: {lacking[0]} is not in it"))
    module.eval()
    head = MaskedHead(module)
    if not _runs_by_position(model, module, head):
        raise ModelError(_without(where, f"a {type(module).__name__}, whose head is not run position by position"))
    head.drop_backbone()
    module.to(model.module.device)
    return head


def seems_to_have_one(model: Classifier) -> bool:
    """Whether the classifier's checkpoint has such a head by the names of its tensors: nothing of it is loaded."""
    config, names = model.module.config, set[str]()
    if model.tokenizer.mask_token_id is None or type(config) not in AutoModelForMaskedLM._model_mapping:
        return False
    for path in weight_files(model.source.folder):
        with safe_open(path, framework="numpy") as file:
            names |= {name.replace(".gamma", ".weight").replace(".beta", ".bias") for name in file.keys()}  # noqa: SIM118
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            module = AutoModelForMaskedLM.from_config(config)
        matrix, prefix = module.get_output_embeddings().weight, module.base_model_prefix
    except Exception:  # a family's own code, given a configuration that it may not be made for
        return False
    return all(
        name in names for name, own in module.named_parameters() if own is not matrix and not under(name, prefix)
    )


@torch.no_grad()
def _runs_by_position(model: Classifier, module: Any, head: MaskedHead) -> bool:
    """Whether single positions give the logits of the whole model."""
    inputs = dict(model.tokenizer(_SAMPLE, return_tensors="pt"))
    try:
        logits = module(**inputs).logits[0]
        found = head(hidden_states(module, inputs)[0])
    except Exception:  # a family's own code, given states that it may not be made for
        return False
    return bool((found - logits).abs().max() <= CLOSE * logits.abs().max())


def _without(where: str, found: str) -> Problem:
    return Problem(
        where=where,
        expected="an encoder with the masked-language head that it was pre-trained with",
        found=found,
        fix="a checkpoint that was saved with its masked-language head can be measured",
    )
