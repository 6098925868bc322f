"""Which rows the probes see: no class is left out, the rest are drawn evenly, the same ones each time."""

import numpy as np
import pytest

from affina.evaluation import probing
from affina.evaluation.baselines import MOST_ROWS
from affina.tasks.base import Example


def examples(targets):
    return [Example(ids=(place,), types=None, target=int(target)) for place, target in enumerate(targets)]


@pytest.mark.parametrize("rare", [1, 4])
@pytest.mark.parametrize("front", [True, False])
def test_a_rare_class_is_among_the_rows(rare, front):
    targets = [1] * rare + [0] * (20_000 - rare)
    chosen = probing._some(examples(targets if front else targets[::-1]))
    assert len(chosen) == MOST_ROWS
    assert {example.target for example in chosen} == {0, 1}
    assert len({example.ids for example in chosen}) == MOST_ROWS


def test_the_rows_are_drawn_evenly_and_the_same_each_time():
    sorted_by_label = examples(np.repeat([0, 1, 2], [8_000, 8_000, 4_000]))
    chosen = probing._some(sorted_by_label)
    shares = np.bincount([example.target for example in chosen]) / MOST_ROWS
    assert np.allclose(shares, [0.4, 0.4, 0.2], atol=0.03)
    assert chosen == probing._some(sorted_by_label)


def test_few_rows_are_all_taken():
    few = examples([0, 1, 1])
    assert sorted(probing._some(few), key=lambda example: example.ids) == few
