"""Results on standard output, and what is told beside them on standard error. It loads no torch."""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console


def notice(text: str) -> None:
    """Something the user should know, beside the result on standard output."""
    Console(stderr=True).print(text, highlight=False, markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """A result for programs, on standard output."""
    from affina.record.strict import strict_json  # noqa: PLC0415

    typer.echo(strict_json(value, indent=2))
