"""Free memory is given back where a run would grow, and only there."""

from __future__ import annotations

import pytest

from affina.runtime import heap, memory


@pytest.fixture
def trims(monkeypatch):
    """Calls of glibc's function, and what the process is said to hold, piece of work by piece of work."""
    calls: list[int] = []

    def after(*held: int) -> list[int]:
        values = iter(held)
        monkeypatch.setattr(memory, "resident", lambda: next(values))
        monkeypatch.setattr(heap, "_TRIM", lambda _: calls.append(1) or 1)
        kept = heap.Heap(largest=2)
        for _ in held:
            kept.settle()
        return calls

    return after


def test_the_first_pieces_set_the_measure(trims):
    assert trims(100, 300, 299, 250) == []


def test_what_is_above_it_is_given_back(trims):
    assert len(trims(100, 300, 329, 331, 300, 350)) == 2


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(heap, "_TRIM", None)
    monkeypatch.setattr(memory, "resident", lambda: pytest.fail("looked at for nothing"))
    assert heap.give_back() is False
    heap.Heap(largest=1).settle()
