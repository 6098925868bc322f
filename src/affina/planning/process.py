"""Starting the process of a rehearsal, and what is made of its answers. torch is not needed on this side.

A child that ends without a word was ended by the system for its memory, or failed by a fault of ours; the forecast from
the sizes, which comes first, says which is likely.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from affina.errors import AffinaError, Problem, ResourceError
from affina.planning.fitting import Fit
from affina.planning.forecast import Forecast, read_forecast
from affina.recipe.base import AUTO
from affina.recipe.schema import Recipe
from affina.runtime import children
from affina.runtime.children import KILLED
from affina.runtime.exhausted import says_so

CHILD: Final = "affina.planning.child"
NO_MEMORY: Final = "the rehearsal ran out of memory, so these figures are from the sizes alone"
TOO_LARGE: Final = "it cannot fit, so nothing was rehearsed, and these figures are from the sizes alone"
LEFT_OUT: Final = "as asked, nothing was rehearsed: these figures are from the sizes alone"


@dataclass(slots=True)
class Answer:
    """What came back.

    Attributes:
        forecast: the best there is.
        fit: whether it fits.
        note: why nothing was rehearsed; empty if something was.
    """

    forecast: Forecast
    fit: Fit
    note: str = ""


def ask(recipe: Recipe, *, memory: int | None, rehearse: bool, notify: Callable[[str], None]) -> Answer:
    """Have a recipe looked at by a process of its own.

    Args:
        recipe: as asked.
        memory: bytes that stand in for what the machine has.
        rehearse: whether steps are run.
        notify: told of slow work.

    Raises:
        InputError: what the preparation of the run raises.
    """
    request = {
        "recipe": recipe.model_dump(mode="json", exclude_unset=True),
        "folder": "runs/planned" if recipe.run == AUTO else recipe.run,
        "memory": memory,
        "rehearse": rehearse,
        "threads": _threads(),
    }
    with tempfile.TemporaryFile() as said:
        child = children.start(CHILD, stderr=said)
        try:
            found = _listen(child, json.dumps(request), notify)
        finally:
            child.kill()
            child.wait()
        if found is None or (not found.note and found.forecast.steps == 0 and child.returncode not in (0, KILLED)):
            words = children.words_of(said)
            if says_so(words):  # before it could answer, while its libraries were loaded
                raise ResourceError(_not_even_loaded(children.last_line(words)))
            raise AffinaError(_failed(child.returncode, words))
    if rehearse and (found.note or child.returncode == KILLED):
        again = ask(recipe, memory=memory, rehearse=False, notify=notify)
        return replace(again, note=NO_MEMORY, fit=replace(again.fit, fits=False))
    if found.forecast.steps == 0:
        found.note = TOO_LARGE if rehearse else LEFT_OUT
    return found


def _listen(child: subprocess.Popen[str], request: str, notify: Callable[[str], None]) -> Answer | None:
    """Read answers to their end."""
    with suppress(BrokenPipeError), children.into(child) as into:  # a child that ended early says why elsewhere
        into.write(request)
    found: Answer | None = None
    for kind, value in children.messages(child):
        match kind:
            case "notice":
                notify(value)
            case "error":
                raise children.error_of(value)
            case "forecast":
                found = Answer(read_forecast(value["forecast"]), Fit(**value["fit"]))
            case "out of memory":
                if found is None:
                    raise ResourceError(_not_even_loaded(value))
                found.note = NO_MEMORY
    if found is None and child.returncode == KILLED:
        raise ResourceError(_not_even_loaded("the system ended the process"))
    return found


def _not_even_loaded(said: str) -> Problem:
    return Problem(
        where="memory",
        expected="enough of it to read the data and load the model",
        found=said.strip()[:200] or "none left",
        fix="choose a smaller model, or a machine with more memory",
    )


def _threads() -> int | None:
    """How many threads this process computes with, where that was decided."""
    torch = sys.modules.get("torch")
    return None if torch is None else int(torch.get_num_threads())


def _failed(status: int, said: str) -> Problem:
    return Problem(
        where="the process that rehearses the run",
        expected="a forecast",
        found=f"it ended with status {status} and said: {children.last_line(said)}",
        fix="give the command again; if it fails again, please report it with what the process says",
    )
