"""Every error that Affina raises on purpose, and how one is written for its reader.

    AffinaError                 exit status 1, a fault of ours
    ├── InputError              exit status 2, what the user gave is at fault
    │   ├── RecipeError         a recipe file, key or value
    │   ├── DataError           a data file, row or column
    │   ├── ModelError          a model name, folder or file
    │   ├── DeviceError         a device or a precision that this machine does not have
    │   ├── RunError            a run folder that cannot be used
    │   ├── ResourceError       a run for which this machine has not the memory or the disk
    │   └── NonFiniteError      the loss, a gradient or a prediction left the range of numbers, or ran away
    ├── GateError               exit status 3, a run that kept no budget
    └── Interrupted             exit status 130, stopped by the user and resumable

An error is one or more problems; a problem says where it is, what was expected, what was found and how to fix it.
`UnfitRow` never reaches a reader: whoever goes through the rows counts it, and says it as a problem or a finding.
This module does not decide when something is wrong, and it prints nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

MOST_PROBLEMS_SHOWN: Final = 3
"""An error fits on one screen: further problems are counted, not listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong, in the reader's words.

    Attributes:
        where: the file and row, or the recipe key.
        expected: what would have been right there.
        found: what stands there instead.
        fix: what the reader can do now, as an instruction.
    """

    where: str
    expected: str
    found: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}\n  expected: {self.expected}\n  found:    {self.found}\n  fix:      {self.fix}"


class AffinaError(Exception):
    """The root: anything that Affina raises on purpose.

    Args:
        problems: at least one; shown in the order given.
    """

    exit_status: ClassVar[int] = 1

    def __init__(self, *problems: Problem) -> None:
        self.problems: tuple[Problem, ...] = problems
        super().__init__(*problems)

    def __str__(self) -> str:
        shown = [str(problem) for problem in self.problems[:MOST_PROBLEMS_SHOWN]]
        hidden = len(self.problems) - len(shown)
        if hidden:
            shown.append(f"... and {hidden} more of the same kind")
        return "\n".join(shown)


class InputError(AffinaError):
    """What the user gave cannot be used as it is; nothing was written."""

    exit_status: ClassVar[int] = 2


class RecipeError(InputError):
    """A recipe has an unknown key, a value out of range, or keys that contradict each other."""


class DataError(InputError):
    """A data file cannot be read, or its rows cannot be trained on."""


class ModelError(InputError):
    """A model cannot be found, is incomplete, or is in a format that Affina refuses."""


class DeviceError(InputError):
    """The machine lacks the device, or the instructions, that were asked for."""


class RunError(InputError):
    """A run folder is missing, incomplete, or belongs to another recipe."""


class ResourceError(InputError):
    """The machine has not the memory, or the disk, that the run needs."""


class NonFiniteError(InputError):
    """The loss, a gradient or a prediction became infinite or no number, or a loss ran away; the work ended there."""


class GateError(AffinaError):
    """A run was asked to keep its budgets or fail, and no model within them was found; the run is finished."""

    exit_status: ClassVar[int] = 3


class Interrupted(AffinaError):  # noqa: N818 - not an error of anybody's
    """The user stopped the run; a checkpoint was written and the same command goes on."""

    exit_status: ClassVar[int] = 130


class UnfitRow(ValueError):  # noqa: N818 - one row's, not a run's
    """One row that cannot be trained on, with the reason as its text; the caller knows the row's address."""
