"""Random state comes back bit for bit, of every generator, through JSON."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch

from affina.runtime import randomness

DRAWS = {
    "python": lambda: [random.random() for _ in range(3)],  # noqa: S311 - not a secret
    "python gauss": lambda: [random.gauss(0, 1) for _ in range(3)],
    "numpy": lambda: np.random.random(3).tolist(),
    "numpy normal": lambda: np.random.standard_normal(3).tolist(),
    "torch": lambda: torch.rand(3).tolist(),
    "torch normal": lambda: torch.randn(17).tolist(),
    "dropout": lambda: torch.nn.functional.dropout(torch.ones(50), 0.5).tolist(),
}


@pytest.fixture(autouse=True)
def _leave_as_found():
    with randomness.untouched():
        yield


def draw_all():
    return {name: draw() for name, draw in DRAWS.items()}


@pytest.mark.parametrize("name", DRAWS)
def test_the_seed_decides_every_draw(name):
    randomness.seed_everything(3)
    first = DRAWS[name]()
    randomness.seed_everything(3)
    assert DRAWS[name]() == first
    randomness.seed_everything(4)
    assert DRAWS[name]() != first


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
@pytest.mark.parametrize("before", range(4))
def test_restored_generators_go_on_as_they_were(seed, before):
    randomness.seed_everything(seed)
    for _ in range(before):
        random.gauss(0, 1)  # an odd number leaves half a pair behind, which is state too
        np.random.standard_normal()
        torch.randn(1)
    state = json.loads(json.dumps(randomness.capture()))
    expected = draw_all()
    assert draw_all() != expected
    randomness.restore(state)
    assert draw_all() == expected


def test_capturing_changes_nothing():
    randomness.seed_everything(1)
    expected = draw_all()
    randomness.seed_everything(1)
    randomness.capture()
    assert draw_all() == expected


def test_untouched_hides_what_was_drawn_also_after_an_error():
    randomness.seed_everything(1)
    expected = draw_all()
    randomness.seed_everything(1)
    with randomness.untouched():
        draw_all()
    with pytest.raises(KeyError), randomness.untouched():  # noqa: PT012 - the block is what is tested
        draw_all()
        raise KeyError
    assert draw_all() == expected
