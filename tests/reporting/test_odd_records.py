"""Records of another version, records that end in the middle or hold what no run should: a page, or a clear error."""

import io
import json
import math
from dataclasses import replace

import pytest
from report_records import NASTY, finished, measured, range_tested, scores, unfinished
from rich.console import Console
from test_page import TEN, Outline

from affina.cli.tables import samples_table
from affina.record.journal import Journal
from affina.record.measures import MEASURES
from affina.record.payloads import ClassRow, DataRead, Evaluated, Finished, Sample, Scores, Started, Step
from affina.record.row_results import RowResults
from affina.record.starts import Restarted
from affina.reporting import page
from affina.reporting.gathered import gather
from affina.reporting.scatter import scatter
from affina.reporting.unmeasured import gaps
from workbench import affina


@pytest.fixture
def folder(tmp_path):
    with Journal(tmp_path / "record.jsonl") as journal:
        for record in finished(TEN):
            journal.append(record)
    return tmp_path


def lines(folder):
    return (folder / "record.jsonl").read_text(encoding="utf-8").splitlines()


def rewrite(folder, found, end="\n"):
    (folder / "record.jsonl").write_text("\n".join(found) + end, encoding="utf-8")


def text_of(folder):
    return Outline(page.write(folder).read_text(encoding="utf-8")).text


def as_written_by_an_older_version(line):
    """Without every field that has a default or came later."""
    data = json.loads(line)
    for key in ("hub_id", "licence", "languages", "worst", "advice", "resumed_at"):
        data.pop(key, None)
    return json.dumps(data)


def test_a_record_without_what_came_later_is_read(folder):
    rewrite(folder, [as_written_by_an_older_version(line) for line in lines(folder) if '"rowresults"' not in line])
    text = text_of(folder)
    assert "written by another version" not in text
    assert "92.0%" in text
    assert "the record has no interval for the difference" in text
    assert "Worst errors Not recorded." in text


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ('{"kind": "planned", "seconds": 5}', "(planned): its kind is not known to this version; left out"),
        ('{"kind": "event", "step": 1, "name": "x", "text": "seen", "more": 1}', "not known here: more"),
        ('{"kind": "step", "step": 1}', "(step): of: field required; left out"),
        ('{"kind": "scores", "who": "tuned", "split": "test", "metrics": {"accuracy": 0.5}}', "metrics.accuracy: "),
        ('{"kind": "finished", "steps": "many"}', "(finished): steps: "),
    ],
)
def test_what_another_version_wrote_is_left_out_and_said_with_its_line(folder, odd, said):
    before = lines(folder)
    rewrite(folder, [*before[:5], odd, *before[5:]])
    text = text_of(folder)
    assert "The record was written by another version of Affina" in text
    assert f"line 6 {said}" in text or ("line 6 (" in text and said in text)
    assert "92.0%" in text


@pytest.mark.parametrize("odd", ["{", "[1]", "\x00\x00", '"text"', "{}", '{"kind": 5}', "[" * 100_000])
def test_a_damaged_line_is_an_error_that_names_it(folder, odd):
    before = lines(folder)
    rewrite(folder, [*before[:5], odd, *before[5:]])
    ended = affina("report", folder)
    assert ended.status == 2
    assert "record.jsonl, line 6" in ended.err
    assert "Traceback" not in ended.err
    assert not (folder / "report.html").exists()


def test_a_last_line_that_was_cut_is_said_and_the_run_is_not_finished(folder):
    before = lines(folder)
    rewrite(folder, [*before[:-1], before[-1][:200]], end="")
    text = text_of(folder)
    assert "This run is not finished" in text
    assert f"line {len(before)} (the last): cut off in the middle" in text


@pytest.mark.parametrize("count", range(1, 30))
def test_a_run_that_was_stopped_anywhere_has_a_page(count):
    Outline(page.render(unfinished(TEN)[:count], title="run"))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300, -1e300, 0.0])
def test_figures_of_any_size_are_shown(value, tmp_path):
    odd = {key: measured(value, 0.0) for key in MEASURES}
    records = []
    for line in finished(TEN):
        if isinstance(line, Scores):
            line = replace(line, metrics=odd)
        elif isinstance(line, Step):
            line = replace(line, loss=value, gradient_norm=value, learning_rate=value)
        elif isinstance(line, Evaluated):
            line = replace(line, metrics=dict.fromkeys(MEASURES, value))
        elif isinstance(line, RowResults):
            line = replace(line, values={"accuracy": (value,) * 120, "loss": (value,) * 120})
        elif isinstance(line, Finished):
            line = replace(line, rows_per_second=value, seconds={"total": value, "training": value})
        records.append(line)
    odd_test = replace(range_tested(), used=abs(value), rate=abs(value), changes=(value,) * 16)
    html = page.render([*records, odd_test], title="run")
    text = Outline(html).text
    assert not any(f'"{word}' in html or f" {word}" in text for word in ("nan", "inf"))
    if not math.isfinite(value):
        assert "not a number" in text


def test_a_cell_of_ten_megabytes_leaves_the_page_small_and_says_so():
    huge = "A" * 10_000_000
    records = finished((huge, "b"), text=huge)
    html = page.render(records, title="run")
    assert len(html) < 400_000
    assert "more characters)" in html


@pytest.mark.parametrize(
    "text",
    [
        "مرحبا بالعالم",
        "שלום",
        "漢字かな交じり文",
        "👩‍👩‍👧‍👦 🏳️‍🌈",
        "e\u0301\u0302" * 50,
        "\u202eevil",
        "\x00\x1b\x07",
        "\ud83d",
    ],
)
def test_any_script_and_control_character_is_written_and_read(text, tmp_path):
    with Journal(tmp_path / "record.jsonl") as journal:
        for record in finished((text, "b"), text=text):
            journal.append(record)
    html = page.write(tmp_path).read_text(encoding="utf-8")
    assert not any(character in html for character in "\x00\x1b\x07\u202e")
    assert 'dir="auto"' in html


def test_five_hundred_labels_have_a_readable_matrix_and_a_small_page():
    html = page.render(finished(tuple(f"label {place}" for place in range(500))), title="run")
    outline = Outline(html)
    assert "the 12 of 500 labels with the most mistakes" in outline.text
    assert "Confusion matrix of 500 classes" not in outline.text
    assert len(html) < 1_500_000


def regression(pairs=()):
    """What a task with numbers for answers records: no classes, a metric where lower is better."""
    figures = {"rmse": measured(1.2, 0.1), "pearson": measured(0.8, 0.05)}
    worse = {"rmse": measured(2.4, 0.1), "pearson": measured(0.2, 0.05)}
    rows = (Sample(text="long", expected="3.5", predicted="1.25", error=-2.25, where="a.csv, row 3"),)
    found = []
    for line in finished(TEN):
        if isinstance(line, Scores):
            line = Scores(who=line.who, split="test", metrics=figures if line.who == "tuned" else worse)
        elif isinstance(line, RowResults):
            if line.who != "tuned" or not pairs:
                continue
            line = RowResults(who="tuned", split="test", rows=("00000000", "00000001"), values={}, numbers=pairs)
        elif isinstance(line, Evaluated):
            line = replace(line, metrics={"rmse": 1.0, "pearson": 0.7, "loss": 1.0})
        elif isinstance(line, Started):
            line = replace(line, resolved={"task": {"name": "regression"}})
        elif isinstance(line, Finished):
            line = replace(line, samples=rows, worst=rows)
        found.append(line)
    return found


def test_a_task_without_labels_has_a_page_without_their_tables():
    outline = Outline(page.render(regression(), title="run"))
    assert "Better: RMSE is 1.200 below the strongest baseline" in outline.text
    assert "Label by label" not in outline.text
    assert "Predicted against true" not in outline.text, "an older record has no numbers"
    assert 'href="#classes"' not in page.render(regression(), title="run")
    assert "Confusion matrix" not in outline.text
    assert "Validation RMSE" in outline.text
    assert "RMSE: lower is better" in outline.text
    assert "-2.25" in outline.text
    assert "Regression of tickets.csv" in outline.text
    assert " right" not in outline.text


def test_numbers_are_drawn_predicted_against_true():
    pairs = tuple((1e7 + place / 10, 1e7 + place / 11) for place in range(50))
    html = page.render(regression(pairs), title="run")
    assert 'href="#fit"' in html
    assert html.count("h0M") == 49
    assert "50 rows: true numbers from 10,000,000 to" in html
    drawn = scatter([*pairs, (math.nan, 1.0), (1.0, math.inf), (1e200, 1.0)])
    assert drawn.rows == 50
    assert len({tick.text for tick in drawn.x_ticks}) == len(drawn.x_ticks) >= 3
    assert scatter([(math.nan, 1.0)]) is None
    assert scatter([(2.0, 2.0)]).path.startswith("M")
    assert scatter([(0.0, 0.0)]) is not None


def test_several_labels_are_shown_with_their_probabilities():
    shares = {"card": 0.9, "<b>fee": 0.41}
    rows = (Sample(text="a text", expected="card, <b>fee", predicted="card", probabilities=shares),)
    records = [replace(line, samples=rows) if isinstance(line, Finished) else line for line in finished(TEN)]
    html = page.render(records, title="run")
    assert "90.0%" in html
    assert '&lt;b&gt;fee <span class="ci">41.0%</span>' in html
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(samples_table(rows))
    assert "card 90.0%, <b>fee 41.0%" in console.export_text()


def test_labels_without_a_matrix_have_their_table_alone():
    one = measured(0.5)
    rows = tuple(ClassRow(label=label, precision=one, recall=one, f1=one) for label in TEN)
    records = [replace(scores("tuned", 0.9), classes=rows)]
    outline = Outline(page.render(records, title="run"))
    assert "intent_9" in outline.text
    assert "Confusion matrix" not in outline.text
    odd = replace(scores("tuned", 0.9, labels=TEN), confusion=((1, 2), (3, 4)))
    assert "Confusion matrix" not in page.render([odd], title="run")


def test_a_metric_that_is_not_known_is_shown_and_not_ranked():
    odd = [
        replace(scores(who, 0.9), metrics={"joy": measured(value)}) for who, value in (("majority", 1), ("tuned", 9))
    ]
    text = Outline(page.render(odd, title="run")).text
    assert "Which way joy is better is not known" in text
    assert "Better than" not in text


def test_one_evaluation_no_validation_and_no_test():
    (look,) = [line for line in unfinished(TEN) if isinstance(line, Evaluated)][:1]
    assert "Validation accuracy" in page.render([look], title="run")
    bare = [replace(line, rows={"train": 5}) if isinstance(line, DataRead) else line for line in unfinished(TEN)[:7]]
    Outline(page.render(bare, title="run"))


def test_a_second_start_is_said_with_its_times():
    again = Restarted(step=9, seed=1, learning_rate=1e-4, head_learning_rate=1e-3, text="no better than guessing")
    records = finished(TEN)
    place = next(place for place, line in enumerate(records) if isinstance(line, Step))
    records = [*records[: place + 1], range_tested(), again, *records[place:]]
    text = Outline(page.render(records, title="run")).text
    assert "The times are of both starts together" in text
    assert "Learning-rate range test, before the second start" in text
    assert "Learning-rate range test, before the training" in text


def test_a_run_that_went_on_says_what_its_times_are_of():
    records = [*finished(TEN)[:-1], replace(finished(TEN)[0], resumed_at=30), finished(TEN)[-1]]
    text = Outline(page.render(records, title="run")).text
    assert "since it went on after step 30" in text
    assert "Time since it went on" in text


def test_what_was_not_measured_is_said():
    text = Outline(page.render(finished(TEN), title="run")).text
    for what in ("Forgetting", "Bias", "Overfitting", "Another seed", "Wrong labels"):
        assert what in text, what
    alone = [scores("tuned", 0.9, split="validation")]
    assert {"Baselines", "Rows that chose nothing"} <= {gap.what for gap in gaps(gather(alone))}
    assert "Near duplicates in 800,000 rows" in text


def test_hostile_text_everywhere_is_text(tmp_path):
    records = [
        replace(line, asked={NASTY: NASTY, "run": NASTY}, resolved={"task": {"name": NASTY}}, versions={NASTY: NASTY})
        if isinstance(line, Started)
        else line
        for line in finished((NASTY, "b"), text=NASTY)
    ]
    html = page.render(records, title=NASTY, remarks=[NASTY])
    assert "<script" not in html
    Outline(html)
