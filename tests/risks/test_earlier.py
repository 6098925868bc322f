"""An earlier task's rows: answers that are known by hand, probes that never see what they answer, and bad files."""

import numpy as np
import pytest
from risk_cases import KEEPING, attach, classifier, look_through, train_a_little, value, writer
from test_likelier import known

from affina.data.rows import Row
from affina.errors import DataError, RecipeError
from affina.evaluation.proportions import share_of
from affina.pipeline.given_earlier import _by_probe, _in_words
from affina.risks.earlier import FOLDS, Answered, cross_fitted, parts_of, right
from affina.risks.earlier_file import Earlier, read_earlier, rows_for
from affina.risks.preferring import SAME
from workbench import sample_rows, write_csv, write_jsonl

READ = {"seed": 0, "budget": None, "confidence": 0.95}


def earlier(count=30):
    rows = [
        Row({"text": text, "label": label}, "old.csv", number=number, line=number + 1)
        for number, (text, label) in enumerate(sample_rows(count), 1)
    ]
    labels = tuple(sorted({row.fields["label"] for row in rows}))
    return Earlier(file="old.csv", rows=tuple(rows), labels=labels, told="all that it has")


def one_hot(places, labels=3):
    return np.eye(labels)[list(places)]


def answered(before, after, rows):
    looks = iter((one_hot(before), one_hot(after)))
    probe = Answered(rows, lambda: next(looks), how=("by hand",), confidence=0.95)
    probe.before()
    return probe.after()


def test_what_was_answered_right_and_no_longer_is_decides():
    rows = earlier(60)
    wrong = [(place + 1) % 3 for place in rows.targets]
    after = [*wrong[:30], *rows.targets[30:]]
    found = answered(rows.targets, after, rows)
    assert value(found, "earlier_lost").value == pytest.approx(0.5)
    assert value(found, "accuracy", "untouched model").value == 1
    assert value(found, "accuracy", "tuned model").value == pytest.approx(0.5)
    assert found.outcome == "flagged"
    assert "30 that were told right no longer are, 0 others now are" in found.notes
    better = answered(after, rows.targets, rows)
    assert value(better, "earlier_lost").value == pytest.approx(-0.5)
    assert better.outcome == "within"


def test_answers_that_are_the_same_to_the_last_bit_lose_nothing_and_the_most_frequent_label_stands_beside_them():
    rows = earlier()
    found = answered(rows.targets, rows.targets, rows)
    assert (value(found, "earlier_lost").low, value(found, "earlier_lost").high) == (0, 0)
    assert SAME in found.notes
    assert "its most frequent label alone would be right in 33.3%" in found.notes


def test_a_decoder_answers_with_the_label_that_it_holds_likeliest():
    model, chances = known()
    rows = earlier()
    probe = _in_words(model, rows, lambda _: None, confidence=0.95)
    probe.before()
    tokens = [model.tokenizer(f" {label}", add_special_tokens=False)["input_ids"] for label in rows.labels]
    likely = np.asarray([float(chances[ids].sum()) for ids in tokens])
    wanted = np.exp(likely) / np.exp(likely).sum()
    assert probe._base == pytest.approx(np.tile(wanted, (30, 1)), rel=1e-6)
    assert sum(right(probe._base, np.asarray(rows.targets))) == 10, "one label in three"


def test_a_name_that_another_begins_with_is_told_apart_by_its_end():
    model, chances = known()
    rows = earlier()
    renamed = [Row({**row.fields, "label": "card fee"}, row.file, number=row.number, line=0) for row in rows.rows]
    two = Earlier(file="old.csv", rows=(*rows.rows[:1], *renamed[1:]), labels=("card", "card fee"), told="")
    probe = _in_words(model, two, lambda _: None, confidence=0.95)
    probe.before()
    end = model.tokenizer.eos_token
    whole = [model.tokenizer(f" {label}{end}", add_special_tokens=False)["input_ids"] for label in two.labels]
    likely = np.asarray([float(chances[ids].sum()) for ids in whole])
    assert probe._base[0] == pytest.approx(np.exp(likely) / np.exp(likely).sum(), rel=1e-6)


def test_no_row_has_a_part_in_the_probe_that_answers_it():
    draw = np.random.default_rng(0)
    targets = draw.integers(2, size=200)
    told = np.concatenate([one_hot(targets, 2) * 3, draw.standard_normal((200, 6))], axis=1)
    assert np.mean(right(cross_fitted(told, targets.tolist(), labels=2), targets)) == 1
    untold = draw.standard_normal((200, 250))  # fits every label of the rows that it sees
    assert np.mean(right(cross_fitted(untold, targets.tolist(), labels=2), targets)) < 0.65


def test_every_part_has_its_share_of_each_label():
    targets = np.asarray([0] * 20 + [1] * 40 + [2])
    parts = parts_of(targets)
    assert np.bincount(parts[targets == 0], minlength=FOLDS).tolist() == [2] * FOLDS
    assert np.bincount(parts[targets == 1], minlength=FOLDS).tolist() == [4] * FOLDS


def test_a_label_with_one_row_is_answered_wrong_and_not_at_all_an_error():
    targets = [0] * 15 + [1] * 15 + [2]
    found = cross_fitted(one_hot(targets), targets, labels=3)
    assert found[-1, 2] == 0
    assert sum(right(found, np.asarray(targets))) == 30


@pytest.mark.parametrize("method", KEEPING)
@pytest.mark.parametrize("kind", ["writer", "classifier"])
def test_an_earlier_task_is_not_forgotten_where_nothing_was_trained(method, kind):
    model, rows = writer() if kind == "writer" else classifier(), earlier()
    attached = attach(method, model)
    if kind == "writer":
        probe = _in_words(model, rows, lambda _: None, confidence=0.95)
    else:
        probe = _by_probe(model, rows, lambda _: None, budget=200, confidence=0.95)
    found = look_through(probe, attached)
    assert (value(found, "earlier_lost").low, value(found, "earlier_lost").high) == (0, 0)
    train_a_little(attached)
    assert SAME not in probe.after().notes


def test_an_encoder_s_probe_reads_what_the_model_holds():
    model, rows = classifier(), earlier(90)
    probe = _by_probe(model, rows, lambda _: None, budget=400, confidence=0.95)
    attached = attach("full", model)
    found = look_through(probe, attached)
    before = value(found, "accuracy", "untouched model").value
    assert before > 0.8, "words tell these labels"
    for tensor in attached.state_dict().values():
        tensor.zero_()
    assert value(probe.after(), "earlier_lost").value == pytest.approx(before - 1 / 3, abs=0.1)


@pytest.mark.parametrize("budget", [0.01, 0.02, 0.05, 0.3])
def test_with_so_many_rows_no_lost_answer_is_shown_to_be_within_a_budget_and_with_one_less_it_is_not(budget):
    least = rows_for(budget, confidence=0.95)
    assert share_of(0, least, confidence=0.95).high <= budget
    assert least == 20 or share_of(0, least - 1, confidence=0.95).high > budget


def test_rows_are_read_with_their_places_and_a_second_text(tmp_path):
    path = tmp_path / "old.jsonl"
    write_jsonl(path, [{"text": f"a {n}", "text_pair": "b", "label": n % 2} for n in range(20)])
    found = read_earlier(str(path), **READ)
    assert found.labels == ("0", "1")
    assert found.rows[3].texts == ("a 3", "b")
    assert "row 4" in found.rows[3].where
    assert found.targets == [n % 2 for n in range(20)]


@pytest.mark.parametrize(
    ("rows", "header", "read", "says"),
    [
        (sample_rows(30), "text,intent", READ, ("label", "rename the columns")),
        ([(f"text {n}", "one") for n in range(30)], "text,label", READ, ("two labels or more", "only one")),
        (sample_rows(19), "text,label", READ, ("20 rows or more", "19")),
        (sample_rows(60), "text,label", {**READ, "budget": 0.05}, ("73 rows or more", "budget of 5%", "60")),
        (sample_rows(60), "text,label", {**READ, "budget": 0.001}, ("1,000 rows", "a larger budget")),
        ([*sample_rows(29), ("", "card")], "text,label", READ, ("old.csv, row 30", "a text in text")),
    ],
)
def test_a_file_that_settles_nothing_is_refused_with_what_would(tmp_path, rows, header, read, says):
    path = write_csv(tmp_path / "old.csv", rows, header=header)
    with pytest.raises((DataError, RecipeError)) as caught:
        read_earlier(str(path), **read)
    assert all(part in str(caught.value) for part in (*says, "fix:"))
