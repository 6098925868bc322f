"""Arguments and options that several verbs have. It loads no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object on standard output.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Source = Annotated[
    str,
    typer.Argument(
        help="Data (a file, folder, zip, hf://... or a list), a recipe (.yaml), or the first key=value.",
        show_default=False,
    ),
]
Run = Annotated[Path, typer.Argument(help="A run folder.", show_default=False)]
Overrides = Annotated[list[str] | None, typer.Argument(help="Recipe keys, as key=value.", show_default=False)]
Gate = Annotated[
    bool,
    typer.Option("--gate", help="Exit with status 3 where no model keeps the budgets, as risks.forgetting.budget=5%."),
]
