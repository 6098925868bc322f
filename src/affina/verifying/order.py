"""All checks in their order: the short training first, since what it left in the model is what the others look at."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from affina.pipeline.prepared import Prepared
from affina.runtime import randomness
from affina.verifying.arithmetic import arithmetic
from affina.verifying.bench import Bench, bench_of
from affina.verifying.ends import ends
from affina.verifying.guarantees import Tell
from affina.verifying.method import of_method, show
from affina.verifying.shipped import of_shipped
from affina.verifying.short_run import train

PREFIX: Final = "affina-verify-"
"""Of the temporary folder."""


def check_all(
    prepared: Prepared, tell: Tell, *, rows: int | None, double: bool, begun: Callable[[Bench], None]
) -> None:
    """Make every check, in a folder that is removed; the process's random numbers are afterwards what they were.

    Args:
        prepared: the whole run; its model is afterwards worth nothing.
        tell: given each guarantee as soon as it is known.
        rows: training rows to look at; None leaves it to the size of the model.
        double: look at the arithmetic in float64.
        begun: given the bench before anything is measured.

    Raises:
        DataError: there are too few rows.
        NonFiniteError: the short training left the range of numbers.
    """
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder, randomness.untouched():
        bench = bench_of(prepared, Path(folder), rows=rows, double=double)
        begun(bench)
        show(bench, train(bench, tell))
        for found in itertools.chain(arithmetic(bench), [ends(bench)], of_method(bench), of_shipped(bench)):
            tell(found)
