"""A comparison that goes on: when it is finished, what of before is kept, and what is not done again."""

from __future__ import annotations

import pytest
from test_running import RIGHT, Bench, failing

from affina.comparing import running
from affina.errors import Interrupted
from affina.record.row_results import WrittenTexts
from runs_on_paper import by_method

PAPER = by_method(RIGHT)


def standing(found, name):
    return next(one for one in found.standings if one.name == name)


def folders(found):
    return [run.folder for run in found.runs]


def test_it_is_finished_when_every_seed_of_every_candidate_has_run(tmp_path):
    bench = Bench(tmp_path, "full", "lora", seeds=3)
    with pytest.raises(Interrupted):
        bench.run(lambda recipe, share: PAPER(recipe, share) if recipe.seed == 0 else None)
    first = bench.compared()
    assert [one.state for one in first.standings] == ["finished"] * 2
    assert not first.finished
    bench.run(PAPER, before=bench.progress.runs)
    assert bench.compared().finished


def test_runs_of_before_are_kept_while_it_has_not_come_to_them(tmp_path):
    """One that failed is tried again and stopped: the finished runs behind it are still in the table."""
    bench = Bench(tmp_path, "full", "prefix", "lora", seeds=2)
    bench.run(lambda recipe, share: failing("no room") if recipe.method.name == "prefix" else PAPER(recipe, share))
    before = bench.progress.runs
    with pytest.raises(Interrupted, match="with 5 finished runs"):
        bench.run(
            lambda recipe, share: PAPER(recipe, share) if recipe.method.name != "prefix" or recipe.seed == 0 else None,
            before=before,
        )
    found = bench.compared()
    assert sorted(folders(found)) == ["full-seed0", "full-seed1", "lora-seed0", "lora-seed1", "prefix-seed0"]
    assert {one.name: one.seeds for one in found.standings} == {"full": (0, 1), "lora": (0, 1), "prefix": (0,)}
    assert all(run.wall_seconds is not None for run in found.runs)
    assert not found.finished


def test_runs_of_other_candidates_and_seeds_are_kept_and_not_ranked(tmp_path):
    bench = Bench(tmp_path, "full", "lora", seeds=2)
    bench.run(PAPER)
    before = bench.progress.runs
    fewer = Bench(tmp_path, "full", "partial")
    fewer.run(PAPER, before=before)
    found = fewer.compared()
    assert folders(found) == ["full-seed0", "partial-seed0", "lora-seed0", "full-seed1", "lora-seed1"]
    assert {one.name: one.seeds for one in found.standings} == {"full": (0,), "partial": (0,)}
    assert found.finished


def test_a_run_of_before_whose_folder_is_gone_is_forgotten(tmp_path):
    bench = Bench(tmp_path, "full", "lora", "prefix")
    bench.run(PAPER)
    before = bench.progress.runs
    (bench.folder / "lora-seed0" / "record.jsonl").unlink()
    (bench.folder / "prefix-seed0" / "record.jsonl").unlink()
    fewer = Bench(tmp_path, "full", "lora")
    with pytest.raises(Interrupted):
        fewer.run(lambda *_: None, before=before)
    assert folders(fewer.compared()) == ["full-seed0"]


def test_one_that_was_stopped_early_has_no_figures_of_an_earlier_whole_run(tmp_path):
    whole = Bench(tmp_path, "full", "lora", "prefix")
    whole.run(PAPER)
    halved = Bench(tmp_path, "full", "lora", "prefix", halving=2)
    halved.run(by_method(RIGHT, {"full": 0.1, "lora": 0.6, "prefix": 0.7}), before=whole.progress.runs)
    assert standing(halved.compared(), "full").state == "dropped"


def test_nothing_is_judged_again_where_nothing_ran(tmp_path):
    bench = Bench(tmp_path, "full", "lora")
    bench.run(PAPER)
    before = bench.progress.runs
    bench.kept.clear()
    bench.run(PAPER, before=before)
    assert bench.kept == []
    assert bench.compared().finished


def test_the_record_of_a_round_is_read_once_for_its_score(tmp_path, monkeypatch):
    read = []
    score = running.validation_score
    monkeypatch.setattr(running, "validation_score", lambda folder, run: read.append(run.folder) or score(folder, run))
    bench = Bench(tmp_path, "full", "lora", "prefix", halving=2)
    bench.run(PAPER)
    assert len(read) == len(set(read)) == 5


def test_answers_that_say_nothing_or_are_cut_off_are_noted(tmp_path):
    bench = Bench(tmp_path, "full", "lora", "prefix")
    texts = {"full": "", "lora": "a text [cut off]", "prefix": "a text"}

    def made(recipe, share):
        said = [f"{place} {texts[recipe.method.name]}" if texts[recipe.method.name] else "" for place in range(200)]
        return [*PAPER(recipe, share), WrittenTexts(who="tuned", split="test", texts=tuple(said))]

    bench.run(made)
    found = bench.compared()
    assert [one.name for one in found.standings] == ["lora", "prefix", "full"]
    assert found.notes == (
        "Degenerate answers: full (seed 0), 200 of 200 answers are empty; lora (seed 0), 200 of 200 answers are cut "
        "off at the limit, before the model ended them.",
    )
