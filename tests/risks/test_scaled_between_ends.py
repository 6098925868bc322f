"""The line between the model as it came and the tuned one: both ends are exact, and half-way is half of the change."""

import pytest
import torch
from risk_cases import METHODS, attach, classifier, train_a_little, writer

from affina.methods.base import Scalable, between
from affina.models.base import base_tensors


def model_of(family):
    return classifier() if family == "bert" else writer(family)


def copied(attached):
    return {name: tensor.clone() for name, tensor in attached.state_dict().items()}


def logits(model):
    ids = torch.tensor([[5, 6, 7, 8]])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if model.module.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = ids
    with torch.no_grad():
        return model.module(**inputs).logits


@pytest.mark.parametrize("family", ["bert", "llama", "bart"])
@pytest.mark.parametrize("method", ["full", "partial", "lora"])
def test_at_0_it_is_the_base_and_at_1_the_tuned_model_bit_for_bit(family, method):
    model = model_of(family)
    base = logits(model)
    attached = attach(method, model)
    attached.eval()
    start = copied(attached)
    train_a_little(attached)
    tuned, end = logits(model), copied(attached)
    assert not torch.equal(tuned, base)
    for strength, wanted in ((0.0, base), (1.0, tuned)):
        attached.load_state_dict(attached.scaled(strength, start=start, tuned=end))
        assert torch.equal(logits(model), wanted)
    attached.load_state_dict(attached.scaled(0.5, start=start, tuned=end))
    assert not torch.equal(logits(model), base)
    assert not torch.equal(logits(model), tuned)


@pytest.mark.parametrize("method", ["full", "partial"])
def test_half_way_every_tensor_is_half_way_and_nothing_else_moves(method):
    model = classifier()
    attached = attach(method, model)
    start = copied(attached)
    train_a_little(attached)
    end = copied(attached)
    found = attached.scaled(0.25, start=start, tuned=end)
    assert found.keys() == start.keys()
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, 0.75 * start[name] + 0.25 * end[name])
    attached.load_state_dict(found)
    frozen = {name: tensor for name, tensor in base_tensors(model).items() if name not in start}
    own = dict(model.module.named_parameters())
    assert all(torch.equal(own[name], tensor) for name, tensor in frozen.items())


def test_an_adapter_s_update_is_scaled_and_its_head_is_on_the_line():
    model = classifier()
    attached = attach("lora", model)
    start = copied(attached)
    train_a_little(attached)
    end = copied(attached)
    whole = [update.merged() - update.layer.weight for update in attached.updates]
    attached.load_state_dict(attached.scaled(0.25, start=start, tuned=end))
    for update, change in zip(attached.updates, whole, strict=True):
        torch.testing.assert_close(update.merged() - update.layer.weight, 0.25 * change, rtol=1e-3, atol=1e-6)
    heads = [name for name in start if "lora" not in name]
    assert heads
    for name in heads:
        torch.testing.assert_close(attached.state_dict()[name], 0.75 * start[name] + 0.25 * end[name])


def test_an_adapter_that_goes_on_is_at_0_what_it_was():
    model = writer()
    attached = attach("lora", model)
    train_a_little(attached)
    attached.begin_with(copied(attached))
    start, came = copied(attached), logits(model)
    train_a_little(attached)
    end = copied(attached)
    attached.load_state_dict(attached.scaled(0.0, start=start, tuned=end))
    assert torch.equal(logits(model), came)
    found = attached.scaled(0.5, start=start, tuned=end)
    assert all(torch.equal(found[name], between(start, end, 0.5)[name]) for name in found)


def test_which_methods_have_a_line():
    assert [name for name in METHODS if isinstance(attach(name, classifier()), Scalable)] == ["full", "partial", "lora"]
