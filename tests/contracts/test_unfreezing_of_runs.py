"""Gradual unfreezing and chain-thaw in whole trainings, for every kind of model: what moves in which stage."""

from __future__ import annotations

import json

import pytest
import torch

from affina.methods.base import Freezable
from affina.methods.reach import quiet_below
from affina.pipeline import attempts
from affina.pipeline.prepare import prepare
from affina.pipeline.training import build_loop, stages_in
from affina.recipe.load import check_recipe
from affina.record.folder import RunFolder
from affina.record.journal import Journal, read
from affina.record.payloads import Event
from affina.training.loop import UNFROZEN
from workbench import affina, sample_rows, tiny, write_csv

pytestmark = pytest.mark.slow  # whole runs, one after another

CASES = [
    ("classification", "bert"),
    ("classification", "roberta"),
    ("classification", "distilbert"),
    ("classification", "gpt2"),
    ("regression", "deberta-v2"),
    ("multi_label", "modernbert"),
    ("chat", "llama"),
    ("generation", "gpt2"),
    ("generation", "t5"),
    ("translation", "bart"),
]
HEADERS = {"chat": "prompt,completion", "generation": "prompt,completion", "translation": "source,target"}
KINDS = ("gradual", "chain_thaw")


def rows_of(task):
    rows = sample_rows(24)
    if task in HEADERS:
        return [(text, f"about {label}") for text, label in rows]
    if task == "multi_label":
        return [(text, f"{label}|long" if len(text) > 34 else label) for text, label in rows]
    return [(text, f"{7.5 * len(text)}") for text, _ in rows] if task == "regression" else rows


def prepared(folder, task, family, method, **train):
    data = write_csv(folder / "rows.csv", rows_of(task), header=HEADERS.get(task, "text,label"))
    languages = {"source_language": "en", "target_language": "de"} if task == "translation" else {}
    given = {"epochs": 12, "batch_tokens": 160, "learning_rate": 1e-2, "head_start": "random", "weight_decay": 0.1}
    recipe = {
        "model": str(tiny(family)),
        "task": {"name": task, **languages},
        "method": {"name": "full", **method},
        "data": {"train": str(data), "validation": 0.2, "test": "none"},
        "train": {**given, "early_stopping": False, **train},
        "evaluate": {"resamples": 10, "baselines": False},
    }
    return prepare(check_recipe(recipe), notify=lambda _: None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("task", "family"), CASES)
def test_in_each_stage_its_layers_move_and_all_others_stay_bit_for_bit(tmp_path, monkeypatch, task, family, kind):
    run = prepared(tmp_path, task, family, {"unfreezing": kind, "stage_epochs": 0.5, "layer_decay": 1.2})
    with Journal(tmp_path / "record.jsonl", observers=()) as record:
        loop = build_loop(run, RunFolder(tmp_path / "run"), record)
        stages = loop.control.stages
        assert isinstance(run.attached, Freezable)
        seen, enter = [], loop._enter_stage

        def watch():
            enter()
            if loop.step in {stage.start for stage in stages}:
                seen.append(({name: tensor.clone() for name, tensor in run.attached.state_dict().items()}, moments()))

        def moments():
            return {path.partition("/")[2] for path in loop.optimizer.state_dict()}

        monkeypatch.setattr(loop, "_enter_stage", watch)
        start = {name: tensor.clone() for name, tensor in run.attached.state_dict().items()}
        loop.run()
    assert len(seen) == len(stages)
    states = [state for state, _ in seen] + [run.attached.state_dict()]
    for stage, before, after in zip(stages, states[:-1], states[1:], strict=True):
        assert {name for name in before if not torch.equal(before[name], after[name])} == stage.names
    assert {name for name in start if not torch.equal(start[name], states[-1][name])} == set(start)
    for number, (stage, (_, held)) in enumerate(zip(stages, seen, strict=True)):
        kept = stages[number - 1].names & stage.names if number else set()
        assert held == kept  # as a stage begins, moments of what goes on training alone
    events = [record.text for record in read(tmp_path / "record.jsonl") if isinstance(record, Event)]
    assert events == [stage.text for stage in stages]
    assert [record.name for record in read(tmp_path / "record.jsonl") if isinstance(record, Event)] == [UNFROZEN] * len(
        stages
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("task", "family"), [("classification", "bert"), ("generation", "t5"), ("chat", "llama")])
def test_what_runs_before_the_lowest_layer_that_trains_has_no_dropout(tmp_path, task, family, kind):
    run = prepared(tmp_path, task, family, {"unfreezing": kind, "stage_epochs": 0.5})
    anatomy, module = run.model.anatomy, run.model.module
    for stage in stages_in(run, build_loop(run, RunFolder(tmp_path / "run"), _journal(tmp_path)).plan):
        run.attached.train_only(stage.names, quiet=stage.quiet)
        run.attached.train()
        expected = set(quiet_below(module, anatomy, stage.names))
        assert expected == {path for path, child in module.named_modules() if not child.training}
        numbers = [number for name in stage.names if (number := anatomy.block_of(name)) is not None]
        lowest = min(numbers, default=len(anatomy.blocks))
        embeddings = any(anatomy.part_of(name) == "embeddings" for name in stage.names)
        for number, path in enumerate(anatomy.blocks):
            assert module.get_submodule(path).training == (embeddings or number >= lowest)


def _journal(folder):
    from bench_of_loops import OPEN

    OPEN.append(Journal(folder / "unused.jsonl", observers=()))
    return OPEN[-1]


def test_the_record_tells_rates_and_turns_in_words(tmp_path):
    run = prepared(tmp_path, "classification", "bert", {"unfreezing": "gradual", "layer_decay": 2.6})
    said = {key: choice.reason for key, choice in run.choices.items()}
    assert said["method.layer_decay"] == (
        "block 3 at train.learning_rate, each group below at the one above / 2.6: embeddings at 1/17.58 of it"
    )
    steps = [stage.start + 1 for stage in stages_in(run, build_loop(run, RunFolder(tmp_path), _journal(tmp_path)).plan)]
    assert said["method.unfreezing"].startswith(
        f"head alone first, head and block 3 from step {steps[1]}, head down to block 2 from step {steps[2]}, "
    )
    assert run.hyper.head_learning_rate.value == pytest.approx(2.6e-2)
    assert json.loads(run.method.model_dump_json()) == {
        "name": "full",
        "layer_decay": 2.6,
        "unfreezing": "gradual",
        "stage_epochs": 1.0,
    }


@pytest.mark.parametrize(
    ("kind", "cut", "says"),
    [
        ("gradual", {"epochs": 3}, "block 1, embeddings never train; write train.epochs=5"),
        ("gradual", {"max_steps": 1}, "write train.epochs=5 and leave train.max_steps out"),
        ("chain_thaw", {"epochs": 5}, "no step trains all layers together; write train.epochs=6"),
    ],
)
def test_a_run_that_is_too_short_for_its_stages_says_so(tmp_path, kind, cut, says):
    run = prepared(tmp_path, "classification", "bert", {"unfreezing": kind}, **cut)
    assert any(says in notice for notice in run.notices), run.notices


@pytest.mark.parametrize("kind", KINDS)
def test_automatic_epochs_are_enough_for_all_layers(tmp_path, kind):
    method = {"unfreezing": kind, "stage_epochs": 8}
    run = prepared(tmp_path, "generation", "gpt2", method, epochs="auto")
    stages = stages_in(run, build_loop(run, RunFolder(tmp_path / "run"), _journal(tmp_path)).plan)
    groups = len(run.model.anatomy.blocks) + 1
    assert run.hyper.epochs.value == 8 * (groups - 1 if kind == "gradual" else groups) + 1
    assert stages[-1].names == set(run.attached.state_dict())
    assert run.notices == ()
    assert "all layers train only after" in run.hyper.epochs.reason


def test_no_run_is_stopped_before_all_its_layers_train(tmp_path):
    method = {"unfreezing": "gradual", "stage_epochs": 1}
    run = prepared(tmp_path, "classification", "bert", method, learning_rate=1e-12, early_stopping={"patience": 1})
    with Journal(tmp_path / "record.jsonl", observers=()) as record:
        loop = build_loop(run, RunFolder(tmp_path / "run"), record)
        outcome = loop.run()
    last = loop.control.stages[-1].start
    assert outcome.stopped == "early stopping"
    assert outcome.steps == next(step for step in range(last + 1, 999) if loop.plan.evaluates_after(step))


def test_a_new_start_trains_everything_again(tmp_path):
    run = prepared(tmp_path, "classification", "bert", {"unfreezing": "gradual"})
    [first, *_] = stages_in(run, build_loop(run, RunFolder(tmp_path / "run"), _journal(tmp_path)).plan)
    run.attached.train_only(first.names, quiet=first.quiet)
    module = attempts.start_again(run).model.module
    assert all(tensor.requires_grad for tensor in module.parameters())
    run.attached.train()
    assert all(child.training for child in module.modules())


def test_a_start_is_not_judged_while_few_layers_train(tmp_path):
    staged = prepared(tmp_path, "classification", "bert", {"unfreezing": "gradual"}, restart=True)
    floor, why = attempts._floor(staged, [])
    assert floor is None
    assert "the layers train in turn" in why
    floor, why = attempts._floor(prepared(tmp_path, "classification", "bert", {}, restart=True), [])
    assert floor is not None
    assert not why


def test_only_what_trains_can_be_left_to_train(tmp_path):
    run = prepared(tmp_path, "classification", "bert", {})
    with pytest.raises(KeyError, match="nothing"):
        run.attached.train_only({"nothing"}, quiet=())
    assert all(tensor.requires_grad for tensor in run.model.module.parameters())


def test_terminal_record_and_report_say_what_trains_when(tmp_path):
    data = write_csv(tmp_path / "rows.csv", sample_rows(24))
    words = [f"model={tiny('bert')}", f"run={tmp_path / 'run'}", "method={name: full, unfreezing: chain_thaw}"]
    words += ["train.epochs=3", "train.batch_tokens=160", "evaluate.resamples=10", "method.layer_decay=1.5"]
    ended = affina("train", data, *words)
    assert ended.status == 0, ended.err
    page = (tmp_path / "run/report.html").read_text(encoding="utf-8")
    for text in (ended.out + ended.err, page):
        plain = " ".join(text.split())
        for said in (
            "head alone first, embeddings alone from step ",
            "each group below at the one above / 1.5",
            "what trains from here on: block 1 alone",
            "block 3, block 2 never train; write train.epochs=6",
            "the run ends before the other 3 of 6 stages",
        ):
            assert said in plain, said
