"""A candidate's run in a process of its own, so that its peak memory and its time are its own.

The process is told to stop by the end of its input: that works on every system, and a run whose comparison was killed
stops by itself, with a checkpoint. torch is not needed on this side.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Literal

from affina.errors import AffinaError, Problem, ResourceError
from affina.recipe.schema import Recipe
from affina.runtime import children
from affina.runtime.children import KILLED, Tell
from affina.runtime.exhausted import says_so


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
        self._child = children.start(module, stderr=self._stderr, apart=True)  # Ctrl-C is passed on, once
        request = {"recipe": recipe.model_dump(mode="json", exclude_unset=True), "share": share}
        with suppress(BrokenPipeError):
            into = children.into(self._child)
            into.write(json.dumps(request) + "\n")
            into.flush()

    def stop(self) -> None:
        """Ask the run to write a checkpoint and end."""
        with suppress(BrokenPipeError, OSError):
            children.into(self._child).close()

    def kill(self) -> None:
        """End it as it is."""
        self._child.kill()

    def listen(self, tell: Tell) -> Ended:
        """Pass on what the run says until it has ended: `step` or `notice`, and what of it."""
        ended: Ended | None = None
        try:
            for kind, value in children.messages(self._child):
                if kind == "ended":
                    ended = Ended(value["state"], children.error_of(value["error"]) if value["error"] else None)
                else:
                    tell(kind, value)
            return ended or Ended("failed", self._without_a_word())
        finally:
            self.kill()
            self._child.wait()
            self.stop()
            self._stderr.close()

    def _without_a_word(self) -> AffinaError:
        """What is made of a process that ended and did not say why."""
        said = children.words_of(self._stderr)
        last = children.last_line(said)
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
