"""The short way through the last block: the model's own logits and gradients, in float64 to the last digits."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from affina.methods import full
from affina.models.classifier import load_classifier
from affina.models.first_position import states_for_head
from affina.models.heads import head_logits, hidden_states
from affina.models.source import locate
from affina.recipe.weight_specs import FullSpec
from tiny_models import CORPUS, FAMILIES, make_tiny

LABELS = ("card", "fee", "refund")
SHORT = frozenset({"bert", "roberta", "xlm-roberta", "distilbert", "electra"})
EXACT = 1e-9


@pytest.fixture(scope="module", params=FAMILIES)
def loaded(request, tmp_path_factory):
    torch.manual_seed(1)
    folder = make_tiny(request.param, tmp_path_factory.mktemp(request.param))
    return request.param, load_classifier(locate(str(folder)), LABELS)


def test_the_families_that_take_it_are_those_whose_head_reads_the_first_position(loaded):
    family, classifier = loaded
    assert classifier.anatomy.first_alone == (family in SHORT)
    inputs = classifier.tokenizer(list(CORPUS), padding=True, return_tensors="pt")
    states = states_for_head(classifier.module, classifier.anatomy, inputs)
    positions = 1 if family in SHORT else inputs["input_ids"].shape[1]
    assert states.shape[:2] == (len(CORPUS), positions)


def test_logits_and_gradients_are_the_whole_models_in_float64(loaded):
    family, classifier = loaded
    if family not in SHORT:
        pytest.skip("this family runs whole")
    module = classifier.module.double().eval()
    inputs = classifier.tokenizer(list(CORPUS), padding=True, return_tensors="pt")
    found = []
    for anatomy in (classifier.anatomy, replace(classifier.anatomy, first_alone=False)):
        module.zero_grad()
        logits = head_logits(module, states_for_head(module, anatomy, inputs), inputs)
        logits.logsumexp(-1).sum().backward()
        gradients = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
        found.append((logits.detach(), gradients))
    (short, short_gradients), (whole, whole_gradients) = found
    assert short_gradients.keys() == whole_gradients.keys()
    assert (short - whole).abs().max() <= EXACT * whole.abs().max()
    apart = torch.cat([(short_gradients[name] - whole_gradients[name]).flatten() for name in whole_gradients])
    assert apart.norm() <= EXACT * torch.cat([tensor.flatten() for tensor in whole_gradients.values()]).norm()
    module.float()


def test_dropout_acts_in_training_and_the_block_is_put_back(loaded):
    family, classifier = loaded
    if family not in SHORT:
        pytest.skip("this family runs whole")
    module, anatomy = classifier.module, classifier.anatomy
    inputs = classifier.tokenizer(list(CORPUS), padding=True, return_tensors="pt")
    full.attach(module, anatomy, FullSpec(), base_tensors=dict).train()
    with torch.no_grad():
        first, second = (states_for_head(module, anatomy, inputs) for _ in range(2))
    module.eval()
    assert not torch.equal(first, second)
    assert hidden_states(module, inputs).shape[1] == inputs["input_ids"].shape[1]
