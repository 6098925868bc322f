"""The forecast from sizes: its parts, the changes, and what names a run."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from affina.data.identity.terms import Noun, Pair
from affina.models.language import load_language_model
from affina.pipeline.training import plan_of
from affina.planning import changes, estimate, pace, rehearsal
from affina.planning.activations import Activations, Growth, Shape, look
from affina.planning.changes import changes_of, weighed
from affina.planning.costs import costs_of, costs_on_the_whole
from affina.planning.estimate import (
    ASKING,
    BESIDE,
    HEAP,
    Setup,
    memory_of,
    moved_bytes,
    parts_of,
    setup_of,
    trained_bytes,
)
from affina.planning.fitting import shell
from affina.planning.forecast import Change
from affina.planning.foresee import described, foresee, key_of
from affina.recipe.load import load_recipe
from affina.runtime import machine, memory
from affina.training.plan import Plan
from forecasts import forecast, prepared_run, recipe_words
from workbench import write_jsonl

PACE = pace.Pace(
    gradients=1e-9,
    batch=0.0,
    move=0.0,
    evaluation=1e-9,
    fit=0.0,
    best=0.0,
    checkpoint=0.0,
    model=0.0,
    processor=None,
    how="made up",
)
FLAT = Activations(Growth(0.0, 100.0, 1.0), Growth(0.0, 10.0, 0.0))


def setup(**changed):
    given = {"lengths": [10, 20, 40] * 10, "others": [30], "budget": 80, "accumulate": 1, "held": 0}
    given |= {"trained": 1000, "weights": 1000}
    return Setup(**{**given, "activations": FLAT, **changed})


def test_the_moments_are_two_numbers_a_weight_and_activations_go_as_gradients_come():
    found = parts_of(setup(), seed=0)
    assert found["optimizer"] == 2000
    assert found["activations and gradients"] == 80 * 100 + 2 * 40 * 40
    assert found["temporary"] == 3 * 800


def test_earlier_micro_batches_leave_their_gradients():
    found = parts_of(setup(accumulate=2), seed=0)
    assert found["activations and gradients"] == 80 * 100 + 2 * 40 * 40 + 1000


def test_texts_that_are_replayed_meet_the_gradients_of_the_rows():
    found = parts_of(setup(beside=Shape(2, 20)), seed=0)
    assert found["activations and gradients"] == 80 * 100 + 2 * 40 * 40, "the rows' own are more"
    found = parts_of(setup(beside=Shape(2, 20), trained=10**6), seed=0)
    assert found["activations and gradients"] == 10**6 + 2 * 20 * (100 + 20)


def test_a_shorter_limit_and_a_smaller_batch_take_less():
    whole = sum(parts_of(setup(), seed=0).values())
    assert sum(parts_of(setup(budget=40), seed=0).values()) < whole
    assert sum(parts_of(setup(lengths=[10] * 30), seed=0).values()) < whole


def test_frozen_blocks_are_run_forward_only(tmp_path):
    shape = Shape(4, 10)
    full = costs_of(prepared_run(tmp_path, "method=full"))
    assert full.backward(shape) == pytest.approx(2 * full.forward(shape))
    top = costs_of(prepared_run(tmp_path, "method={name: partial, blocks: 1}"))
    assert top.forward(shape) == full.forward(shape)
    assert top.backward(shape) == pytest.approx(full.backward(shape) / 3, rel=0.01)
    assert costs_of(prepared_run(tmp_path, "method={name: partial, blocks: 0}")).backward(shape) == 0


def test_a_forecast_says_what_trains_and_what_is_written(tmp_path):
    prepared = prepared_run(tmp_path, "method=full", "train.epochs=2", "train.keep=2")
    found, _ = foresee(prepared, interpreter=memory.resident() - 5_000_000, prepared_in=1.5)
    assert found.trained == found.parameters == sum(p.numel() for p in prepared.model.module.parameters())
    assert found.rows["train"] == len(prepared.rows["train"])
    assert found.steps == 0
    trained, moved = trained_bytes(prepared), moved_bytes(prepared)
    [(table, rows)] = prepared.looked_up.items()
    words, width = prepared.attached.state_dict()[table].shape
    assert moved == trained - 4 * width * (words - len(rows))
    assert found.disk.checkpoints == pytest.approx(2 * (trained + 2 * moved) + trained, abs=50_000)
    assert found.disk.peak > found.disk.checkpoints
    assert found.time.epochs == (2.0, 2.0)
    assert found.time.before > 1.5
    assert found.memory.least < found.memory.peak < found.memory.most
    assert found.memory.peak == max(found.memory.stages.values())


def test_a_forecast_lays_the_steps_out_once(tmp_path, monkeypatch):
    prepared = prepared_run(tmp_path, "method={name: full, unfreezing: gradual}", "train.accumulate=2")
    laid, lay_out = [], Plan.__post_init__
    monkeypatch.setattr(Plan, "__post_init__", lambda plan: (laid.append(plan), lay_out(plan))[1])
    found, _ = foresee(prepared, interpreter=0, prepared_in=0.0)
    [plan] = laid
    assert found.steps_per_epoch == -(-len(plan.planner(0)) // 2)


def test_replay_takes_its_share_of_a_step_and_its_texts_are_read_before(tmp_path, monkeypatch):
    monkeypatch.setattr(pace, "operations_per_second", lambda _: 1e9)
    found = [
        foresee(prepared_run(tmp_path, "train.learning_rate=1e-4", *words), interpreter=0, prepared_in=0.0)[0]
        for words in ((), ("train.replay.share=1",))
    ]
    rates = [pace.pace_by_rule(prepared_run(tmp_path, *words)).gradients for words in ((), ("train.replay.share=1",))]
    assert rates[1] == pytest.approx(2 * rates[0])
    assert found[1].memory.parts["optimizer"] > found[0].memory.parts["optimizer"]
    assert found[1].time.before > found[0].time.before


def test_early_stopping_gives_a_range_of_epochs(tmp_path):
    found, _ = foresee(prepared_run(tmp_path, "train.epochs=9"), interpreter=0, prepared_in=0.0)
    fewest, most = found.time.epochs
    assert (fewest, most) == (3.0, 9.0)
    assert found.time.total[0] < found.time.total[1]
    words = ("train.epochs=9", "train.early_stopping=false")
    never, _ = foresee(prepared_run(tmp_path, *words), interpreter=0, prepared_in=0.0)
    assert never.time.epochs == (9.0, 9.0)


def test_the_changes_are_recipes_and_smaller(tmp_path):
    prepared = prepared_run(tmp_path, "method=full", "train.batch_tokens=512", rows=90)
    activations = look(prepared)
    own = memory_of(prepared, activations, plan_of(prepared), held=50_000_000, interpreter=0)
    names = [name for name, p in prepared.model.module.named_parameters() if p.requires_grad]
    found = weighed(own, prepared, changes_of(prepared, activations), setup_of(prepared, activations))
    assert [name for name, p in prepared.model.module.named_parameters() if p.requires_grad] == names
    assert all(change.peak < own.peak for change in found)
    keys = {word.partition("=")[0] for change in found for word in change.words}
    assert {"train.batch_tokens", "train.accumulate", "method"} <= keys
    for change in found:
        load_recipe(None, overrides=change.words)
    assert any("'" in shell(change) for change in found)


def test_no_stage_of_the_rehearsed_run_is_a_floor_for_a_smaller_one(tmp_path):
    """The export holds what training left; of the parts that do not change, only they stay."""
    prepared = prepared_run(tmp_path, "method=full", "train.learning_rate=1e-4")
    mib = 2**20
    stages = {"loading": 200 * mib, "evaluation": 260 * mib, "training": 645 * mib, "export": 545 * mib}
    stages |= {"risks": 595 * mib}
    own = replace(forecast().memory, peak=645 * mib, stages=stages, parts={"weights, rows, libraries": 200 * mib})
    whole, half, head = (Change(words=(name,), peak=0, costs="") for name in ("whole", "half", "head"))
    sizes = {whole: 100 * mib, half: 50 * mib, head: 0}
    changes = {change: setup(trained=size) for change, size in sizes.items()}
    found = {change.words[0]: change.peak / mib for change in weighed(own, prepared, changes, changes[whole])}
    assert set(found) == {"half", "head"}
    assert found["half"] == pytest.approx(245 + 400 / 2, rel=0.01), "45 MiB are added whatever trains"
    assert found["head"] == pytest.approx(260, rel=0.01), "the evaluation's"
    prepared.model.module.more = torch.nn.Parameter(torch.zeros(100 * mib // 4))
    found = {change.words[0]: change.peak / mib for change in weighed(own, prepared, changes, changes[whole])}
    assert found["head"] == pytest.approx(345, rel=0.01), "to measure risks, the model as it came is there twice"


def test_by_the_sizes_a_change_has_the_peak_that_its_own_forecast_has(tmp_path):
    prepared = prepared_run(tmp_path, "method=full")
    activations = look(prepared)
    own = memory_of(prepared, activations, plan_of(prepared), held=200 * 2**20, interpreter=0)
    larger = replace(setup_of(prepared, activations), trained=10**8)
    grown = {**own.stages, "training": own.parts["weights, rows, libraries"] + BESIDE + round(HEAP * 3e8)}
    change = Change(words=("half",), peak=0, costs="")
    [found] = weighed(
        replace(own, peak=max(grown.values()), stages=grown), prepared, {change: replace(larger, trained=0)}, larger
    )
    assert found.peak == pytest.approx(own.peak, rel=0.02)


def test_the_same_run_has_the_same_key_in_another_folder(tmp_path):
    one = prepared_run(tmp_path, "run=a")
    assert key_of(one) == key_of(prepared_run(tmp_path, "run=b", "train.too_large=try"))
    assert key_of(one) != key_of(prepared_run(tmp_path, "run=a", "train.batch_tokens=40"))
    assert recipe_words(tmp_path, "run=a")["run"] == "a"


def test_a_run_with_terms_that_are_swapped_otherwise_has_another_key(tmp_path):
    one = prepared_run(tmp_path, "run=a")
    pair = Pair("it", "re", "regina", noun=Noun(("il", "la"), alone=False))
    others = (replace(pair, noun=Noun(("il", "la"))), replace(pair, kept=("re magi",)), replace(pair, noun=None))
    assert len({key_of(replace(one, terms=(some,))) for some in (pair, *others)}) == 4


@pytest.mark.parametrize("package", ["affina", "torch"])
def test_a_forecast_of_another_version_is_not_taken_for_this_one(tmp_path, monkeypatch, package):
    one = prepared_run(tmp_path, "run=a")
    before, versions = key_of(one), machine.versions()
    monkeypatch.setattr(machine, "versions", lambda: {**versions, package: "0.0.1"})
    assert key_of(one) != before


def test_a_language_model_beside_the_run_is_a_stage_where_there_is_room_for_it(tmp_path, monkeypatch):
    prepared = prepared_run(tmp_path, family="llama")
    cost = prepared.subject.baseline_cost(prepared)
    weights = sum(tensor.numel() * 4 for tensor in load_language_model(prepared.model.source).module.parameters())
    assert cost.size > weights
    found, _ = foresee(prepared, interpreter=0, prepared_in=0.0)
    assert found.memory.stages[ASKING] >= found.memory.stages["loading"] + cost.size

    monkeypatch.setattr(estimate, "room_for", lambda _: memory.Room("little", found.memory.stages["loading"]))
    assert ASKING not in foresee(prepared, interpreter=0, prepared_in=0.0)[0].memory.stages
    for words, family in (((), "bert"), (("evaluate.baselines=false",), "llama")):
        other = prepared_run(tmp_path, *words, family=family)
        assert ASKING not in foresee(other, interpreter=0, prepared_in=0.0)[0].memory.stages


def test_a_run_in_words_says_what_it_needs_and_trains_at_least_a_block(tmp_path):
    prepared = prepared_run(tmp_path, "task.form=words", family="llama")
    found, activations = foresee(prepared, interpreter=0, prepared_in=0.0)
    assert found.memory.peak > found.memory.stages["loading"]
    changes = weighed(found.memory, prepared, changes_of(prepared, activations), setup_of(prepared, activations))
    assert not any("blocks: 0" in word for change in changes for word in change.words)


def test_a_run_that_unfreezes_in_turn_costs_less_and_holds_as_much(tmp_path):
    words = ("train.epochs=10", "train.head_start=random")
    full = prepared_run(tmp_path, "method=full", *words)
    shape = Shape(4, 10)
    for kind in ("gradual", "chain_thaw"):
        run = prepared_run(tmp_path, f"method={{name: full, unfreezing: {kind}, layer_decay: 2.6}}", *words)
        mean = costs_on_the_whole(run, plan_of(run))
        assert mean.forward(shape) == costs_of(full).forward(shape)
        assert 0.5 * costs_of(full).backward(shape) < mean.backward(shape) < costs_of(full).backward(shape)
        assert 0.5 < mean.moved < 1
        assert parts_of(setup_of(run, look(run)), seed=0) == parts_of(setup_of(full, look(full)), seed=0)
    assert costs_on_the_whole(full, plan_of(full)) == costs_of(full)
    # four stages of an epoch each: head, then a block more, then all six epochs; backward weights by hand
    run = prepared_run(tmp_path, "method={name: full, unfreezing: gradual}", *words)
    shares = [0, 1 / 3, 2 / 3, 1, *6 * [1]]
    wanted = costs_of(full).backward_weights * sum(shares) / 10
    assert costs_on_the_whole(run, plan_of(run)).backward_weights == pytest.approx(wanted, rel=0.01)


def test_a_plan_says_in_words_what_trains_when(tmp_path):
    run = prepared_run(tmp_path, "method={name: full, unfreezing: gradual, layer_decay: 2.6}", "train.epochs=10")
    said = described(run)
    assert said.startswith("full (layer_decay 2.6: block 3 at train.learning_rate")
    assert "unfreezing gradual: head alone first, head and block 3 from step " in said
    assert described(prepared_run(tmp_path, "method=full")) == "full"


@pytest.mark.parametrize(
    ("words", "reads"),
    [
        (("method=full",), True),
        (("method={name: partial, blocks: 1}", "train.epochs=80"), True),
        (("method={name: partial, blocks: 0}",), False),
        (("method=lora",), False),
        (("method=full", "risks.measure=never"), False),
        (("method=full", "train.max_steps=1"), False),  # too short a training for any probe to be within its share
        (("method=full", "train.max_steps=1", "risks.measure=always"), True),
    ],
)
def test_the_base_that_is_read_beside_the_tuned_model_is_counted(tmp_path, monkeypatch, words, reads):
    monkeypatch.setattr(estimate, "PROBE_CODE", 0)
    prepared = prepared_run(tmp_path, *words)
    stages = foresee(prepared, interpreter=0, prepared_in=0.0)[0].memory.stages
    assert ("risks" in stages) == reads
    if reads:
        weights = estimate.weight_bytes(prepared.model.module)
        assert stages["risks"] == stages["loading"] + weights + BESIDE


def test_the_library_of_probes_counts_where_it_is_still_to_be_loaded(tmp_path, monkeypatch):
    fitted = prepared_run(tmp_path, "method=full")
    none = prepared_run(tmp_path, "method=full", "evaluate.baselines=false", "train.head_start=random")
    peaks = {}
    for loaded in (True, False):
        monkeypatch.setattr(estimate, "PROBE_LIBRARY", "torch" if loaded else "a library that is not there")
        for name, prepared in (("fitted", fitted), ("none", none)):
            found = memory_of(prepared, look(prepared), plan_of(prepared), held=10**8, interpreter=0)
            peaks[name, loaded] = found.stages["training"]
            assert found.stages["loading"] == 10**8
    assert peaks["fitted", False] - peaks["fitted", True] == estimate.PROBE_CODE > 0
    assert estimate.fits_probes(none) == (peaks["none", False] != peaks["none", True])


@pytest.mark.parametrize(("method", "times"), [("prompt", (1.8, 6.0)), ("prefix", (1.0, 1.8))])
def test_virtual_tokens_take_their_time_in_every_row(tmp_path, method, times):
    """They go through all that a row goes through, a prefix is in the attention alone; baselines have neither."""
    runs = [prepared_run(tmp_path, f"method={{name: {method}, length: {length}}}") for length in (1, 40)]
    few, many = (pace.time_of(run, PACE, plan_of(run), prepared_in=0.0) for run in runs)
    assert times[0] < many.steps / few.steps < times[1]
    assert few.evaluations < many.evaluations
    assert many.before - _first_look(runs[1]) == pytest.approx(few.before - _first_look(runs[0]))


def _first_look(run):
    """Seconds of the evaluation before the training."""
    return pace._forward(run, costs_of(run), PACE, pace._judged(run))


def test_no_limit_is_proposed_that_leaves_nothing_of_an_answer(tmp_path):
    asked = "where is my card " * 4
    rows = [{"prompt": f"{number} {asked}", "completion": f"on its way {number}"} for number in range(40)]
    data = write_jsonl(tmp_path / "rows.jsonl", rows)
    run = prepared_run(tmp_path, f"data.train={data}", "task=generation", family="llama")
    least = changes._least_length(run)
    assert least == 1 + max(len(one.ids) - one.targets for one in run.subject.passages["train"])
    proposed = [word for change in changes_of(run, look(run)) for word in change.words]
    limits = [int(word.removeprefix("data.max_length=")) for word in proposed if word.startswith("data.max_length=")]
    assert limits
    assert min(limits) >= least
    assert changes._least_length(prepared_run(tmp_path)) == 0, "rows that are classified keep their label"


def test_a_fit_is_timed_once_its_library_is_there(tmp_path, monkeypatch):
    calls, timed = [], []

    @contextmanager
    def on(_):
        timed.append(True)
        yield
        timed.clear()

    monkeypatch.setattr(rehearsal, "fit_probe", lambda *_, **__: calls.append(bool(timed)))
    rehearsal._fit(prepared_run(tmp_path), SimpleNamespace(fits=SimpleNamespace(on=on)))
    assert calls == [False, True]
