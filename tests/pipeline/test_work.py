"""How much work a run is, by what trains of its model, and what its probes may take of that."""

import os
from pathlib import Path

import pytest

from affina.pipeline.budgets import name_of
from affina.pipeline.work import AROUND, LEAST_WEIGHTS, passed_of, work_of
from affina.pipeline.writing.fitted import BEGUN_NOTE
from affina.record.figures import LEAST_ROWS
from affina.record.journal import Journal
from affina.record.risks import Probed
from affina.risks.allowance import SHARES, Allowance
from affina.risks.overfitting import NAME
from forecasts import prepared_run
from workbench import write_jsonl

START = AROUND / LEAST_WEIGHTS
TOKENS = 3_000


def test_a_token_that_full_fine_tuning_trains_on_is_worth_three_and_one_of_lora_two(tmp_path):
    runs = {method: prepared_run(tmp_path, f"method={method}") for method in ("full", "lora")}
    beside = {
        method: work_of(run, 0) + run.hyper.per_epoch.value * TOKENS / sum(run.subject.lengths["train"]) * judged(run)
        for method, run in runs.items()
    }
    for method, worth in (("full", 3), ("lora", 2)):
        assert work_of(runs[method], TOKENS) == pytest.approx(worth * TOKENS + beside[method])
    assert work_of(runs["full"], 0) == START + judged(runs["full"]) + reported(runs["full"])


def test_blocks_whose_states_are_kept_count_once_however_long_the_training_is(tmp_path):
    head = prepared_run(tmp_path, "method={name: partial, blocks: 0}")
    assert passed_of(head).known == passed_of(head).forward
    once = sum(head.subject.lengths["train"]) + judged(head)
    assert work_of(head, TOKENS) == work_of(head, 9 * TOKENS) == START + once + reported(head)


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
    for probe, notes in zip(looks, (1, 2), strict=True):
        probe.before()
        said = probe.after().notes
        assert len(said) == notes, said
        assert (BEGUN_NOTE in said) is (notes == 2)


def judged(run):
    return sum(run.subject.lengths["validation"])


def reported(run):
    return sum(run.subject.lengths[run.report_split])
