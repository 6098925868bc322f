"""The data stage as a whole, on small files and on real ones."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from affina.data.loading import data_read, load
from affina.errors import DataError, RecipeError
from affina.recipe.data_spec import DataSpec
from affina.recipe.task_specs import ClassificationSpec
from affina.values import Resolved

REAL = Path(os.environ.get("AFFINA_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def _write(name, rows, header="text,label"):
        Path(name).write_text("\n".join([header, *rows]) + "\n")
        return name

    return _write


def numbered(count, classes=3):
    return [f"text {number},l{number % classes}" for number in range(count)]


def test_one_file_is_all_it_takes(write):
    write("a.csv", numbered(300))
    loaded = load(DataSpec(train="a.csv"), seed=0)
    record = data_read(loaded)
    assert record.rows == {"train": 210, "validation": 45, "test": 45}
    assert record.labels == {"l0": 70, "l1": 70, "l2": 70}
    assert record.columns == {"text": "text", "label": "label"}
    assert record.files == {"a.csv": hashlib.sha256(Path("a.csv").read_bytes()).hexdigest()}
    assert loaded.findings == ()
    assert set(loaded.choices) == {"data.text", "data.label", "data.text_pair", "data.validation", "data.test", "task"}
    assert all(choice.reason for choice in loaded.choices.values())


def test_given_files_are_used_as_they_are_and_overlaps_said(write):
    write("train.csv", [*numbered(60), "text 3,l0", "   ,l0", ","])
    write("valid.csv", ["l1,new", "l1,text 4"], header="label,text")
    write("test.tsv", ["new\tl1", "text 5\tl2", "\t"], header="text\tlabel")
    loaded = load(DataSpec(train="train.csv", validation="valid.csv", test="test.tsv"), seed=0)
    assert data_read(loaded).rows == {"train": 61, "validation": 2, "test": 2}
    assert {finding.name: finding.count for finding in loaded.findings} == {
        "empty_texts": 1,
        "blank_rows": 1,
        "blank_rows_in_test": 1,
        "duplicates": 1,
        "validation_rows_in_train": 1,
        "test_rows_in_train": 1,
        "test_rows_in_validation": 1,
        "labels_absent_in_validation": 2,
        "labels_absent_in_test": 1,
    }
    assert list(loaded.files) == ["train.csv", "valid.csv", "test.tsv"]


def test_a_label_too_rare_for_every_split_is_said(write):
    write("a.csv", [*numbered(300, classes=2), *(f"win {number},spam" for number in range(2))])
    loaded = load(DataSpec(train="a.csv"), seed=0)
    lacking = {
        f"labels_absent_in_{name}"
        for name in ("validation", "test")
        if "spam" not in {row.fields["label"] for row in getattr(loaded.splits, name)}
    }
    assert lacking
    assert {finding.name for finding in loaded.findings} == {*lacking, "rare_labels"}
    assert {finding.examples for finding in loaded.findings if finding.name in lacking} == {("'spam'",)}


def test_rows_are_left_out_when_asked_and_counted(write):
    write("train.csv", [*numbered(60), "text 3,l0", "text 3,l0", "text 4,l0"])
    write("test.csv", ["text 5,l2", "new,l1", "text 7,l1"])
    asked = DataSpec(train="train.csv", test="test.csv", validation=0.2, drop_duplicates=True, drop_shared=True)
    loaded = load(asked, seed=0)
    texts = [row.fields["text"] for split in (loaded.splits.train, loaded.splits.validation) for row in split]
    assert sorted(texts) == sorted([f"text {number}" for number in range(60) if number not in {5, 7}] + ["text 4"])
    findings = {finding.name: finding for finding in loaded.findings}
    assert findings["dropped_duplicates"].count == 2
    assert findings["dropped_duplicates"].examples[0] == "train.csv, row 61 (line 62)"
    assert findings["dropped_shared"].count == 2
    assert not {"duplicates", "test_rows_in_train"} & set(findings)
    assert findings["conflicting_labels"].count == 2
    left = load(DataSpec(train="train.csv", test="test.csv", validation=0.2), seed=0)
    assert {"duplicates", "test_rows_in_train"} <= {finding.name for finding in left.findings}
    assert len(left.splits.train) + len(left.splits.validation) == 63


def test_leaving_out_shared_rows_must_leave_some(write):
    write("train.csv", numbered(20))
    with pytest.raises(DataError, match=r"train\.csv, with data\.drop_shared=true\n.*\n.*none of 20"):
        load(DataSpec(train="train.csv", test="train.csv", validation=0.2, drop_shared=True), seed=0)


def test_groups_in_several_files_are_said(write):
    write("train.csv", [f"{row},u{number % 9}" for number, row in enumerate(numbered(60))], header="text,label,user")
    write("valid.csv", ["v0,l0,u1", "v1,l1,u99", "v2,l2,u2"], header="text,label,user")
    write("test.csv", ["t0,l0,u1", "t1,l1,u99", "t2,l2,u98"], header="text,label,user")
    spec = DataSpec(train="train.csv", validation="valid.csv", test="test.csv", group="user")
    assert {finding.name: finding.count for finding in load(spec, seed=0).findings} == {
        "validation_groups_in_train": 2,
        "test_groups_in_train": 1,
        "test_groups_in_validation": 2,
    }


def test_the_record_is_of_the_rows_that_are_used(write):
    write("a.csv", numbered(300))
    loaded = load(DataSpec(train="a.csv"), seed=0)
    used = {"train": loaded.splits.train[:7], "validation": loaded.splits.validation, "test": ()}
    record = data_read(loaded, rows=used)
    assert record.rows == {"train": 7, "validation": 45, "test": 0}
    assert sum(record.labels.values()) == 7
    assert list(record.labels) == list(loaded.labels)


def test_labels_are_sorted_as_numbers_if_they_are(write):
    write("a.csv", [f"t{number},{number % 12}" for number in range(60)])
    assert load(DataSpec(train="a.csv"), seed=0).labels == tuple(str(number) for number in range(12))
    write("b.csv", [f"t{number},{['10', '9', 'x'][number % 3]}" for number in range(60)])
    assert load(DataSpec(train="b.csv"), seed=0).labels == ("10", "9", "x")


def test_what_the_recipe_names_is_no_choice(write):
    write("a.csv", numbered(40), header="body,kind")
    spec = DataSpec(train="a.csv", text="body", label="kind", text_pair="none", validation=0.2, test="none")
    loaded = load(spec, seed=0, task=ClassificationSpec())
    assert loaded.choices == {"task": Resolved("classification", "given in the recipe")}
    assert loaded.splits.test == ()


def test_a_delimiter_that_was_found_is_a_choice(write):
    write("a.csv", [row.replace(",", ";") for row in numbered(40)], header="text;label")
    assert load(DataSpec(train="a.csv"), seed=0).choices["data.train (delimiter)"].value == ";"


def test_no_training_file():
    with pytest.raises(RecipeError, match=r"data\.train\n[\s\S]*data\.train=FILE"):
        load(DataSpec(), seed=0)


@pytest.mark.parametrize(
    ("role", "rows", "header", "message"),
    [
        ("test", ["x,l0"], "text,kind", r"held\.csv, header\n.*the column label"),
        ("validation", ["x,l0", "y,l9"], "text,label", r"held\.csv, row 2 \(line 3\)\n[\s\S]*'l9'"),
        ("test", ["x,"], "text,label", r"held\.csv, row 1 \(line 2\)\n.*\n.*an empty label"),
        ("validation", [" ,l0"], "text,label", r"held\.csv\n.*\n.*no text in any"),
        ("test", ["x,l0,z"], "text,label", r"held\.csv, row 1 \(line 2\)\n.*\n.*3 fields"),
    ],
)
def test_held_out_files_are_checked_by_their_own_name(write, role, rows, header, message):
    write("train.csv", numbered(30))
    write("held.csv", rows, header=header)
    with pytest.raises(DataError, match=message):
        load(DataSpec(train="train.csv", **{role: "held.csv"}), seed=0)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
def test_a_label_column_of_floats_in_every_format(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    rows = [f'{{"text": "t{number}", "label": {number % 2 + 0.0}}}' for number in range(8)]
    text = {
        "a.csv": "text,label\n" + "\n".join(f"t{number},{number % 2 + 0.0}" for number in range(8)),
        "a.jsonl": "\n".join(rows),
        "a.json": "[\n" + ",\n".join(rows) + "]",
    }[name]
    Path(name).write_text(text)
    line = 1 if name == "a.jsonl" else 2
    with pytest.raises(DataError) as caught:
        load(DataSpec(train=name), seed=0)
    assert caught.value.problems[0].where == f"{name}, row 1 (line {line}), column label"


def test_a_json_label_that_is_a_list(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_text('{"text": "x", "label": "a"}\n{"text": "y", "label": ["a", "b"]}\n')
    with pytest.raises(DataError, match=r"a\.jsonl, row 2 \(line 2\), column label\n.*\n.*a list"):
        load(DataSpec(train="a.jsonl"), seed=0)


def test_reading_data_does_not_import_torch():
    folder = Path(__file__).resolve().parents[2] / "src" / "affina" / "data"
    modules = sorted(f"affina.data.{path.stem}" for path in folder.glob("*.py") if path.stem != "__init__")
    assert "affina.data.loading" in modules
    code = f"import sys, importlib; [importlib.import_module(m) for m in {modules}]; sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(folder.parents[1])}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the real data sets are not at {REAL}; set AFFINA_DATA to their folder")
class TestRealData:
    @pytest.mark.parametrize(
        ("train", "options", "classes"),
        [
            ("banking77/train.csv", {"test": "banking77/test.csv"}, 77),
            ("trec/train.csv", {"test": "trec/test.csv"}, 6),
            ("sst2/train.csv", {"validation": "sst2/dev.csv", "test": "sst2/test.csv"}, 2),
            ("tweeteval_open/emotion_train.csv", {"test": "tweeteval_open/emotion_test.csv"}, 4),
            ("mr/all.csv", {}, 2),
            ("imdb_cad/train.csv", {"group": "pair_id"}, 2),
            ("sms_spam_272/all.csv", {}, 2),
            ("ag_news_test/test.csv", {"text": "title", "text_pair": "description"}, 4),
            ("bitext_support/train.csv", {"label": "intent", "test": "bitext_support/test.csv"}, 24),
        ],
    )
    def test_classification_sets_load(self, train, options, classes):
        options = {key: str(REAL / value) if "/" in value else value for key, value in options.items()}
        loaded = load(DataSpec(train=str(REAL / train), **options), seed=0)
        assert len(loaded.labels) == classes
        assert all(data_read(loaded).labels.values())
        assert all(data_read(loaded).rows.values())

    def test_sets_that_are_no_plain_classification_are_explained(self):
        assert load(DataSpec(train=str(REAL / "xed_it/train.csv")), seed=0).labelling.name == "multi_label"
        with pytest.raises(DataError, match=r"data\.label=intent \(or data\.label=category\)"):
            load(DataSpec(train=str(REAL / "bitext_support/train.csv")), seed=0)
        with pytest.raises(DataError, match=r"data\.text=title data\.text_pair=description"):
            load(DataSpec(train=str(REAL / "ag_news_test/test.csv")), seed=0)
