"""Checkpoints by themselves: what is kept, what can be read again, and which one a run can go on from."""

from __future__ import annotations

import dataclasses
import json
import zlib

import pytest
import torch
from safetensors.torch import load_file, save_file

from affina.errors import RunError
from affina.record import journal
from affina.record.folder import RunFolder
from affina.runtime import randomness
from affina.training import checkpoint, sound
from affina.training.guard import Guard
from affina.training.stopping import EarlyStopping

TRAINS = {"body": torch.arange(6.0).reshape(2, 3), "head": torch.ones(3)}
MOMENTS = {"exp_avg/body": torch.zeros(2, 3), "step/body": torch.tensor(4.0)}
RECORD = b'{"kind": "started", "time": "now"}\n{"kind": "step"}\n'


@pytest.fixture
def folder(tmp_path):
    found = RunFolder(tmp_path / "run")
    found.path.mkdir()
    found.journal.write_bytes(RECORD)
    return found


def state(folder, step, *, best=0, **changes):
    return dataclasses.replace(
        checkpoint.State(
            step=step,
            random=randomness.capture(),
            stopping=dataclasses.replace(EarlyStopping(True, 3), best_step=best).state(),
            precision={},
            guard=Guard().state(),
            parts=1,
            record=journal.identity(folder.journal),
            journal=len(RECORD),
            seconds=0.0,
            rows=0,
            tokens=0,
        ),
        **changes,
    )


def write(folder, step, *, best=0, keep=2, **changes):
    if not folder.best(best).exists():
        checkpoint.save_best(folder, TRAINS, step=best)
    checkpoint.save(folder, state(folder, step, best=best, **changes), trained=TRAINS, optimizer=MOMENTS, keep=keep)
    return folder.step(step)


def check(folder, path):
    sound.check(folder, path, trains=TRAINS)


def reseal(path):
    sums = {each.name: zlib.crc32(each.read_bytes()) for each in path.iterdir() if each.name != "sums.json"}
    (path / "sums.json").write_text(json.dumps(sums))


def names(folder):
    return sorted(path.name.replace("-0000000", " ") for path in folder.checkpoints.iterdir())


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_newest_are_kept_with_the_best_weights_that_any_of_them_counts_on(folder, keep):
    for step, best in ((1, 0), (2, 0), (3, 3), (4, 3)):
        write(folder, step, best=best, keep=keep)
    kept = range(5 - keep, 5)
    counted = {3} | ({0} if 2 in kept else set())
    assert names(folder) == sorted([f"step {step}" for step in kept] + [f"best {step}" for step in counted])


def test_what_was_written_is_read_again_bit_for_bit(folder):
    path = write(folder, 4, best=2, journal=17, seconds=2.5, rows=30, tokens=400, parts=2)
    found = checkpoint.load_state(path)
    assert dataclasses.replace(found, random={}) == dataclasses.replace(
        state(folder, 4, best=2, journal=17, seconds=2.5, rows=30, tokens=400, parts=2), random={}
    )
    for read, written in ((checkpoint.load_trained(path), TRAINS), (checkpoint.load_moments(path), MOMENTS)):
        assert read.keys() == written.keys()
        assert all(torch.equal(read[name], written[name]) for name in written)
    assert torch.equal(checkpoint.load_best(folder, step=2)["body"], TRAINS["body"])


def test_tensors_that_are_views_are_written_as_they_look(folder):
    turned = {"body": torch.arange(6.0).reshape(3, 2).T, "head": torch.ones(3)}
    checkpoint.save_best(folder, turned, step=1)
    checkpoint.save_snapshot(folder, turned, step=1)
    assert torch.equal(checkpoint.load_best(folder, step=1)["body"], turned["body"])
    assert torch.equal(checkpoint.load_snapshot(folder, step=1)["body"], turned["body"])
    with pytest.raises(RunError, match="complete checkpoint"):
        checkpoint.load_snapshot(folder, step=2)


def test_a_sound_checkpoint_passes_and_leaves_the_generators_alone(folder):
    path = write(folder, 4, best=2)
    before = torch.get_rng_state()
    torch.rand(7)
    now = torch.get_rng_state()
    check(folder, path)
    assert torch.equal(torch.get_rng_state(), now)
    assert not torch.equal(before, now)
    folder.journal.write_bytes(RECORD + b'{"kind": "step"}\n')  # what came after it does not matter
    check(folder, path)


@pytest.mark.parametrize("name", ["trained.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_every_byte_of_every_file_is_under_a_sum(folder, name, place):
    path = write(folder, 4)
    held = bytearray((path / name).read_bytes())
    held[round(place * (len(held) - 1))] ^= 1
    (path / name).write_bytes(held)
    with pytest.raises(RunError, match=f"{name} is not as it was written"):
        check(folder, path)


def test_a_file_beyond_one_piece_is_under_its_sum(folder, monkeypatch):
    monkeypatch.setattr(checkpoint, "PIECE", 16)
    path = write(folder, 4)
    check(folder, path)
    assert json.loads((path / "sums.json").read_text())["state.json"] == zlib.crc32((path / "state.json").read_bytes())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"step": 5}, "of step 5"),
        ({"journal": len(RECORD) + 1}, "bytes of record.jsonl"),
        ({"journal": -1}, "journal is -1"),
        ({"rows": -1}, "rows is -1"),
        ({"tokens": -1}, "tokens is -1"),
        ({"seconds": -0.5}, "seconds is -0.5"),
        ({"parts": 0}, "parts is 0"),
        ({"record": 7}, "of another run"),
        ({"rows": "many"}, "rows: Input should be"),
        ({"guard": Guard().state() | {"skipped": ["no"]}}, r"skipped\.0: Input should be"),
        ({"stopping": EarlyStopping(True, 3).state() | {"best": "good"}}, "best: Input should be"),
        ({"stopping": EarlyStopping(True, 3).state() | {"moon": 1}}, "moon"),
        ({"random": {}}, "python"),
    ],
)
def test_a_state_that_is_not_this_runs_does_not_pass(folder, changes, says):
    path = write(folder, 4)
    (path / "state.json").write_text(json.dumps(dataclasses.asdict(state(folder, 4)) | changes))
    reseal(path)
    with pytest.raises(RunError, match=says):
        check(folder, path)


@pytest.mark.parametrize("of", ["step", "best"])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"body": torch.full((2, 3), float("inf"))}, "not finite"),
        ({"body": torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, float("nan")]])}, "not finite"),
        ({"body": torch.zeros(3, 2)}, r"float32 \[3, 2\] .* float32 \[2, 3\]"),
        ({"body": torch.zeros(2, 3, dtype=torch.float16)}, r"float16 .* float32"),
        ({"more": torch.ones(1)}, "has more"),
        ({"head": None}, "lacks head"),
    ],
)
def test_weights_that_do_not_fit_what_trains_do_not_pass(folder, change, says, of):
    path = write(folder, 4, best=2)
    place = path if of == "step" else folder.best(2)
    tensors = {name: tensor for name, tensor in (TRAINS | change).items() if tensor is not None}
    save_file(tensors, place / "trained.safetensors")
    reseal(place)
    with pytest.raises(RunError, match=says) as caught:
        check(folder, path)
    assert caught.value.problems[0].where == str(place)


@pytest.mark.parametrize("change", [{"exp_avg/other": torch.ones(1)}, {"exp_avg/body": torch.zeros(2)}])
def test_moments_of_what_does_not_train_do_not_pass(folder, change):
    path = write(folder, 4)
    save_file(load_file(path / "optimizer.safetensors") | change, path / "optimizer.safetensors")
    reseal(path)
    with pytest.raises(RunError, match="which nothing has that trains here"):
        check(folder, path)


@pytest.mark.parametrize("inside", [True, False])
def test_links_do_not_pass(folder, tmp_path, inside):
    path = write(folder, 4)
    linked = path / "trained.safetensors" if inside else path
    linked.rename(tmp_path / "elsewhere")
    linked.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="is a link, to"):
        check(folder, path)


def test_the_best_weights_that_a_checkpoint_counts_on_must_be_there(folder):
    path = write(folder, 4, best=2)
    folder.best(2).rename(folder.best(3))
    with pytest.raises(RunError) as caught:
        check(folder, path)
    assert caught.value.problems[0].where == str(folder.best(2))
