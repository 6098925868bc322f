"""Held-out rows: their number, strata, whole units, and the same ones for the same seed and texts."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affina.data.rows import Row, text_key
from affina.data.shares import divide
from affina.data.splits import hold_out
from affina.errors import DataError, RecipeError
from affina.recipe.data_spec import DataSpec


def rows_of(triples):
    """Rows of (text, label, group); no group where it is None."""
    return tuple(
        Row({"text": text, "label": label} | ({} if group is None else {"group": group}), "a.csv", number, number + 1)
        for number, (text, label, group) in enumerate(triples, start=1)
    )


def plain(count, classes=4):
    return rows_of((f"text {number}", f"l{number % classes}", None) for number in range(count))


def sizes(splits):
    return {name: len(rows) for name, rows in splits.items()}


TRIPLES = st.lists(
    st.tuples(
        st.sampled_from([f"t{number}" for number in range(30)]),
        st.sampled_from("abcd"),
        st.none() | st.sampled_from(["", "g1", "g2", "g3", "g4"]),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=150)
@given(TRIPLES, st.integers(1, 20), st.integers(1, 20), st.integers(0, 5))
def test_no_row_is_lost_no_unit_torn_and_no_class_taken_from_training(triples, validation, test, seed):
    rows = rows_of(triples)
    splits = hold_out(rows, {"validation": validation, "test": test}, seed=seed)
    assert sorted(row.number for split in splits.values() for row in split) == [row.number for row in rows]
    for key in (text_key, lambda row: row.fields.get("group") or row.number):
        homes = {}
        for name, members in splits.items():
            for row in members:
                assert homes.setdefault(key(row), name) == name
    assert {row.fields["label"] for row in splits["train"]} == {row.fields["label"] for row in rows}


@settings(max_examples=60)
@given(TRIPLES, st.integers(0, 3), st.randoms())
def test_the_order_of_the_rows_in_the_file_does_not_matter(triples, seed, chance):
    triples = list(dict.fromkeys(triples))
    shuffled = triples[:]
    chance.shuffle(shuffled)
    wanted = {"validation": 8, "test": 5}
    one, other = (hold_out(rows_of(order), wanted, seed=seed) for order in (triples, shuffled))
    for name in one:
        assert Counter(tuple(row.fields.items()) for row in one[name]) == Counter(
            tuple(row.fields.items()) for row in other[name]
        )


def test_the_seed_decides_and_files_keep_their_order():
    rows = plain(400)
    wanted = {"validation": 40, "test": 40}
    again, other = hold_out(rows, wanted, seed=1), hold_out(rows, wanted, seed=2)
    assert hold_out(rows, wanted, seed=1) == again
    assert again["validation"] != other["validation"]
    for split in again.values():
        assert [row.number for row in split] == sorted(row.number for row in split)


def test_a_new_row_moves_hardly_any_other():
    before = {row.fields["text"] for row in hold_out(plain(1000), {"validation": 100}, seed=0)["validation"]}
    after = {row.fields["text"] for row in hold_out(plain(1004), {"validation": 100}, seed=0)["validation"]}
    assert len(before & after) >= 95


def test_shares_are_hit_exactly_and_stratified_without_groups():
    labels = ["a"] * 700 + ["b"] * 250 + ["c"] * 50
    rows = rows_of((f"text {number}", label, None) for number, label in enumerate(labels))
    splits = hold_out(rows, {"validation": 100, "test": 200}, seed=0)
    assert sizes(splits) == {"train": 700, "validation": 100, "test": 200}
    assert Counter(row.fields["label"] for row in splits["validation"]) == {"a": 70, "b": 25, "c": 5}
    assert Counter(row.fields["label"] for row in splits["test"]) == {"a": 140, "b": 50, "c": 10}


def test_many_small_classes_share_the_places_by_chance():
    rows = rows_of((f"text {number}", f"l{number % 100}", None) for number in range(400))
    splits = hold_out(rows, {"validation": 40, "test": 40}, seed=0)
    assert sizes(splits) == {"train": 320, "validation": 40, "test": 40}
    seen = [{row.fields["label"] for row in splits[name]} for name in ("validation", "test")]
    assert [len(labels) for labels in seen] == [40, 40]
    assert len(seen[0] & seen[1]) < 35


def test_a_class_with_two_rows_keeps_one_in_training():
    rows = rows_of([("x", "rare", None), ("y", "rare", None), *((f"t{n}", "common", None) for n in range(18))])
    for seed in range(10):
        splits = hold_out(rows, {"validation": 5, "test": 5}, seed=seed)
        assert sum(row.fields["label"] == "rare" for row in splits["train"]) >= 1


@pytest.mark.parametrize("size", [2, 10, 30, 50])
@pytest.mark.parametrize("pure", [True, False])
def test_shares_are_hit_within_reason_with_groups(size, pure):
    count = 1000 // size
    rows = rows_of(
        (f"text {group} {member}", f"l{(group if pure else member) % 2}", f"g{group}")
        for group in range(count)
        for member in range(size)
    )
    splits = hold_out(rows, {"validation": 100, "test": 100}, seed=3)
    assert abs(len(splits["validation"]) - 100) <= size / 2
    assert abs(len(splits["test"]) - 100) <= size / 2


def test_groups_of_mixed_sizes_are_not_always_the_same_ones():
    rows = rows_of(
        (f"text {group} {member}", f"l{member % 3}", f"g{group}")
        for group in range(60)
        for member in range(2 + 7 * group % 39)
    )
    drawn = [
        {row.fields["group"] for row in hold_out(rows, {"validation": len(rows) // 10}, seed=seed)["validation"]}
        for seed in range(4)
    ]
    assert len(set(map(frozenset, drawn))) == 4


def test_groups_larger_than_the_split_give_the_smallest_one():
    rows = rows_of(
        (f"text {group} {member}", f"l{member % 2}", f"g{group}")
        for group, size in enumerate([40, 35, 25])
        for member in range(size)
    )
    assert sizes(hold_out(rows, {"validation": 10}, seed=0)) == {"train": 75, "validation": 25}


def divided(rows, **spec):
    splits, chosen = divide(rows, DataSpec(train="a.csv", **spec), seed=0)
    return sizes(splits), {key: choice.value for key, choice in chosen.items()}


def test_auto_holds_out_a_tenth_twice():
    assert divided(plain(2000)) == (
        {"train": 1600, "validation": 200, "test": 200},
        {"data.validation": 0.1, "data.test": 0.1},
    )


def test_auto_holds_out_no_more_of_very_many_rows_than_tell_anything():
    held_out, chosen = divided(plain(110_000, classes=2))
    assert held_out == {"train": 90_000, "validation": 10_000, "test": 10_000}
    assert chosen["data.validation"] == pytest.approx(1 / 11, abs=1e-5)


@pytest.mark.parametrize(
    ("rows", "validation", "test"), [(8, 1, 0), (40, 6, 0), (150, 22, 0), (200, 30, 30), (300, 45, 45), (400, 50, 50)]
)
def test_auto_on_few_rows_asks_for_a_useful_number_and_spares_training(rows, validation, test):
    found, _ = divided(plain(rows))
    assert found["validation"] == validation
    assert found.get("test", 0) == test
    assert found["train"] >= 0.7 * rows - 1


@pytest.mark.parametrize("rows", [40, 272, 555, 2000])
def test_the_chosen_shares_give_the_same_split_again(rows):
    data = plain(rows, classes=3)
    splits, chosen = divide(data, DataSpec(train="a.csv"), seed=5)
    again = DataSpec(train="a.csv", **{key.removeprefix("data."): choice.value for key, choice in chosen.items()})
    assert divide(data, again, seed=5)[0] == splits


def test_no_test_without_enough_rows_says_why():
    _, chosen = divide(plain(120), DataSpec(train="a.csv"), seed=0)
    assert chosen["data.test"].value == "none"
    assert "120 rows are too few" in chosen["data.test"].reason
    assert "18 of the 120 rows of a.csv" in chosen["data.validation"].reason


def test_given_shares_files_and_none_are_taken_as_they_are():
    rows = plain(1000)
    assert divided(rows, validation=0.2, test=0.3) == ({"train": 500, "validation": 200, "test": 300}, {})
    assert divided(rows, validation="v.csv", test="t.csv") == ({"train": 1000}, {})
    assert divided(rows, validation="v.csv", test="none") == ({"train": 1000}, {})
    assert divided(rows, validation=0.0001, test="none")[0] == {"train": 999, "validation": 1}
    with pytest.raises(RecipeError, match=r"data\.validation, data\.test"):
        divided(rows, validation=0.5, test=0.5)


def test_one_group_only_cannot_be_split():
    rows = rows_of((f"text {number}", f"l{number % 2}", "only") for number in range(300))
    with pytest.raises(DataError) as caught:
        divide(rows, DataSpec(train="a.csv", group="user"), seed=0)
    (problem,) = caught.value.problems
    assert problem.where == "a.csv, column user (data.group)"
    assert "one group, 'only', with all 300 rows" in problem.found
    assert "data.validation=FILE" in problem.fix


def test_two_groups_give_a_validation_and_no_test():
    rows = rows_of((f"text {number}", f"l{number // 2 % 2}", f"g{number % 2}") for number in range(300))
    found, chosen = divided(rows, group="user")
    assert found == {"train": 150, "validation": 150}
    assert chosen["data.test"] == "none"


def test_rows_that_are_all_the_same_text_cannot_be_split():
    rows = rows_of([("hi", "a", None), ("hi", "a", None), ("yo", "b", None), ("yo", "b", None)])
    with pytest.raises(DataError, match=r"a\.csv \(data\.validation\)[\s\S]*none in 4 rows"):
        divide(rows, DataSpec(train="a.csv"), seed=0)


def test_rows_without_a_group_are_not_one_group():
    rows = rows_of((f"text {number}", f"l{number % 2}", "") for number in range(300))
    assert divided(rows, group="user")[0] == {"train": 210, "validation": 45, "test": 45}


@pytest.mark.parametrize("texts", [["one"], ["one", "one"], ["one", "two"]])
def test_rows_without_labels_leave_some_to_train_on(texts):
    rows = [Row({"text": text, "label": ""}, "a.csv", number, number) for number, text in enumerate(texts, 1)]
    splits = hold_out(rows, {"validation": 1, "test": 1}, [()] * len(rows), seed=0)
    assert splits["train"]
    assert len(splits["validation"]) == len(set(texts)) - 1
