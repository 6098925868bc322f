"""EWC and RecAdam: what their papers define, to float64's digits; resumed bit for bit."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from affina.pipeline.beforehand import pre_trained
from affina.pipeline.regularising import annealing_of, held_bytes, regularisers_of
from affina.pipeline.resolved import resolved_recipe
from affina.recipe.holding_specs import RecAdamSpec
from affina.training.importance import Likelihood, fisher
from affina.training.recalling import Recall, annealed
from affina.training.regularisers import PullToStart
from bench_of_loops import prepared_run, replaying, start_loop
from runs_of_methods import stopped_and_gone_on

RATE, PULL, K, T0 = 1e-2, 0.1, 0.7, 4.0


def test_fisher_of_what_a_softmax_draws_is_that_of_the_book():
    """Of logits z with probabilities p the diagonal is p (1 - p)."""
    logits = nn.Parameter(torch.tensor([0.3, -1.0, 0.8], dtype=torch.float64))
    share = logits.detach().softmax(-1)
    counts = (share * 40_000).round().int().tolist()  # as often as it draws them

    def loss(label):
        return -torch.log_softmax(logits, -1)[label]

    texts = [Likelihood(partial(loss, label), 1) for label, count in enumerate(counts) for _ in range(count // 400)]
    found = fisher({"z": logits}, texts)["z"]
    assert torch.allclose(found, share * (1 - share), atol=0.02)
    assert logits.grad is None


def test_a_text_s_squares_are_divided_by_all_tokens():
    weight = nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    texts = [Likelihood(lambda: 3 * weight.sum(), 2), Likelihood(lambda: -weight.sum(), 3)]
    other = nn.Parameter(torch.ones(1))
    found = fisher({"w": weight, "unused": other}, texts)
    assert found["w"].tolist() == [(9 + 1) / 5]
    assert found["unused"].tolist() == [0.0]


def test_ewc_has_the_gradient_of_its_penalty():
    weight = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    start, importance = torch.tensor([0.5, 1.0]).double(), torch.tensor([4.0, 0.25]).double()
    penalty = 0.6 / 2 * (importance * (weight - start).square()).sum()
    [expected] = torch.autograd.grad(penalty, [weight])
    weight.grad = torch.zeros_like(weight)
    PullToStart({"w": weight}, {"w": start}, strength=0.6, importance={"w": importance}).after()
    assert torch.allclose(weight.grad, expected, rtol=1e-12, atol=0)


def test_a_writer_s_importances_are_squares_of_its_own_texts_gradients(tmp_path):
    run = replaying(tmp_path, method="full", replay={}, train={"ewc": 1.0})
    assert all((found >= 0).all() for found in run.before.fisher.values())
    assert held_bytes(run) > 2 * sum(found.numel() * 4 for found in run.before.fisher.values())
    [pull, _] = regularisers_of(run)
    weights = pre_trained(run.attached)
    with torch.no_grad():
        for weight in weights.values():
            weight.add_(1.0)
            weight.grad = torch.zeros_like(weight)
    pull.after()
    name = next(iter(weights))
    assert torch.allclose(weights[name].grad, run.before.fisher[name], atol=1e-6, rtol=1e-4)


def by_hand(steps, gradients, start):
    """The authors' code, one number."""
    weight, first, second = start + 0.5, 0.0, 0.0
    for step, gradient in zip(range(1, steps + 1), gradients, strict=True):
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        away = math.sqrt(second / (1 - 0.999**step)) + 1e-8
        share = 1 / (1 + math.exp(-K * (step - T0)))
        weight -= RATE * share * first / (1 - 0.9**step) / away
        weight -= RATE * (1 - share) * (PULL / RATE) * (weight - start)
    return weight


def test_recalled_steps_are_those_of_the_authors():
    gradients = [0.3, -0.2, 0.5, 0.1, -0.4, 0.2, 0.9, -0.1]
    start = torch.tensor([0.25], dtype=torch.float64)
    body, head = (nn.Parameter(start + 0.5) for _ in range(2))
    groups = [{"params": [one], "peak": RATE, "weight_decay": 0.0} for one in (body, head)]
    adamw = torch.optim.AdamW(groups, lr=RATE, fused=True)
    Recall({"w": body}, {"w": start}, k=K, t0=T0, pull=PULL).on(adamw)
    plain = nn.Parameter(start + 0.5)
    other = torch.optim.AdamW([plain], lr=RATE, weight_decay=0.0, fused=True)
    for done, gradient in enumerate(gradients):
        for group in adamw.param_groups:
            group["done"] = done
        for one in (body, head, plain):
            one.grad = torch.full_like(one, gradient)
        adamw.step()
        other.step()
    assert float(body.detach()) == pytest.approx(by_hand(len(gradients), gradients, 0.25), rel=1e-9)
    assert torch.equal(head, plain), "what is new is not recalled"
    assert [group["lr"] for group in adamw.param_groups] == [RATE, RATE]


def test_annealing_is_a_half_at_t0_and_never_overflows():
    assert annealed(250, k=0.1, t0=250) == 0.5
    assert annealed(1, k=1e3, t0=1e6) == 0.0
    assert annealed(10**6, k=1e3, t0=1) == 1.0
    told = annealing_of(RecAdamSpec(), total=400)
    assert (told["train.rec_adam.t0"].value, told["train.rec_adam.k"].value) == (100, 0.1)
    assert "400 steps" in told["train.rec_adam.t0"].reason


def test_the_recipe_that_runs_again_says_when_weights_are_let_go(tmp_path):
    run = prepared_run(tmp_path, method="full", train={"rec_adam": True})
    written = resolved_recipe(run).train.rec_adam
    assert written.t0 == run.choices["train.rec_adam.t0"].value > 0
    assert written.k == 10 / written.t0


def test_recalled_weights_stay_near_their_start_until_they_are_let_go(tmp_path):
    moved = {}
    for name, recall in (("plain", None), ("held", {"t0": 10_000}), ("free", {"t0": 1, "k": 1000.0})):
        run = prepared_run(tmp_path, method="full", train={"rec_adam": recall, "weight_decay": 0.0})
        loop, _ = start_loop(run, tmp_path / name)
        start = {key: weight.detach().clone() for key, weight in pre_trained(run.attached).items()}
        loop.run()
        weights = pre_trained(run.attached).items()
        moved[name] = sum(float((weight.detach() - start[key]).square().sum()) for key, weight in weights) ** 0.5
    assert moved["held"] < moved["plain"] / 10
    assert moved["free"] == pytest.approx(moved["plain"], rel=0.1)


def test_a_run_that_is_recalled_resumes_bit_for_bit(tmp_path, monkeypatch):
    train = {"rec_adam": {"t0": 3}, "ewc": 0.5, "epochs": 1}
    begin = partial(replaying, tmp_path, method="full", train=train)
    whole, again = stopped_and_gone_on(begin, tmp_path, monkeypatch)
    assert all(torch.equal(again[name], tensor) for name, tensor in whole.items())


def test_the_time_of_a_run_goes_on_where_its_moments_begin_anew(tmp_path):
    """As after a way back of the guard: weights that were let go are not recalled again."""
    run = prepared_run(tmp_path, method="full", train={"rec_adam": {"t0": 50, "k": 1.0}, "weight_decay": 0.0})
    loop, _ = start_loop(run, tmp_path / "run")
    start = {key: weight.detach().clone() for key, weight in pre_trained(run.attached).items()}
    weights = pre_trained(run.attached)
    with torch.no_grad():
        for weight in weights.values():
            weight.add_(1.0)
    loop.optimizer.start_anew()
    for weight in weights.values():
        weight.grad = torch.zeros_like(weight)
    loop.stepper.move(1.0, step=100)
    assert all(float((weight.detach() - start[key] - 1.0).abs().max()) < 1e-3 for key, weight in weights.items())
    for weight in weights.values():
        weight.grad = torch.zeros_like(weight)
    loop.stepper.move(1.0, step=0)
    assert all(float((weight.detach() - start[key]).abs().max()) < 0.95 for key, weight in weights.items())


def test_a_step_that_the_scaler_skips_recalls_nothing():
    weight, start = nn.Parameter(torch.ones(1)), torch.zeros(1)
    groups = [{"params": [weight], "peak": RATE, "weight_decay": 0.0, "done": 0}]
    adamw = torch.optim.AdamW(groups, lr=RATE, fused=True)
    Recall({"w": weight}, {"w": start}, k=K, t0=100, pull=PULL).on(adamw)
    weight.grad = torch.zeros(1)
    adamw.found_inf = torch.ones(())
    adamw.step()
    assert float(weight.detach()) == 1.0
    assert adamw.param_groups[0]["lr"] == RATE
    adamw.found_inf = torch.zeros(())
    adamw.step()
    assert float(weight.detach()) < 1.0
