"""What every malformed input must come to: its error, or its notice, within seconds and in little memory."""

from __future__ import annotations

import time
from pathlib import Path

from affina.runtime import memory
from corpus.case import Case
from workbench import affina, check_goes_on, check_refused, files_under, sample_rows, tiny, write_csv

MOST_SECONDS = 5.0
MOST_BYTES = 2**30


def warm(folder: Path) -> None:
    """What is loaded on first use is no cost of a malformed file."""
    good = write_csv(folder / "good.csv", sample_rows())
    affina("check", good, f"model={tiny()}")


def meet(case: Case, folder: Path) -> None:
    """Give the command, in the folder that is the current one."""
    write_csv(Path("good.csv"), sample_rows())
    words = case.make()
    before = files_under(folder)
    resettable, held = memory.forget_peak(), memory.resident()
    started = time.process_time()
    ended = affina(*words)
    assert time.process_time() - started < MOST_SECONDS
    if case.goes_on:
        check_goes_on(ended, says=case.says)
    else:
        check_refused(ended, folder, before, says=case.says)
    assert not resettable or memory.peak() - held < MOST_BYTES
