"""What the soak calls level: memory and open files that do not grow, whatever they were at first."""

import math
import random
import sys

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks" / "reliability"))
import soak


def rounds(*, a_round: float = 0.0, files: int = 0, count: int = 60):
    """Memory that rises while all is loaded, then scatters, and grows by `a_round`; files that grow at the end."""
    draw = random.Random(3)  # noqa: S311 - not a secret
    return [
        {
            "mebibytes": 900 - 300 * math.exp(-k / 5) + draw.uniform(-2, 2) + a_round * k,
            "files": 5 + (files if k > count - 5 else 0),
        }
        for k in range(count)
    ]


@pytest.mark.parametrize(
    ("grown", "level"),
    [
        ({}, True),
        ({"a_round": 0.5}, False),
        ({"a_round": 3.0}, False),
        ({"files": 1}, False),
        ({"a_round": -1.0}, True),
    ],
)
def test_growth_is_seen_beside_the_scatter_and_what_is_loaded_once_is_none(grown, level):
    assert soak.judged(rounds(**grown))["level"] is level


def test_memory_that_wanders_has_the_wider_interval():
    steps = [1.0 if k % 2 else -1.0 for k in range(40)]
    wandering = [1.0 if k % 20 < 10 else -1.0 for k in range(40)]
    apart = [soak.slope_of(values) for values in (steps, wandering)]
    assert apart[1].high - apart[1].low > 2 * (apart[0].high - apart[0].low)
    assert apart[0].likeness == 0.0
    assert soak.slope_of([3.0, 5.0, 7.0, 9.0]).slope == pytest.approx(2.0)
