"""What a document shows, run: its commands and its Python blocks, in the order in which they stand there.

`affina train`, `affina demo` and `affina compare` are run with the words of `documents.CHEAP` added, which cut training
short and change nothing else.
"""

import functools
import gc
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from documents import CHEAP, ROOT, Block, blocks

from workbench import Ended, affina

PROLOGUE = f"""
import affina
_train = affina.train
affina.train = lambda source, overrides=(): _train(source, [*overrides, *{CHEAP!r}])
_compare = affina.compare
affina.compare = lambda source, **keys: _compare(source, {CHEAP!r}, **keys)
"""


def check_what_is_shown(document: Path, folder: Path) -> None:
    """Run it all in a folder that is the current one, and look for the files that the document promises."""
    commands = 0
    for block in blocks(document):
        if block.file:
            (folder / block.file).write_text(block.body, encoding="utf-8")
        for shown, run in _commands(block):
            done = run()
            gc.collect()  # a model of a run that ended may lie in a cycle, and the next one would lie beside it
            assert done.status == block.status, f"{shown}\n{done.out[-2000:]}\n{done.err[-2000:]}"
            assert done.out.strip()
            commands += 1
    assert commands >= 5
    missing = [file for file in _promised(document) if not (folder / "runs/tickets" / file).exists()]
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
