"""Whole runs on other sources than one file: trained, evaluated and predicted, or refused on one screen."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import affina as api
from affina.cli.tables import files_line
from affina.pipeline.prepare import prepare
from affina.pipeline.training import plan_of
from affina.recipe.load import load_recipe
from affina.record.folder import RunFolder
from affina.record.journal import read
from affina.record.payloads import Chosen, DataRead
from workbench import affina, check_refused, files_under, sample_rows, tiny, write_csv

WORDS = ("train.max_steps=3", "evaluate.resamples=20", "evaluate.baselines=false", "train.batch_tokens=150")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = sample_rows(90)
    write_csv(Path("a.csv"), rows[:60])
    write_csv(Path("b.csv"), rows[60:], header="message,intent")
    return tmp_path


def records_of(run, kind):
    return [record for record in read(RunFolder(Path(run)).journal) if isinstance(record, kind)]


def test_a_mix_is_trained_with_its_weights_and_trained_again_from_its_recipe():
    mix = "[a.csv, {file: b.csv, weight: 2}]"
    ended = affina("train", mix, f"model={tiny()}", "run=runs/mix", *WORDS)
    assert ended.status == 0, ended.err
    chosen = {record.key: record for record in records_of("runs/mix", Chosen)}
    assert "in each epoch" in chosen["data.train (weight of b.csv)"].reason
    assert "weight of b.csv" in ended.out
    [data] = records_of("runs/mix", DataRead)
    assert list(data.files) == ["a.csv", "b.csv"]
    recipe = yaml.safe_load(Path("runs/mix/recipe.yaml").read_text())
    assert recipe["data"]["train"] == [{"file": "a.csv", "weight": 1.0}, {"file": "b.csv", "weight": 2.0}]
    again = affina("train", "runs/mix/recipe.yaml", "run=runs/again")
    assert again.status == 0, again.err
    weights = [(Path(run) / "model" / "model.safetensors").read_bytes() for run in ("runs/mix", "runs/again")]
    assert weights[0] == weights[1]
    told = affina("evaluate", "runs/mix", "b.csv")
    assert "30 of these rows are also in the training files" in told.err


def test_the_steps_of_an_epoch_have_each_row_as_often_as_its_weight_says():
    word = "data.train=[a.csv, {file: b.csv, weight: 2.5}]"
    recipe = load_recipe(None, overrides=[word, f"model={tiny()}", "train.epochs=3", "train.batch_tokens=300"])
    prepared = prepare(recipe, notify=lambda _: None)
    rows, plan = prepared.rows["train"], plan_of(prepared)
    drawn = []
    for epoch in range(3):
        times = Counter(place for batch in plan.planner(epoch) for place in batch)
        own = {
            name: [times[place] for place, row in enumerate(rows) if row.file == name] for name in ("a.csv", "b.csv")
        }
        assert set(own["a.csv"]) == {1}
        assert set(own["b.csv"]) == {2, 3}
        assert sum(own["b.csv"]) == 2 * len(own["b.csv"]) + round(len(own["b.csv"]) / 2)
        drawn.append(tuple(own["b.csv"]))
    assert len(set(drawn)) == 3
    assert len(prepared.subject.examples["train"]) == len(rows) == len({(row.file, row.number) for row in rows})


def test_a_zip_with_splits_is_trained_on_and_each_of_its_files_can_be_used():
    rows = sample_rows(90)
    with zipfile.ZipFile("set.zip", "w") as archive:
        for name, part in {"train": rows[:60], "test": rows[60:]}.items():
            archive.write(write_csv(Path("x.csv"), part), f"set/{name}.csv")
    run = api.train("set.zip", [f"model={tiny()}", *WORDS])
    assert run.folder.path == Path("runs/set")
    assert run.scores.split == "test"
    assert run.scores.metrics["accuracy"].n == 30
    recipe = yaml.safe_load(run.folder.recipe.read_text())
    assert recipe["data"]["test"] == "set.zip/set/test.csv"
    ended = affina("evaluate", "runs/set", "set.zip/set/test.csv", "--json")
    assert json.loads(ended.out)["metrics"]["accuracy"]["n"] == 30
    refused = affina("evaluate", "runs/set", "set.zip")
    assert refused.status == 2
    assert "set.zip/set/test.csv" in refused.err


def test_predictions_line_up_with_the_rows_of_packed_files_and_folders():
    api.train("a.csv", [f"model={tiny()}", *WORDS, "run=runs/a"])
    texts = [text for text, _ in sample_rows(20)]
    Path("set").mkdir()
    pq.write_table(pa.table({"text": texts[:10]}), "set/1.parquet")
    Path("set/2.csv.gz").write_bytes(gzip.compress("\n".join(["text", *(f'"{text}"' for text in texts[10:])]).encode()))
    assert [found.text for found in api.predict("runs/a", "set")] == texts
    assert [found.text for found in api.predict("runs/a", Path("set/2.csv.gz"))] == texts[10:]
    assert [found.text for found in api.predict("runs/a", "a word that is no file")] == ["a word that is no file"]


def test_a_file_that_is_put_into_the_folder_of_a_stopped_run_is_noticed():
    Path("set").mkdir()
    write_csv(Path("set/a.csv"), sample_rows(60))
    affina("train", "set", f"model={tiny()}", "run=runs/set", *WORDS)
    journal = RunFolder(Path("runs/set")).journal
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(line for line in lines if '"Finished"' not in line and '"finished"' not in line))
    write_csv(Path("set/b.csv"), sample_rows(90)[60:])
    ended = affina("train", "set", f"model={tiny()}", "run=runs/set", *WORDS)
    assert ended.status == 2
    assert "set/b.csv, in the run runs/set" in ended.err


def bad(name):  # noqa: PLR0911 - a table of cases
    """A training source that cannot be used, and what is said of it."""
    good = "text,label\n" + "".join(f'"{text}",{label}\n' for text, label in sample_rows())
    Path("set").mkdir()
    packed = gzip.compress(good.encode())
    table = pa.table({"text": [{"words": ["x"]}] * 9, "label": list("abcabcabc")})
    match name:
        case "nested":
            pq.write_table(table, "a.parquet")
            return ("a.parquet", "data.text=text"), ("a.parquet, column text", "struct<words", "data.text=COLUMN")
        case "empty parquet":
            pq.write_table(table.slice(0, 0), "a.parquet")
            return ("a.parquet",), ("a.parquet", "no rows")
        case "broken archive":
            Path("a.zip").write_bytes(b"PK\x03\x04" + packed)
            return ("a.zip",), ("a.zip", "damaged or cut off")
        case "cut off":
            Path("a.csv.gz").write_bytes(packed[:200])
            return ("a.csv.gz",), ("a.csv.gz", "damaged or cut off")
        case "lying suffix":
            Path("set/a.csv").write_bytes(packed)
            return ("set/a.csv",), ("set/a.csv", "a gzip file", "rename it to set/a.csv.gz")
        case "different columns":
            Path("set/a.csv").write_text(good)
            Path("set/b.csv").write_text("id,label\n1,card\n2,fee\n")
            return ("set",), ("set/b.csv", "set/a.csv", "text")
        case "unclear columns in a mix":
            Path("c.csv").write_text("left,right\n1,card\n2,fee\n")
            return ("[a.csv, c.csv]",), ("c.csv", "left, right")
        case "a weight of nothing":
            return ("a.csv", "data.train=[{file: a.csv, weight: 0}]"), ("data.train", "weights above 0")
        case _:
            return ("[a.csv, nowhere.csv]",), ("nowhere.csv", "no such file")


CASES = ["nested", "empty parquet", "broken archive", "cut off", "lying suffix", "different columns"]
CASES += ["unclear columns in a mix", "a weight of nothing", "a missing file in a mix"]


@pytest.mark.parametrize("verb", ["train", "check"])
@pytest.mark.parametrize("name", CASES)
def test_a_source_that_cannot_be_used_is_refused_on_one_screen(folder, name, verb):
    words, says = bad(name)
    before = files_under(folder)
    check_refused(affina(verb, *words, f"model={tiny()}"), folder, before, says=says)


def test_many_files_are_named_on_one_line():
    files = ["set/a.csv", "hf://owner/name/train", *(f"set/{number}.csv" for number in range(2_000))]
    assert files_line(files) == "a.csv, hf://owner/name/train, 0.csv, 1.csv, 2.csv and 1,997 more files"


def test_check_says_what_it_chose_of_a_folder():
    Path("set").mkdir()
    write_csv(Path("set/train.csv"), sample_rows(60))
    write_csv(Path("set/test.csv"), sample_rows(90)[60:])
    ended = affina("check", "set", f"model={tiny()}")
    assert ended.status == 0, ended.err
    assert "data.test = set/test.csv" in ended.out
    assert "train.csv, test.csv" in ended.out
