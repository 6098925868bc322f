"""The planner: each passage once an epoch, within the budget, the same for the same seed, with little padding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from affina.tasks.packs import plan_packs, rows_of, worth_packing

LENGTHS = some.lists(some.integers(1, 60), max_size=80)


def cells(lengths: list[int], *, row: int) -> int:
    rows = rows_of(lengths, row=row)
    return len(rows) * max(sum(lengths[place] for place in places) for places in rows)


@given(LENGTHS, some.integers(1, 120), some.integers(1, 80), some.integers(0, 3))
def test_each_passage_is_in_one_batch_and_no_batch_is_beyond_the_budget(
    lengths: list[int], budget: int, row: int, epoch: int
) -> None:
    plan = plan_packs(lengths, budget=budget, row=row, seed=1, epoch=epoch)

    assert sorted(place for batch in plan for place in batch) == list(range(len(lengths)))
    for batch in plan:
        taken = cells([lengths[place] for place in batch], row=row)
        assert taken <= budget or (len(batch) == 1 and taken == lengths[batch[0]])


@given(LENGTHS.filter(bool), some.integers(1, 80))
def test_rows_keep_the_order_and_the_length(lengths: list[int], row: int) -> None:
    rows = rows_of(lengths, row=row)

    assert [place for places in rows for place in places] == list(range(len(lengths)))
    assert all(sum(lengths[place] for place in places) <= max(row, *lengths) for places in rows)


@given(LENGTHS.filter(bool), some.integers(1, 80))
def test_rows_take_the_fewest_tokens_of_all_widths(lengths: list[int], row: int) -> None:
    def filled_at(width: int) -> int:
        sums = [0]
        for length in lengths:
            if sums[-1] + length > width:
                sums.append(0)
            sums[-1] += length
        return len(sums) * max(sums)

    assert cells(lengths, row=row) == min(filled_at(width) for width in range(max(lengths), max(row, *lengths) + 1))


def drawn(count: int) -> list[int]:
    drawn_lengths = np.random.default_rng(0).exponential(30, count)
    return [min(200, 1 + int(length)) for length in drawn_lengths]


def test_the_plan_is_the_same_for_the_same_seed_and_epoch_and_another_for_others() -> None:
    lengths = drawn(500)
    plan = plan_packs(lengths, budget=1024, row=256, seed=3, epoch=1)

    assert plan == plan_packs(lengths, budget=1024, row=256, seed=3, epoch=1)
    assert plan != plan_packs(lengths, budget=1024, row=256, seed=4, epoch=1)
    assert plan != plan_packs(lengths, budget=1024, row=256, seed=3, epoch=2)


def test_chance_decides_which_passages_meet() -> None:
    lengths = [10] * 400
    first, second = (plan_packs(lengths, budget=100, row=50, seed=0, epoch=epoch) for epoch in (1, 2))

    assert {frozenset(batch) for batch in first}.isdisjoint(frozenset(batch) for batch in second)


def test_short_passages_leave_hardly_any_room_empty() -> None:
    lengths = drawn(3_000)
    plan = plan_packs(lengths, budget=2048, row=256, seed=0, epoch=0)
    taken = sum(cells([lengths[place] for place in batch], row=256) for batch in plan)

    assert sum(lengths) / taken > 0.99


def test_first_fit_decreasing_by_hand() -> None:
    lengths = [6, 5, 5, 4, 3, 2, 2]
    plan = plan_packs(lengths, budget=10, row=10, seed=0, epoch=0)

    assert sorted(sorted(lengths[place] for place in batch) for batch in plan) == [[2, 2, 3], [4, 6], [5, 5]]


def test_a_budget_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one token"):
        plan_packs([3], budget=0, row=10, seed=0, epoch=0)


def test_packing_pays_where_few_texts_leave_much_padding() -> None:
    few, many = worth_packing(drawn(40), budget=2048), worth_packing(drawn(3_000), budget=2048)

    assert few.value
    assert not many.value
    assert few.reason.endswith("padding, more than 10%")
    assert many.reason.endswith("padding, not more than 10%")


def test_no_text_is_no_padding() -> None:
    assert not worth_packing([], budget=10).value
    assert worth_packing([3, 3, 3, 9], budget=100).reason.startswith("batches of texts of like length are 50% padding")


def test_a_passage_of_one_token_takes_one_and_an_empty_one_as_much():
    for length in (1, 0):
        assert sorted(map(len, plan_packs([length] * 24, budget=8, row=4, seed=1, epoch=0))) == [8, 8, 8]
