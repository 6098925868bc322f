"""Frozen blocks of every kind of model: found, run for themselves, and stepped over with nothing changed."""

import pytest
import torch

from affina.models.first_position import states_for_head
from affina.models.frozen_prefix import find_cut, frozen_states, stepped_over
from affina.models.heads import head_logits
from affina.models.output_layer import last_states
from affina.tasks.layout import filled_from_left, padded
from method_cases import APART, CLASSIFIERS, WRITERS, apart_as_vectors, case

FEW = (
    "bert/classify",
    "roberta/classify",
    "distilbert/classify",
    "gpt2/classify",
    "gpt2/write",
    "llama/write",
    "t5/apart",
    "bart/apart",
)
CASES = [
    pytest.param(name, blocks, marks=() if name in FEW and blocks != 1 else pytest.mark.slow)
    for name in (*CLASSIFIERS, *WRITERS, *APART)
    for blocks in ((0, 1, 2) if name in CLASSIFIERS else (1, 2))
]


def states(made):
    if made.kind == "classify":
        return states_for_head(made.module, made.anatomy, made.inputs)
    return last_states(made.module, made.inputs)


def loss(made):
    if made.kind == "classify":
        return made.loss(head_logits(made.module, states(made), made.inputs))
    return made.loss()


def train_upper(made, blocks):
    """Let the head and so many upper blocks train; their tensors."""
    lowest = len(made.anatomy.blocks) - blocks
    trained = []
    for name, tensor in made.module.named_parameters():
        number = made.anatomy.block_of(name)
        trains = made.anatomy.part_of(name) == "head" or (number is not None and number >= lowest)
        tensor.requires_grad_(trains)
        trained += [tensor] if trains else []
    return trained


def layouts(made, cut):
    if cut.first_alone:
        return []
    if made.kind != "apart":
        return [padded(made.inputs["attention_mask"])]
    read = made.inputs["decoder_input_ids"]
    return [padded(made.inputs["attention_mask"]), filled_from_left([read.shape[1]] * len(read), read)]


def known(made, cut):
    """What the frozen blocks give of real tokens, zeros where padding is."""
    with torch.no_grad():
        found = [part.clone() for part in frozen_states(made.module, cut, lambda: states(made))]
    return [lay.spread(lay.gathered(part)) for lay, part in zip(layouts(made, cut), found, strict=False)] or found


def steps(made, trained, count=3):
    """Losses and gradients of some steps of plain descent."""
    losses, gradients = [], []
    for _ in range(count):
        total = loss(made)
        found = torch.autograd.grad(total, trained, allow_unused=True)
        losses.append(total.detach())
        gradients.append([torch.zeros_like(one) if g is None else g for g, one in zip(found, trained, strict=True)])
        with torch.no_grad():
            for tensor, gradient in zip(trained, gradients[-1], strict=True):
                tensor -= 0.01 * gradient
    return losses, gradients


@pytest.mark.parametrize(("name", "blocks"), CASES)
def test_stepping_over_frozen_blocks_changes_no_loss_and_no_gradient(name, blocks):
    whole, made = case(name, double=True), case(name, double=True)
    trained = train_upper(made, blocks)
    cut = find_cut(made.module, made.anatomy, lambda: states(made))
    before = {path: dict(child.__dict__) for path, child in made.module.named_modules()}
    with stepped_over(made.module, cut, known(made, cut)):
        losses, gradients = steps(made, trained)
    expected, theirs = steps(whole, train_upper(whole, blocks))

    assert cut.depth >= len(made.anatomy.blocks) - blocks - (name == "t5/apart")
    assert torch.stack(losses) == pytest.approx(torch.stack(expected), rel=1e-9)
    for one, other in zip(gradients, theirs, strict=True):
        assert apart_as_vectors(one, other) < 1e-9
    assert all(
        "forward" not in child.__dict__ or "forward" in before[path] for path, child in made.module.named_modules()
    )
    assert float(loss(made).detach()) == pytest.approx(float(loss(whole).detach()), rel=1e-9)


@pytest.mark.parametrize("name", ["bert/classify", "llama/write"])
def test_what_is_stepped_over_is_not_run(name):
    made = case(name, double=True)
    train_upper(made, 1)
    cut = find_cut(made.module, made.anatomy, lambda: states(made))
    found = known(made, cut)
    with torch.no_grad():
        for path in cut.blocks:
            for tensor in made.module.get_submodule(path).parameters():
                tensor.fill_(float("nan"))
    with stepped_over(made.module, cut, found):
        assert torch.isfinite(loss(made))
    assert not torch.isfinite(loss(made))


def test_nothing_is_cut_where_the_embeddings_train():
    made = case("bert/classify")
    made.module.requires_grad_(True)
    assert find_cut(made.module, made.anatomy, lambda: states(made)) is None


def test_an_encoder_that_is_frozen_as_a_whole_is_known_as_a_whole():
    made = case("bart/apart")
    train_upper(made, 1)
    cut = find_cut(made.module, made.anatomy, lambda: states(made))
    assert [(len(stack.blocks), stack.is_whole) for stack in cut.stacks] == [(2, True), (2, False)]


def test_a_position_bias_is_still_made_by_the_first_block_of_t5():
    made = case("t5/apart")
    train_upper(made, 4)
    cut = find_cut(made.module, made.anatomy, lambda: states(made))
    assert cut.stacks[0].runs_first
    assert cut.depth == 1
