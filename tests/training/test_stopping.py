"""Early stopping: what counts as better, when it is over, and that its state is all there is."""

import pytest

from affina.training.stopping import EarlyStopping


def test_stops_after_patience_without_improvement():
    stopping = EarlyStopping(higher_is_better=True, patience=2)
    assert stopping.update(0.5, step=1)
    assert not stopping.update(0.5, step=2)
    assert not stopping.is_over
    assert not stopping.update(0.4, step=3)
    assert stopping.is_over
    assert (stopping.best, stopping.best_step) == (0.5, 1)


def test_an_improvement_starts_the_count_again():
    stopping = EarlyStopping(higher_is_better=True, patience=2)
    for step, value in enumerate([0.5, 0.4, 0.6, 0.5]):
        stopping.update(value, step=step)
    assert not stopping.is_over
    assert stopping.waited == 1


def test_lower_is_better_and_min_delta():
    stopping = EarlyStopping(higher_is_better=False, patience=1, min_delta=0.1)
    assert stopping.update(1.0, step=1)
    assert stopping.update(0.95, step=2)
    assert stopping.is_over
    assert stopping.update(0.8, step=3)
    assert not stopping.is_over


def test_min_delta_is_for_patience_and_the_best_is_the_best():
    stopping = EarlyStopping(higher_is_better=True, patience=2, min_delta=0.01)
    assert [stopping.update(value, step=step) for step, value in enumerate([0.900, 0.909, 0.905])] == [
        True,
        True,
        False,
    ]
    assert (stopping.best, stopping.best_step) == (0.909, 1)
    assert stopping.is_over  # neither was better than the first by min_delta


def test_equal_values_are_decided_by_the_loss_and_do_not_renew_patience():
    stopping = EarlyStopping(higher_is_better=True, patience=3)
    evaluations = [(0.8, 0.6), (0.8, 0.4), (0.8, 0.5), (0.7, 0.1)]
    found = [stopping.update(value, step=step, loss=loss) for step, (value, loss) in enumerate(evaluations)]
    assert found == [True, True, False, False]
    assert (stopping.best_step, stopping.best_loss) == (1, 0.4)
    assert stopping.is_over


def test_no_patience_never_stops():
    stopping = EarlyStopping(higher_is_better=True, patience=None)
    for step in range(100):
        stopping.update(0.0, step=step)
    assert not stopping.is_over


def test_state_round_trip_goes_on_the_same():
    one = EarlyStopping(higher_is_better=True, patience=3)
    values = [0.1, 0.3, 0.2, 0.25, 0.1]
    for step, value in enumerate(values[:3]):
        one.update(value, step=step)
    other = EarlyStopping(**one.state())
    for step, value in enumerate(values[3:], start=3):
        assert one.update(value, step=step) == other.update(value, step=step)
    assert one == other
    assert one.is_over


def test_the_later_of_two_that_the_rows_cannot_tell_apart_is_kept():
    stopping = EarlyStopping(higher_is_better=True, patience=None, rows=400)
    values = [0.17, 0.75, 0.735, 0.705, 0.715, 0.71]  # two standard errors of 0.75 are 0.043
    kept = [stopping.update(value, step=step) for step, value in enumerate(values)]
    assert kept == [True, True, True, False, True, True]
    assert (stopping.best, stopping.best_step) == (0.75, 5)


def test_what_the_rows_can_tell_apart_is_told_apart():
    stopping = EarlyStopping(higher_is_better=True, patience=None, rows=10_000)
    for step, value in enumerate([0.2, 0.75, 0.735, 0.745, 0.74]):
        stopping.update(value, step=step)
    assert stopping.best_step == 3


def test_the_untrained_start_is_passed_only_by_something_better():
    stopping = EarlyStopping(higher_is_better=True, patience=None, rows=50)
    assert [stopping.update(value, step=step) for step, value in enumerate([0.8, 0.79, 0.8, 0.81, 0.75])] == [
        True,
        False,
        False,
        True,
        True,
    ]


def test_of_a_start_and_a_model_that_few_rows_cannot_tell_apart_the_one_with_the_lower_loss_is_kept():
    stopping = EarlyStopping(higher_is_better=True, patience=None, rows=40)
    assert stopping.update(0.70, step=0, loss=1.5)
    assert not stopping.update(0.65, step=5, loss=1.6)
    assert stopping.update(0.65, step=10, loss=1.2)
    assert stopping.best_step == 10
    clearly_worse = EarlyStopping(higher_is_better=True, patience=None, rows=40)
    assert clearly_worse.update(0.70, step=0, loss=1.5)
    assert not clearly_worse.update(0.40, step=5, loss=1.2)


def test_without_noise_the_best_value_is_kept():
    stopping = EarlyStopping(higher_is_better=False, patience=None, rows=0)
    assert [stopping.update(value, step=step) for step, value in enumerate([0.8, 0.5, 0.5001])] == [True, True, False]


def test_two_evaluations_clearly_worse_in_a_row_end_a_run_within_its_patience():
    stopping = EarlyStopping(higher_is_better=True, patience=6, rows=1_000)  # two standard errors of 0.8 are 0.025
    for step, value in enumerate([0.5, 0.8, 0.76, 0.79, 0.7]):
        stopping.update(value, step=step)
    assert not stopping.is_over
    stopping.update(0.71, step=5)
    assert stopping.is_over
    assert stopping.best_step == 3


def test_a_fall_below_the_untrained_start_ends_nothing():
    stopping = EarlyStopping(higher_is_better=True, patience=6, rows=1_000)
    for step, value in enumerate([0.9, 0.5, 0.5, 0.5]):
        stopping.update(value, step=step)
    assert not stopping.is_over


def test_the_loss_before_training_is_remembered():
    stopping = EarlyStopping(higher_is_better=True, patience=None)
    for step, loss in enumerate([2.0, 1.0, 3.0]):
        stopping.update(0.1 * step, step=step, loss=loss)
    assert (stopping.start_loss, stopping.best_loss) == (2.0, 3.0)


def test_a_loss_that_still_falls_is_seen_whatever_the_metric_does():
    stopping = EarlyStopping(higher_is_better=True, patience=None)
    seen = []
    for step, loss in enumerate((2.0, 1.5, 1.49, 1.6, 1.4)):
        stopping.update(0.5, step=step, loss=loss)
        seen.append(stopping.falling)
    assert seen == [False, True, False, False, True]
    assert EarlyStopping(**stopping.state()) == stopping


def test_nothing_ends_a_run_before_all_its_layers_train():
    stopping = EarlyStopping(higher_is_better=True, patience=2, since=4, rows=100)
    for step, value in enumerate([0.3, 0.9, 0.1, 0.1, 0.1, 0.1]):
        assert not stopping.is_over
        stopping.update(value, step=step)
    assert not stopping.is_over, "one evaluation after step 4 is not two"
    again = EarlyStopping(**stopping.state())
    for one in (stopping, again):
        one.update(0.1, step=6)
        assert one.is_over


def test_a_way_back_leaves_one_evaluation_that_was_waited_for_at_most():
    for waited in (0, 1, 4):
        stopping = EarlyStopping(higher_is_better=True, patience=5, waited=waited, worse=1)
        stopping.rewound()
        assert (stopping.waited, stopping.worse) == (min(waited, 1), 0)


@pytest.mark.parametrize(
    ("rows", "values", "higher", "said"),
    [
        (100, [0.60, 0.65], True, False),  # two standard errors of 60% of 100 rows are 9.8 points
        (100, [0.60, 0.72], True, True),
        (100, [0.60, 0.72, 0.70], True, False),
        (0, [1.100, 1.098], False, False),
        (0, [0.952, 0.949], False, False),
        (0, [0.952, 0.90], False, True),
        (100, [0.60], True, False),  # there is nothing before it
    ],
)
def test_a_run_is_getting_better_only_by_more_than_noise(rows, values, higher, said):
    stopping = EarlyStopping(higher_is_better=higher, patience=6, rows=rows)
    for step, value in enumerate(values):
        stopping.update(value, step=step)
    assert stopping.improving is said
