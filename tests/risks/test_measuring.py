"""What a probe may end in without taking the run with it, and what is a fault of ours."""

import contextlib
import errno

import pytest
import torch

from affina.errors import ModelError, Problem
from affina.risks.measuring import Looks
from affina.risks.probe import Found

GONE = Problem(where="base", expected="a folder", found="nothing", fix="name it")
ENDS = [
    (
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        "memory",
    ),
    (MemoryError(), "not enough memory"),
    (torch.OutOfMemoryError("CUDA out of memory"), "not enough memory"),
    (OSError(errno.ENOSPC, "No space left on device"), "No space left"),
    (ModelError(GONE), "base: nothing (expected: a folder); name it"),
]


class Base:
    """Stands in for a model with a method."""

    def __init__(self, error=None):
        self._error = error

    @contextlib.contextmanager
    def as_it_came(self):
        if self._error:
            raise self._error
        yield


class Steady:
    risk, name, needs_base = "forgetting", "steady", True

    def before(self):
        pass

    def after(self):
        return Found(outcome="within", limit=0.5)


class Failing(Steady):
    name = "failing"

    def __init__(self, error, *, when):
        self._error, self._when = error, when

    def before(self):
        if self._when == "before":
            raise self._error

    def after(self):
        if self._when == "after":
            raise self._error
        return super().after()


def ended(probes, base=None):
    looks = Looks(probes, base or Base(), budgets={}, keeps_limit=lambda _: False)
    looks.at_base()
    return {line.probe: line for line in looks.at_tuned()}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("error", "says"), ENDS)
def test_a_probe_that_cannot_go_on_is_unmeasured_and_the_others_are_not(error, says, when):
    found = ended([Failing(error, when=when), Steady()])
    assert found["failing"].outcome == "unmeasured"
    assert says in found["failing"].why
    assert found["steady"].outcome == "within"


@pytest.mark.parametrize(("error", "says"), ENDS)
def test_a_base_that_cannot_be_read_is_why_none_of_them_measured(error, says):
    found = ended([Steady()], Base(error))
    assert found["steady"].outcome == "unmeasured"
    assert says in found["steady"].why


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_fault_of_ours_is_called_that_and_ends_no_run(when):
    found = ended([Failing(KeyError("logits"), when=when), Steady()])
    assert "a fault of Affina's own, which should be reported: KeyError: 'logits'" in found["failing"].why
    assert found["steady"].outcome == "within"
    assert "fault of Affina's own" in ended([Steady()], Base(KeyError("logits")))["steady"].why
