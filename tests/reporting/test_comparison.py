"""Two runs against each other: which is better and how sure, or why they cannot be compared."""

from dataclasses import replace

import pytest
from report_records import finished, row_results, scores, unfinished
from test_page import Outline

from affina.errors import RunError
from affina.record.journal import Journal, Reading
from affina.record.payloads import Chosen, DataRead, Finished, Scores, Started
from affina.record.row_results import RowResults, WrittenTexts
from affina.reporting import comparison_page
from affina.reporting.comparing import compare
from affina.reporting.gathered import gather
from workbench import affina

NAMES = ("A (old)", "B (new)")
AB = ("a", "b")


def run(accuracy, *, rows=True, first=0, resolved=None, **changes):
    """A finished run of that accuracy; with `rows` False its record has no results by row."""
    found = []
    for line in finished(AB):
        if isinstance(line, RowResults):
            if not rows:
                continue
            line = row_results(line.who, accuracy, first=first) if line.who == "tuned" else line
        elif isinstance(line, Scores) and line.who == "tuned":
            line = replace(scores("tuned", accuracy, labels=AB), **changes)
        elif isinstance(line, Started):
            line = replace(line, resolved=resolved or {"seed": 0, "train": {"epochs": 2.0}, "run": "x"})
        found.append(line)
    return found


def compared(first, second):
    return compare(gather(first), gather(second), names=NAMES)


def test_the_same_rows_are_compared_row_by_row():
    found = compared(run(0.85), run(0.92))
    assert (found.outcome, found.reasons) == ("second", ())
    assert found.headline == "B (new) is better than A (old) by 7.0 points of accuracy"
    assert "paired bootstrap" in found.sentence
    assert "only B (new) is right on 8 rows, only A (old) on 0 (McNemar p 0.008)" in found.sentence
    assert compared(run(0.92), run(0.85)).outcome == "first"


def test_without_rows_the_intervals_decide_if_everything_else_is_the_same():
    assert compared(run(0.85, rows=False), run(0.92)).outcome == "second"
    found = compared(run(0.90, rows=False), run(0.92, rows=False))
    assert found.outcome == "open"
    assert found.headline.startswith("Not settled: 2.0 points of accuracy apart")
    assert "overlap" in found.sentence


def test_lower_is_better_where_it_is():
    choice = Chosen(key="evaluate.metric", value="loss", reason="given")
    found = compared([*run(0.80), choice], [*run(0.95), choice])
    assert found.lines[0].key == "loss"
    assert found.outcome == "second"
    assert "in loss" in found.headline


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (run(0.92, first=1), "different rows: 120 and 120 rows, 119 of them in both"),
        (unfinished(AB), "B (new) has no figures yet"),
        (run(0.92, metrics={"rmse_of_another_kind": scores("t", 0.9).metrics["loss"]}), "no metric in common"),
        (run(0.92, resolved={"task": {"name": "regression"}}), "the tasks differ: classification and regression"),
        (run(0.92, rows=False, split="validation"), "the test rows, the other on the validation rows"),
        (run(0.92, rows=False, resolved={"seed": 1}), "the splits were drawn differently"),
        (
            [
                replace(line, files={"b": "cd" * 32}) if isinstance(line, DataRead) else line
                for line in run(0.9, rows=False)
            ],
            "the data files differ",
        ),
        ([], "B (new) has no figures yet"),
    ],
)
def test_what_cannot_be_compared_is_not_and_says_why(other, reason):
    found = compared(run(0.85), other)
    assert found.outcome == "apart"
    assert found.headline == "Not comparable"
    assert reason in " ".join(found.reasons)
    assert all(line.outcome == "apart" and line.pair is None for line in found.lines)


def test_labels_in_another_order_do_not_mix_up_the_classes():
    swapped = [
        replace(line, labels=dict(reversed(line.labels.items()))) if isinstance(line, DataRead) else line
        for line in run(0.92)
    ]
    lines = {line.key: line for line in compared(run(0.85), swapped).lines}
    assert lines["accuracy"].pair is not None
    assert lines["macro_f1"].pair is None


def test_the_page_is_whole_and_has_both_sides():
    slow = [replace(line, peak_memory_bytes=10**9) if isinstance(line, Finished) else line for line in run(0.92)]
    slow = [
        replace(line, resolved={"seed": 0, "train": {"epochs": 5.0}, "run": "y"}) if isinstance(line, Started) else line
        for line in slow
    ]
    html, _ = comparison_page.render(Reading(tuple(run(0.85)), ("line 3: odd",)), Reading(tuple(slow), ()), names=NAMES)
    outline = Outline(html)
    for part in (
        "B is better",
        "train.epochs 2 5",
        "1,347 MiB 954 MiB",
        "A (old): line 3: odd",
        "Training loss",
        "Not measured",
    ):
        assert part in outline.text, part
    assert "run x y" not in outline.text
    assert html.count("<polyline") == 2 * 5


def write(folder, records):
    with Journal(folder / "record.jsonl") as journal:
        for record in records:
            journal.append(record)
    return folder


def test_the_command_writes_one_page_beside_the_first_run_and_touches_neither(tmp_path):
    first, second = write(tmp_path / "old", run(0.85)), write(tmp_path / "elsewhere" / "new", run(0.92))
    ended = affina("report", first, second)
    assert ended.status == 0
    verdict, path = ended.out.strip().splitlines()
    assert path == str(tmp_path / "old-vs-new.html")
    assert verdict.startswith("B (new) is better than A (old) by 7.0 points of accuracy. accuracy: A (old) 85.0%")
    assert "B (new) is better than A (old)" in (tmp_path / "old-vs-new.html").read_text()
    assert [path.name for path in (*first.iterdir(), *second.iterdir())] == ["record.jsonl"] * 2


def test_the_same_run_twice_and_a_folder_without_a_record_are_refused(tmp_path):
    folder = write(tmp_path / "old", run(0.85))
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(RunError, match="the same folder twice"):
        comparison_page.write(folder, tmp_path / "elsewhere" / ".." / "old")
    ended = affina("report", folder, tmp_path / "none")
    assert ended.status == 2
    assert "record.jsonl" in ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "old"]


def test_long_names_make_a_file_name_that_a_system_takes(tmp_path):
    path = comparison_page.path_of(tmp_path / ("a" * 250), tmp_path / ("b" * 250))
    assert len(path.name) < 200


def test_a_key_that_one_recipe_does_not_have_is_not_given_there(tmp_path):
    def with_key(value):
        asked = {"task": "classification", "method": {"name": "lora", "rank": value}}
        return Started(time="", versions={}, machine={}, asked=asked, resolved=asked)

    pair = [[with_key(value), *run(0.9)[1:]] for value in (None, 8)]
    page, _ = comparison_page.write(write(tmp_path / "a", pair[0]), write(tmp_path / "b", pair[1]))
    text = page.read_text()
    assert "not given" in text
    assert ">null<" not in text


def writing(accuracy, texts):
    """A run whose model wrote these texts, over and over."""
    said = tuple(texts[place % len(texts)] for place in range(120))
    return [*run(accuracy), WrittenTexts(who="tuned", split="test", texts=said)]


GOOD = [f"answer number {place}" for place in range(120)]
CUT = [f"{text} [cut off]" for text in GOOD]


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        (writing(0.85, GOOD), writing(0.92, [""]), "void"),
        (writing(0.92, [""]), writing(0.85, GOOD), "void"),
        (writing(0.85, [""]), writing(0.92, [""]), "void"),
        (writing(0.85, [""]), writing(0.85, [""]), "void"),
        (writing(0.92, GOOD), writing(0.85, [""]), "first"),
        (writing(0.85, GOOD), writing(0.92, CUT), "second"),
    ],
)
def test_answers_that_say_nothing_are_never_better_and_are_named(first, second, outcome):
    found = compared(first, second)
    assert found.outcome == outcome
    assert {line.outcome for line in found.lines if line.pair and line.key == "accuracy"} == {outcome}
    named = f"{found.headline} {found.sentence}"
    assert ("answers of B (new) are" in named) is (second[-1].texts[0] != GOOD[0])
    assert ("answers of A (old) are" in named) is (first[-1].texts[0] != GOOD[0])
    assert ("is better than" in named) is (outcome != "void")
    html, _ = comparison_page.render(Reading(tuple(first), ()), Reading(tuple(second), ()), names=NAMES)
    assert ("Degenerate answers" in html) is (outcome == "void")


def test_few_rows_of_either_are_too_few_to_tell_and_their_intervals_too_narrow():
    metrics = {"accuracy": replace(scores("t", 0.9).metrics["accuracy"], n=12)}
    first, second = run(0.5, rows=False, metrics=metrics), run(0.99, rows=False)
    found = compared(first, second)
    assert (found.outcome, "12 rows are too few to tell" in found.headline) == ("open", True)
    assert "on 12 rows, which are too few" in found.sentence
    html, _ = comparison_page.render(Reading(tuple(first), ()), Reading(tuple(second), ()), names=NAMES)
    assert "interval, which is too narrow on fewer than 20 rows." in html
