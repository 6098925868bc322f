"""How the rows of a model that writes lie in a batch: what is chosen and told, the same numbers, and going on."""

from __future__ import annotations

import pytest

from affina.pipeline.arranging import PACK
from affina.pipeline.prepare import prepare
from affina.pipeline.resolved import resolved_recipe
from affina.pipeline.stepping_over import with_frozen_states
from affina.planning.activations import look
from affina.planning.estimate import setup_of
from affina.recipe.load import check_recipe, dump_recipe
from affina.record.folder import RunFolder
from affina.tasks.beginnings import LEAST, OneLine
from affina.tasks.lessons import Passage
from affina.tasks.packing import PackedLines
from affina.values import Resolved
from bench_of_loops import prepared_run, start_loop
from workbench import affina, sample_rows, tiny, write_jsonl

SYSTEM = "you are kind and brief"
UPPER = {"name": "lora", "blocks": 1, "targets": ["linear"]}


def chats(tmp_path, *, system=SYSTEM, count=24):
    before = [{"role": "system", "content": system}] if system else []
    rows = [
        {
            "messages": [
                *before,
                {"role": "user", "content": text},
                {"role": "assistant", "content": " ".join(reversed(text.split()))},
            ]
        }
        for text, _ in sample_rows(count)
    ]
    return {"train": str(write_jsonl(tmp_path / "chats.jsonl", rows)), "validation": 0.2, "test": "none"}


def run_of(tmp_path, *, pack="auto", family="llama", method="full", system=SYSTEM, **train):
    told = {"epochs": 2, "batch_tokens": 400, "pack": pack, **train}
    data = chats(tmp_path, system=system)
    return prepared_run(tmp_path, family=family, task="chat", data=data, method=method, rows=24, train=told)


def losses_of(run, folder):
    with with_frozen_states(run, RunFolder(folder)) as ready:
        loop, steps = start_loop(ready, folder)
        ready.frozen.fill(loop.journal)
        loop.run()
    return [step.loss for step in steps]


@pytest.mark.parametrize(
    ("case", "kind", "says"),
    [
        ({}, OneLine, "one by one"),
        ({"pack": True}, OneLine, "of padded batches"),
        ({"pack": "lines"}, PackedLines, "given"),
        ({"method": {"name": "lora", "dropout": 0.2}}, None, "something random, such as dropout"),
        ({"family": "gpt2"}, None, "something random, such as dropout"),
        ({"family": "gpt2", "dropout": 0.0}, OneLine, "one by one"),
        ({"method": {"name": "prompt", "length": 4}}, None, "did not read rows right"),
        ({"method": {"name": "prefix", "length": 4}}, None, "did not read rows right"),
        ({"neftune": 5.0}, None, "neftune"),
        ({"family": "bloom", "pack": "beginnings"}, None, "a BloomForCausalLM did not"),
    ],
)
def test_how_rows_lie_is_chosen_by_trial_and_told(tmp_path, case, kind, says):
    run = run_of(tmp_path, **case)
    found = run.choices[PACK]
    assert (type(run.subject.packing) if run.subject.packing else None) is kind
    assert found.value == {OneLine: "beginnings", PackedLines: "lines", None: False}[kind]
    assert says in found.reason


@pytest.mark.parametrize(
    "case",
    [
        {},
        {"method": UPPER, "cache": True},
        {"method": {"name": "partial", "blocks": 1}, "cache": True, "checkpoint_activations": True},
        {"accumulate": 2, "label_smoothing": 0.1},
        {"method": {"name": "full", "unfreezing": "gradual"}},
    ],
)
def test_the_steps_are_those_of_padded_rows(tmp_path, case):
    (tmp_path / "padded").mkdir()
    one, other = run_of(tmp_path, **case), run_of(tmp_path / "padded", pack=False, **case)
    assert one.subject.packing is not None
    found, expected = losses_of(one, tmp_path / "a"), losses_of(other, tmp_path / "b")
    assert len(found) == len(expected) > 3
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_dropout_of_an_adapter_is_seen_that_the_recipe_does_not_name(tmp_path):
    data = chats(tmp_path)
    words = ("task=chat", f"model={tiny('llama')}", "method={name: lora, dropout: 0.3}", "train.max_steps=1")
    few = ("evaluate.baselines=false", "generate.rows=1", "generate.max_new_tokens=2", "risks.measure=never")
    ended = affina("train", data["train"], *words, *few, f"run={tmp_path / 'run'}")
    assert ended.status == 0, ended.err
    train = {"batch_tokens": 400, "epochs": 1}
    recipe = {"model": str(tmp_path / "run"), "task": "chat", "data": data, "train": train}
    on = prepare(check_recipe({**recipe, "run": str(tmp_path / "on")}), notify=lambda _: None)
    assert on.method.dropout == 0.3
    assert on.subject.packing is None
    assert "dropout" in on.choices[PACK].reason


@pytest.mark.parametrize(
    ("before", "kind"), [("lines", PackedLines), (True, PackedLines), ("beginnings", OneLine), (False, None)]
)
def test_a_run_that_goes_on_has_its_rows_as_it_began(tmp_path, before, kind):
    run = run_of(tmp_path)
    begun = Resolved(before, "as it was when it was started")
    found, choices = run.subject.arranged(run.recipe, run.attached, budget=400, begun=lambda: begun)
    assert (type(found.packing) if found.packing else None) is kind
    assert choices[PACK].value == {True: "lines"}.get(before, before)


def test_a_run_from_its_own_recipe_lies_the_same(tmp_path):
    run = run_of(tmp_path)
    again = run_of(tmp_path, pack=run.choices[PACK].value)
    assert type(again.subject.packing) is type(run.subject.packing) is OneLine
    assert "beginnings" in dump_recipe(resolved_recipe(run))


def test_tails_of_one_token_and_rows_without_a_target_are_read(tmp_path):
    run = run_of(tmp_path)
    common = tuple(range(3, 3 + LEAST))
    passages = [Passage((*common, last), (False,) * (LEAST + 1)) for last in (30, 31)]
    batch = OneLine().collate(passages, rows=[0, 1])
    assert run.subject.model.states(batch.inputs).shape[1] == LEAST + 2


def test_a_forecast_counts_what_is_there_once(tmp_path):
    (tmp_path / "padded").mkdir()
    one, other = run_of(tmp_path), run_of(tmp_path / "padded", pack=False)
    shares = [setup_of(run, look(run)).line for run in (one, other)]
    assert shares[1] == 1.0
    assert 0.2 < shares[0] < 0.9
