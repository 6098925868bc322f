"""What a verdict cannot be made of: figures that are no number, over all texts or at an end."""

import numpy as np
import pytest
from risk_cases import SAMPLING

from affina.errors import NonFiniteError
from affina.evaluation.intervals import bootstrap, draws
from affina.risks.probe import resampled, with_intervals


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_a_figure_that_is_no_number_is_refused_and_not_zero(odd):
    with pytest.raises(NonFiniteError, match="not a number"):
        with_intervals(lambda weights: np.array([odd if weights[29] else 0.1]), 30, SAMPLING)


def test_what_rows_cannot_tell_is_zero_where_scores_are_counted_and_stays_open_in_draws():
    def never(weights):
        return np.array([np.nan, weights.sum()])

    [untold, rows] = resampled(never, 30, SAMPLING)
    assert (untold.value, untold.low, untold.high, rows.value) == (0.0, 0.0, 0.0, 30.0)
    assert np.isnan(draws(never, 30, resamples=3, seed=0)[0][0])


def test_infinity_is_no_large_number():
    value, _, _ = bootstrap(
        lambda weights: np.array([np.inf if weights.min() else 0.1]), 30, resamples=3, confidence=0.95, seed=0
    )
    assert value[0] == np.inf
