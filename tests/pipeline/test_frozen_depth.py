"""What is kept of frozen blocks follows the depth to which they are frozen, where layers train in turn."""

import itertools
import random
import shutil
from dataclasses import replace

import pytest
import torch

from affina.errors import Interrupted
from affina.pipeline import staging, stepping_over
from affina.pipeline.effort import passed_of
from affina.pipeline.keeping import CACHE
from affina.pipeline.rates import probe_rates
from affina.pipeline.sharing import shared
from affina.pipeline.stepping_over import KEPT, with_frozen_states
from affina.planning.costs import costs_of, without_known
from affina.planning.foresee import foresee
from affina.record import journal
from affina.record.folder import RunFolder
from affina.record.payloads import Event
from affina.training import checkpoint
from affina.training.guard import Guard
from bench_of_kept_states import check_equal, check_same, gone_on, run_of, stopped, texts, trained, weights_of
from bench_of_loops import start_loop

TRAIN = {"batch_tokens": 120, "head_start": "random"}
EPOCHS = {"bert": 12, "gpt2": 12, "t5": 14}


def parts_of(tmp_path, family, kind, *, stage_epochs=2.0, **train):
    written = {} if family == "bert" else texts(tmp_path)
    method = {"name": "full", "unfreezing": kind, "stage_epochs": stage_epochs}
    return {"family": family, "method": method, "train": {**TRAIN, "epochs": EPOCHS[family], **train}, **written}


def laid_out(prepared):
    """Depth, steps, and whether it is made from the one before, of each stretch."""
    return [(one.cut.depth, one.start, one.end, one.goes_on) for one in prepared.kept.stretches]


LAID_OUT = {
    ("bert", "gradual"): [(2, 0, 12, False), (1, 12, 18, False)],
    ("bert", "chain_thaw"): [(3, 0, 6, False), (1, 18, 24, False), (2, 24, 30, True)],
    ("gpt2", "gradual"): [(2, 0, 20, False), (1, 20, 40, False)],
    ("gpt2", "chain_thaw"): [(1, 40, 60, False), (2, 60, 80, True)],
    ("t5", "gradual"): [(2, 0, 40, False)],
    ("t5", "chain_thaw"): [(2, 60, 100, False)],
}
SLOW = [pytest.param(*one, marks=() if one[0] == "bert" else pytest.mark.slow) for one in LAID_OUT]


@pytest.mark.parametrize(("family", "kind"), SLOW)
def test_layers_in_turn_are_the_same_with_and_without(tmp_path, family, kind):
    kept = check_same(tmp_path, **parts_of(tmp_path, family, kind))
    assert laid_out(kept) == LAID_OUT[family, kind]
    assert "all blocks run in the other steps" in kept.choices[CACHE].reason
    records = journal.read(RunFolder(tmp_path / "kept").journal)
    told = [one for one in records if isinstance(one, Event) and one.name == KEPT]
    assert [one.step for one in told] == [start for _, start, _, _ in laid_out(kept)]


def test_dropout_and_what_acts_beside_are_the_same_in_each_stage(tmp_path):
    kept = check_same(tmp_path, **parts_of(tmp_path, "bert", "gradual", dropout=0.2, r_drop=1.0, mixout=0.3))
    assert len(kept.kept.stretches) == 2


@pytest.mark.parametrize("room", ["for both", "for one"])
def test_no_moment_holds_more_than_is_foretold_and_allowed(tmp_path, monkeypatch, room):
    parts = parts_of(tmp_path, "bert", "chain_thaw")
    whole = run_of(tmp_path, cache=True, **parts)
    one = max(stretch.bytes for stretch in whole.kept.stretches)
    assert whole.kept.bytes == 2 * one
    limit = (2.1 if room == "for both" else 1.5) * one
    prepared = run_of(tmp_path, cache=True, **{**parts, "train": {**parts["train"], "cache_gib": limit / 2**30}})
    assert laid_out(prepared)[-1] == (2, 24, 30, room == "for both")
    held, folder = [], tmp_path / "run"

    def watched(file, shelf, states):
        write(file, shelf, states)
        file.flush()
        held.append(sum(path.stat().st_size for path in folder.glob("*frozen-blocks-*/*")))

    write = stepping_over.write
    monkeypatch.setattr(stepping_over, "write", watched)
    trained(prepared, folder)
    forecast, _ = foresee(prepared, interpreter=0, prepared_in=0.0)
    assert max(held) == prepared.kept.bytes == forecast.disk.states <= limit


def test_a_limit_below_one_file_keeps_none(tmp_path):
    prepared = run_of(tmp_path, cache=True, **parts_of(tmp_path, "bert", "gradual", cache_gib=1e-6))
    assert prepared.kept is None
    assert "train.cache_gib=1e-06" in prepared.choices[CACHE].reason


@pytest.mark.parametrize("family", ["bert", pytest.param("gpt2", marks=pytest.mark.slow)])
def test_what_is_made_from_the_file_before_is_what_all_blocks_give(tmp_path, family):
    prepared = run_of(tmp_path, cache=True, **parts_of(tmp_path, family, "chain_thaw"))
    (before, step), (after, later) = [(one, one.start) for one in prepared.kept.stretches[-2:]]
    assert after.goes_on
    found = []
    for steps in ([step, later], [later]):
        with with_frozen_states(prepared, RunFolder(tmp_path / f"run{len(steps)}")) as run:
            loop, _ = start_loop(run, tmp_path / f"run{len(steps)}")
            for number in steps:
                run.frozen.fill(loop.journal, step=number)
            [folder] = (tmp_path / f"run{len(steps)}").glob("*frozen-blocks-*")
            found.append({path.name: path.read_bytes() for path in folder.iterdir()})
        said = journal.read(RunFolder(tmp_path / f"run{len(steps)}").journal)[-1].text
        depth = after.cut.depth
        expected = f"{depth - before.cut.depth} of {depth} frozen blocks" if len(steps) == 2 else "the frozen blocks"
        assert said.startswith(expected)
    assert found[0] == found[1]


@pytest.mark.parametrize("is_left", [True, False])
@pytest.mark.parametrize(("kind", "steps"), [("gradual", (2, 12, 15)), ("chain_thaw", (6, 20, 24, 26))])
def test_a_stopped_run_goes_on_in_its_stage_bit_for_bit(tmp_path, monkeypatch, kind, steps, is_left):
    parts = {"cache": True, "seed": 3, **parts_of(tmp_path, "bert", kind)}
    whole, folder = run_of(tmp_path, **parts), RunFolder(tmp_path / "parts")
    trained(whole, tmp_path / "whole")
    for step in steps:
        with pytest.raises(Interrupted):
            stopped(run_of(tmp_path, **parts), folder, monkeypatch, step=step)
        for file in [] if is_left else folder.path.glob("frozen-blocks-*"):
            shutil.rmtree(file)
        torch.manual_seed(12345)
        prepared = run_of(tmp_path, **parts)
        gone_on(prepared, folder)
        check_equal(prepared, folder, whole, RunFolder(tmp_path / "whole"))
        shutil.rmtree(folder.path)


def test_weights_of_an_earlier_stage_have_their_states_made_again(tmp_path, monkeypatch):
    """A run that turns back, in a stage whose frozen blocks had trained before."""
    parts, turned = parts_of(tmp_path, "bert", "chain_thaw"), []
    start = weights_of(run_of(tmp_path, cache=False, double=True, **parts))

    def watch(self, loss, norm):
        turned.append(loss)
        return "turned back by a test" if len(turned) % 36 == 27 else None

    monkeypatch.setattr(Guard, "watch", watch)
    monkeypatch.setattr(checkpoint, "load_best", lambda *_, **__: start)
    check_same(tmp_path, **parts)
    assert len(turned) == 72
    records = journal.read(RunFolder(tmp_path / "kept").journal)
    assert [one.step for one in records if isinstance(one, Event) and one.name == KEPT] == [0, 18, 24, 27]


def test_a_range_test_in_which_all_layers_move_runs_all_blocks(tmp_path):
    parts = parts_of(tmp_path, "bert", "gradual")
    prepared, whole = (run_of(tmp_path, cache=cache, double=True, **parts) for cache in (True, False))
    with with_frozen_states(prepared, RunFolder(tmp_path / "run")) as run:
        loop, _ = start_loop(run, tmp_path / "run")
        run.frozen.fill(loop.journal)
        torch.manual_seed(0)
        found = probe_rates(run, steps=4)
    torch.manual_seed(0)
    expected = probe_rates(whole, steps=4)
    assert found.changes == pytest.approx(expected.changes, rel=1e-9)


def test_it_is_off_for_layers_in_turn_where_it_is_not_exact(tmp_path, monkeypatch):
    noisy = run_of(tmp_path, cache=True, **parts_of(tmp_path, "bert", "gradual", neftune=5.0))
    assert "neftune" in noisy.choices[CACHE].reason
    monkeypatch.setattr(staging, "quiet_below", lambda *_: ())
    moving = run_of(tmp_path, cache=True, **parts_of(tmp_path, "bert", "gradual", dropout=0.3))
    assert noisy.kept is None
    assert moving.kept is None
    assert "at random" in moving.choices[CACHE].reason


def test_it_is_off_by_itself_where_no_stage_is_long_enough(tmp_path):
    short = parts_of(tmp_path, "bert", "gradual", stage_epochs=0.25, epochs=2)
    prepared = run_of(tmp_path, cache="auto", **short)
    assert prepared.kept is None
    assert "in no stage" in prepared.choices[CACHE].reason


def test_rounded_states_are_made_of_none_that_are_rounded(tmp_path):
    prepared = run_of(tmp_path, cache="float16", **parts_of(tmp_path, "bert", "chain_thaw"))
    assert len(prepared.kept.stretches) > 1
    assert not any(one.goes_on for one in prepared.kept.stretches)


def test_a_trial_leaves_all_layers_to_train(tmp_path):
    prepared = run_of(tmp_path, cache=True, **parts_of(tmp_path, "bert", "gradual"))
    groups = prepared.attached.parameter_groups()
    assert all(tensor.requires_grad for group in groups for tensor in group.parameters.values())


def test_effort_and_seconds_count_the_mean_of_the_steps(tmp_path):
    prepared = run_of(tmp_path, cache=True, **parts_of(tmp_path, "bert", "chain_thaw"))
    share = sum(depth * (end - start) for depth, start, end, _ in laid_out(prepared)) / (36 * 3)
    whole, passed = costs_of(prepared), passed_of(prepared)
    assert passed.known == pytest.approx(share * passed.forward)
    assert passed.once == pytest.approx((3 + 1 + 1) / 3 * passed.forward)
    assert without_known(prepared, whole).forward_weights == pytest.approx((1 - share) * whole.forward_weights)
    assert without_known(replace(prepared, kept=None), whole) == whole


def saved(depths, passes, together, *, price, may_go_on):
    found, before = 0.0, (0, 0)
    for first, last in together:
        depth = min(depths[first : last + 1])
        known = before[1] if may_go_on and before[0] == first and before[1] < depth else 0
        found += depth * sum(passes[first : last + 1]) - price * (depth - known)
        before = (last + 1, depth)
    return found


def ways_to_share(count, start=0):
    if start == count:
        yield []
        return
    yield from ways_to_share(count, start + 1)
    for last in range(start, count):
        yield from ([(start, last), *rest] for rest in ways_to_share(count, last + 1))


@pytest.mark.parametrize("may_go_on", [True, False])
def test_stages_share_files_so_that_no_other_way_saves_more(may_go_on):
    draw = random.Random(1)  # noqa: S311 - a test's draws
    for _ in range(60):
        depths = [draw.randint(0, 4) for _ in range(6)]
        passes = [draw.choice([0.6, 1.1, 2.2]) for _ in depths]
        terms = {"price": draw.choice([1.0, 1.5]), "may_go_on": may_go_on}
        found = shared(depths, passes, **terms)
        ways = (way for way in ways_to_share(len(depths)) if all(min(depths[a : b + 1]) for a, b in way))
        best = max(saved(depths, passes, way, **terms) for way in ways)
        assert saved(depths, passes, found, **terms) == pytest.approx(best)
        assert all(one[1] < other[0] for one, other in itertools.pairwise(found))
