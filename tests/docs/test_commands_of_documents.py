"""Every command and every Python block of the README and the guides is run, in the order it stands there.

Each document gets a folder of its own with `tickets.csv` and `new-tickets.csv`. `affina train` and `affina demo` are
run with the words of `documents.CHEAP` added, which cut training short and change nothing else. Commands run in this
process, through the installed entry point: starting one for each takes longer than all that they do.
"""

import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from documents import CHEAP, ROOT, Block, blocks, name

from workbench import Ended, affina

GUIDES = ("first-run", "audit", "data", "tasks", "language", "methods", "plan", "report")
RUN = [ROOT / "README.md", *(ROOT / f"docs/guides/{guide}.md" for guide in GUIDES)]
"""The commands of the guide to bad input end as errors: `test_documents` compares what they print."""
PROLOGUE = f"""
import affina
_train = affina.train
affina.train = lambda source, overrides=(): _train(source, [*overrides, *{CHEAP!r}])
"""


@pytest.mark.slow
@pytest.mark.parametrize("document", RUN, ids=name)
def test_what_a_document_shows_runs(document, tmp_path, monkeypatch, tickets):
    tickets(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    commands = 0
    for block in blocks(document):
        if block.file:
            (tmp_path / block.file).write_text(block.body, encoding="utf-8")
        for words in _commands(block):
            ended = _python(block.body) if words == ["python"] else affina(*words)
            assert ended.status == block.status, f"{shlex.join(words)}\n{ended.out[-2000:]}\n{ended.err[-2000:]}"
            assert ended.out.strip()
            commands += 1
    assert commands >= 5
    missing = [file for file in _promised(document) if not (tmp_path / "runs/tickets" / file).exists()]
    assert missing == []


def _commands(block: Block) -> list[list[str]]:
    """What is to be run: the words after `affina`, or `python` for a block of it."""
    if block.not_run:
        return []
    if block.language == "python":
        return [["python"]]
    found = [shlex.split(command) for command in block.commands()] if block.language == "sh" else []
    assert all(words[0] == "affina" for words in found), f"commands that the tests cannot run: {found}"
    return [[*words[1:], *(CHEAP if words[1] in {"train", "demo"} else ())] for words in found]


def _python(body: str) -> Ended:
    """Run a block in a process of its own, as a reader would."""
    paths = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROLOGUE + body]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return Ended(done.returncode, done.stdout, done.stderr)


def _promised(document: Path) -> list[str]:
    """The entries of the run folder's tree, where the document shows one."""
    trees = [block.body for block in blocks(document) if block.body.startswith("runs/tickets/")]
    return [entry for tree in trees for entry in re.findall(r"^  (\S+)", tree, flags=re.MULTILINE)]
