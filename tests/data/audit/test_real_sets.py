"""On real sets: what is known to be shared is found, and sets that share nothing raise no alarm.

What is left between the files of a set was read: it is the same text, with other punctuation, or with a slip.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from affina.data.loading import load
from affina.data.rows import text_key
from affina.recipe.data_spec import DataSpec
from affina.recipe.load import check_recipe

REAL = Path(os.environ.get("AFFINA_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
pytestmark = pytest.mark.skipif(
    not REAL.is_dir(), reason=f"the real data sets are not at {REAL}; set AFFINA_DATA to their folder"
)


def shared(train, test, **options):
    """Test rows that are in train letter by letter, and those that nearly are."""
    loaded = load(DataSpec(train=str(REAL / train), test=str(REAL / test), **options), seed=0)
    counts = {finding.name: finding.count for finding in loaded.findings}
    nearly = counts.get("test_rows_nearly_in_train", 0) + counts.get("test_rows_nearly_in_validation", 0)
    return counts.get("test_rows_in_train", 0), nearly, len(loaded.splits.test)


@pytest.mark.parametrize(
    ("train", "test", "options", "exact", "nearly"),
    [
        ("trec/train.csv", "trec/test.csv", {}, 10, 1),
        ("sst2/train.csv", "sst2/test.csv", {}, 2, 0),
        ("tweeteval_open/emotion_train.csv", "tweeteval_open/emotion_test.csv", {}, 0, 2),
        ("tweeteval_open/irony_train.csv", "tweeteval_open/irony_test.csv", {}, 0, 1),
        ("imdb_cad/train.csv", "imdb_cad/test.csv", {"group": "pair_id"}, 0, 0),
    ],
)
def test_no_false_alarm(train, test, options, exact, nearly):
    assert shared(train, test, **options)[:2] == (exact, nearly)


SETS = {
    "bitext_support": ("train.csv", "test.csv", "chat", {"prompt": "instruction", "completion": "response"}),
    "medquad": ("train.jsonl", "test.jsonl", "chat", {"prompt": "question", "completion": "answer"}),
    "multi30k": ("train.csv", "test_2016_flickr.csv", "auto", {"source": "en", "target": "fr"}),
    "e2e_nlg": ("train_tok.csv", "test.csv", "generation", {}),
    "xed_it": ("train.csv", "valid.csv", "auto", {}),
    "sst2": ("sst5_train.csv", "sst5_test.csv", "auto", {}),
}
ALONE = {
    "sms_spam_272": ("all.csv", "auto"),
    "tiny_shakespeare": ("input.txt", "auto"),
    "wikitext2_valid": ("valid.txt", "auto"),
    "alpaca_demo": ("train.jsonl", "auto"),
    "self_instruct_seed": ("train.jsonl", "auto"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_what_files_share_is_what_they_have_letter_by_letter(name):
    train, test, task, options = SETS[name]
    recipe = check_recipe(
        {"task": task, "data": {"train": f"{REAL / name / train}", "test": f"{REAL / name / test}", **options}}
    )
    loaded = load(recipe.data, seed=0, task=recipe.task)
    there = {text_key(row) for part in (loaded.splits.train, loaded.splits.validation) for row in part}
    known = sum(text_key(row) in there for row in loaded.splits.test)
    counts = {finding.name: finding.count for finding in loaded.findings}
    assert counts.get("test_rows_in_train", 0) == known


@pytest.mark.slow
@pytest.mark.parametrize("name", ALONE)
def test_the_splits_of_one_file_share_nothing(name):
    file, task = ALONE[name]
    recipe = check_recipe({"task": task, "data": {"train": f"{REAL / name / file}"}})
    loaded = load(recipe.data, seed=0, task=recipe.task)
    keys = [{text_key(row) for row in part} for part in loaded.splits.by_name.values()]
    assert not keys[0] & keys[1]
    assert not keys[0] & keys[2]
    assert not [
        finding.name for finding in loaded.findings if "_in_train" in finding.name and "nearly" not in finding.name
    ]


def test_short_questions_of_the_same_kind_are_left_alone():
    exact, nearly, rows = shared("banking77/train.csv", "banking77/test.csv")
    assert exact == 6
    assert 40 <= nearly <= 120  # of 3,080; some stand near a training and a validation row
    assert rows == 3_080


def test_the_overlap_of_two_sets_of_one_source_is_found():
    exact, nearly, rows = shared("sst2/train.csv", "mr/all.csv")
    assert exact == 3_063
    assert 0.45 <= (exact + nearly) / rows <= 0.6
