"""The project's documents, read: their fenced blocks, with what the comments around them say, and their links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOT_RUN = {
    ".ci/run runs them, each in its own environment",
    "installs packages",
    "needs the Hub",
}
"""Every reason for which a block of commands may stay unrun."""
CHEAP = ("train.max_steps=2", "evaluate.resamples=20")
"""Added to each `affina train`, `affina demo` and `affina compare` of a document, so that they take minutes in all."""

_BLOCK = re.compile(
    r"(?:^<!-- file: (?P<file>\S+) -->\n)?^```(?P<language>\w+)\n(?P<body>.*?)^```$(?:\n<!-- (?P<note>[^>]*) -->)?",
    re.MULTILINE | re.DOTALL,
)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block; `file` is the name it is to be saved under, `note` the comment behind it."""

    language: str
    body: str
    file: str | None
    note: str

    @property
    def not_run(self) -> str | None:
        """The reason for which it is not run, if it is not."""
        return self.note.removeprefix("not run: ") if self.note.startswith("not run: ") else None

    @property
    def status(self) -> int:
        """The exit status that its commands must have."""
        return int(self.note.removeprefix("exits: ")) if self.note.startswith("exits: ") else 0

    def commands(self) -> list[str]:
        """Its lines without comments."""
        return [command for line in self.body.splitlines() if (command := re.sub(r"\s+# .*$|^#.*$", "", line).strip())]


def documents() -> list[Path]:
    """Every document that a reader opens, as a path."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(document: Path) -> list[Block]:
    """Its fenced blocks, in order."""
    found = _BLOCK.finditer(document.read_text(encoding="utf-8"))
    return [Block(match["language"], match["body"], match["file"], match["note"] or "") for match in found]


def links(document: Path) -> list[str]:
    """Where its links lead, code blocks left out."""
    return _LINK.findall(_BLOCK.sub("", document.read_text(encoding="utf-8")))


def name(document: Path) -> str:
    """Its path in the project, as a test's id."""
    return document.relative_to(ROOT).as_posix()
