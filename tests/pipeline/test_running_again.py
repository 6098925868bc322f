"""Blocks that are run again in the backward pass: the same numbers, with less held, and refused where it cannot be."""

from __future__ import annotations

import pytest
import torch

from affina.errors import RecipeError
from affina.models.checkpointing import can_checkpoint, checkpointing
from affina.pipeline.beforehand import with_beforehand
from affina.pipeline.keeping import with_kept
from affina.pipeline.running_again import KEY
from affina.pipeline.stepping_over import with_frozen_states
from affina.planning import activations
from affina.planning.activations import Shape, look
from affina.planning.changes import changes_of
from affina.planning.costs import costs_of
from affina.planning.running_again import times_as_long
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from bench_of_loops import prepared_run, start_loop
from method_cases import FEW, case
from workbench import sample_rows, write_jsonl

LARGE = Shape(5, 48)
FULL = {"name": "full"}
LORA = {"name": "lora", "rank": 4}
PROMPT = {"name": "prompt", "length": 4}
PREFIX = {"name": "prefix", "length": 3, "reparameterise": False}
TOP = {"name": "partial", "blocks": 1}
UPPER = {"name": "lora", "blocks": 2, "targets": ["linear"]}
CASES = {
    "bert, full": ("bert", FULL, {}),
    "bert, R-Drop, mixout and NEFTune": ("bert", FULL, {"r_drop": 1.0, "mixout": 0.3, "neftune": 5.0}),
    "bert, one block over kept states": ("bert", TOP, {"cache": True}),
    "bert, layers in turn": ("bert", {"name": "full", "unfreezing": "gradual"}, {"epochs": 5, "head_start": "random"}),
    "bert, lora with dropout": ("bert", LORA | {"dropout": 0.3}, {}),
    "distilbert, prefix": ("distilbert", PREFIX, {}),
    "modernbert, prompt": ("modernbert", PROMPT, {}),
    "gpt2, prompt": ("gpt2", PROMPT, {}),
    "gpt2 writes, packed, full": ("gpt2", FULL, {"pack": True, "accumulate": 2}),
    "llama writes, lora above kept states": ("llama", UPPER, {"cache": True}),
    "llama writes, lora and replay": ("llama", LORA, {"replay": {"share": 0.5}}),
    "t5 writes, full": ("t5", FULL, {}),
    "t5 writes, lora": ("t5", LORA, {}),
    "bart writes, full, R-Drop": ("bart", FULL, {"r_drop": 1.0}),
    "bart writes, prompt": ("bart", PROMPT, {}),
}
SLOW = ("bert, lora with dropout", "modernbert, prompt", "gpt2, prompt", "t5 writes, lora", "bart writes, prompt")


def run_of(tmp_path, name, *, on):
    family, method, train = CASES[name]
    parts = {}
    if "writes" in name:
        rows = [{"prompt": text, "completion": " ".join(reversed(text.split()))} for text, _ in sample_rows(24)]
        data = {"train": str(write_jsonl(tmp_path / "texts.jsonl", rows)), "validation": 0.2, "test": "none"}
        parts = {"task": "generation", "data": data}
    told = {"checkpoint_activations": on, "epochs": 1, "batch_tokens": 120, **train}
    return prepared_run(tmp_path, family=family, method=method, rows=24, train=told, **parts)


def trained_in_double(prepared, folder):
    """Losses, gradients' norms and weights of a whole run, with dropout as the model has it."""
    prepared.model.module.double()
    for group in prepared.attached.parameter_groups():
        for tensor in group.parameters.values():
            tensor.data = tensor.data.double()
    prepared = with_kept(prepared, begun=lambda: None)
    with Journal(folder / "texts.jsonl") as journal:
        prepared = with_beforehand(prepared, RunFolder(folder / "texts"), journal)
    torch.manual_seed(7)
    with with_frozen_states(prepared, RunFolder(folder)) as run:
        loop, steps = start_loop(run, folder)
        run.frozen.fill(loop.journal)
        loop.run()
    weights = torch.cat([tensor.flatten() for tensor in prepared.attached.state_dict().values()])
    return [(step.loss, step.gradient_norm) for step in steps], weights


@pytest.mark.parametrize("name", [pytest.param(one, marks=[pytest.mark.slow] * (one in SLOW)) for one in CASES])
def test_a_run_whose_blocks_are_run_again_is_the_same(tmp_path, name):
    again = run_of(tmp_path, name, on=True)
    assert again.choices[KEY].value is True
    assert again.model.module.is_activation_checkpointing
    steps, weights = trained_in_double(again, tmp_path / "again")
    plain = run_of(tmp_path, name, on=False)
    assert (plain.kept is None) == (again.kept is None)
    expected, goal = trained_in_double(plain, tmp_path / "plain")

    assert len(steps) == len(expected) > 1
    for one, other in zip(steps, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-9)
    assert float((weights - goal).norm() / goal.norm()) < 1e-9


@pytest.mark.parametrize("name", FEW)
def test_gradients_are_the_same_bits_and_less_is_saved(name):
    found, saved = [], []
    for on in (False, True):
        made = case(name, double=True)
        assert can_checkpoint(made.module, made.anatomy)
        made.module.train()
        kept: list[int] = []

        def pack(tensor, kept=kept):
            kept.append(tensor.untyped_storage().nbytes())
            return tensor

        torch.manual_seed(0)
        with checkpointing(made.module, on=on), torch.autograd.graph.saved_tensors_hooks(pack, lambda same: same):
            loss = made.loss()
            loss.backward()
        found.append((loss.detach(), {name: p.grad for name, p in made.module.named_parameters()}))
        saved.append(sum(kept))
        assert not made.module.is_activation_checkpointing
    assert torch.equal(found[0][0], found[1][0])
    for key, gradient in found[0][1].items():
        assert gradient is None or torch.equal(gradient, found[1][1][key]), key
    assert saved[1] < 0.7 * saved[0]


def test_frozen_blocks_below_stay_without_a_graph(tmp_path):
    """transformers lets the embeddings' output require a gradient: the backward pass would go through all."""
    prepared = run_of(tmp_path, "bert, one block over kept states", on=True)
    prepared.attached.train()
    batch = prepared.subject.work(prepared).batch([0, 1])
    reached = []
    for path in prepared.model.anatomy.blocks:
        block = prepared.model.module.get_submodule(path)
        block.register_forward_hook(lambda *told: reached.append(told[-1].requires_grad))
    prepared.subject.read(batch)
    assert reached == [False, False, True]


@pytest.mark.parametrize(("family", "method"), [("bert", PREFIX), ("llama", PREFIX)])
def test_a_prefix_in_the_cache_is_refused_before_anything_runs(tmp_path, family, method):
    with pytest.raises(RecipeError, match=r"(?s)train\.checkpoint_activations.*cache"):
        prepared_run(tmp_path, family=family, method=method, train={"checkpoint_activations": True})


def test_a_family_without_it_is_refused_by_name(tmp_path):
    with pytest.raises(RecipeError, match=r"AlbertForSequenceClassification"):
        prepared_run(tmp_path, family="albert", train={"checkpoint_activations": True})


def test_nothing_to_run_again_is_said(tmp_path):
    method = {"name": "partial", "blocks": 0}
    prepared = prepared_run(tmp_path, method=method, train={"checkpoint_activations": True})
    assert "without effect" in prepared.choices[KEY].reason
    assert costs_of(prepared).again == 0


def test_its_price_is_measured_and_the_model_is_left_as_it_was(tmp_path):
    for on in (False, True):
        prepared = run_of(tmp_path, "bert, full", on=on)
        assert times_as_long(prepared) > 0
        assert prepared.model.module.is_activation_checkpointing == on
        assert not prepared.model.module.training
    assert times_as_long(prepared_run(tmp_path, family="albert")) is None


@pytest.mark.parametrize("name", ["bert, full", "llama writes, lora and replay", "t5 writes, full"])
def test_what_it_holds_and_costs_is_foretold_and_offered(tmp_path, name):
    plain, again = (run_of(tmp_path, name, on=on) for on in (False, True))
    less = look(again)
    whole = look(plain)
    assert less.saved(LARGE) < 0.7 * whole.saved(LARGE)
    assert less.largest == whole.largest
    batch = again.subject.rows_of(LARGE.length, count=LARGE.rows)
    again.attached.train()
    entering, _ = activations._count(again, again.subject.work(again).loss, batch)
    assert entering < less.saved(LARGE), "what one block keeps while it is run again comes on top"
    forward = costs_of(plain).forward(LARGE)
    assert costs_of(again).step(LARGE) == pytest.approx(costs_of(plain).step(LARGE) + forward)

    offered = {change.words: setup for change, setup in changes_of(plain, whole).items()}
    assert offered[(f"{KEY}=true",)].activations.saved == less.saved
    assert (f"{KEY}=true",) not in {change.words for change in changes_of(again, less)}
    measured = [change.costs for change in changes_of(plain, whole, again=1.5) if change.words == (f"{KEY}=true",)]
    assert "1.50 times" in measured[0]
    assert "measured" in measured[0]
