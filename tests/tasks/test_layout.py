"""Where tokens stand in a batch: by hand, and out and in again."""

import torch

from affina.tasks.layout import filled_from_left, first_of_each, padded


def test_tokens_are_taken_out_in_their_order_and_put_back_where_they_were():
    mask = torch.tensor([[0, 1, 1], [1, 1, 1], [0, 0, 1]])
    layout = padded(mask)
    assert layout.places.tolist() == [1, 2, 3, 4, 5, 8]
    assert (layout.lines, layout.time) == (3, 3)
    states = torch.arange(18.0).reshape(3, 3, 2) + 1
    tokens = layout.gathered(states)
    assert tokens[:, 0].tolist() == [3.0, 5.0, 7.0, 9.0, 11.0, 17.0]
    assert torch.equal(layout.spread(tokens), states * mask[:, :, None])


def test_lines_that_are_filled_from_the_left():
    layout = filled_from_left([2, 0, 3], torch.zeros(3, 4))
    assert layout.places.tolist() == [0, 1, 8, 9, 10]
    assert (layout.lines, layout.time) == (3, 4)
    assert first_of_each(layout).places.tolist() == [0, 1, 2]
    assert (first_of_each(layout).lines, first_of_each(layout).time) == (3, 1)
