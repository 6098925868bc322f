"""What a malformed input is: how it is made, the command that meets it, and what that must say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench import tiny


@dataclass(frozen=True)
class Case:
    """One malformed input.

    Attributes:
        make: writes it into the folder that is the current one, and returns the words of the command.
        says: what the message must hold.
        goes_on: the command is not refused: it does without, and says so.
    """

    make: Callable[[], Sequence[str]]
    says: tuple[str, ...]
    goes_on: bool = False


def file(name: str, content: bytes | str, *says: str, words: Sequence[str] = (), family: str = "bert") -> Case:
    """A data file that is trained on."""

    def make() -> list[str]:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return ["train", name, f"model={tiny(family)}", *words]

    return Case(make, says)


def recipe(content: bytes | str, *says: str) -> Case:
    """A recipe file; the data file that it may name, `good.csv`, is there."""

    def make() -> list[str]:
        Path("r.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
        return ["train", "r.yaml"]

    return Case(make, says)


def words(*given: str, says: Sequence[str]) -> Case:
    """Words of the command line, after good data and a good model."""
    return Case(lambda: ["train", "good.csv", f"model={tiny()}", *given], tuple(says))
