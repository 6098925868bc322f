"""The task: encoding, limits, the loss as a sum and a count."""

from collections import Counter

import pytest
import torch
from torch.nn import functional

from affina.data.rows import Row
from affina.errors import DataError
from affina.models.classifier import load_classifier
from affina.models.source import locate
from affina.tasks.classification import Classification, balanced_weights
from affina.tasks.texts import apply_limit, measure_lengths, refuse_nothing
from workbench import tiny

LABELS = ("a", "b", "c")


@pytest.fixture(scope="module")
def classifier():
    return load_classifier(locate(str(tiny("bert"))), LABELS)


def rows(*texts, pair=None, label="b"):
    extra = {} if pair is None else {"text_pair": pair}
    return [Row({"text": text, "label": label, **extra}, "t.csv", n, n + 1) for n, text in enumerate(texts, start=1)]


def test_rows_become_what_the_tokenizer_gives(classifier):
    task = Classification(classifier.tokenizer, LABELS, max_length=64)
    texts = ["where is my card", "a refund"]
    examples = task.encode(rows(*texts))
    assert [list(example.ids) for example in examples] == classifier.tokenizer(texts)["input_ids"]
    assert [example.target for example in examples] == [1, 1]
    assert task.encode([Row({"text": "no label"}, "t", 1, 1)])[0].target is None


def test_pairs_have_segments(classifier):
    task = Classification(classifier.tokenizer, LABELS, max_length=64)
    example = task.encode(rows("where is it", pair="my card"))[0]
    encoded = classifier.tokenizer("where is it", "my card")
    assert list(example.ids) == encoded["input_ids"]
    assert list(example.types) == encoded["token_type_ids"]
    assert set(example.types) == {0, 1}


def test_a_batch_is_padded_on_the_right_and_counts_real_tokens(classifier):
    task = Classification(classifier.tokenizer, LABELS, max_length=64)
    examples = task.encode(rows("card", "where is my card now"))
    batch = task.collate(examples, rows=[7, 3])
    lengths = [len(example.ids) for example in examples]
    assert batch.inputs["input_ids"].shape == (2, max(lengths))
    assert batch.inputs["attention_mask"].sum(dim=1).tolist() == lengths
    assert batch.inputs["input_ids"][0, lengths[0] :].eq(classifier.tokenizer.pad_token_id).all()
    assert batch.tokens == sum(lengths)
    assert batch.rows == (7, 3)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)])
def test_the_loss_is_the_sum_and_the_count_of_cross_entropy(classifier, smoothing, weights):
    task = Classification(classifier.tokenizer, LABELS, max_length=64, class_weights=weights, label_smoothing=smoothing)
    examples = [*task.encode(rows("x", label="a")), *task.encode(rows("y", "z", label="b"))]
    batch = task.collate(examples, rows=range(3))
    logits = torch.randn(3, 3, dtype=torch.float64)
    total, count = task.loss(torch.zeros(3, 1, 1), lambda _: logits, batch)
    each = functional.cross_entropy(logits, batch.targets, reduction="none", label_smoothing=smoothing)
    factors = torch.ones(3) if weights is None else weights[batch.targets]
    assert float(total) == pytest.approx(float((each * factors).sum()), rel=1e-12)
    assert count == pytest.approx(float(factors.sum()))
    assert count == task.weight(batch)


def test_the_limit_cuts_drops_or_refuses_and_says_which_rows(classifier):
    given = rows("card", "where is my card where is my card where is my card")
    lengths = measure_lengths(classifier.tokenizer, given)
    assert lengths[1] > 8 > lengths[0]
    kept, beyond = apply_limit(given, lengths, limit=8, too_long="truncate")
    assert (len(kept), beyond.rows, beyond.tokens) == (2, (1,), lengths[1] - 8)
    assert len(Classification(classifier.tokenizer, LABELS, max_length=8).encode(kept)[1].ids) == 8
    kept, beyond = apply_limit(given, lengths, limit=8, too_long="drop")
    assert [row.number for row in kept] == [1]
    assert beyond.rows == (1,)
    with pytest.raises(DataError, match=r"t\.csv, row 2 \(line 3\)"):
        apply_limit(given, lengths, limit=8, too_long="error")
    assert apply_limit(given, lengths, limit=lengths[1], too_long="error")[0] is given


def test_balanced_weights_average_one_over_the_rows():
    counts = Counter({"a": 80, "b": 15, "c": 5})
    weights = balanced_weights(counts, LABELS)
    assert sum(weights[place] * counts[label] for place, label in enumerate(LABELS)) == pytest.approx(100)
    assert weights[2] / weights[0] == pytest.approx(16)


def test_a_text_that_is_no_token_is_refused():
    given = rows("card", "\u0378")
    refuse_nothing(given, [3, 1])
    with pytest.raises(DataError, match=r"t\.csv, row 2 \(line 3\)"):
        refuse_nothing(given, [3, 0])
