"""Closed intervals of shares, against figures from the papers."""

import pytest

from affina.evaluation.proportions import all_widened, difference_of, share_of, widened
from affina.record.figures import Measured


@pytest.mark.parametrize(
    ("hits", "rows", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_in_newcombe_s_table(hits, rows, low, high):
    found = share_of(hits, rows, confidence=0.95)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)
    mirrored = share_of(rows - hits, rows, confidence=0.95)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((0, 10), (0, 20), -0.1611, 0.2775),
    ],
)
def test_newcombe_s_difference_as_in_his_table(first, second, low, high):
    found = difference_of(*(share_of(*side, confidence=0.95) for side in (first, second)))
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)
    assert found.n == min(first[1], second[1])


@pytest.mark.parametrize(("value", "low", "high"), [(1.0, 0.8389, 1.0), (0.0, 0.0, 0.1611)])
def test_a_share_of_every_row_has_the_width_that_so_few_rows_leave(value, low, high):
    found = widened(Measured(value=value, low=value, high=value, n=20), confidence=0.95)
    assert (found.value, found.low, found.high, found.n) == (
        value,
        pytest.approx(low, abs=1e-4),
        pytest.approx(high, abs=1e-4),
        20,
    )


def test_other_shares_stay_as_they_were_drawn():
    for one in (Measured(value=0.5, low=0.4, high=0.6, n=20), Measured(value=1.0, low=0.9, high=1.0, n=20)):
        assert widened(one, confidence=0.95) is one
    nothing = Measured(value=0.0, low=0.0, high=0.0, n=0)
    assert all_widened([nothing, nothing], but=(1,), confidence=0.95) == [nothing] * 2
