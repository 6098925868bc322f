"""What a record shows of rows holds no personal data whose form can be seen."""

from __future__ import annotations

from affina.data.rows import Row
from affina.evaluation.judging.base import Answer
from affina.evaluation.slot_phrases import Coverage
from affina.models.writing import Written
from affina.pipeline.answering import shown as of_answers
from affina.pipeline.writing import shown as of_texts
from affina.pipeline.writing.writer import Judged, ToWrite

TEXT = "write to anna.bianchi@example.org or call +49 171 1234554, from DE89 3704 0044 0532 0130 00 BIC COBADEFFXXX"
MASKED = "write to [e-mail] or call [phone], from [IBAN] BIC COBADEFFXXX"


def test_a_row_with_a_label_is_masked():
    row = Row({"text": TEXT, "label": "a"}, "a.csv", 1, 2)
    assert of_answers._sample(row, Answer("a", label="a"), Answer("a", label="a")).text == MASKED


def test_a_written_text_is_masked():
    found = of_texts.texts([Written(TEXT, 9, ended=True), Written("", 1, ended=True)], who="tuned", split="test")
    assert found.texts == (MASKED, "")


def test_the_slots_of_a_text_are_masked():
    slot = ("contact", "anna.bianchi@example.org")
    missed = Coverage(stated=(slot,), missed=(slot,), invented=(), unjudged=())
    row = Row({"text": TEXT, "target": TEXT}, "a.csv", 1, 2)
    found = Judged(metrics={}, written=[Written(TEXT, 9, ended=True)], texts=None, losses=None, slots=[missed])
    sample = of_texts._sample(ToWrite(rows=(row,), references=((TEXT,),)), found, 0)
    assert (sample.text, sample.expected, sample.predicted) == (MASKED, MASKED, MASKED)
    assert sample.slots == "stated: contact[[e-mail]]; missed: contact[[e-mail]]"
