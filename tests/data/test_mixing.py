"""Weights: how often a row is seen in an epoch, and that they touch nothing else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affina.data.loading import load
from affina.data.mixing import Weight, labels_as_seen, seen_in, weights_of
from affina.data.rows import Row
from affina.recipe.load import load_recipe
from affina.record.payloads import Finding


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name, start, count):
    lines = "".join(f"text {n},{'abc'[n % 3]}\n" for n in range(start, start + count))
    Path(name).write_text("text,label\n" + lines)


def loaded(word):
    return load(load_recipe(None, overrides=[f"data.train={word}"]).data, seed=0)


@given(
    st.lists(st.sampled_from([0.25, 0.5, 0.5, 1.0, 1.5, 2.0, 3.0]), min_size=1, max_size=6),
    st.lists(st.integers(0, 5), min_size=1, max_size=60),
    st.integers(0, 5),
    st.integers(0, 5),
)
def test_each_source_is_seen_as_often_as_its_weight_says(values, places, seed, epoch):
    weights = [Weight(place % len(values), values[place % len(values)]) for place in places]
    times = Counter(seen_in(weights, seed=seed, epoch=epoch))
    for place, weight in enumerate(weights):
        assert int(weight.value) <= times[place] <= int(weight.value) + (weight.value % 1 > 0)
    for weight in set(weights):
        rows = [place for place, own in enumerate(weights) if own == weight]
        extra = sum(times[place] for place in rows) - int(weight.value) * len(rows)
        assert extra == (max(1, round(weight.value % 1 * len(rows))) if weight.value % 1 else 0)
    assert seen_in(weights, seed=seed, epoch=epoch) == seen_in(weights, seed=seed, epoch=epoch)


def test_two_sources_of_one_fraction_are_drawn_from_apart():
    small, large = [Weight(0, 0.5)] * 10, [Weight(1, 0.5)] * 90
    for epoch in range(20):
        seen = seen_in(small + large, seed=0, epoch=epoch)
        assert (sum(place < 10 for place in seen), len(seen)) == (5, 50)
        # what the others are does not move a draw
        assert [place for place in seen if place < 10] == seen_in(small, seed=0, epoch=epoch)
    first, second = seen_in([Weight(0, 0.5)] * 50, seed=0, epoch=0), seen_in([Weight(1, 0.5)] * 50, seed=0, epoch=0)
    assert first != second


def test_without_weights_the_rows_are_seen_once_in_order():
    assert seen_in([Weight(0, 1.0)] * 5, seed=3, epoch=7) == [0, 1, 2, 3, 4]


def test_a_share_is_drawn_anew_in_each_epoch_by_the_seed():
    half = [Weight(0, 0.5)] * 100
    drawn = [tuple(seen_in(half, seed=0, epoch=epoch)) for epoch in range(12)]
    assert len(set(drawn)) == 12
    assert {place for epoch in drawn for place in epoch} == set(range(100))
    assert seen_in(half, seed=1, epoch=0) != list(drawn[0])


def test_what_a_weight_comes_to_is_said_in_rows():
    write("a.csv", 0, 300)
    write("b.csv", 300, 300)
    found = loaded("[a.csv, {file: b.csv, weight: 2.5}]")
    rows = Counter(row.file for row in found.splits.train)
    said = found.choices["data.train (weight of b.csv)"]
    first, second = rows["a.csv"], rows["b.csv"]
    more = round(second / 2)
    assert said.value == 2.5
    seen = f"{2 * second + more} in each epoch, {more} of them drawn anew for each"
    assert said.reason == f"its {second} training rows are {seen}"
    assert (
        found.choices["data.train (weight of a.csv)"].reason == f"its {first} training rows are {first} in each epoch"
    )
    assert not [key for key in loaded("a.csv").choices if "weight" in key]


def test_weights_move_no_row_between_the_splits_and_are_no_duplicates():
    write("a.csv", 0, 300)
    write("b.csv", 300, 300)
    plain, weighted = loaded("[a.csv, b.csv]"), loaded("[{file: a.csv, weight: 3}, {file: b.csv, weight: 0.5}]")
    assert weighted.splits == plain.splits
    assert weighted.findings == plain.findings
    assert all(isinstance(finding, Finding) and "duplic" not in finding.name for finding in weighted.findings)
    texts = [{row.fields["text"] for row in part} for part in (weighted.splits.train, weighted.splits.validation)]
    assert not texts[0] & texts[1]


def test_a_weight_is_that_of_all_files_of_a_folder():
    for number, name in enumerate(("a", "b")):
        Path("set").mkdir(exist_ok=True)
        write(f"set/{name}.csv", 300 * number, 300)
    found = loaded("[{file: set, weight: 2}]")
    assert weights_of(found.splits.train, found.weights) == [Weight(0, 2.0)] * len(found.splits.train)
    assert f"{2 * len(found.splits.train):,} in each epoch" in found.choices["data.train (weight of set)"].reason


def test_labels_are_counted_as_they_are_seen_and_never_vanish():
    rows = [Row({"text": "x", "label": label}, file, 1, 1) for file, label in [("a", "x")] * 8 + [("b", "y")]]
    assert labels_as_seen(rows, {"a": Weight(0, 2.0), "b": Weight(1, 0.1)}) == {"x": 16, "y": 1}
