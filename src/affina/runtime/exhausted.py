"""Memory that ran out on the way: any library's way of saying so becomes the one error with a fix.

When a run is refused for its memory before it starts is decided in `planning`.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from affina.errors import AffinaError, Problem, ResourceError

FIX: Final = (
    "give it more memory (end other programs, raise the limit of `ulimit -v` or of the container), "
    "or choose a smaller model or less data"
)
MOST_CHARACTERS: Final = 200
_NO_MEMORY: Final = re.compile(
    "out of memory|not enough memory|(can't|cannot|unable to|failed to) allocate|bad_alloc|failed to map segment"
    "|^MemoryError|could not create a (primitive|memory object)$",  # the last: oneDNN, of any failed allocation
    re.IGNORECASE | re.MULTILINE,
)


def ran_out(error: BaseException | None) -> bool:
    """Whether an error, or one that it was raised from, says that there was no memory left."""
    while error is not None:
        if _is_of_memory(error):
            return True
        error = error.__cause__
    return False


def says_so(text: str) -> bool:
    """Whether what a process or a library said is that there was no memory left."""
    return bool(_NO_MEMORY.search(text))


def _is_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    # these may quote what the user wrote
    return not isinstance(error, AffinaError | ValueError | LookupError) and says_so(str(error))


def in_short(error: BaseException) -> str:
    """What the library said of it, in its first line."""
    return (str(error).strip().splitlines() or ["none left"])[0][:MOST_CHARACTERS]


def no_memory(error: BaseException, *, where: str = "memory", fix: str = FIX) -> ResourceError:
    """The error that the user is shown in the place of the library's own."""
    while isinstance(error, AffinaError) and error.__cause__ is not None:
        error = error.__cause__
    return ResourceError(Problem(where=where, expected="enough of it for this run", found=in_short(error), fix=fix))


@contextmanager
def told(*, where: str = "memory", fix: Callable[[], str] = lambda: FIX) -> Iterator[None]:
    """Raise a `ResourceError` for memory that ran out in the block.

    Args:
        where: for the error.
        fix: makes the error's.

    Raises:
        ResourceError: there was no memory left.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, ResourceError) or not ran_out(error):
            raise
        raise no_memory(error, where=where, fix=fix()) from error
