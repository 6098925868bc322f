"""Batches by token budget: every row once, within the budget, little padding, the same for the same arguments."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affina.data.batching import by_length, plan_epoch

LENGTHS = st.lists(st.integers(1, 300), max_size=200)


def cost(batch, lengths):
    return len(batch) * max(lengths[index] for index in batch)


def padding(batches, lengths):
    return 1 - sum(lengths) / sum(cost(batch, lengths) for batch in batches)


def real_lengths(count, seed=0):
    return np.random.default_rng(seed).lognormal(3.0, 0.7, count).astype(int).clip(2, 512).tolist()


@settings(max_examples=150)
@given(st.lists(st.integers(0, 300), max_size=200), st.integers(1, 500), st.integers(0, 2**32 - 1), st.integers(0, 3))
def test_every_row_once_and_no_batch_over_the_budget(lengths, budget, seed, epoch):
    for batches in (plan_epoch(lengths, budget=budget, seed=seed, epoch=epoch), by_length(lengths, budget=budget)):
        assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
        assert all(cost(batch, lengths) <= budget or len(batch) == 1 for batch in batches)
        assert all(type(index) is int for batch in batches for index in batch)


@settings(max_examples=100)
@given(LENGTHS.filter(len), st.integers(1, 500), st.integers(0, 100))
def test_the_first_epoch_begins_with_the_largest_batches(lengths, budget, seed):
    batches = plan_epoch(lengths, budget=budget, seed=seed, epoch=0)
    assert max(lengths) == max(lengths[index] for index in batches[0])
    largest = max(cost(batch, lengths) for batch in batches)
    assert largest == max(cost(batch, lengths) for batch in batches[:2])


@settings(max_examples=100)
@given(LENGTHS, st.integers(1, 500))
def test_evaluation_batches_are_sorted_longest_first_and_full(lengths, budget):
    batches = by_length(lengths, budget=budget)
    order = [lengths[index] for batch in batches for index in batch]
    assert order == sorted(lengths, reverse=True)
    for batch, following in pairwise(batches):
        assert (len(batch) + 1) * max(1, lengths[batch[0]]) > budget
        assert lengths[batch[-1]] >= lengths[following[0]]


def test_the_plan_depends_on_its_arguments_alone():
    lengths = real_lengths(3000)
    plan = list(plan_epoch(lengths, budget=1024, seed=7, epoch=2))
    np.random.default_rng(0).random()
    assert list(plan_epoch(lengths, budget=1024, seed=7, epoch=2)) == plan
    assert list(plan_epoch(np.array(lengths), budget=1024, seed=7, epoch=2)) == plan
    assert list(plan_epoch(lengths, budget=1024, seed=7, epoch=3)) != plan
    assert list(plan_epoch(lengths, budget=1024, seed=8, epoch=2)) != plan
    assert list(plan_epoch(lengths, budget=1024, seed=2, epoch=7)) != plan, "seed and epoch are not summed"


def test_little_is_padding():
    lengths = real_lengths(40_000)
    assert padding(plan_epoch(lengths, budget=4096, seed=0, epoch=1), lengths) < 0.06
    assert padding(by_length(lengths, budget=4096), lengths) < 0.02


def test_batches_are_in_random_order_and_mix_anew_each_epoch():
    lengths = real_lengths(20_000)
    batches = plan_epoch(lengths, budget=2048, seed=0, epoch=1)
    longest = np.array([lengths[batch[0]] for batch in batches])
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.1
    again = {frozenset(batch) for batch in plan_epoch(lengths, budget=2048, seed=0, epoch=2)}
    assert len(again & {frozenset(batch) for batch in batches}) < 0.02 * len(batches)


def test_no_rows_and_no_budget():
    assert list(plan_epoch([], budget=10, seed=0, epoch=0)) == []
    assert list(by_length([], budget=10)) == []
    for plan in (lambda: by_length([1], budget=0), lambda: plan_epoch([1], budget=0, seed=0, epoch=0)):
        with pytest.raises(ValueError, match="at least one token"):
            plan()
