"""A verification on the terminal: a line for each guarantee as soon as it is known, and at the end how many held."""

from __future__ import annotations

from typing import Final, final

from rich.console import Console
from rich.markup import escape

from affina.reporting.formats import counted
from affina.verbs.verify import Looked, Verified
from affina.verifying.guarantees import Guarantee, Standing

WORDS: Final[dict[Standing, str]] = {
    "passed": "[green]ok    [/green]",
    "failed": "[bold red]FAILED[/bold red]",
    "not applicable": "[dim]-     [/dim]",
}
WIDTH: Final = 18


@final
class GuaranteeDisplay:
    """Prints what is found as it is found.

    Args:
        console: where to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def tell(self, found: Looked | Guarantee) -> None:
        """Print one line."""
        if isinstance(found, Looked):
            self._begun(found)
        else:
            self._found(found)

    def _begun(self, looked: Looked) -> None:
        self._say(
            f"[bold]{escape(looked.model)}[/bold] ({escape(looked.family)}), method {looked.method}, task"
            f" {looked.task}: {looked.rows:,} of {counted(looked.of, 'training rows')} (seed {looked.seed}), among them"
            f" the longest, of {counted(looked.longest, 'tokens')}; {looked.steps} steps; {looked.numbers} on"
            f" {looked.device}"
        )

    def _found(self, found: Guarantee) -> None:
        said = escape(found.said)
        if found.standing == "not applicable":
            said = f"[dim]not applicable: {said}[/dim]"
        self._say(f"{WORDS[found.standing]} {found.name:<{WIDTH}} {_figure(found):<20} {said}")

    def end(self, result: Verified, *, seconds: float) -> None:
        """How many held, and what to do where some did not."""
        judged = [one for one in result.guarantees if one.standing != "not applicable"]
        left = len(result.guarantees) - len(judged)
        tail = (f"; {left} have no place here" if left else "") + f"; in {seconds:.0f} s"
        if result.passed:
            self._say(f"[bold]{len(judged)} of {len(judged)} checks passed[/bold]{tail}")
            return
        names = ", ".join(one.name for one in result.failed)
        self._say(f"[bold red]{len(result.failed)} of {len(judged)} checks failed[/bold red]: {escape(names)}{tail}")
        self._say("That is a fault of Affina's, or of the model's own code: please report it, with what --json says.")

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)


def _figure(found: Guarantee) -> str:
    """What was measured and what it may be, in few letters."""
    if found.figure is None or found.bound is None:
        return ""
    if not found.bound:
        return "bit for bit" if found.standing == "passed" and not found.figure else f"{found.figure:g}, not 0"
    sign = "<=" if found.standing == "passed" else ">"
    return f"{found.figure:.1e} {sign} {found.bound:.0e}"
