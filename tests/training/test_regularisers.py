"""Regularisers: each is what its paper defines, to the last digits that float64 has, and gone outside training."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from affina.pipeline.regularising import held_bytes, regularisers_of
from affina.training.regularisers import EmbeddingNoise, Mixout, PullToStart, all_during
from bench_of_loops import prepared_run, start_loop
from tiny_models import APART

DRAWS = 4_000


def layer():
    torch.manual_seed(0)
    made = nn.Linear(6, 4).double()
    start = {name: torch.randn_like(weight) for name, weight in made.named_parameters()}
    return made, dict(made.named_parameters()), start


def test_l2_sp_has_the_gradient_of_its_penalty():
    made, weights, start = layer()
    data = torch.randn(5, 6, dtype=torch.float64)
    other = copy.deepcopy(made)
    penalty = sum((weight - start[name]).square().sum() for name, weight in other.named_parameters())
    (other(data).square().sum() + 0.3 / 2 * penalty).backward()
    made(data).square().sum().backward()
    PullToStart(weights, start, strength=0.3).after()
    for name, weight in other.named_parameters():
        assert torch.allclose(weights[name].grad, weight.grad, rtol=1e-12, atol=0)


def test_l2_sp_leaves_what_is_frozen_alone():
    made, weights, start = layer()
    made.bias.requires_grad_(False)
    made(torch.ones(1, 6, dtype=torch.float64)).sum().backward()
    PullToStart(weights, start, strength=1.0).after()
    assert made.bias.grad is None
    assert not torch.equal(made.weight.grad, torch.ones_like(made.weight))


def test_mixout_mixes_as_defined_and_its_gradient_goes_through():
    made, weights, start = layer()
    data = torch.randn(5, 6, dtype=torch.float64)
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    rate = 0.25
    torch.manual_seed(1)
    with Mixout(weights, start, rate=rate).during():
        mixed = {name: weight.detach().clone() for name, weight in weights.items()}
        made(data).square().sum().backward()
    own = {name: weight.clone().requires_grad_() for name, weight in before.items()}
    by_hand = {}
    for name, weight in own.items():
        put_back = (mixed[name] == start[name]).double()
        by_hand[name] = (put_back * start[name] + (1 - put_back) * weight - rate * start[name]) / (1 - rate)
        # what was put back is corrected too: (start - rate start) / (1 - rate) is the start
        assert torch.allclose(by_hand[name], mixed[name], rtol=1e-12, atol=1e-14)
        assert 0 < put_back.mean() < 1
    functional.linear(data, by_hand["weight"], by_hand["bias"]).square().sum().backward()
    for name, weight in weights.items():
        assert torch.equal(weight, before[name]), "put back, bit for bit"
        assert torch.allclose(weight.grad, own[name].grad, rtol=1e-12, atol=1e-14)


def test_mixout_s_mean_is_the_weight():
    _, weights, start = layer()
    mixout, total = Mixout(weights, start, rate=0.5), 0.0
    torch.manual_seed(2)
    for _ in range(DRAWS):
        with mixout.during():
            total = total + weights["weight"].detach().clone()
    spread = (weights["weight"] - start["weight"]).abs()  # of one draw, at a rate of a half
    assert ((total / DRAWS - weights["weight"]).abs() < 5 * spread / DRAWS**0.5 + 1e-12).all()


@pytest.mark.parametrize("rate", [1e-9, 1 - 1e-9])
def test_mixout_at_its_ends_is_finite(rate):
    _, weights, start = layer()
    with Mixout(weights, start, rate=rate).during():
        assert all(torch.isfinite(weight).all() for weight in weights.values())


def test_mixout_gives_the_weights_back_after_an_error():
    made, weights, start = layer()
    before = made.weight.detach().clone()
    with pytest.raises(RuntimeError), Mixout(weights, start, rate=0.5).during():
        raise RuntimeError
    assert torch.equal(made.weight, before)


def test_neftune_s_noise_is_uniform_and_as_large_as_each_text_s_length_says():
    table = nn.Embedding(9, 8, padding_idx=0).double()
    ids = torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0]])
    noise = EmbeddingNoise(table, padding=0, strength=5.0)
    torch.manual_seed(3)
    clean, seen = table(ids), []
    for _ in range(300):
        with noise.during():
            seen.append(table(ids) - clean)
    assert torch.equal(table(ids), clean), "never outside training"
    found = torch.stack(seen).detach()
    for line, tokens in enumerate((4, 2)):
        most = 5.0 / (tokens * 8) ** 0.5
        assert float(found[:, line].abs().max()) == pytest.approx(most, rel=0.01)
        assert float(found[:, line].abs().max()) <= most
        assert float(found[:, line].std()) == pytest.approx(most / 3**0.5, rel=0.02)


METHODS = ["full", {"name": "partial", "blocks": 1}]


@pytest.mark.parametrize("family", ["bert", "gpt2"])
@pytest.mark.parametrize("method", METHODS)
def test_a_run_s_regularisers_begin_where_the_model_did(tmp_path, family, method):
    prepared = prepared_run(tmp_path, family=family, method=method, train={"l2_sp": 0.5, "mixout": 0.5})
    clean = prepared_run(tmp_path, family=family, method=method)
    found = []
    for run in (prepared, clean):
        loop, _ = start_loop(run, tmp_path / f"run{len(found)}")
        loop.attached.eval()
        with all_during(regularisers_of(run)):
            found.append(loop.work.loss(loop.work.batch([0, 1, 2, 3])))
    assert torch.equal(*found), "mixed with itself"
    assert held_bytes(prepared) > held_bytes(clean) == 0


@pytest.mark.parametrize("family", ["bert", "deberta-v2", "gpt2", "llama", *APART])
def test_noise_reaches_what_every_family_reads(tmp_path, family):
    parts = {"task": {"name": "classification", "form": "words"}} if family in APART else {}
    prepared = prepared_run(tmp_path, family=family, method="lora", train={"neftune": 5.0}, **parts)
    [noise] = regularisers_of(prepared)
    loop, _ = start_loop(prepared, tmp_path / "run")
    loop.attached.eval()
    batch = loop.work.batch([0, 1, 2])
    with torch.no_grad():
        clean = loop.work.loss(batch)
        assert torch.equal(loop.work.loss(batch), clean)
        with noise.during():
            assert not torch.equal(loop.work.loss(batch), clean)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_held_to_is_not_what_has_moved(tmp_path, method):
    prepared = prepared_run(tmp_path, method=method, train={"l2_sp": 0.5})
    [pull] = regularisers_of(prepared)
    body = [group.parameters for group in prepared.attached.parameter_groups() if group.part == "body"]
    weights = [weight for group in body for weight in group.values()]
    with torch.no_grad():
        for weight in weights:
            weight.add_(1.0)
            weight.grad = torch.zeros_like(weight)
    pull.after()
    assert all(torch.allclose(weight.grad, torch.full_like(weight, 0.5), atol=1e-6) for weight in weights)


@pytest.mark.parametrize("method", METHODS)
def test_a_strong_pull_keeps_the_weights_where_they_were(tmp_path, method):
    moved = {}
    for strength in (0.0, 1e4):
        prepared = prepared_run(tmp_path, method=method, train={"l2_sp": strength, "learning_rate": 1e-2, "clip": None})
        loop, _ = start_loop(prepared, tmp_path / f"run{strength}")
        loop.run()
        last = {name: tensor.clone() for name, tensor in prepared.attached.state_dict().items()}
        with prepared.attached.as_it_came():
            start = prepared.attached.state_dict()
        body = [name for name in last if prepared.model.anatomy.part_of(name) == "block"]
        moved[strength] = sum(float((last[name] - start[name]).square().sum()) for name in body) ** 0.5
    assert moved[1e4] < moved[0.0] / 2
