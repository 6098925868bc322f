"""The guard: what is not finite is skipped, what repeats or runs away is turned back, and nothing of it is silent."""

import json
import math
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from affina.errors import NonFiniteError
from affina.record import journal
from affina.record.folder import RunFolder
from affina.record.guarding import Rewound, Skipped
from affina.record.payloads import Evaluated, Step
from affina.training import checkpoint
from affina.training.control import Floor
from affina.training.guard import LEAST, LOWER, MOST_IN_A_ROW, MOST_IN_WINDOW, MOST_REWINDS, RAMP, RECENT, Guard
from bench_of_loops import prepared_run, start_loop

STEPS = {"epochs": 4}
KEPT = STEPS | {"checkpoint_every": 1, "keep": 99}


def kind_of(loop, kind):
    return [record for record in journal.read(loop.folder.journal) if isinstance(record, kind)]


def spoiled(loop, broken, value=math.nan):
    """Make the loss of the steps for which `broken(step)` holds, counted from 1, what it should never be."""
    honest = loop.work

    def loss(batch):
        return honest.loss(batch) * (value if broken(loop.step + 1) else 1.0)

    loop.work = replace(honest, loss=loss)


def weights_of(prepared):
    return {name: tensor.clone() for name, tensor in prepared.attached.state_dict().items()}


def check_all_finite(loop):
    """No file with weights below the run folder has one that is not finite."""
    files = list(loop.folder.checkpoints.glob("*/*.safetensors"))
    assert files
    for path in files:
        assert all(torch.isfinite(tensor).all() for tensor in load_file(path).values()), path


PLACES = {"early": 1, "mid": 8, "late": -1}


@pytest.mark.parametrize("what", ["loss", "gradient", "input"])
@pytest.mark.parametrize(
    "place", [one if one == "mid" else pytest.param(one, marks=pytest.mark.slow) for one in PLACES]
)
def test_what_is_not_finite_is_skipped_at_its_step_and_the_run_finishes(tmp_path, what, place):
    prepared = prepared_run(tmp_path, train=KEPT)
    loop, _ = start_loop(prepared, tmp_path / "run")
    bad = PLACES[place] if PLACES[place] > 0 else loop.plan.total_steps
    if what == "loss":
        spoiled(loop, lambda step: step == bad)
    elif what == "gradient":
        parameter = loop.optimizer.parameters[0]
        parameter.register_hook(lambda grad: grad * math.inf if loop.step == bad - 1 else grad)
    else:

        def spoil(_, __, states):
            return states * math.inf if loop.step == bad - 1 and torch.is_grad_enabled() else states

        prepared.model.module.get_input_embeddings().register_forward_hook(spoil)
    outcome = loop.run()
    (skipped,) = kind_of(loop, Skipped)
    rows = [row for batch in loop.plan.window(bad - 1) for row in batch]
    assert skipped.step == bad
    assert skipped.rows == tuple(prepared.rows["train"][row].where for row in rows)
    assert not kind_of(loop, Rewound)
    assert outcome.steps == loop.plan.total_steps
    assert [step.step for step in kind_of(loop, Step)] == [n for n in range(1, outcome.steps + 1) if n != bad]
    saved = [
        load_file(loop.folder.step(step) / name)
        for step in (bad - 1, bad)
        if step
        for name in ("trained.safetensors", "optimizer.safetensors")
    ]
    if bad > 1:  # neither weights nor moments moved in that step
        assert all(torch.equal(saved[0][name], saved[2][name]) for name in saved[0])
        assert all(torch.equal(saved[1][name], saved[3][name]) for name in saved[1])
    check_all_finite(loop)
    looks = kind_of(loop, Evaluated)
    assert outcome.best_step == [look.step for look in looks if look.best][-1]
    checkpoint.load_best(loop.folder, step=outcome.best_step)


def test_an_embedding_that_is_infinite_for_one_token_costs_the_steps_with_it(tmp_path):
    prepared = prepared_run(tmp_path, train=STEPS, method={"name": "partial", "blocks": 1})
    loop, _ = start_loop(prepared, tmp_path / "run")
    batches = [[row for batch in loop.plan.window(step) for row in batch] for step in range(loop.plan.total_steps)]
    encoded = {row: set(example.ids) for row, example in enumerate(prepared.subject.examples["train"])}
    held_out = set().union(*(example.ids for example in prepared.subject.examples["validation"]))
    rows_with = {
        token: {row for row, ids in encoded.items() if token in ids} for token in set().union(*encoded.values())
    }
    token = next(token for token in sorted(rows_with) if len(rows_with[token]) == 1 and token not in held_out)
    prepared.model.module.get_input_embeddings().weight.data[token] = math.inf
    hit = [step for step, rows in enumerate(batches, start=1) if rows_with[token] & set(rows)]
    loop.run()
    assert [skipped.step for skipped in kind_of(loop, Skipped)][: len(hit)] == hit
    check_all_finite(loop)


@pytest.mark.parametrize(("first", "last"), [(5, 5 + MOST_IN_A_ROW - 1), (1, MOST_IN_A_ROW)])
def test_several_in_a_row_lead_back_to_the_best_weights_at_a_lower_rate(tmp_path, first, last):
    prepared = prepared_run(tmp_path, train=KEPT | {"schedule": "constant", "warmup": 0})
    loop, steps = start_loop(prepared, tmp_path / "run")
    spoiled(loop, lambda step: first <= step <= last)
    outcome = loop.run()
    assert [skipped.step for skipped in kind_of(loop, Skipped)] == list(range(first, last + 1))
    (back,) = kind_of(loop, Rewound)
    best = [look.step for look in kind_of(loop, Evaluated) if look.best and look.step < last][-1]
    assert (back.step, back.to_step, back.number, back.factor) == (last, best, 1, LOWER)
    there = load_file(loop.folder.step(last) / "trained.safetensors")
    kept = load_file(loop.folder.step(best) / "trained.safetensors") if best else None
    assert kept is None or all(torch.equal(there[name], kept[name]) for name in kept)
    assert not load_file(loop.folder.step(last) / "optimizer.safetensors")  # the moments begin anew
    after = [step for step in steps if step.step > last]
    assert after[0].learning_rate == pytest.approx(1e-3 * LOWER / (RAMP + 1))
    assert after[RAMP].learning_rate == pytest.approx(1e-3 * LOWER)
    assert outcome.steps == loop.plan.total_steps
    window = [row for batch in loop.plan.window(last) for row in batch]
    assert after[0].rows == len(window)  # the plan went on: the rows after the broken ones


def test_scattered_ones_lead_back_too_once_there_are_too_many(tmp_path):
    prepared = prepared_run(tmp_path, train=STEPS)
    loop, _ = start_loop(prepared, tmp_path / "run")
    broken = range(2, 2 + 2 * MOST_IN_WINDOW, 2)
    spoiled(loop, lambda step: step in broken)
    loop.run()
    (back,) = kind_of(loop, Rewound)
    assert back.step == broken[-1]


def test_a_run_that_breaks_again_and_again_ends_with_the_best_model_intact(tmp_path):
    prepared = prepared_run(tmp_path, train=STEPS)
    loop, _ = start_loop(prepared, tmp_path / "run")
    spoiled(loop, lambda step: step > 8)
    with pytest.raises(NonFiniteError) as caught:
        loop.run()
    backs = kind_of(loop, Rewound)
    assert [back.number for back in backs] == [1, 2, 3][:MOST_REWINDS]
    assert len(kind_of(loop, Skipped)) == MOST_IN_A_ROW * (MOST_REWINDS + 1)
    assert f"after {MOST_REWINDS} ways back" in str(caught.value)
    assert "train.learning_rate" in str(caught.value)
    best = checkpoint.load_best(loop.folder, step=loop.stopping.best_step)
    assert all(torch.isfinite(tensor).all() for tensor in best.values())
    check_all_finite(loop)


def test_a_run_without_one_finite_step_is_not_called_done(tmp_path):
    prepared = prepared_run(tmp_path, train={"max_steps": 2})
    loop, _ = start_loop(prepared, tmp_path / "run")
    spoiled(loop, lambda _: True)
    with pytest.raises(NonFiniteError, match="no step was finite"):
        loop.run()


def test_a_loss_that_runs_away_is_turned_back(tmp_path):
    prepared = prepared_run(tmp_path, rows=60, train={"epochs": 8})
    loop, _ = start_loop(prepared, tmp_path / "run")
    spoiled(loop, lambda step: 30 <= step < 50 and not loop.guard.rewinds, value=40.0)
    loop.run()
    (back,) = kind_of(loop, Rewound)
    assert 30 <= back.step < 30 + RECENT
    assert "the loss" in back.cause


def test_a_start_that_may_be_given_up_is_left_to_the_second_start(tmp_path):
    prepared = prepared_run(tmp_path, rows=60, train={"epochs": 8})
    loop, _ = start_loop(prepared, tmp_path / "run")
    loop.control = replace(loop.control, floor=Floor(metric=0.0, loss=100.0))  # it is never stuck
    quarter = next(step for step in range(1, loop.plan.total_steps) if loop.plan.is_at_a_quarter(step))
    spoiled(loop, lambda _: not loop.guard.rewinds, value=40.0)
    loop.run()
    assert RECENT < quarter < kind_of(loop, Rewound)[0].step


def test_weights_that_are_not_finite_are_turned_back_and_never_written(tmp_path):
    prepared = prepared_run(tmp_path, train=KEPT)
    loop, _ = start_loop(prepared, tmp_path / "run")

    def spoil(*_):
        if loop.step == 2:
            loop.optimizer.parameters[0].data.view(-1)[0] = math.nan

    loop.optimizer.adamw.register_step_post_hook(spoil)
    loop.run()
    (back,) = kind_of(loop, Rewound)
    assert back.step == 3
    assert "the weight" in back.cause
    check_all_finite(loop)


def test_a_run_with_skips_and_a_way_back_goes_on_bit_for_bit(tmp_path):
    def run_of(name):
        prepared = prepared_run(tmp_path, train=KEPT | {"dropout": 0.1, "epochs": 3}, seed=3)
        loop, _ = start_loop(prepared, tmp_path / name)
        spoiled(loop, lambda step: step in (2, 6, 7, 8))
        return prepared, loop

    prepared, loop = run_of("whole")
    loop.run()
    expected, told = weights_of(prepared), clockless(loop)
    for step in (3, 7, 9):
        copy = RunFolder(Path(shutil.copytree(tmp_path / "whole", tmp_path / f"from-{step}")))
        place = copy.step(step)
        journal.cut(copy.journal, position=checkpoint.load_state(place).journal)
        prepared, loop = run_of(copy.path.name)
        loop.resume(place)
        loop.run()
        assert all(torch.equal(expected[name], tensor) for name, tensor in weights_of(prepared).items())
        assert clockless(loop) == told


def clockless(loop):
    """What a record tells of steps, skips and ways back, without the seconds."""
    found = kind_of(loop, Step | Skipped | Rewound)
    return [replace(record, seconds=0.0) if isinstance(record, Step) else record for record in found]


def watched(losses, norms=None, *, start=1.1):
    """The step at which a guard would go back, from 1, or None."""
    guard = Guard()
    guard.start(start)
    norms = norms or [1.0] * len(losses)
    for step, (loss, norm) in enumerate(zip(losses, norms, strict=True), start=1):
        if guard.watch(loss, norm):
            return step
    return None


def healthy(steps, *, scatter, end, seed=0):
    """Losses that fall from log(3) to `end` with log-normal scatter, as of tiny batches."""
    draw = random.Random(seed)  # noqa: S311 - not a secret
    return [
        max(math.log(3) * (end / math.log(3)) ** (step / steps), end) * math.exp(draw.gauss(0, scatter))
        for step in range(steps)
    ]


@pytest.mark.parametrize("scatter", [0.05, 0.5, 1.5])
@pytest.mark.parametrize("end", [1.0, 0.1, 1e-5])
def test_healthy_losses_of_any_scatter_are_left_alone(scatter, end):
    for seed in range(20):
        losses = healthy(300, scatter=scatter, end=end, seed=seed)
        assert watched(losses, healthy(300, scatter=scatter, end=end, seed=seed + 100)) is None


def test_single_hard_batches_are_left_alone():
    losses = [30.0 if step % 10 == 0 else 0.5 for step in range(200)]
    assert watched(losses, [loss * 20 for loss in losses]) is None


def test_a_loss_far_above_what_it_was_is_seen_within_a_few_steps():
    assert watched([0.5] * 60 + [12.0] * 20) == 60 + (RECENT + 1) // 2


def test_a_runaway_from_the_first_steps_is_measured_by_the_loss_before_training():
    assert watched([9.0] * 20) == RECENT


def test_a_gradient_that_grows_while_the_loss_does_not_fall_is_seen():
    assert watched([1.2] * 60, [1.0] * 40 + [200.0] * 20) == 40 + (RECENT + 1) // 2
    assert watched([1.2] * 40 + [0.4] * 20, [1.0] * 40 + [200.0] * 20) is None


def test_the_state_of_a_guard_is_plain_data():
    guard = Guard()
    guard.start(1.0)
    for step in range(LEAST + RECENT + 3):
        guard.watch(1.0 + step % 3, 2.0)
    guard.skip(40)
    guard.rewound(40)
    guard.watch(1.0, 1.0)
    assert Guard.of(json.loads(json.dumps(guard.state()))) == guard
