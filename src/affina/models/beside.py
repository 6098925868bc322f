"""Errors of a base model with an adapter beside it: they name the base, and the file in which its name stands.

Which of the two does not fit the other cannot be told; the user named the adapter alone. What is wrong is found by
whoever loads the base (`classifier`, `language`) or attaches the adapter (`methods.saved`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from affina.errors import ModelError, Problem
from affina.models.source import Source

OTHER_BASE: Final = "name the base that the adapter was trained beside"


@contextmanager
def naming_base(source: Source) -> Iterator[None]:
    """Have what is wrong with an adapter and its base named with the base.

    Raises:
        ModelError: as it was, with the base and where that is named.
    """
    try:
        yield
    except ModelError as error:
        if source.adapter is None or source.base is None:
            raise
        raise ModelError(*(_named(problem, source, source.base) for problem in error.problems)) from error


def _named(problem: Problem, source: Source, base: Source) -> Problem:
    place = f"; the base's name stands in {source.named_in}" if source.named_in is not None else ""
    return replace(problem, where=f"{problem.where}, beside the base {base.reference}", fix=problem.fix + place)
