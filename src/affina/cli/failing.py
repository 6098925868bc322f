"""How a command that failed ends: errors of ours as words with their status, everything else as a fault of ours."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Final

from rich.console import Console
from rich.markup import escape

from affina.errors import AffinaError, Interrupted, ResourceError
from affina.runtime.exhausted import no_memory, ran_out

FAULT: Final = 1
INTERRUPTED: Final = 130
TRACEBACK: Final = "AFFINA_TRACEBACK"


def error_of(command: Callable[[], object]) -> AffinaError | None:
    """Run the command; what it failed with comes without its traceback.

    A traceback holds the model, and there may be no memory left to say that there is none, nor to end the interpreter.
    """
    try:
        command()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAULT)
    except Exception as error:
        if not isinstance(error, ResourceError) and ran_out(error):
            return no_memory(error)
        if isinstance(error, AffinaError):
            return type(error)(*error.problems)
        if os.environ.get(TRACEBACK):
            raise
        console = Console(stderr=True)
        console.print(f"[bold red]affina: a fault of ours[/]: {escape(type(error).__name__)}: {escape(str(error))}")
        console.print(f"Set {TRACEBACK}=1 and give the command again to see where; please report it with that.")
        sys.exit(FAULT)
    return None


def fail(error: AffinaError) -> None:
    """Say what went wrong, and end with its status."""
    title = "[bold]stopped[/]" if isinstance(error, Interrupted) else "[bold red]error[/]"
    try:
        Console(stderr=True).print(f"{title}: {escape(str(error))}", highlight=False, soft_wrap=True)
    except MemoryError:
        sys.stderr.write(f"error: {error}\n")
    sys.exit(error.exit_status)
