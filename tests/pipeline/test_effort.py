"""How much work a run is, by what trains of its model, and what its probes may take of that."""

import os
from pathlib import Path

import pytest

from affina.pipeline.budgets import name_of
from affina.pipeline.effort import AROUND, LEAST_WEIGHTS, effort_of, passed_of, tokens_of_epoch
from affina.pipeline.writing.fitted import BEGINNINGS
from affina.record.figures import LEAST_ROWS
from affina.record.journal import Journal
from affina.record.risks import REPRODUCED, Probed
from affina.risks.allowance import SHARES, Allowance
from affina.risks.overfitting import NAME, WHOLE
from forecasts import prepared_run
from workbench import sample_rows, write_csv, write_jsonl

START = AROUND / LEAST_WEIGHTS
TOKENS = 3_000


def test_a_token_that_full_fine_tuning_trains_on_is_worth_three_and_one_of_lora_two(tmp_path):
    runs = {method: prepared_run(tmp_path, f"method={method}") for method in ("full", "lora")}
    beside = {
        method: effort_of(run, 0) + run.hyper.per_epoch.value * TOKENS / sum(run.subject.lengths["train"]) * judged(run)
        for method, run in runs.items()
    }
    for method, worth in (("full", 3), ("lora", 2)):
        assert effort_of(runs[method], TOKENS) == pytest.approx(worth * TOKENS + beside[method])
    assert effort_of(runs["full"], 0) == START + judged(runs["full"]) + reported(runs["full"])


def test_blocks_whose_states_are_kept_count_once_however_long_the_training_is(tmp_path):
    head = prepared_run(tmp_path, "method={name: partial, blocks: 0}")
    assert passed_of(head).known == passed_of(head).forward
    once = sum(head.subject.lengths["train"]) + judged(head)
    assert effort_of(head, TOKENS) == effort_of(head, 9 * TOKENS) == START + once + reported(head)


def test_of_a_model_that_writes_the_texts_of_the_report_count(tmp_path):
    words = ("task=chat", "data.prompt=text", "data.completion=label", "generate.max_new_tokens=8")
    run = prepared_run(tmp_path, *words, family="llama")
    silent = prepared_run(tmp_path, *words, "generate.rows=1", family="llama")
    rows = len(run.rows[run.report_split])
    texts, one = (each.subject.report_work(each) - reported(each) for each in (run, silent))
    assert texts == pytest.approx(rows * one)
    passages = run.subject.reported.passages
    asked = sum(len(passage) - passage.targets for passage in passages)
    assert texts == asked + 3 * sum(passage.targets for passage in passages)


def probes_of(run, work):
    with Journal(Path(os.devnull)) as nowhere:
        return {name_of(probe): probe for probe in run.subject.probes(run, Allowance(work, bounded=True), nowhere)}


def test_rows_too_long_to_be_read_whole_are_read_as_far_as_a_part_of_their_answer(tmp_path):
    text = "my card has not arrived where is it " * 9
    rows = [{"prompt": f"{number}", "completion": f"{number} {text}"} for number in range(60)]
    data = write_jsonl(tmp_path / "long.jsonl", rows)
    run = prepared_run(tmp_path, f"data.train={data}", "task=generation", "data.validation=0.4", family="llama")
    whole = 2 * sum(sum(run.subject.lengths[split]) / len(run.rows[split]) for split in ("train", "validation"))
    enough = LEAST_ROWS * whole / SHARES["overfitting"]
    found = [probes_of(run, work)[NAME] for work in (1.1 * enough, 0.9 * enough, 0.1 * enough)]
    looks = [probe for probe in found if not isinstance(probe, Probed)]
    assert [probe.outcome for probe in found if isinstance(probe, Probed)] == ["unmeasured"]
    for probe, how in zip(looks, (WHOLE, BEGINNINGS), strict=True):
        probe.before()
        [said] = probe.after().notes
        assert how in said
        assert (WHOLE in said) is (how == WHOLE)


def test_answers_of_which_none_is_long_are_no_matter_of_the_work(tmp_path):
    words = ("task=generation", "data.validation=0.4")
    rows = [{"prompt": f"is it {number}", "completion": "yes"} for number in range(60)]
    data = write_jsonl(tmp_path / "short.jsonl", rows)
    found = probes_of(prepared_run(tmp_path, f"data.train={data}", *words, family="llama"), 10)[REPRODUCED]
    assert "there are no answers of" in found.after().why


def test_evaluations_follow_the_epochs_of_files_that_count_more_than_once(tmp_path):
    data = write_csv(tmp_path / "more.csv", sample_rows(40))
    other = write_csv(tmp_path / "other.csv", sample_rows(60)[40:])
    words = (f"data.validation={other}", "data.test=none")
    once, often = (
        prepared_run(tmp_path, f"data.train=[{{file: {data}, weight: {weight}}}]", *words) for weight in (1, 5)
    )
    assert tokens_of_epoch(often) == 5 * tokens_of_epoch(once)
    tokens = 3 * tokens_of_epoch(once)
    passes = 3 * tokens * (5 - 1)
    assert effort_of(often, 5 * tokens) - effort_of(once, tokens) == pytest.approx(passes), "three evaluations in both"


def test_layers_that_train_in_turn_are_counted_as_they_do(tmp_path):
    turns = "method={name: full, unfreezing: gradual}"
    gradual, full = (prepared_run(tmp_path, words, "train.epochs=6") for words in (turns, "method=full"))
    assert (
        1.5 * TOKENS < effort_of(gradual, TOKENS) - effort_of(gradual, 0) < effort_of(full, TOKENS) - effort_of(full, 0)
    )


def judged(run):
    return sum(run.subject.lengths["validation"])


def reported(run):
    return sum(run.subject.lengths[run.report_split])
