"""Answers that are none: what is called that, and what verdict, page and card say then."""

import pytest

from affina.record.figures import Measured
from affina.record.payloads import Event, Finished, Scores
from affina.record.row_results import RowResults, WrittenTexts
from affina.record.starts import ModelLoaded
from affina.reporting import card, page
from affina.reporting.degenerate import degenerate, degenerate_of, repeats
from affina.reporting.gathered import gather
from affina.reporting.verdict import headline, verdict, verdict_of

ROWS = 30


def written(texts, who="tuned"):
    return WrittenTexts(who=who, split="test", texts=tuple(texts))


def exactly(share, rows=ROWS, who="tuned"):
    right = tuple(float(place < share * rows) for place in range(rows))
    parts = tuple((0.1 if who == "tuned" else 0.0,) * rows for _ in range(18))
    keys = tuple(f"{n:08x}" for n in range(rows))
    return RowResults(who=who, split="test", rows=keys, values={"exact_match": right}, parts={"chrf": parts})


GOOD = [f"answer number {place} is quite its own" for place in range(ROWS)]


@pytest.mark.parametrize(
    ("texts", "kind", "said"),
    [
        ([",,,,,,,,,,,, [cut off]"] * ROWS, "repeating", "such as ','"),
        (["in in in in in in"] * ROWS, "repeating", "such as 'in'"),
        (["The food is good. " * 6] * ROWS, "repeating", "over and over"),
        ([""] * 16 + GOOD[:14], "empty", "16 of 30 answers are empty"),
        ([" [cut off]"] * ROWS, "empty", "are empty"),
        (["", "no no no no no"] * 15, "empty", "are empty (15) or repeat"),
        (["I do not know."] * 20 + GOOD[:10], "same", "20 of 30 answers are one and the same text"),
        ([f"{text} [cut off]" for text in GOOD], "cut off", "30 of 30 answers are cut off at the limit"),
        (GOOD, None, ""),
        ([f"{text} [cut off]" for text in GOOD[:15]] + GOOD[15:], None, ""),
    ],
)
def test_what_most_answers_are_is_named(texts, kind, said):
    found = degenerate(written(texts), exactly(0.0))
    assert (None if found is None else found.kind) == kind
    assert found is None or said in found.told


def test_one_right_answer_for_all_is_no_fault():
    assert degenerate(written(["yes"] * ROWS), exactly(0.9)) is None
    assert degenerate(written(["yes"] * ROWS), exactly(0.4)).kind == "same"


def test_answers_that_are_masked_are_not_one_and_the_same():
    assert degenerate(written(["[e-mail]"] * ROWS), exactly(0.0)) is None
    assert degenerate(written(["[phone] [phone] [phone] [phone] [phone]"] * ROWS), exactly(0.0)) is None
    assert degenerate(written(["[sorry] [sorry] [sorry] [sorry] [sorry]"] * ROWS), exactly(0.0)).kind == "repeating"


@pytest.mark.parametrize("text", ["no no", "1000", "ha ha ha", "The bar is by the river and the bar is cheap."])
def test_a_text_with_words_that_come_back_is_no_loop(text):
    assert not repeats(text)


def finished():
    return Finished(
        steps=9, best_step=9, stopped="end of the plan", seconds={"total": 9.0}, rows_per_second=1.0,
        tokens_per_second=9.0, peak_memory_bytes=10**9,
    )  # fmt: skip


def chrf(value, half, rows=ROWS):
    return {"chrf": Measured(value=value, low=value - half, high=value + half, n=rows)}


def records(texts, rows=ROWS):
    return [
        Scores(who="zero_shot", split="test", metrics=chrf(1.0, 0.2, rows)),
        Scores(who="tuned", split="test", metrics=chrf(9.0, 0.2, rows)),
        written(texts[:rows]),
        exactly(0.0, rows),
    ]


def test_answers_that_say_nothing_are_never_better():
    good, bad = (verdict_of(gather(records(texts))) for texts in (GOOD, [",,,,,,,,,"] * ROWS))
    assert good.outcome == "better"
    assert bad.outcome == "void"
    assert bad.sentence.startswith("Degenerate answers: 30 of 30 answers repeat one piece over and over")
    assert "Better" not in bad.sentence
    assert headline(bad).startswith("Degenerate answers: 30 of 30")


def test_answers_that_are_cut_off_may_be_better_and_are_named():
    found = verdict_of(gather(records([f"{text} [cut off]" for text in GOOD])))
    assert found.outcome == "better"
    assert "But 30 of 30 answers are cut off at the limit" in found.sentence


def test_page_and_card_name_them_with_the_step_back():
    event = Event(step=3, name="step back", text="30 of 30 answers are empty. Likely cause: x. Next: train.epochs=10")
    record = [*records([""] * ROWS), event, finished()]
    for text in (page.render(record, title="t"), card.render(record, title="t")):
        assert "Degenerate answers: 30 of 30 answers are empty" in text
        assert "train.epochs=10" in text.replace("\\", "")
        assert "Better" not in text


@pytest.mark.parametrize("rows", [3, 5, 19])
def test_few_rows_are_too_few_to_tell(rows):
    found = verdict_of(gather(records(GOOD, rows)))
    assert found.outcome == "few"
    assert found.sentence.startswith("Too few rows to tell: chrF is 8.0 above")
    assert f"on {rows} rows; a verdict needs 20 or more" in found.sentence
    assert "Better" not in page.render([*records(GOOD, rows), finished()], title="t")
    assert "too few to tell" in headline(found) or "too little for these rows to tell" in headline(found)


def test_twenty_rows_may_tell():
    scores = {item.who: item for item in records(GOOD, 20) if isinstance(item, Scores)}
    assert verdict(scores, chosen_metric="loss").outcome == "better"


def test_the_card_names_no_folder_of_the_machine_in_a_step_back():
    model = ModelLoaded(reference="/home/me/models/tiny", family="llama", parameters=9, trained=9, fingerprint="ab")
    event = Event(step=3, name="step back", text="x. Likely cause: /home/me/models/tiny is too small. Next: y")
    text = card.render([model, *records(GOOD), event, finished()], title="t")
    assert "tiny is too small" in text
    assert "/home/me" not in text


def test_the_answers_of_a_run_are_those_of_its_tuned_model():
    assert degenerate_of(gather(records([""] * ROWS))).kind == "empty"
    assert degenerate_of(gather([*records(GOOD), written([""] * ROWS, who="zero_shot")])) is None
    assert degenerate_of(gather([])) is None
