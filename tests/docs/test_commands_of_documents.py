"""Every command and every Python block of the README and the guides is run, in the order it stands there.

Each document gets a folder of its own with `tickets.csv` and `new-tickets.csv`. `affina train`, `affina demo` and
`affina compare` are run with the words of `documents.CHEAP` added, which cut training short and change nothing else.
"""

import functools
import gc
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from documents import CHEAP, ROOT, Block, blocks, name

from workbench import Ended, affina

GUIDES = ("first-run", "audit", "data", "tasks", "language", "methods", "compare", "plan", "report", "risks", "verify")
RUN = [ROOT / "README.md", *(ROOT / f"docs/guides/{guide}.md" for guide in GUIDES)]
"""The commands of the guide to bad input end as errors: `test_documents` compares what they print."""
PROLOGUE = f"""
import affina
_train = affina.train
affina.train = lambda source, overrides=(): _train(source, [*overrides, *{CHEAP!r}])
_compare = affina.compare
affina.compare = lambda source, **keys: _compare(source, {CHEAP!r}, **keys)
"""


@pytest.mark.slow
@pytest.mark.parametrize("document", RUN, ids=name)
def test_what_a_document_shows_runs(document, tmp_path, tickets, monkeypatch):
    tickets(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    commands = 0
    for block in blocks(document):
        if block.file:
            (tmp_path / block.file).write_text(block.body, encoding="utf-8")
        for shown, run in _commands(block):
            done = run()
            gc.collect()  # a model of a run that ended may lie in a cycle, and the next one would lie beside it
            assert done.status == block.status, f"{shown}\n{done.out[-2000:]}\n{done.err[-2000:]}"
            assert done.out.strip()
            commands += 1
    assert commands >= 5
    missing = [file for file in _promised(document) if not (tmp_path / "runs/tickets" / file).exists()]
    assert missing == []


def _commands(block: Block) -> Iterator[tuple[str, Callable[[], Ended]]]:
    """What a block shows, and what runs it: a command in this process, which has torch already, Python in its own."""
    if block.not_run:
        return
    if block.language == "python":
        yield block.body, functools.partial(_python, block.body)
    for command in block.commands() if block.language == "sh" else ():
        program, *words = shlex.split(command)
        assert program == "affina", f"a command that the tests cannot run: {command}"
        cheap = CHEAP if words[0] in {"train", "demo", "compare"} else ()
        yield command, functools.partial(affina, *words, *cheap)


def _python(body: str) -> Ended:
    paths = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + body],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def _promised(document: Path) -> list[str]:
    """The entries of the run folder's tree, where the document shows one."""
    trees = [block.body for block in blocks(document) if block.body.startswith("runs/tickets/")]
    return [entry for tree in trees for entry in re.findall(r"^  (\S+)", tree, flags=re.MULTILINE)]
