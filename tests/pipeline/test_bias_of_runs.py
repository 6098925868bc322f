"""Bias as a part of a run: measured by swaps and by groups, less by swapped rows, refused where it means nothing."""

import json

import pytest

import affina
from affina.errors import InputError, RecipeError
from affina.pipeline import search
from affina.pipeline.given_files import every_probe
from affina.pipeline.prepare import prepare
from affina.recipe.load import check_recipe
from affina.record.journal import Journal, read
from affina.record.payloads import Chosen, DataRead
from affina.record.risks import DIFFERENCE, PROBED, TUNED, UNTOUCHED, Probed
from affina.record.searched import Searched, Tried
from affina.risks.allowance import Allowance
from workbench import LABELS, tiny, write_csv, write_jsonl

pytestmark = pytest.mark.slow  # whole runs, one after another

NAMES = ("he", "she", "John", "Mary", "my father", "my wife")


def rows_of(count=90):
    return [
        (f"{NAMES[number % 6]}: {LABELS[label][number % 4]} {number}", label, "mf"[number % 2])
        for number, label in ((number, list(LABELS)[number % 3]) for number in range(count))
    ]


def grouped(group):
    return [(text, label, group(place)) for place, (text, label, _) in enumerate(rows_of())]


BY_GENDER, SWAP = {"risks": {"bias": {"group": "gender"}}}, {"swap_terms": True}


def recipe(tmp_path, family="bert", *, rows=None, **parts):
    parts = dict(parts)
    file = write_csv(tmp_path / "rows.csv", rows_of() if rows is None else rows, header="text,label,gender")
    data = {"train": str(file), "text": "text", "label": "label", "validation": 0.5, "test": "none"}
    return {
        "model": str(tiny(family)),
        "run": str(tmp_path / "run"),
        "data": {**data, **parts.pop("data", {})},
        "train": {"epochs": 1, "batch_tokens": 200},
        "evaluate": {"resamples": 20, "baselines": False},
        "risks": {"measure": "always", **parts.pop("risks", {})},
        **parts,
    }


def bias_of(folder):
    return {line.probe: line for line in read(folder.journal) if isinstance(line, Probed) and line.risk == "bias"}


def prepared(given):
    return prepare(check_recipe(given), notify=lambda _: None)


def test_a_classifier_s_bias_by_swaps_and_by_groups(tmp_path):
    first = affina.train(recipe(tmp_path, rows=rows_of(180), **BY_GENDER)).folder
    found = bias_of(first)
    assert found.keys() == {"identity terms swapped", "groups of people"}
    swaps, groups = found.values()
    sides = [figure.of for figure in swaps.figures if figure.metric == "flip_rate"]
    assert sides == [TUNED, UNTOUCHED, PROBED, DIFFERENCE]
    assert swaps.figures[0].found.n == 90
    assert "90 of 90 validation rows" in swaps.notes[0]
    assert groups.figures[0].metric == "equalised_odds"
    plain = json.loads(first.report_json.read_text("utf-8"))["risks"]["bias"]
    assert "Groups of people" not in str(plain["not_measured"])
    assert "Other bias" in str(plain["not_measured"])
    again = affina.train(recipe(tmp_path, rows=rows_of(180), run=str(tmp_path / "again"), **BY_GENDER)).folder
    assert [line.figures for line in bias_of(again).values()] == [line.figures for line in found.values()]


def test_rows_without_a_value_in_the_column_are_told(tmp_path):
    rows = [(text, label, "" if place % 3 == 0 else group) for place, (text, label, group) in enumerate(rows_of(180))]
    folder = affina.train(recipe(tmp_path, rows=rows, **BY_GENDER)).folder
    [note] = [note for note in bias_of(folder)["groups of people"].notes if "column gender" in note]
    asked, empty = int(note.split()[0]), int(note.split("; ")[1].split()[0])
    assert (asked + empty, empty) == (90, pytest.approx(30, abs=12))
    assert note.endswith("more have no value in it")


@pytest.mark.parametrize("method", ["lora", "prompt"])
def test_without_a_column_the_report_says_how_to_name_one(tmp_path, method):
    folder = affina.train(recipe(tmp_path, method=method)).folder
    assert list(bias_of(folder)) == ["identity terms swapped"]
    assert "risks.bias.group=COLUMN" in folder.card.read_text("utf-8")


def test_labels_in_words_are_asked_of_both_models_alike(tmp_path):
    words = {"name": "classification", "form": "words"}
    folder = affina.train(recipe(tmp_path, "gpt2", task=words, **BY_GENDER)).folder
    swaps, groups = bias_of(folder).values()
    assert [figure.of for figure in swaps.figures if figure.metric == "flip_rate"] == [TUNED, UNTOUCHED, DIFFERENCE]
    assert groups.figures[0].found.n >= 20 or groups.outcome == "few"


def test_a_short_training_leaves_no_room(tmp_path):
    [line] = bias_of(affina.train(recipe(tmp_path, risks={"measure": "auto"})).folder).values()
    assert line.outcome == "unmeasured"
    assert "5% are for this" in line.why


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        (lambda number: f"the parcel number {number} of a customer is late and not at the door", "none of 45"),
        (lambda number: f"Die Karte {number} ist nicht da und ich habe sie nicht bekommen, wo ist sie denn", "German"),
    ],
)
def test_rows_without_terms_are_not_measured_with_the_reason(tmp_path, texts, why):
    rows = [(texts(number), label, group) for number, (_, label, group) in enumerate(rows_of())]
    [line] = bias_of(affina.train(recipe(tmp_path, rows=rows)).folder).values()
    assert line.outcome == "unmeasured"
    assert why in line.why
    assert "risks.bias.terms=FILE" in line.why


def test_terms_of_the_user_s_own(tmp_path):
    (tmp_path / "mine.txt").write_text("en, card, fee\n", encoding="utf-8")
    run = prepared(recipe(tmp_path, risks={"bias": {"terms": str(tmp_path / "mine.txt")}}))
    assert [(pair.first, pair.second) for pair in run.terms] == [("card", "fee")]
    assert "mine.txt" in run.choices["risks.bias.terms"].reason


def test_swapped_training_rows_are_learned_too(tmp_path):
    plain, swapped = (prepared(recipe(tmp_path, data={"swap_terms": swap})) for swap in (False, True))
    before, after = plain.rows["train"], swapped.rows["train"]
    assert len(after) == 2 * len(before) == 90
    assert after[::2] == before
    assert all(twin.fields["label"] == row.fields["label"] for row, twin in zip(before, after[1::2], strict=True))
    assert swapped.rows["validation"] == plain.rows["validation"], "held out before, and left as they are"
    chosen = swapped.choices["data.swap_terms"]
    assert (chosen.value, "45 of 45 training rows" in chosen.reason) == ("90 rows", True)
    assert swapped.subject.lengths["train"][1::2] != (), "encoded"
    again = prepared(recipe(tmp_path, data=SWAP))
    assert again.rows["train"] == after


def test_no_swapped_row_has_the_text_of_a_held_out_one(tmp_path):
    rows = [(f"{name} wrote {number}", list(LABELS)[number % 3], "m") for number in range(30) for name in ("He", "She")]
    run = prepared(recipe(tmp_path, rows=rows, data=SWAP))
    held_out = {row.fields["text"] for row in run.rows["validation"]}
    assert not held_out & {row.fields["text"] for row in run.rows["train"]}
    left_out = 60 - len(run.rows["train"])
    assert 0 < left_out < 30
    assert f"but for {left_out} whose swapped text is in the validation or test rows" in (
        run.choices["data.swap_terms"].reason
    )


def test_a_run_with_swapped_rows_says_so(tmp_path):
    folder = affina.train(recipe(tmp_path, data=SWAP, risks={"measure": "never"})).folder
    records = read(folder.journal)
    assert any(isinstance(line, Chosen) and line.key == "data.swap_terms" for line in records)
    assert next(line for line in records if isinstance(line, DataRead)).rows["train"] == 90
    assert "swap_terms: true" in folder.recipe.read_text("utf-8")
    assert {line.risk for line in records if isinstance(line, Probed)} == {"overfitting", "forgetting", "bias"}


def test_what_the_rows_show_is_said_before_the_training(tmp_path):
    rows = [(text, "fee" if group == "f" else "card", group) for text, _, group in rows_of()]
    run = prepared(recipe(tmp_path, rows=rows, **BY_GENDER))
    names = [finding.name for finding in run.findings]
    assert {"differences_by_term", "differences_by_group"} <= set(names)
    assert {"groups", "identity terms"} <= {check.name for check in run.audited.checks}
    checked = affina.check(check_recipe(recipe(tmp_path, rows=rows, **BY_GENDER)))
    assert names == [finding.name for finding in checked.data.findings]


def test_terms_of_ones_own_that_no_row_has_are_told_of_before_the_training(tmp_path):
    (tmp_path / "terms.txt").write_text("en, lorry, truck\n", encoding="utf-8")
    run = prepared(recipe(tmp_path, risks={"bias": {"terms": str(tmp_path / "terms.txt")}}))
    assert [finding.name for finding in run.findings].count("pairs_of_terms_in_no_row") == 1
    assert "pairs_of_terms_in_no_row" not in [finding.name for finding in prepared(recipe(tmp_path)).findings]


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"risks": {"bias": {"group": "sex"}}}, "risks.bias.group"),
        ({"risks": {"bias": {"group": "label"}}}, "a column for each"),
        ({"risks": {"bias": {"group": "gender"}}, "data": {"label": ["label", "gender"]}}, "a column for each"),
        ({"risks": {"bias": {"terms": "none.txt"}}}, "No such file"),
        ({"risks": {"bias": {"terms": "none.txt"}, "measure": "never"}}, "leave one of the two out"),
        ({"rows": grouped(lambda _: "m"), **BY_GENDER}, "'m' in every row"),
        ({"rows": grouped(lambda _: ""), **BY_GENDER}, "no value at all"),
        ({"rows": grouped(lambda place: f"p{place}"), **BY_GENDER}, "90 values"),
        ({"rows": [(f"parcel {n}", row[1], "m") for n, row in enumerate(rows_of())], "data": SWAP}, "none of 45"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_fix(tmp_path, parts, says):
    with pytest.raises(InputError) as caught:
        prepared(recipe(tmp_path, **parts))
    problem = caught.value.problems[0]
    assert says in f"{problem.where} {problem.expected} {problem.found} {problem.fix}"
    assert problem.fix


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        (BY_GENDER, "risks.bias.group"),
        ({"risks": {"bias": {"terms": "mine.txt"}}}, "risks.bias.terms"),
        ({"data": SWAP}, "data.swap_terms"),
    ],
)
def test_a_task_that_writes_has_none_of_it(tmp_path, parts, key):
    rows = [
        {"input": f"say {number}", "output": f"he said {number}", "gender": "mf"[number % 2]} for number in range(30)
    ]
    data = {"train": str(write_jsonl(tmp_path / "rows.jsonl", rows)), "validation": 0.4, **parts.get("data", {})}
    parts = {key: part for key, part in parts.items() if key != "data"}
    with pytest.raises(InputError, match="generation") as caught:
        prepared({"model": str(tiny("llama")), "task": "generation", "data": data, **parts})
    assert key in caught.value.problems[0].where


def test_a_file_without_the_column_is_named(tmp_path):
    write_csv(tmp_path / "held.csv", [row[:2] for row in rows_of(30)])
    given = recipe(tmp_path, data={"validation": str(tmp_path / "held.csv")}, **BY_GENDER)
    with pytest.raises(InputError, match="the column gender, which holds the groups of people"):
        prepared(given)


def test_the_column_is_taken_for_nothing_else(tmp_path):
    """With the label's name unknown, two columns are left, of which one is the groups'."""
    rows = [(text, label, group) for text, label, group in rows_of()]
    file = write_csv(tmp_path / "odd.csv", rows, header="text,what,gender")
    given = recipe(tmp_path, **BY_GENDER)
    run = prepared({**given, "data": {"train": str(file)}})
    assert run.loaded.columns == {"text": "text", "label": "what", "people": "gender"}
    affina.train(check_recipe({**given, "data": {"train": str(file)}, "risks": {"bias": {"group": "gender"}}}))
    write_csv(tmp_path / "new.csv", [row[:2] for row in rows_of(12)], header="text,what")
    assert affina.evaluate(tmp_path / "run", tmp_path / "new.csv"), "the column is not needed any more"


def test_the_column_may_keep_rows_together_as_well(tmp_path):
    rows = grouped(lambda place: f"town {place % 6}")
    run = prepared(recipe(tmp_path, rows=rows, data={"group": "gender"}, **BY_GENDER))
    assert run.loaded.columns == {"text": "text", "label": "label", "group": "gender", "people": "gender"}
    sides = [{row.fields["people"] for row in run.rows[name]} for name in ("train", "validation")]
    assert not sides[0] & sides[1], "a group is in one split"
    assert all(row.fields["group"] == row.fields["people"] for row in run.rows["train"])


def named(number):
    """A row that has no term, but for a few."""
    text, label, group = rows_of(600)[number]
    return (text if number < 12 else f"the parcel {text.split(': ', 1)[1]}", label, group)


def held(tmp_path, *, rows, **bias):
    return recipe(tmp_path, rows=rows, risks={"bias": {"budget": 0.9, **bias}})


@pytest.mark.parametrize("terms", [0, 12])
def test_swaps_that_settle_nothing_have_no_part_in_a_budget_that_groups_are_held_to(tmp_path, monkeypatch, terms):
    monkeypatch.setattr(search, "STRENGTHS", (1.0,))
    monkeypatch.setattr(search, "FINER", 0)
    rows = [named(number) for number in range(12 - terms, 420 - terms)]
    folder = affina.train(held(tmp_path, rows=rows, group="gender")).folder
    records = read(folder.journal)
    tried = [line for line in records if isinstance(line, Tried)]
    assert {held.probe for line in tried for held in line.held} == {"groups of people"}
    assert all(line.is_within for line in tried)
    [note] = [note for line in records if isinstance(line, Searched) for note in line.notes if "swapped" in note]
    assert "no part of risks.bias.budget, since" in note
    assert "rows ha" in note


def test_a_budget_for_bias_that_few_rows_with_terms_could_settle_is_refused(tmp_path):
    rows = [named(number) for number in range(240)]
    assert prepared(recipe(tmp_path, rows=rows)), "without a budget it is measured, and settles nothing"
    with pytest.raises(RecipeError, match=r"(?s)risks\.bias\.budget.* fewer than 20 settle nothing"):
        prepared(held(tmp_path, rows=rows))


@pytest.mark.parametrize(
    ("group", "says"),
    [
        (lambda place: "f" if place < 15 else "m", "no two groups have 20 rows"),
        (lambda place: "mf"[place % 2] if place < 2 else "", "value in the column gender|no two groups"),
    ],
)
def test_groups_that_are_asked_for_and_settle_nothing_are_refused_beside_a_budget(tmp_path, group, says):
    with pytest.raises(RecipeError, match=rf"(?s)recipe key risks\.bias\.group.*({says})"):
        prepared(held(tmp_path, rows=grouped(group), group="gender"))


@pytest.mark.parametrize(
    ("group", "says"),
    [
        (lambda place: "f" if place < 15 else "m", ["no two groups have 20 rows", "(m 3", "45 validation rows"]),
        (lambda place: "mf"[place % 2] if place < 20 else "", ["no two groups have 20 rows"]),
        (lambda place: "mf"[place % 2], []),
    ],
)
def test_a_column_of_groups_that_can_tell_nothing_is_said_before_the_training(tmp_path, group, says):
    run = prepared(recipe(tmp_path, rows=grouped(group), **BY_GENDER))
    told = [text for text in run.notices if text.startswith("risks.bias.group=gender")]
    assert len(told) == bool(says)
    assert all(words in told[0] for words in says)
    assert not prepared(recipe(tmp_path, rows=grouped(group))).notices


@pytest.mark.parametrize(("asked", "probe"), [({}, "identity terms swapped"), ({"group": "gender"}, "identity|groups")])
def test_a_budget_that_so_few_rows_could_not_show_to_be_kept_is_refused_with_what_they_can(tmp_path, asked, probe):
    def given(budget):
        risks = {"bias": {"budget": budget, **asked}}
        return recipe(tmp_path, rows=rows_of(600), data={"validation": 0.3}, risks=risks)

    with pytest.raises(
        RecipeError, match=rf"(?s)risks\.bias\.budget.*the least that so many rows.*({probe})"
    ) as caught:
        prepared(given("1pp"))
    [problem] = caught.value.problems
    least = problem.expected.split()[0]
    assert problem.fix.startswith(f"raise it to {least}")
    if not asked:
        assert prepared(given(least))


def test_swaps_that_are_too_coarse_for_a_budget_have_no_part_in_one_that_groups_are_held_to(tmp_path):
    rows = [(text if place < 60 else f"the parcel {text.split(': ', 1)[1]}", label, group)
            for place, (text, label, group) in enumerate(rows_of(1200))]  # fmt: skip
    with pytest.raises(RecipeError, match="the least that so many rows can show"):
        prepared(held(tmp_path, rows=rows, budget="10pp"))
    run = prepared(held(tmp_path, rows=rows, budget="10pp", group="gender"))
    with Journal(tmp_path / "nowhere.jsonl") as nowhere:
        every = every_probe(run, Allowance(0, bounded=False), nowhere)
    [swaps] = [probe for probe in every if isinstance(probe, Probed) and probe.probe == "identity terms swapped"]
    assert "rows with terms can show no less than" in swaps.why


def test_a_search_asks_of_validation_rows_and_the_report_of_rows_that_it_did_not_see(tmp_path):
    parts = {"data": {"test": 0.4, "validation": 0.3}, "risks": {"bias": {"group": "gender", "budget": 0.9}}}
    train = {"epochs": 3, "batch_tokens": 200, "learning_rate": 1e-2}
    folder = affina.train(recipe(tmp_path, rows=rows_of(600), train=train, **parts)).folder
    records = read(folder.journal)
    [searched] = [line for line in records if isinstance(line, Searched)]
    tried = [line for line in records if isinstance(line, Tried)]
    assert len(tried) == searched.candidates
    assert {held.probe for line in tried for held in line.held} == {"identity terms swapped", "groups of people"}
    for line in bias_of(folder).values():
        assert "test rows" in line.notes[0]
        assert (line.limit, line.is_budget) == (0.9, True)
        [searched_on] = {held.figure.found.n for one in tried for held in one.held if held.probe == line.probe}
        assert searched_on < line.figures[0].found.n, "there are fewer validation rows"
