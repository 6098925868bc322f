"""What label cells mean: the task that is guessed, the notations of several labels, numbers, and what is refused."""

import json

import numpy as np
import pytest

from affina.data.labelling.guess import labelling_of
from affina.data.labelling.numbers import Numbers
from affina.data.labelling.several import LabelSets
from affina.data.labelling.single import SingleLabels
from affina.data.loading import data_read, load
from affina.data.rows import Row
from affina.data.streaming import load_streamed
from affina.data.table import Unusable
from affina.errors import DataError, RecipeError
from affina.recipe.base import AUTO
from affina.recipe.data_spec import DataSpec
from affina.recipe.task_specs import ClassificationSpec, MultiLabelSpec, RegressionSpec
from affina.values import Resolved

SETS = [("anger",), ("fear",), ("joy", "fear"), ("anger", "joy"), (), ("fear", "joy", "anger"), ("joy",)] * 12


def guess(*cells, asked=AUTO):
    return labelling_of(list(cells), asked, columns=False)


def rows_of(*cells, file="a.csv"):
    return [Row({"text": f"t{n}", "label": cell}, file, n, n + 1) for n, cell in enumerate(cells, start=1)]


def read(labelling, *cells):
    rows, findings = labelling.read(rows_of(*cells), split="train")
    return [row.fields["label"] for row in rows], {finding.name: finding.count for finding in findings}


def written(notation, labels):
    if notation == "json":
        return json.dumps(list(labels))
    return notation.join(labels)


@pytest.mark.parametrize(
    ("notation", "separator"),
    [("json", "json"), ("|", "|"), ("; ", ";"), (",", ","), (", ", ","), (" ", "blank")],
)
def test_every_notation_is_found_and_read_to_the_same_sets(notation, separator):
    found = guess(*(written(notation, labels) for labels in SETS))
    assert (found.value.name, found.value.separator) == ("multi_label", separator)
    assert found.reason
    cells, findings = read(found.value, *(written(notation, labels) for labels in SETS))
    assert cells == [json.dumps(sorted(labels)) for labels in SETS]
    assert findings == {"rows_without_a_label": 12}


def test_lists_of_a_json_file_and_of_python_are_lists():
    lists = [Unusable("a list", labels) for labels in SETS]
    assert guess(*lists).value.takes_lists
    assert guess("['a', 'b']", "['a']", "[]").value.separator == "json"
    assert read(LabelSets("json"), "['a', 'b']", '["b", "a"]', "[]", "")[0] == ['["a", "b"]', '["a", "b"]', "[]", "[]"]


@pytest.mark.parametrize(
    "cells",
    [
        ["new york", "york", "new", "rome"] * 5,
        ["sales, emea", "sales, us", "support, emea", "support, us"] * 5,
        [f"{unit}|{place}" for unit in "abcde" for place in "vwxyz"] * 3,
        ["card", "fee", "address"] * 5,
        [str(number) for number in range(77)] * 9,
        ["1.0", "2.0", "3.0"] * 5,
        [str(number) for number in range(1, 60)],
        [str(1000 * number) for number in range(1, 30)] * 20,
    ],
)
def test_what_may_well_be_one_label_is_one(cells):
    assert guess(*cells).value == SingleLabels()


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["0.5", "3.25", "2", "1.5"] * 3, "with decimals"),
        (["0,5", "3,25", "2", "1,5"] * 3, "with decimals"),
        ([str(17 * number) for number in range(40)], "40 different integers"),
    ],
)
def test_amounts_are_guessed_with_the_reason_and_the_way_out(cells, said):
    found = guess(*cells)
    assert isinstance(found.value, Numbers)
    assert said in found.reason
    assert "task=classification" in found.reason


def test_what_the_recipe_says_is_not_guessed_about():
    numbers = ["0.5", "3.25", "2", "1.5"]
    assert guess(*numbers, asked=ClassificationSpec()).value == SingleLabels(asked=True)
    assert guess(*numbers, asked=MultiLabelSpec()).value.separator == "none"
    assert guess("a+b", "a", asked=MultiLabelSpec(separator="+")).value == LabelSets("+")
    assert guess("1", "2", "3", asked=RegressionSpec()).value.name == "regression"
    with pytest.raises(RecipeError, match=r"data\.label and task\n(.|\n)*one column"):
        labelling_of([], RegressionSpec(), columns=True)
    with pytest.raises(RecipeError, match=r"task\.separator"):
        labelling_of([], MultiLabelSpec(separator=","), columns=True)


def test_asked_classes_may_look_like_numbers_or_lists(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [f"text {number},{number % 3 + 0.5}" for number in range(60)]
    (tmp_path / "a.csv").write_text("text,label\n" + "\n".join(lines))
    assert load(DataSpec(train="a.csv"), seed=0).labelling.name == "regression"
    assert load(DataSpec(train="a.csv"), seed=0, task=ClassificationSpec()).labels == ("0.5", "1.5", "2.5")


@pytest.mark.parametrize("odd", ['["a"]', "['a', 'b']"])
def test_a_list_among_other_cells_is_refused_by_its_row(odd):
    with pytest.raises(DataError, match=r"a\.csv, row 2 \(line 3\)\n.*labels divided by ','"):
        read(LabelSets(","), "a, b", odd)


def test_a_cell_that_is_no_list_among_lists_is_refused_by_its_row():
    with pytest.raises(DataError, match=r"a\.csv, row 2 \(line 3\)\n.*a list"):
        read(LabelSets("json"), '["a"]', "a, b")


def test_two_separators_in_a_file_are_refused_by_the_row():
    labelling = LabelSets(",")
    rows, _ = labelling.read(rows_of("a, b", "b", "a", "a; b"), split="train")
    with pytest.raises(DataError, match=r"a\.csv, row 4 \(line 5\)\n(.|\n)*task\.separator"):
        labelling.check(rows, column="label", attested=frozenset())


def test_labels_written_twice_count_once_and_are_said():
    cells, findings = read(LabelSets("|"), "a|a|b", "b", "b|")
    assert cells == ['["a", "b"]', '["b"]', '["b"]']
    assert findings == {"labels_written_twice": 1}


def test_a_label_that_training_lacks_is_refused_and_no_label_is_fine():
    labelling = LabelSets("|")
    rows, _ = labelling.read(rows_of("a|b", "", "c|a"), split="test")
    with pytest.raises(DataError, match=r"a\.csv, row 3 \(line 4\)\n(.|\n)*the label 'c'"):
        labelling.check_known(rows, known=["a", "b"], train="train.csv")
    labelling.check_known(rows[:2], known=["a", "b"], train="train.csv")


@pytest.mark.parametrize("cells", [["a"] * 4, [""] * 4])
def test_fewer_than_two_labels_cannot_be_learnt(cells):
    labelling = LabelSets("|")
    rows, _ = labelling.read(rows_of(*cells), split="train")
    with pytest.raises(DataError, match="two or more different labels"):
        labelling.check(rows, column="label", attested=frozenset())


def columns_file(folder, *, cell="1"):
    lines = [f"text {n},{n % 2},{int(n % 3 == 0)},{cell if n == 5 else n % 5 // 4}" for n in range(80)]
    (folder / "a.csv").write_text("text,anger,fear,joy\n" + "\n".join(lines))
    return DataSpec(train="a.csv", label=("anger", "fear", "joy"))


def test_columns_of_0_and_1_are_labels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = load(columns_file(tmp_path), seed=0)
    assert loaded.labels == ("anger", "fear", "joy")
    assert loaded.choices["task"].value == "multi_label"
    assert data_read(loaded).columns == {
        "text": "text",
        "label anger": "anger",
        "label fear": "fear",
        "label joy": "joy",
    }
    row = next(row for row in loaded.splits.train if int(row.fields["text"].split()[1]) % 6 == 3)
    assert json.loads(row.fields["label"])[:2] == ["anger", "fear"]
    with pytest.raises(DataError, match=r"a\.csv, row 6 \(line 7\), column joy\n(.|\n)*'maybe'"):
        load(columns_file(tmp_path, cell="maybe"), seed=0)


def test_splits_have_their_share_of_rare_labels_and_rare_combinations_fail_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    shares = np.array([0.5, 0.3, 0.2, 0.1, 0.04, 0.02])
    has = draw.random((1000, 6)) < shares
    has[0] = True  # a combination that no other row has
    lines = [f"text {n},{'|'.join(np.array(list('abcdef'))[row])}" for n, row in enumerate(has)]
    (tmp_path / "a.csv").write_text("text,label\n" + "\n".join(lines))
    loaded = load(DataSpec(train="a.csv"), seed=0, task=MultiLabelSpec())
    assert 90 <= len(loaded.splits.test) <= 110
    for split in (loaded.splits.validation, loaded.splits.test):
        for label, share in zip("abcdef", has.mean(axis=0), strict=True):
            count = sum(label in json.loads(row.fields["label"]) for row in split)
            assert abs(count - 100 * share) <= 2 + 6 * share, label
    again = load(DataSpec(train="a.csv"), seed=0, task=MultiLabelSpec())
    assert again.splits == loaded.splits


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("", "an empty cell"),
        ("n/a", "'n/a'"),
        ("nan", "'nan'"),
        ("inf", "'inf'"),
        ("1e999", "'1e999'"),
        ("1,234", "without marks between the thousands"),
        ("1,234.5", "without marks between the thousands"),
        ("3,5", "task.decimal=comma"),
        ("good", "task=classification"),
        ("12 %", "'12 %'"),
    ],
)
def test_what_is_no_number_is_refused_by_its_row(cell, said):
    with pytest.raises(DataError, match=r"a\.csv, row 3 \(line 4\)\n") as caught:
        read(Numbers(), "1.5", "2", cell)
    assert said in str(caught.value)


def test_decimal_commas_are_read_where_no_cell_has_a_point_and_said():
    labelling = Numbers.of(["1,5", "2", "-0,25"], RegressionSpec())
    assert labelling.decimal == "comma"
    assert labelling.choices()["task.decimal"].value == "comma"
    assert read(labelling, "1,5", "2", "-0,25") == (["1.5", "2.0", "-0.25"], {"decimal_commas": 2})
    assert Numbers.of(["1,5", "2.5"], RegressionSpec()).decimal == "point"
    assert Numbers.of(["1,500", "2,000"], RegressionSpec()).decimal == "point", "these may be thousands"


def test_equal_numbers_are_the_same_answer_however_written():
    assert read(Numbers(), "3", "3.0", "+3", "3e0", "-0", "0")[0] == ["3.0"] * 4 + ["0.0"] * 2


def test_one_number_in_all_rows_is_nothing_to_predict():
    labelling = Numbers()
    rows, _ = labelling.read(rows_of("2", "2.0"), split="train")
    with pytest.raises(DataError, match="two or more different numbers"):
        labelling.check(rows, column="label", attested=frozenset())


def test_splits_of_numbers_reach_over_the_whole_range(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [f"text {n},{n * 1.5}" for n in range(500)]
    (tmp_path / "a.csv").write_text("text,label\n" + "\n".join(lines))
    loaded = load(DataSpec(train="a.csv"), seed=0)
    assert loaded.labels == ("label",)
    values = np.array([float(row.fields["label"]) for row in loaded.splits.validation])
    counts, _ = np.histogram(values, bins=10, range=(0, 750))
    assert counts.min() >= 4
    spread = data_read(loaded).spread
    assert spread.mean == pytest.approx(374, abs=5)
    assert data_read(loaded).labels == {"label": len(loaded.splits.train)}


def test_a_streamed_file_is_read_as_a_held_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, cells, task in (
        ("sets", [["a|b", "b|a|a", "c", "", "a|c", "b"][n % 6] for n in range(120)], "multi_label"),
        ("numbers", [f"{n % 30},5" for n in range(120)], "regression"),
    ):
        lines = "\n".join(f'text {n},"{cell}"' for n, cell in enumerate(cells))
        (tmp_path / f"{name}.csv").write_text(f"text,label\n{lines}\n")
        spec = DataSpec(train=f"{name}.csv", validation=f"{name}.csv", test="none")
        held, streamed = load(spec, seed=0), load_streamed(spec, seed=0)
        assert streamed.loaded.labelling == held.labelling
        assert streamed.loaded.choices["task"].value == task
        assert streamed.labels == data_read(held).labels
        seen = {finding.name: finding.count for finding in streamed.loaded.findings}
        assert seen == {finding.name: finding.count for finding in held.findings}
        assert data_read(streamed.loaded).spread == data_read(held).spread


@pytest.mark.parametrize(
    "cells",
    [
        [f"{whole},{part}" for whole in range(6) for part in ("25", "5", "75", "05")] * 10,
        [f"{whole},{part}" for whole in range(10) for part in range(10)] * 3,
        [f"{whole},95" for whole in range(1, 60)],
        ["12,95", "3", "7,5", "1,25", "8,0"] * 8,
    ],
)
def test_decimal_commas_are_numbers_and_no_pairs_of_labels(cells):
    found = guess(*cells)
    assert found.value.name == "regression"
    assert found.value.decimal == "comma"
    assert "task=classification" in found.reason


def test_whole_numbers_with_decimal_commas_may_be_classes_as_those_with_points():
    found = guess(*["1,0", "2,0", "3,0"] * 10)
    assert found.value.name == guess(*["1.0", "2.0", "3.0"] * 10).value.name == "classification"
    assert "None" not in found.reason


def test_pairs_of_numbered_labels_are_no_decimals():
    cells = [f"{first},{second}" for first in range(1, 9) for second in range(first + 1, 9)] * 3
    assert guess(*cells, *"12345678").value.name == "multi_label"


@pytest.mark.parametrize("slip", ["3.l4", "n/a", "4,5"])
def test_a_slip_among_decimals_is_named_with_its_row(slip):
    cells = [f"{number / 7:.2f}" for number in range(1, 120)]
    cells[16] = slip
    found = guess(*cells)
    assert found.value.name == "regression"
    with pytest.raises(DataError, match="row 17") as raised:
        read(found.value, *cells)
    assert len(raised.value.problems) == 1


def test_a_slip_among_few_cells_is_no_slip():
    assert guess("1.5", "2.5", "low", "high", "1.5", "low").value.name == "classification"


def test_amounts_that_hardly_repeat_are_numbers():
    prices = np.random.default_rng(0).integers(60, 540, 600).tolist()
    assert guess(*map(str, prices + list(range(600, 900, 2)))).value.name == "regression"


def test_marks_of_0_and_1_in_lists_are_not_taken_for_labels():
    cells = ["[1, 0, 1]", "[0, 0, 1]", "[0, 1, 0]"] * 5
    found = guess(*cells).value
    with pytest.raises(DataError, match="marks of 0 and 1") as raised:
        read(found, *cells)
    assert "data.label=[" in raised.value.problems[0].fix


def test_a_file_of_lists_is_read_by_a_run_whose_labels_are_divided():
    labelling = LabelSets(",")
    assert labelling.takes_lists
    assert read(labelling, '["a", "b"]', "[]")[0] == read(labelling, "b,a", "")[0]
    with pytest.raises(DataError):
        read(labelling, '["a", "b"]', "a,b")


def test_several_notations_in_one_column_are_refused_by_row_and_no_single_labels():
    pairs = [
        ("anger", "fear"),
        ("joy", "trust"),
        ("fear", "joy"),
        ("trust", "anger"),
        ("joy", "anger"),
        ("fear", "trust"),
    ]
    notations = (",", "; ", "json")
    mixed = [written(notations[place % 3], pair) for place, pair in enumerate(pairs * 4)]
    found = guess(*mixed).value
    assert found.separator == "json"
    with pytest.raises(DataError) as caught:
        read(found, *mixed)
    assert len(caught.value.problems) == 16
    assert caught.value.problems[0].found == "'anger,fear'"

    marks = [written(notations[place % 2], pair) for place, pair in enumerate(pairs * 4)]
    several = guess(*marks, "joy", "anger", "fear", "trust")
    assert several.value.name == "multi_label"
    cells, _ = several.value.read(rows_of(*marks, "joy", "anger", "fear", "trust"), split="train")
    with pytest.raises(DataError) as caught:
        several.value.check(cells, column="labels", attested=frozenset())
    assert len(caught.value.problems) == 12
    assert caught.value.problems[0].found in {"'anger,fear'", "'joy; trust'"}


ODD = (
    "joy fear",
    "joy/fear",
    "joy\nfear",
    "joy+fear",
    "joy & fear",
    "joy and fear",
    "{'joy', 'fear'}",
    "('joy','fear')",
)


@pytest.mark.parametrize("odd", ODD)
def test_labels_joined_by_other_signs_are_no_new_label(odd):
    cells = ["joy|fear", "fear|anger", "anger|joy", "joy", "fear", "anger"] * 3
    found = LabelSets("|", Resolved("|", "found"))
    rows, _ = found.read(rows_of(*cells, odd), split="train")
    with pytest.raises(DataError) as caught:
        found.check(rows, column="labels", attested=frozenset())
    [problem] = caught.value.problems
    assert "row 19" in problem.where
    assert "task.separator" in problem.fix
    LabelSets("|").check(rows, column="labels", attested=frozenset())  # who names the notation means what he writes


def test_a_name_of_two_words_may_hold_the_names_of_others():
    cells = [
        "customer|service",
        "customer service|fear",
        "customer service",
        "service|fear",
        "customer service|joy",
    ] * 3
    found = LabelSets("|", Resolved("|", "found"))
    found.check(found.read(rows_of(*cells), split="train")[0], column="labels", attested=frozenset())


def test_one_list_among_labels_is_no_notation():
    assert guess("a", "b", "[1]", "a", "b", "b").value.name == "classification"


@pytest.mark.parametrize("mark", ["; ", "json"])
def test_a_few_cells_of_many_are_no_notation(mark):
    odd = [written(mark, ("a", "b")), written(mark, ("b", "a"))]
    others = ["a", "b", "c"] * 40
    few = guess(*others, *odd, "a,b", "b,c")
    assert few.value.name == "classification", few.reason


def test_notations_that_are_taken_for_sets_say_how_to_refuse_that():
    lists = guess(*[written("json", ("a", "b")), "a", "b", "c"] * 5)
    assert lists.value.name == "multi_label"
    assert "5 of 20 label cells are lists" in lists.reason
    assert "write task=classification if whole cells are classes" in lists.reason
    marks = guess(*[written(mark, pair) for mark, pair in zip([",", "; "] * 12, SETS[3::3], strict=False) if pair])
    assert "write task=classification if" in marks.reason
