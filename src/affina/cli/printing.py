"""Results on standard output, and what is told beside them on standard error. It loads no torch."""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console
from rich.markup import escape


def notice(text: str) -> None:
    """Something the user should know, beside the result on standard output."""
    Console(stderr=True).print(text, highlight=False, markup=False, soft_wrap=True)


def line(console: Console, head: str, text: str, aside: str = "") -> None:
    """A line of a display: what it is about in bold, what there is to say, and in grey what is beside it."""
    console.print(
        f"[bold]{escape(head):<13}[/bold]{escape(text)}[dim]{escape(aside)}[/dim]", highlight=False, soft_wrap=True
    )


def print_json(value: Any) -> None:
    """A result for programs, on standard output."""
    from affina.record.strict import strict_json  # noqa: PLC0415

    typer.echo(strict_json(value, indent=2))
