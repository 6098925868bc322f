"""Rows of a table that move in its place: the same numbers as moving all of it, and no gradient is lost."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from affina.methods.base import ParameterGroup
from affina.pipeline.looking_up import KEY
from affina.record.journal import read
from affina.record.payloads import Event
from affina.runtime import randomness
from affina.training.looked_up import LookedUp
from affina.training.optimizer import Optimizer, Rates, may_be
from affina.training.precision import Precision
from affina.training.stepping import Stepper, Work
from bench_of_loops import prepared_run, start_loop
from workbench import sample_rows, write_csv

WORDS, WIDTH = 12, 4
TEXTS = ((3, 5, 5, 7), (7, 2, 3, 0), (5, 9, 0, 0), (2, 2, 9, 7))
ROWS = torch.tensor([0, 2, 3, 5, 7, 9])


class Batch:
    def __init__(self, places):
        self.rows = tuple(places)
        self.ids = torch.tensor([TEXTS[place] for place in places])
        self.tokens = self.ids.numel()


class Model(nn.Module):
    def __init__(self, *, tied=False):
        super().__init__()
        torch.manual_seed(3)
        self.words = nn.Embedding(WORDS, WIDTH, padding_idx=0, dtype=torch.float64)
        self.out = nn.Linear(WIDTH, 3, dtype=torch.float64)
        self.tied = tied

    def loss(self, batch):
        states = self.words(batch.ids).tanh().mean(1)
        found = self.out(states).square().sum()
        return found + self.words.weight.square().sum() if self.tied else found


def bench(*, rows=ROWS, decay=0.0, clip=0.1, tied=False):
    """A model, its optimizer and its stepper; without `rows` all of the table moves."""
    model = Model(tied=tied)
    tensors = dict(model.named_parameters())
    groups = (
        ParameterGroup("body", True, {"words.weight": tensors["words.weight"]}),
        ParameterGroup("head", False, {name: tensors[name] for name in ("out.weight", "out.bias")}),
    )
    looked_up = {} if rows is None else {"words.weight": LookedUp(model.words, rows)}
    optimizer = Optimizer(groups, Rates(body=0.05, head=0.02, weight_decay=decay), looked_up=looked_up)
    work = Work(batch=Batch, weight=lambda batch: batch.tokens, loss=model.loss, evaluate=dict, where=str)
    return model, optimizer, Stepper(work, optimizer, precision=Precision("fp32", torch.device("cpu")), clip=clip)


WINDOWS = ([[0, 1]], [[2], [3]], [[0], [1], [2]], [[1, 3]])


def walk(stepper, windows=WINDOWS):
    norms = []
    for window in windows:
        norms.append(stepper.gradients(window).norm)
        stepper.move(1.0)
    return norms


def weights(model):
    return {name: tensor.detach().clone() for name, tensor in model.named_parameters()}


def test_rows_move_as_the_whole_table_does_in_float64():
    whole, parts = bench(rows=None), bench()
    norms = walk(whole[2])
    assert walk(parts[2]) == pytest.approx(norms, rel=1e-12)
    for name, tensor in weights(whole[0]).items():
        assert torch.allclose(weights(parts[0])[name], tensor, rtol=1e-12, atol=0)
    assert not torch.equal(weights(whole[0])["words.weight"], weights(Model())["words.weight"])


def test_with_decay_the_rows_move_alike_and_the_others_stay_bit_for_bit():
    whole, parts, before = bench(rows=None, decay=0.1), bench(decay=0.1), weights(Model())["words.weight"]
    walk(whole[2])
    walk(parts[2])
    found, expected = weights(parts[0])["words.weight"], weights(whole[0])["words.weight"]
    others = [row for row in range(WORDS) if row not in ROWS.tolist()]
    assert torch.allclose(found[ROWS], expected[ROWS], rtol=1e-12, atol=0)
    assert torch.equal(found[others], before[others])
    assert not torch.equal(expected[others], before[others])


def test_moments_are_those_of_the_rows_alone():
    _, optimizer, stepper = bench()
    walk(stepper)
    state = optimizer.state_dict()
    assert state["exp_avg/words.weight"].shape == (len(ROWS), WIDTH)
    assert torch.equal(state["rows/words.weight"], ROWS)


@pytest.mark.parametrize("late", [0, 2], ids=["at the first step", "with moments"])
def test_a_row_that_nobody_expected_makes_all_of_the_table_move(late):
    whole, parts = bench(rows=None), bench(rows=torch.tensor([0, 2, 3, 5, 7]) if late else torch.tensor([3]))
    windows = ([[0, 1]], [[1]], [[0], [2], [3]], [[3]])
    walk(whole[2], windows)
    walk(parts[2], windows)
    for name, tensor in weights(whole[0]).items():
        assert torch.allclose(weights(parts[0])[name], tensor, rtol=1e-12, atol=0)
    assert parts[1].state_dict()["exp_avg/words.weight"].shape == (WORDS, WIDTH)
    assert "rows/words.weight" not in parts[1].state_dict()


def test_a_table_that_is_used_otherwise_too_moves_whole():
    whole, parts = bench(rows=None, tied=True), bench(tied=True)
    assert walk(parts[2]) == pytest.approx(walk(whole[2]), rel=1e-12)
    assert torch.allclose(weights(parts[0])["words.weight"], weights(whole[0])["words.weight"], rtol=1e-12, atol=0)


@pytest.mark.parametrize("rows", [ROWS, None, torch.tensor([2, 3])], ids=["the same", "none", "others"])
def test_the_state_goes_on_bit_for_bit_whatever_rows_were_expected(rows):
    straight, first, then = bench(), bench(), bench(rows=rows)
    walk(straight[2])
    walk(first[2], WINDOWS[:2])
    then[0].load_state_dict(first[0].state_dict())
    then[1].load_state_dict({name: tensor.clone() for name, tensor in first[1].state_dict().items()})
    walk(then[2], WINDOWS[2:])
    for name, tensor in weights(straight[0]).items():
        assert torch.equal(weights(then[0])[name], tensor)


def test_what_is_frozen_for_a_while_stands_still():
    model, optimizer, stepper = bench()
    walk(stepper, WINDOWS[:2])
    before = weights(model)["words.weight"]
    model.words.weight.requires_grad_(False)
    optimizer.release()
    walk(stepper, WINDOWS[2:])
    assert torch.equal(weights(model)["words.weight"], before)
    assert "exp_avg/words.weight" not in optimizer.state_dict()
    model.words.weight.requires_grad_(True)
    walk(stepper, WINDOWS[:1])
    assert not torch.equal(weights(model)["words.weight"], before)


def test_weights_that_somebody_puts_back_are_what_the_next_step_moves():
    model, _, stepper = bench()
    start = weights(model)
    walk(stepper)
    model.load_state_dict(start)
    stepper.gradients(WINDOWS[0])
    stepper.move(0.0)
    assert torch.equal(weights(model)["words.weight"], start["words.weight"])


def test_gradients_that_are_forgotten_are_gone():
    model, _, stepper = bench()
    stepper.gradients(WINDOWS[0])
    stepper.forget()
    assert all(tensor.grad is None for tensor in model.parameters())
    assert stepper.gradients(WINDOWS[0]).norm == bench()[2].gradients(WINDOWS[0]).norm


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama"])
def test_a_run_looks_up_the_rows_of_its_texts_and_trains_the_same(family, tmp_path):
    run = prepared_run(tmp_path, family=family, method="full", train={"epochs": 3, "weight_decay": 0.0})
    [(name, rows)] = run.looked_up.items()
    words = run.model.module.get_input_embeddings().num_embeddings
    assert set(rows.tolist()) == {one for ids in run.subject.token_ids("train") for one in ids}
    assert run.choices[KEY].value == f"{len(rows)} of {words} rows"
    found = []
    for looked_up in ({name: rows}, {}):
        again = prepared_run(tmp_path, family=family, method="full", train={"epochs": 3, "weight_decay": 0.0})
        again.looked_up.clear()
        again.looked_up.update(looked_up)
        randomness.seed_everything(1)
        loop, steps = start_loop(again, tmp_path / f"run-{len(looked_up)}")
        loop.run()
        found.append((steps, loop.attached.state_dict()[name].clone(), loop.optimizer.state_dict()))
    (steps, table, state), (whole_steps, whole, _) = found
    assert [step.loss for step in steps] == pytest.approx([step.loss for step in whole_steps], rel=1e-5)
    assert torch.allclose(table, whole, rtol=1e-4, atol=1e-6)
    assert state[f"exp_avg/{name}"].shape[0] == len(rows)


OFF = {
    "the embeddings are frozen": ({"method": "partial"}, {}),
    "low-rank updates": ({"method": "lora"}, {}),
    "mixout": ({"method": "full"}, {"mixout": 0.1}),
    "a pull to the start": ({"method": "full"}, {"l2_sp": 0.1}),
}


@pytest.mark.parametrize(("parts", "train"), OFF.values(), ids=OFF)
def test_where_it_would_not_do_all_of_the_table_moves_or_none(parts, train, tmp_path):
    run = prepared_run(tmp_path, train=train, **parts)
    assert run.looked_up == {}
    assert KEY not in run.choices


def test_a_table_that_is_tied_to_the_output_moves_whole(tmp_path):
    run = prepared_run(tmp_path, family="gpt2", method="full", task={"name": "classification", "form": "words"})
    assert run.looked_up == {}


def test_texts_that_have_most_tokens_move_all_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr("affina.pipeline.looking_up.MOST", 0.01)
    assert prepared_run(tmp_path, method="full").looked_up == {}


@pytest.mark.parametrize("parts", [{"replay": True}, {"logit_pairing": 0.5}])
def test_where_texts_are_read_that_are_no_rows_all_of_the_table_moves(parts, tmp_path):
    write_csv(tmp_path / "rows.csv", [(f"he said {text}", label) for text, label in sample_rows(40)])
    assert prepared_run(tmp_path, method="full", train=parts).looked_up == {}


def test_memory_that_runs_out_while_the_table_is_made_whole_changes_nothing(monkeypatch):
    whole, parts = bench(rows=None), bench(rows=torch.tensor([3]))
    real, failing = LookedUp.whole_gradient, iter([True])

    def fails_once(one):
        if next(failing, False):
            raise RuntimeError("can't allocate memory")
        return real(one)

    monkeypatch.setattr(LookedUp, "whole_gradient", fails_once)
    with pytest.raises(RuntimeError, match="allocate"):
        parts[2].gradients(WINDOWS[0])
    parts[2].forget()
    assert all(tensor.grad is None for tensor in parts[0].parameters())
    walk(parts[2])
    walk(whole[2])
    assert torch.allclose(weights(parts[0])["words.weight"], weights(whole[0])["words.weight"], rtol=1e-12, atol=0)
    assert parts[1].moves_whole == ["words.weight"]


def test_a_gradient_of_what_fills_a_batch_up_that_is_no_number_breaks_the_step_alone():
    model, optimizer, stepper = bench(rows=ROWS[1:])
    model.words.padding_idx = None
    hook = model.words.weight.register_hook(lambda found: found * torch.nan)
    assert not torch.isfinite(torch.tensor(stepper.gradients(WINDOWS[1]).norm))
    stepper.forget()
    hook.remove()
    assert optimizer.moves_whole == []


def test_a_run_whose_table_came_to_move_whole_says_so(tmp_path):
    run = prepared_run(tmp_path, method="full")
    [name] = run.looked_up
    run.looked_up[name] = run.looked_up[name][:3]
    loop, _ = start_loop(run, tmp_path / "run")
    loop.run()
    [said] = [
        record for record in read(loop.folder.journal) if isinstance(record, Event) and record.name == "embeddings"
    ]
    assert said.step == 1
    assert f"all of {name} moves" in said.text


SHAPES = {
    "moments of the rows": ("exp_avg", (6, 4), ROWS, True),
    "moments of all": ("exp_avg", (12, 4), None, True),
    "a count": ("step", (), None, True),
    "moments of all beside rows": ("exp_avg", (12, 4), ROWS, False),
    "moments of rows without them": ("exp_avg", (6, 4), None, False),
    "rows": ("rows", (6,), ROWS, True),
    "rows twice": ("rows", (2,), torch.tensor([3, 3]), False),
    "rows beyond the table": ("rows", (2,), torch.tensor([3, 12]), False),
    "rows that are no places": ("rows", (2,), torch.tensor([0.0, 1.0]), False),
    "levels of eight bits": ("qmap1", (256,), None, True),
    "scales of eight bits": ("absmax2", (1,), None, True),
    "too many scales": ("absmax2", (2,), None, False),
}


@pytest.mark.parametrize(("key", "shape", "rows", "fits"), SHAPES.values(), ids=SHAPES)
def test_what_may_be_in_a_state(key, shape, rows, fits):
    assert may_be(key, shape, torch.zeros(WORDS, WIDTH), rows) is fits
