"""The conversation of `affina chat` on a terminal: lines in, answers out as they are written, and a few commands."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from rich.console import Console

from affina.errors import UnfitRow
from affina.verbs.chat import Talk

HELP: Final = """\
/base TEXT     ask the untouched model; the conversation stays as it is
/system TEXT   begin again, with these words to the model first
/draw NUMBER   answer by chance, at this temperature; 0 for the likeliest words
/new           begin again
/quit          leave (or Ctrl-D)"""


def talk_on(talk: Talk, console: Console) -> None:
    """Read lines to their end and answer each."""
    kind = "the conversation goes on from turn to turn" if talk.has_turns else "each line is answered by itself"
    console.print(f"{talk.opened.run.folder.path}: {kind}; /help for commands", style="dim", highlight=False)
    for line in _lines(console):
        command, _, rest = line.partition(" ")
        try:
            if not command.startswith("/"):
                _answer(talk.say(line), console)
            elif command in ("/quit", "/exit"):
                return
            else:
                _obey(talk, command, rest.strip(), console)
        except UnfitRow as error:
            console.print(f"that cannot be asked: {error}", style="yellow", highlight=False)


def _obey(talk: Talk, command: str, rest: str, console: Console) -> None:
    match command:
        case "/base" if rest:
            console.print("untouched model:", style="dim")
            _answer(talk.say_to_base(rest), console)
        case "/new":
            talk.forget()
        case "/system" if talk.has_turns:
            talk.tell(rest)
        case "/draw" if _is_temperature(rest):
            talk.draw(float(rest))
        case _:
            console.print(HELP, highlight=False, markup=False)


def _is_temperature(text: str) -> bool:
    try:
        return 0 <= float(text) <= 10
    except ValueError:
        return False


def _answer(pieces: Iterator[str], console: Console) -> None:
    """Show an answer as it comes; Ctrl-C ends it, and not the conversation."""
    try:
        for piece in pieces:
            console.print(piece, end="", highlight=False, markup=False, soft_wrap=True)
            console.file.flush()
    except KeyboardInterrupt:
        console.print(" (stopped)", style="dim", end="")
    console.print()


def _lines(console: Console) -> Iterator[str]:
    while True:
        try:
            line = console.input("[bold]> [/]") if sys.stdin.isatty() else sys.stdin.readline()
        except EOFError:
            return
        if not line and not sys.stdin.isatty():
            return
        if line.strip():
            yield line.strip()
