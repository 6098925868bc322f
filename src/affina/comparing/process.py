"""A candidate's run in a process of its own, so that its peak memory and its time are its own.

The process is told to stop by the end of its input: that works on every system, and a run whose comparison was killed
stops by itself, with a checkpoint. torch is not needed on this side.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, Final, Literal

from affina import errors
from affina.errors import AffinaError, Problem, ResourceError
from affina.recipe.schema import Recipe
from affina.runtime.exhausted import says_so

KILLED: Final = -9
LONGEST: Final = 300
Tell = Callable[[str, Any], None]
"""Is given the kind of a message of the run, `record` or `notice`, and what it says."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended.

    Attributes:
        state: finished, failed, or interrupted: then the same run goes on.
        error: why it failed.
    """

    state: Literal["finished", "failed", "interrupted"]
    error: AffinaError | None = None


class RunProcess:
    """The process of one run.

    Args:
        module: what is run with `python -m`; it reads a request and answers as `verbs.candidate` does.
        recipe: of the run.
        share: of its budget.
    """

    def __init__(self, module: str, recipe: Recipe, *, share: float) -> None:
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        # our own interpreter and a fixed list of arguments, without a shell; Ctrl-C reaches this process alone, which
        # passes it on once
        self._child = subprocess.Popen(  # noqa: S603 - one of our modules
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            encoding="utf-8",
            start_new_session=True,
        )
        request = {"recipe": recipe.model_dump(mode="json", exclude_unset=True), "share": share}
        with suppress(BrokenPipeError):
            self._into.write(json.dumps(request) + "\n")
            self._into.flush()

    @property
    def _into(self) -> IO[str]:
        if self._child.stdin is None:
            raise ValueError("a process with pipes was started")
        return self._child.stdin

    def stop(self) -> None:
        """Ask the run to write a checkpoint and end."""
        with suppress(BrokenPipeError, OSError):
            self._into.close()

    def kill(self) -> None:
        """End it as it is."""
        self._child.kill()

    def listen(self, tell: Tell) -> Ended:
        """Pass on what the run says until it has ended."""
        ended: Ended | None = None
        try:
            if self._child.stdout is None:
                raise ValueError("a process with pipes was started")
            with self._child.stdout as answers:
                for line in answers:
                    message = json.loads(line)
                    kind, value = message["kind"], message["value"]
                    if kind == "ended":
                        ended = Ended(value["state"], _error(value["error"]) if value["error"] else None)
                    else:
                        tell(kind, value)
            self._child.wait()
            return ended or Ended("failed", self._without_a_word())
        finally:
            self.kill()
            self._child.wait()
            self.stop()
            self._stderr.close()

    def _without_a_word(self) -> AffinaError:
        """What is made of a process that ended and did not say why."""
        self._stderr.seek(0)
        said = self._stderr.read().decode(errors="replace").strip()
        last = (said.splitlines() or ["nothing"])[-1][:LONGEST]
        if self._child.returncode == KILLED or says_so(said):
            ended = "the system ended it" if self._child.returncode == KILLED else last
            fix = "a smaller train.batch_tokens; `affina plan` says what fits"
            return ResourceError(Problem(where="memory", expected="enough of it for the run", found=ended, fix=fix))
        return AffinaError(
            Problem(
                where="the process of the run",
                expected="a finished run",
                found=f"it ended with status {self._child.returncode} and said: {last}",
                fix="train it by itself to see more (affina train FOLDER/recipe.yaml), and please report it",
            )
        )


def _error(value: dict[str, Any]) -> AffinaError:
    kind: type[AffinaError] = getattr(errors, value["name"])
    return kind(*(Problem(**problem) for problem in value["problems"]))
