"""Replay: held to what the model was, by exact sums, without a pull before the first step, the same when resumed."""

from functools import partial

import pytest
import torch

from affina.errors import RecipeError
from affina.pipeline.beforehand import with_stand_ins
from affina.pipeline.regularising import held_bytes, regularisers_of
from affina.pipeline.replayed import OTHER_DRAWS, texts_for
from affina.risks.sentences import replayed_sentences, sentences
from affina.tasks.divergence import divergences
from affina.tasks.token_loss import IGNORED
from bench_of_loops import WORDS, prepared_run, replaying, start_loop
from runs_of_methods import stopped_and_gone_on
from tiny_models import APART

METHODS = ["full", {"name": "partial", "blocks": 1}, "lora", "prompt", "prefix"]
CASES = [*(("gpt2", method) for method in METHODS), ("bert", "full"), ("bert", "lora"), ("bert", "prefix")]
CASES += [(family, "lora") for family in APART]


def pulled(run, tokens=200):
    """The gradient of everything that is replayed beside so many tokens, and its loss."""
    *_, replay = regularisers_of(run)
    tensors = [tensor for group in run.attached.parameter_groups() for tensor in group.parameters.values()]
    for tensor in tensors:
        tensor.grad = None
    torch.manual_seed(5)
    total = 0.0
    for extra in replay.beside(tokens):
        loss = extra()
        loss.backward()
        total += float(loss.detach())
    return total, torch.cat([tensor.grad.flatten() for tensor in tensors if tensor.grad is not None])


def moved(run, size=0.05):
    torch.manual_seed(1)
    with torch.no_grad():
        for tensor in run.attached.state_dict().values():
            tensor.add_(size * torch.randn_like(tensor))
    return run


@pytest.mark.parametrize(("family", "method"), CASES)
def test_every_model_and_method_is_pulled_back_where_it_has_moved(tmp_path, family, method):
    run = replaying(tmp_path, family=family, method=method, train={"dropout": 0.3})
    begun, _ = pulled(run)
    if method in ("prompt", "prefix"):
        assert begun > -1e-6, "virtual tokens move a model before their first step"
    else:
        assert abs(begun) < 1e-5, "no dropout, so that nothing has moved"
        loss, _ = pulled(moved(run))
        assert loss > 1e-5
    _, gradient = pulled(run)
    assert float(gradient.norm()) > 0


@pytest.mark.parametrize("family", ["gpt2", "bert"])
def test_what_is_replayed_does_not_depend_on_how_it_is_divided(tmp_path, family):
    found = []
    for budget in (70, 4000):
        train = {"batch_tokens": budget}
        run = replaying(tmp_path, family=family, method="full", train=train, dtype=torch.float64)
        found.append(pulled(moved(run), tokens=4000))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-9)
    assert float((found[0][1] - found[1][1]).norm() / found[1][1].norm()) < 1e-9


def test_its_loss_is_the_strength_times_the_mean_divergence_of_the_drawn_texts(tmp_path):
    run = replaying(tmp_path, method="full", replay={"strength": 3.0, "share": 1.0})
    moved(run)
    loss, _ = pulled(run, tokens=10**6)  # all of them
    held, output = run.before.held, run.model.output
    nats = tokens = 0.0
    with torch.no_grad():
        for place, passage in enumerate(held._passages):
            lines = held._reading.collate([passage], rows=[0])
            states = run.model.states(lines.inputs)[lines.targets != IGNORED]
            nats += float(divergences((held._states[place], held._base), (states, output)).sum())
            tokens += passage.targets
    assert loss == pytest.approx(3.0 * nats / tokens, rel=1e-5)


def test_a_stronger_replay_leaves_less_to_be_forgotten(tmp_path):
    left = {}
    for strength in (1e-6, 30.0):
        run = replaying(tmp_path, method="full", replay={"strength": strength, "share": 1.0}, train={"clip": None})
        loop, _ = start_loop(run, tmp_path / f"run{strength}")
        loop.run()
        left[strength] = pulled(run, tokens=10**6)[0] / strength
    assert left[30.0] < left[1e-6] / 2


def test_texts_are_other_ones_than_those_that_forgetting_is_measured_on():
    assert not set(sentences()) & set(replayed_sentences())
    assert len(set(replayed_sentences())) == len(replayed_sentences())
    assert OTHER_DRAWS >= 2**32, "a recipe's seed is below that, and the probe's batches are a few above it"


def test_a_run_that_goes_on_has_the_texts_that_it_began_with(tmp_path, monkeypatch):
    first = replaying(tmp_path, method="lora")
    monkeypatch.setattr("affina.pipeline.replayed.own_texts", None)  # nothing is written again
    again = replaying(tmp_path, method="lora")
    assert again.before.held.lengths == first.before.held.lengths
    assert all(torch.equal(*pair) for pair in zip(again.before.held._states, first.before.held._states, strict=True))


@pytest.mark.parametrize(("family", "method"), [("bert", "full"), ("gpt2", "lora")])
def test_a_replaying_run_resumed_equals_uninterrupted(tmp_path, monkeypatch, family, method):
    begin = partial(replaying, tmp_path, family=family, method=method, train={"dropout": 0.1, "accumulate": 2})
    whole, again = stopped_and_gone_on(begin, tmp_path, monkeypatch)
    assert all(torch.equal(again[name], tensor) for name, tensor in whole.items())


def test_what_is_kept_for_replay_is_counted(tmp_path):
    run = replaying(tmp_path, method="full")
    assert 0.5 < run.before.held.size / held_bytes(run) < 1.5
    shown = run.choices["train.replay"]
    assert f"{texts_for(run).count} texts" in shown.value
    assert "whole vocabulary" in shown.reason
    stands_in = with_stand_ins(prepared_run(tmp_path, family="gpt2", train={"replay": {}}, **WORDS))
    assert len(stands_in.before.held.lengths) == texts_for(run).count


def test_texts_of_the_user_s_are_read(tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("my card is here\n\nwhere is the fee\n")
    run = replaying(tmp_path, replay={"file": str(mine)}, method="lora")
    assert len(run.before.held.lengths) == 2
    assert "mine.txt" in run.choices["train.replay"].value
    with pytest.raises(RecipeError, match="measures what was forgotten"):
        replaying(tmp_path, replay={"file": str(mine)}, risks={"forgetting": {"texts": str(mine)}})


def test_a_head_alone_moves_nothing_that_could_be_held(tmp_path):
    with pytest.raises(RecipeError, match=r"train\.replay"):
        replaying(tmp_path, family="bert", method={"name": "partial", "blocks": 0})
