"""The parts of the report: the verdict, the matrix, the charts' geometry and how numbers are written."""

import math

import pytest
from report_records import cells, finished, measured, scores, unfinished

from affina.record.figures import Measured
from affina.record.payloads import ClassRow, Scores, Step
from affina.reporting import curves, formats
from affina.reporting.confusion import LARGEST_TABLE, confusion
from affina.reporting.gathered import gather
from affina.reporting.verdict import verdict


def _of(*scored):
    return {item.who: item for item in scored}


@pytest.mark.parametrize(
    ("tuned", "probe", "outcome", "begins"),
    [
        (0.92, 0.83, "better", "Better: accuracy is 9.0 points above"),
        (0.85, 0.83, "open", "Not settled: accuracy is 2.0 points above"),
        (0.83, 0.83, "open", "Not settled: accuracy is level with"),
        (0.81, 0.83, "open", "Not settled: accuracy is 2.0 points below"),
        (0.70, 0.83, "worse", "Worse: accuracy is 13.0 points below"),
    ],
)
def test_verdict_is_against_the_strongest_baseline(tuned, probe, outcome, begins):
    found = verdict(
        _of(scores("majority", 0.1), scores("linear_probe", probe), scores("tuned", tuned)), chosen_metric="accuracy"
    )
    assert found.outcome == outcome
    assert found.sentence.startswith(begins)
    assert list(found.baselines) == ["linear_probe", "majority"]


def test_verdict_where_lower_is_better():
    found = verdict(_of(scores("linear_probe", 0.5), scores("tuned", 0.9)), chosen_metric="loss")
    assert (found.metric, found.outcome) == ("loss", "better")
    assert "0.400 below" in found.sentence
    found = verdict(_of(scores("linear_probe", 0.9), scores("tuned", 0.5)), chosen_metric="loss")
    assert found.outcome == "worse"


def test_verdict_compares_only_the_same_rows():
    found = verdict(_of(scores("linear_probe", 0.5, split="validation"), scores("tuned", 0.9)), chosen_metric=None)
    assert (found.outcome, found.baselines) == ("alone", {})
    assert "evaluate.baselines" in found.sentence


def test_no_verdict_before_the_tuned_model_was_measured():
    assert verdict(_of(scores("majority", 0.1)), chosen_metric="accuracy") is None


def test_confusion_counts_and_orders_the_mistakes():
    one = measured(1.0, 0.0, n=10)
    classes = tuple(ClassRow(label=label, precision=one, recall=one, f1=one) for label in "abc")
    counts = ((8, 2, 0), (5, 5, 0), (0, 0, 0))
    laid_out = confusion(
        Scores(who="tuned", split="test", metrics={}, classes=classes, confusion=counts, cells=cells(counts))
    )
    assert [(pair.row, pair.column, pair.count, share) for pair, share in laid_out.pairs] == [
        (1, 0, 5, measured(0.5, 0.1, n=10)),
        (0, 1, 2, measured(0.2, 0.1, n=10)),
    ]
    assert laid_out.mistakes == 7
    assert len(laid_out.marks) == 4
    assert all(cell.part == 0 for cell in laid_out.rows[2])


@pytest.mark.parametrize(("size", "small"), [(LARGEST_TABLE, True), (LARGEST_TABLE + 1, False)])
def test_confusion_size_decides_how_it_is_shown(size, small):
    assert confusion(scores("tuned", 0.9, labels=tuple(map(str, range(size))))).is_small is small


def test_confusion_absent():
    assert confusion(scores("tuned", 0.9)) is None


def test_chart_spans_the_frame_and_points_up():
    laid_out = curves.chart(
        "t", [curves.Series("a", ((0, 1.0), (10, 3.0)))], write=formats.number, marks=[curves.Mark(10, "here, at {}")]
    )
    assert laid_out.lines[0].path == "62.0,230.0 458.0,14.0"
    assert laid_out.marks == (curves.Tick(458.0, "here, at 10"),)
    assert laid_out.description == "a: from 1 to 3 over 2 points, lowest 1, highest 3."
    assert not laid_out.averaged


@pytest.mark.parametrize(
    "values", [(0.0,), (2.5, 2.5), (-1.0, -1.0), (1e-12, 2e-12), (1e12, 3e12), (1.0, math.nan, 2.0)]
)
def test_chart_of_any_values_stays_in_its_frame(values):
    laid_out = curves.chart("t", [curves.Series("a", tuple(enumerate(values)))], write=formats.number)
    numbers = [tuple(map(float, pair.split(","))) for pair in laid_out.lines[0].path.split()]
    assert len(numbers) == sum(map(math.isfinite, values))
    assert all(0 <= x <= curves.WIDTH and 0 <= y <= curves.HEIGHT for x, y in numbers)
    assert laid_out.y_ticks
    assert all(curves.TOP - 0.1 <= tick.at <= curves.HEIGHT - curves.BOTTOM + 0.1 for tick in laid_out.y_ticks)


def test_chart_of_nothing():
    assert curves.chart("t", [curves.Series("a", ((1, math.inf),))], write=formats.number) is None
    assert curves.chart("t", [], write=formats.number) is None


def test_thinned_lines_keep_their_mean():
    points = tuple((float(x), float(x % 7)) for x in range(1000))
    laid_out = curves.chart("t", [curves.Series("a", points)], write=formats.number)
    assert laid_out.averaged
    assert len(laid_out.lines[0].path.split()) == 334


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.31, 0.93), (3, 4700), (1e-7, 2e-4), (-5, 5), (99.9, 100.1)])
def test_ticks_are_round_and_inside(low, high):
    ticks = curves.nice_ticks(low, high, count=5)
    assert 3 <= len(ticks) <= 7
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)
    assert all(len(f"{tick:.6g}".lstrip("-0.").replace(".", "")) <= 5 for tick in ticks)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (formats.percent(0.9281), "92.8%"),
        (formats.round_percent(0.8), "80%"),
        (formats.round_percent(0.625), "62.5%"),
        (formats.interval("accuracy", Measured(value=0.928, low=0.919, high=0.936, n=9)), "92.8% (91.9-93.6)"),
        (formats.interval("loss", Measured(value=0.3124, low=0.29, high=0.3341, n=9)), "0.312 (0.290-0.334)"),
        (formats.number(10003), "10,003"),
        (formats.number(1234.56), "1,235"),
        (formats.number(0.03123), "0.0312"),
        (formats.number(0.00015), "1.5e-4"),
        (formats.number(-2e-12), "-2e-12"),
        (formats.number(math.nan), "not a number"),
        (formats.duration(4.23), "4.2 s"),
        (formats.duration(59.96), "1 min 0 s"),
        (formats.duration(72.3), "1 min 12 s"),
        (formats.duration(3599.7), "1 h 0 min"),
        (formats.duration(7500), "2 h 5 min"),
        (formats.mebibytes(812_300_000), "775 MiB"),
        (formats.mebibytes(1_999_900_000), "1,907 MiB"),
        (formats.plain(2e-4), "0.0002"),
        (formats.plain(None), "null"),
        (formats.plain({"patience": 6, "layers": []}), "patience: 6, layers: none"),
        (formats.name("some_metric"), "some metric"),
    ],
)
def test_numbers_are_written_alike_everywhere(written, expected):
    assert written == expected


@pytest.mark.parametrize(
    ("found", "one", "two"),
    [
        ("pairs_of_terms_in_no_row", "1 pair of terms in no row", "2 pairs of terms in no row"),
        ("decimal_commas", "1 decimal comma", "2 decimal commas"),
        ("other_spellings", "1 other spelling", "2 other spellings"),
        ("rows_without_a_group", "1 row without a group", "2 rows without a group"),
        ("special_tokens_in_texts", "1 special token in texts", "2 special tokens in texts"),
        ("differences_by_term", "1 difference by term", "2 differences by term"),
    ],
)
def test_what_the_audit_counts_is_one_where_there_is_one(found, one, two):
    assert (formats.counted(1, found), formats.counted(2, found)) == (one, two)


def test_a_run_that_went_on_is_unfinished_until_it_ends_again():
    records = finished(("a", "b"))
    more = next(line for line in records if isinstance(line, Step))
    assert gather(records).finished is not None
    assert gather([*records, more]).finished is None
    assert gather([*records, more, records[-1]]).finished is not None


def test_kept_step_before_the_end():
    assert gather(unfinished(("a", "b"))).kept_step == 60
    assert gather(finished(("a", "b"))).kept_step == 40
    assert gather([]).kept_step is None
