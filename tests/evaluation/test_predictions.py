"""Running over rows: results in the rows' order, and numbers that are not finite stop it with the rows named."""

import numpy as np
import pytest
import torch

from affina.errors import NonFiniteError
from affina.evaluation.predictions import run_over
from affina.tasks.base import Batch, Example


class Lengths:
    """A task that collates token ids and nothing else."""

    def collate(self, examples, *, rows):
        longest = max(len(example.ids) for example in examples)
        ids = torch.tensor([[*example.ids, *[0] * (longest - len(example.ids))] for example in examples])
        return Batch(inputs={"input_ids": ids}, targets=torch.zeros(len(rows)), rows=tuple(rows), tokens=ids.numel())


EXAMPLES = [Example(ids=(place,) * (1 + place * 7 % 5), types=None, target=0) for place in range(12)]


def spoilt(*places, value=float("nan")):
    def forward(batch):
        numbers = torch.stack([batch.inputs["input_ids"][:, 0].float()] * 2, dim=1)
        for row, place in enumerate(batch.rows):
            if place in places:
                numbers[row, 1] = value
        return numbers

    return forward


def run(forward, **more):
    return run_over(EXAMPLES, forward, task=Lengths(), budget=16, **more)


def test_results_are_in_the_order_of_the_rows():
    assert run(spoilt())[:, 0].tolist() == list(range(12))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_names_its_row(value):
    with pytest.raises(NonFiniteError, match=r"a.csv, row 9\n(.|\n)*1 of 12 texts") as caught:
        run(spoilt(7, value=value), where=lambda place: f"a.csv, row {place + 2}")
    assert caught.value.exit_status == 2


def test_of_many_rows_the_first_are_named_and_the_others_counted():
    with pytest.raises(NonFiniteError, match=r"row 1; row 3; row 4; and 2 more\n(.|\n)*5 of 12 texts"):
        run(spoilt(11, 9, 4, 3, 1), where=lambda place: f"row {place}")


def test_rows_without_names_are_counted():
    with pytest.raises(NonFiniteError, match=r"the model's output\n(.|\n)*12 of 12 texts"):
        run(lambda batch: torch.full((len(batch.rows), 3), np.nan))
