"""What a model that writes forgot: exactly nothing where nothing was trained; else the figures of plain logits."""

import math

import numpy as np
import pytest
import torch
from risk_cases import KEEPING, SAMPLING, attach, look_through, train_a_little, value, writer

from affina.errors import NonFiniteError
from affina.evaluation.perplexity import Statistics
from affina.models.output_layer import OwnLogits
from affina.risks import foretelling
from affina.risks.foretelling import GivenTexts, OwnTexts, rise
from affina.risks.given_texts import Given
from affina.risks.measuring import Looks
from affina.tasks.divergence import divergences, kept
from affina.tasks.lessons import Reading


def own(model, count=24):
    return OwnTexts(model, count=count, sampling=SAMPLING, budget=400, progress=lambda *_: None)


def given(model, pieces=("my card has not arrived yet", "why was I charged a fee", "please change my address") * 8):
    texts = Given("mine.txt", tuple(pieces), "all that it has")
    return GivenTexts(model, texts, sampling=SAMPLING, budget=400)


def all_of(found):
    return [(one.found.value, one.found.low, one.found.high) for one in found.figures if one.of in ("", "difference")]


@pytest.mark.parametrize("method", KEEPING)
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_an_untrained_method_has_forgotten_exactly_nothing(method, family):
    model = writer(family)
    attached = attach(method, model)
    for probe in (own(model), given(model)):
        found = look_through(probe, attached)
        assert found.outcome == "within"
        assert set(all_of(found)) == {(0.0, 0.0, 0.0)}


@pytest.mark.parametrize("method", [*KEEPING, "prompt", "prefix"])
def test_a_method_that_is_switched_off_has_forgotten_exactly_nothing(method):
    model = writer()
    attached = attach(method, model)
    train_a_little(attached)
    attached.eval()
    probe = own(model)
    with attached.disabled():
        probe.before()
        found = probe.after()
    assert set(all_of(found)) == {(0.0, 0.0, 0.0)}


@pytest.mark.parametrize("method", ["prompt", "prefix"])
def test_virtual_tokens_move_a_model_before_they_are_trained(method):
    model = writer()
    found = look_through(own(model), attach(method, model))
    assert value(found, "divergence").value > 0
    assert math.isfinite(value(found, "foretelling_rise").value)


@pytest.mark.parametrize("family", ["llama", "bart"])
def test_a_trained_model_foretells_worse_what_it_wrote_before(family):
    model = writer(family)
    attached = attach("full", model)
    train_a_little(attached, size=0.2)
    found = look_through(own(model), attached)
    assert found.outcome == "flagged"
    assert value(found, "foretelling_rise").low > 0.05
    assert value(found, "divergence").low > 0
    base, tuned = (value(found, "bits_per_byte", of).value for of in ("untouched model", "tuned model"))
    assert value(found, "foretelling_rise").value == pytest.approx((tuned - base) / base)
    assert value(found, "bits_per_byte", "difference").value == pytest.approx(tuned - base)


def test_the_figures_are_those_of_whole_logits():
    model = writer()
    attached = attach("full", model)
    train_a_little(attached, size=0.1)
    attached.eval()
    probe = own(model)
    with attached.disabled():
        probe.before()
    passages, sizes = probe._texts.passages, probe._texts.sizes
    found = probe.after()
    nats, moved, tokens = [], [], 0
    reading = Reading(model)
    for passage in passages:
        lines = reading.collate([passage], rows=[0])
        has = lines.targets[0] != -100
        with torch.no_grad():
            tuned = model.module(**lines.inputs).logits[0][has].double().log_softmax(-1)
            with attached.disabled():
                base = model.module(**lines.inputs).logits[0][has].double().log_softmax(-1)
        chosen = lines.targets[0][has][:, None]
        nats.append([-float(part.gather(1, chosen).sum()) for part in (base, tuned)])
        moved.append(float((base.exp() * (base - tuned)).sum()))
        tokens += int(has.sum())
    before, after = np.sum(nats, axis=0) / math.log(2) / sum(sizes)
    assert value(found, "bits_per_byte", "untouched model").value == pytest.approx(before, rel=1e-4)
    assert value(found, "bits_per_byte", "tuned model").value == pytest.approx(after, rel=1e-4)
    assert value(found, "divergence").value == pytest.approx(sum(moved) / tokens, rel=1e-3)


def test_the_same_seed_writes_the_same_texts_and_the_run_s_random_numbers_stay():
    model = writer()
    attached = attach("lora", model)
    state = torch.get_rng_state()
    texts = []
    for _ in range(2):
        probe = own(model)
        look_through(probe, attached)
        texts.append(probe._texts.passages)
    assert texts[0] == texts[1]
    assert len({passage.ids for passage in texts[0]}) > len(texts[0]) // 2
    assert torch.equal(torch.get_rng_state(), state)


def test_chunks_change_no_divergence():
    model = writer()
    states = torch.randn(50, model.module.config.hidden_size)
    moved = states + 0.1 * torch.randn_like(states)
    output = kept(model.output)
    whole = divergences((states, output), (moved, output))
    parts = divergences((states, output), (moved, output), chunk=3 * output.vocabulary)
    assert torch.allclose(whole, parts, atol=1e-6)
    assert (whole >= 0).all()
    assert torch.equal(divergences((states, output), (states, output)), torch.zeros(50))


def test_no_tensor_of_tokens_times_vocabulary_is_made(monkeypatch):
    model = writer()
    rows = []
    ours = torch.log_softmax
    monkeypatch.setattr(torch, "log_softmax", lambda logits, dim: rows.append(len(logits)) or ours(logits, dim=dim))
    states = torch.randn(50, model.module.config.hidden_size)
    divergences((states, kept(model.output)), (states, model.output), chunk=7 * model.output.vocabulary)
    assert max(rows) == 7


def test_logits_that_a_model_makes_itself_have_no_divergence_and_it_is_said():
    model = writer("gpt2")
    model = foretelling.replace(model, output=OwnLogits(vocabulary=model.output.vocabulary))
    found = look_through(own(model), attach("lora", model))
    assert [figure.metric for figure in found.figures] == ["foretelling_rise", *["bits_per_byte"] * 3]
    assert "not measured" in " ".join(found.notes)


def test_few_texts_settle_nothing():
    model = writer()
    attached = attach("full", model)
    train_a_little(attached, size=0.3)
    assert look_through(own(model, count=8), attached).outcome == "few"


def test_the_share_is_of_sums_over_the_texts():
    before = Statistics(np.array([2.0, 6.0] * 10), np.array([1.0, 3.0] * 10), np.array([4.0, 12.0] * 10))
    after = Statistics(before.nats * 1.5, before.tokens, before.bytes)
    found = rise(before, after, SAMPLING)
    assert value(found, "foretelling_rise").value == pytest.approx(0.5)
    assert value(found, "bits_per_byte", "untouched model").value == pytest.approx(0.5 / math.log(2))
    assert found.outcome == "flagged"


def read(nats):
    return Statistics(np.asarray(nats, dtype=float), np.full(len(nats), 2.0), np.full(len(nats), 8.0))


@pytest.mark.parametrize("odd", [math.nan, math.inf])
@pytest.mark.parametrize("side", ["before", "after", "moved"])
def test_one_text_without_a_finite_loss_leaves_no_figure(odd, side):
    texts = {"before": [2.0] * 30, "after": [6.0] * 30, "moved": [1.0] * 30}
    texts[side][7] = odd
    with pytest.raises(NonFiniteError, match="1 of 30 texts"):
        rise(read(texts["before"]), read(texts["after"]), SAMPLING, moved=np.array(texts["moved"]))


def test_of_no_bits_there_is_no_rise():
    found = rise(read([0.0] * 30), read([1.0] * 30), SAMPLING)
    assert (found.outcome, found.figures) == ("unmeasured", ())
    assert "with certainty" in found.why
    rare = rise(read([0.0] * 29 + [2.0]), read([1.0] * 30), SAMPLING)
    assert all(math.isfinite(end) for one in rare.figures for end in (one.found.low, one.found.value, one.found.high))


@pytest.mark.parametrize("make", [own, given])
def test_a_model_that_is_no_longer_finite_is_unmeasured_under_a_budget_too(make):
    model = writer()
    attached = attach("full", model)
    attached.eval()
    looks = Looks([make(model)], attached, budgets={"forgetting": 0.2}, keeps_limit=lambda _: False)
    looks.at_base()
    with torch.no_grad():
        next(iter(attached.state_dict().values())).fill_(math.nan)
    [line] = looks.at_tuned()
    assert (line.outcome, line.figures) == ("unmeasured", ())
    assert "not a number" in line.why
