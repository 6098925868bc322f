"""R-Drop: the divergences by hand, in chunks as whole, and no change at all where two passes are one."""

import pytest
import torch
from torch.nn import functional

from affina.models.output_layer import LinearOutput
from affina.tasks.consistency import of_classes, of_marks, of_numbers, of_tokens, twice
from bench_of_loops import gradients, prepared_run


def kl(one, two):
    return functional.kl_div(two.log(), one, reduction="none").sum(dim=-1)


def two_of(*shape):
    torch.manual_seed(0)
    return torch.randn(*shape, dtype=torch.float64), torch.randn(*shape, dtype=torch.float64)


def test_classes_are_apart_by_the_mean_of_both_divergences():
    first, second = two_of(4, 5)
    one, two = first.softmax(-1), second.softmax(-1)
    assert torch.allclose(of_classes(first, second), (kl(one, two) + kl(two, one)) / 2, rtol=1e-12)
    assert torch.equal(of_classes(first, first), torch.zeros(4, dtype=torch.float64))


def test_marks_are_apart_as_classes_of_two():
    first, second = two_of(4, 3)
    pairs = [torch.stack((torch.zeros_like(logits), logits), dim=-1) for logits in (first, second)]
    assert torch.allclose(of_marks(first, second), of_classes(*pairs), rtol=1e-12)


def test_numbers_are_apart_by_their_square():
    first, second = two_of(4, 1)
    assert torch.allclose(of_numbers(first, second), (first - second) ** 2)


@pytest.mark.parametrize("chunk", [1, 40, 10**6])
def test_tokens_in_chunks_are_tokens_at_once(chunk):
    torch.manual_seed(1)
    output = LinearOutput(weight=torch.randn(11, 6, dtype=torch.float64, requires_grad=True))
    targets = torch.tensor([[3, -100, 5], [1, 2, -100]])
    found = {}
    for size in (chunk, None):
        torch.manual_seed(2)
        first, second = (torch.randn(2, 3, 6, dtype=torch.float64, requires_grad=True) for _ in range(2))
        if size is None:
            wanted = targets != -100
            apart = of_classes(output(first[wanted]), output(second[wanted])).sum()
        else:
            apart = of_tokens(first, second, targets=targets, output=output, chunk=size)
        found[size] = (apart, *torch.autograd.grad(apart, [first, second, output.weight]))
    for one, two in zip(*found.values(), strict=True):
        assert torch.allclose(one, two, rtol=1e-11, atol=1e-13)


def test_what_is_trained_on_is_half_of_the_paper_s_sum():
    passes = iter([(torch.tensor(2.0), torch.tensor(1.0)), (torch.tensor(4.0), torch.tensor(7.0))])
    found = twice(lambda: next(passes), lambda one, two: (one - two).abs(), strength=0.5)
    assert float(found) == pytest.approx((2.0 + 4.0 + 0.5 * 6.0) / 2)
    with torch.no_grad():
        assert float(twice(lambda: (torch.tensor(2.0), torch.tensor(1.0)), torch.sub, strength=0.5)) == 2.0


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_without_dropout_two_passes_are_one(tmp_path, family):
    places = [[0, 1, 2], [3, 4]]
    plain = gradients(prepared_run(tmp_path, family=family), places)  # in evaluation mode
    doubled = gradients(prepared_run(tmp_path, family=family, train={"r_drop": 2.0}), places)
    assert torch.allclose(doubled, plain, rtol=1e-5, atol=1e-7)


def test_dropout_that_the_recipe_gives_a_model_without_any_is_dropout(tmp_path):
    prepared = prepared_run(tmp_path, family="llama", train={"dropout": 0.2, "r_drop": 1.0})
    assert prepared.recipe.train.r_drop == 1.0


def test_with_dropout_they_are_not(tmp_path):
    prepared = prepared_run(tmp_path, train={"r_drop": 2.0})
    work = prepared.subject.work(prepared)
    prepared.attached.train()
    batch = work.batch([0, 1, 2])
    torch.manual_seed(0)
    doubled = work.loss(batch)
    torch.manual_seed(0)
    with torch.no_grad():
        first, second = work.loss(batch), work.loss(batch)
    assert float(doubled.detach()) > float(first + second) / 2
