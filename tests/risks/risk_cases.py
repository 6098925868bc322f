"""What tests of the risks share: a tiny model with a method on it, and a probe looked through."""

from __future__ import annotations

import functools

import torch

from affina.evaluation.judging.base import Sampling
from affina.methods import full, lora, partial, prefix, prompt
from affina.models.base import base_tensors
from affina.models.classifier import load_classifier
from affina.models.language import load_language_model
from affina.models.source import locate
from affina.recipe.method_specs import LoraSpec, PrefixSpec, PromptSpec
from affina.recipe.weight_specs import FullSpec, PartialSpec
from workbench import tiny

SAMPLING = Sampling(resamples=40, confidence=0.95, seed=3)
METHODS = ("full", "partial", "lora", "prompt", "prefix")
KEEPING = ("full", "partial", "lora")
"""The methods that change nothing before their first step."""


def writer(family="llama"):
    return load_language_model(locate(str(tiny(family))))


def classifier(family="bert"):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return load_classifier(locate(str(tiny(family))), ("card", "fee", "refund"))


def attach(method, model):
    module, anatomy = model.module, model.anatomy
    base = functools.partial(base_tensors, model)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if method == "full":
            return full.attach(module, anatomy, FullSpec(), base_tensors=base)
        if method == "partial":
            return partial.attach(module, anatomy, PartialSpec(blocks=1), base_tensors=base)
        if method == "lora":
            return lora.attach(module, anatomy, LoraSpec(rank=4))
        if method == "prompt":
            return prompt.attach(module, anatomy, PromptSpec(length=4), tokenizer=model.tokenizer, texts=())
        return prefix.attach(module, anatomy, PrefixSpec(length=4), tokenizer=model.tokenizer, texts=())


def train_a_little(attached, size=0.05):
    """Move everything that trains, as a training would."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(1)
        for tensor in attached.state_dict().values():
            tensor.add_(size * torch.randn_like(tensor))


def look_through(probe, attached):
    """What a probe finds of a model as it is."""
    attached.eval()
    with attached.as_it_came():
        probe.before()
    return probe.after()


def value(found, metric, of=""):
    [figure] = [one.found for one in found.figures if (one.metric, one.of) == (metric, of)]
    return figure
