"""The rows of the benchmark's sets: drawn and held out as they should be."""

from collections import Counter

import pytest
import sets
from sets import Row

COUNTS = {"a": 60, "b": 30, "c": 9, "d": 1}
ROWS = [Row(f"{label} {number}", label) for label, count in COUNTS.items() for number in range(count)]
SIZES = {"trec": (4907, 545, 500), "sst2": (6920, 872, 1821), "emotion": (3257, 374, 1421), "xed_it": (2905, 323, 306)}


def labels(rows):
    return {row.label for row in rows}


def test_a_draw_has_each_label_and_follows_its_seed():
    drawn = [sets.draw(ROWS, 8, seed=seed) for seed in range(20)]
    assert all(len(set(rows)) == 8 and labels(rows) == {"a", "b", "c", "d"} for rows in drawn)
    assert sets.draw(ROWS, 8, seed=3) == drawn[3]
    assert len({frozenset(rows) for rows in drawn}) > 15


def test_a_draw_is_random_beyond_the_first_of_each_label():
    counts = Counter(row.label for seed in range(200) for row in sets.draw(ROWS, 14, seed=seed))
    assert counts["d"] == 200
    assert 1200 < counts["a"] - 200 < 1300  # 10 more a draw, of which 59 in 96 are a's


def test_a_draw_of_fewer_rows_than_labels_is_refused():
    with pytest.raises(ValueError, match="3 rows cannot hold"):
        sets.draw(ROWS, 3, seed=0)


def test_what_is_held_out_is_stratified_and_leaves_each_label_in_train():
    many = [row for row in ROWS for _ in range(10)]
    train, validation = sets.hold_out(many)
    assert Counter(train) + Counter(validation) == Counter(many)
    assert Counter(row.label for row in validation) == {"a": 60, "b": 30, "c": 9, "d": 1}
    train, validation = sets.hold_out(ROWS)
    assert len(validation) == sets.LEAST_HELD_OUT
    assert labels(train) == labels(ROWS)
    assert "d" not in labels(validation)


@pytest.mark.parametrize("count", [100, 500, 2000])
def test_few_rows_of_banking77(data, count):
    first, second = (sets.make(f"banking77-{count}", data, seed=seed) for seed in (0, 1))
    assert len(first.train) + len(first.validation) == count
    assert len(first.validation) == max(20, count // 10)
    assert len(labels(first.train)) == 77
    assert not set(first.train) & set(first.validation)
    assert set(first.train) != set(second.train)
    assert first.test == second.test
    assert len(first.test) == 3080


@pytest.mark.parametrize("name", SIZES)
def test_whole_sets(data, name):
    found = sets.make(name, data, seed=0)
    assert tuple(map(len, found)) == SIZES[name]
    assert found == sets.make(name, data, seed=1)
    assert labels(found.train) >= labels(found.validation) | labels(found.test)


def test_rows_cut_the_training_rows_alone(data):
    found, whole = sets.make("sst2", data, seed=0, rows=50), sets.make("sst2", data, seed=0)
    assert len(found.train) == 50
    assert (found.validation, found.test) == (whole.validation, whole.test)


def test_what_is_written_is_read_again(tmp_path):
    splits = sets.Splits([Row('a "quoted", text\nin two lines', "x")], [Row("b", "y")], [Row("c", "x y")])
    sets.write(splits, tmp_path / "new")
    assert sets.Splits(*(sets.read(tmp_path / "new" / f"{name}.csv") for name in sets.Splits._fields)) == splits
    assert sets.read(tmp_path / "new/test.csv", one_label=True) == []
