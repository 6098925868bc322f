"""Every command and every Python block of the README and the guides is run, in the order it stands there.

Each document gets a folder of its own with `tickets.csv` and `new-tickets.csv`. `affina train`, `affina demo` and
`affina compare` are run with the words of `documents.CHEAP` added, which cut training short and change nothing else.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from documents import CHEAP, ROOT, Block, blocks, name

GUIDES = ("first-run", "audit", "data", "tasks", "language", "methods", "compare", "plan", "report", "risks")
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
def test_what_a_document_shows_runs(document, tmp_path, tickets):
    tickets(tmp_path)
    commands = 0
    for block in blocks(document):
        if block.file:
            (tmp_path / block.file).write_text(block.body, encoding="utf-8")
        for command in _commands(block):
            done = subprocess.run(
                command, cwd=tmp_path, env=_environment(), capture_output=True, text=True, check=False
            )
            assert done.returncode == block.status, (
                f"{shlex.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
            )
            assert done.stdout.strip()
            commands += 1
    assert commands >= 5
    missing = [file for file in _promised(document) if not (tmp_path / "runs/tickets" / file).exists()]
    assert missing == []


def _commands(block: Block) -> list[list[str]]:
    if block.not_run:
        return []
    if block.language == "python":
        return [[sys.executable, "-c", PROLOGUE + block.body]]
    found = [shlex.split(command) for command in block.commands()] if block.language == "sh" else []
    return [[*_program(words), *(CHEAP if words[1] in {"train", "demo", "compare"} else ())] for words in found]


def _program(words: list[str]) -> list[str]:
    assert words[0] == "affina", f"a command that the tests cannot run: {words}"
    return [sys.executable, "-c", "from affina.cli.main import run; run()", *words[1:]]


def _environment() -> dict[str, str]:
    paths = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}


def _promised(document: Path) -> list[str]:
    """The entries of the run folder's tree, where the document shows one."""
    trees = [block.body for block in blocks(document) if block.body.startswith("runs/tickets/")]
    return [entry for tree in trees for entry in re.findall(r"^  (\S+)", tree, flags=re.MULTILINE)]
