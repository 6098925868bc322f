"""Every library's way of saying that there is no memory left, and what only looks like it."""

from __future__ import annotations

import errno

import pytest
import torch

from affina.errors import DataError, ModelError, Problem, ResourceError
from affina.runtime.exhausted import ran_out, told

ALLOCATOR = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"
QUOTED = Problem(where="a.csv, row 2", expected="a label", found="out of memory", fix="write one")


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MemoryError(), True),
        (MemoryError("std::bad_alloc"), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError(ALLOCATOR), True),
        (RuntimeError("could not create a primitive"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (ImportError("libtorch.so: failed to map segment from shared object"), True),
        (OSError(errno.ENOENT, "No such file"), False),
        (RuntimeError("could not create a primitive descriptor for a matmul primitive"), False),
        (RuntimeError("shapes do not match"), False),
        (DataError(QUOTED), False),
        (ValueError("'out of memory' is no label"), False),
    ],
    ids=repr,
)
def test_what_says_that_there_is_no_memory(error, is_memory):
    assert ran_out(error) is is_memory


def test_a_model_that_memory_kept_from_being_read_is_not_damaged():
    damaged = ModelError(QUOTED)
    damaged.__cause__ = OSError(errno.ENOMEM, "Cannot allocate memory")
    with pytest.raises(ResourceError, match="Cannot allocate") as caught, told():
        raise damaged
    [problem] = caught.value.problems
    assert problem.where == "memory"
    assert "ulimit" in problem.fix


def test_other_errors_pass():
    for error in (ResourceError(QUOTED), KeyError("a")):
        with pytest.raises(type(error)) as caught, told():
            raise error
        assert caught.value is error
