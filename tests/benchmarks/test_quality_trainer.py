"""How the peer is scored; no model is trained."""

from types import SimpleNamespace

import numpy
import pytest
import trainer_run


class Shuffling:
    """Stands in for a Trainer with group_by_length, which predicts in an order of its own."""

    def predict(self, examples):
        order = [2, 0, 1]
        labels = numpy.array([examples[place]["labels"] for place in order])
        return SimpleNamespace(predictions=numpy.eye(3, dtype="float32")[labels] * 50, label_ids=labels)


def test_predictions_are_compared_with_the_labels_of_their_own_rows():
    examples = [{"input_ids": [0] * length, "labels": label} for length, label in [(3, 2), (1, 0), (2, 1)]]
    found = trainer_run._score(Shuffling(), examples)
    assert (found["accuracy"], found["macro_f1"]) == (1.0, 1.0)
    assert found["loss"] == pytest.approx(0.0, abs=1e-6)
