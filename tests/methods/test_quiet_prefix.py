"""Design 5.4: below the first trained block a text gives the same numbers in every training pass."""

from __future__ import annotations

import pytest
import torch

from affina.methods import partial
from affina.models.classifier import Classifier, load_classifier
from affina.models.dropout import LaneDropout
from affina.models.heads import hidden_states
from affina.models.source import locate
from affina.recipe.weight_specs import PartialSpec
from tiny_models import BLOCKS, CORPUS, FAMILIES
from workbench import tiny


def load(family: str) -> Classifier:
    torch.manual_seed(0)
    return load_classifier(locate(str(tiny(family))), ("a", "b"), dropout=0.3)


def attach(loaded: Classifier, **spec):
    spec = PartialSpec(**spec)
    return partial.attach(loaded.module, loaded.anatomy, spec, base_tensors=lambda: {})


def tensors(values) -> list[torch.Tensor]:
    return [value.clone() for value in values if isinstance(value, torch.Tensor)]


def training_pass(loaded: Classifier, block: int, *, seed: int) -> tuple[list[torch.Tensor], torch.Tensor]:
    """What reaches `block`, and the backbone's last hidden states."""
    inputs = loaded.tokenizer(list(CORPUS), padding=True, return_tensors="pt")
    seen: list[torch.Tensor] = []
    first = loaded.module.get_submodule(loaded.anatomy.blocks[min(block, BLOCKS - 1)])
    handle = first.register_forward_pre_hook(
        lambda _, positional, named: seen.extend(tensors([*positional, *named.values()])), with_kwargs=True
    )
    torch.manual_seed(seed)
    with torch.no_grad():
        hidden = hidden_states(loaded.module, inputs)
    handle.remove()
    return seen, hidden


@pytest.mark.parametrize("blocks", ["all", 1, 0])
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_what_reaches_the_first_trained_block_is_always_the_same(family, blocks):
    loaded = load(family)
    attach(loaded, blocks=blocks).train()
    first = BLOCKS - (BLOCKS if blocks == "all" else blocks)
    (one, hidden), (two, again) = (training_pass(loaded, first, seed=seed) for seed in (1, 2))
    assert one
    assert len(one) == len(two)
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert torch.equal(hidden, again) == (blocks == 0)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_dropout_of_a_trained_block_and_of_the_head_stays_on(family):
    loaded = load(family)
    attach(loaded, blocks=1).train()
    for name, child in loaded.module.named_modules():
        if name.startswith(loaded.anatomy.blocks[-1]) or name.startswith(loaded.anatomy.head):
            assert child.training, name


@pytest.mark.parametrize("family", ["bert", "gpt2", "gpt_neox", "biogpt"])
@pytest.mark.parametrize("spec", [{"embeddings": "trained"}, {"embeddings": "trained", "blocks": 1}])
def test_trained_embeddings_have_their_dropout(family, spec):
    loaded = load(family)
    attach(loaded, **spec).train()
    assert all(child.training for child in loaded.module.modules())
    one, two = (training_pass(loaded, 0, seed=seed)[0][0] for seed in (1, 2))
    assert not torch.equal(one, two)


def test_named_layers_quieten_the_blocks_below_the_first_of_them():
    loaded = load("bert")
    attach(loaded, layers=("layer.1.output", "layer.2")).train()
    on = {name for name, child in loaded.module.named_modules() if isinstance(child, LaneDropout) and child.training}
    assert on == {name for name in on if "layer.1" in name or "layer.2" in name or name == "dropout"}
    assert "bert.encoder.layer.1.attention.output.dropout" in on
