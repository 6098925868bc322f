"""The audit on the terminal: what was found and what to do about it first, then how the data is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from affina.cli.tables import answers_line, files_line, percent
from affina.record.audited import IN_PIECES, Audited, Cut, Encoded, Lengths
from affina.record.measures import WRITING
from affina.record.payloads import Chosen, DataRead, Finding
from affina.reporting.formats import counted

MOST_LABELS: Final = 6
EXAMPLES: Final = 3
INDENT: Final = 2
OPENING: Final = "⟦"
CLOSING: Final = "⟧"


def show_audit(data: DataRead, audited: Audited, chosen: Sequence[Chosen], console: Console) -> None:
    """Print an audit.

    Args:
        data: the rows and the findings.
        audited: what was looked at.
        chosen: what was decided on the way; what concerns the data and the task is shown.
        console: where to.
    """
    cut = any(choice.key == IN_PIECES for choice in chosen)
    console.print(_rows_line(data, "pieces of rows" if cut else "rows"), highlight=False, markup=False)
    console.print(_labels_line(data), highlight=False, markup=False)
    for choice in chosen:
        if choice.key.startswith("data.") or choice.key.partition(" ")[0] == "task":
            shown = Text(f"{choice.key} = {choice.value}  {choice.reason}", style="dim")
            console.print(Padding(shown, (0, 0, 0, INDENT), expand=False))
    console.print()
    if not data.findings:
        console.print("[bold]Nothing was found that you should change.[/]\n", highlight=False)
    for finding in data.findings:
        _show_finding(finding, console)
    console.print(_lengths_table(audited.lengths))
    for line in _cut_lines(audited.cuts, sum(data.rows.values())):
        console.print(line, highlight=False, markup=False)
    for encoded in audited.encoded:
        _show_encoded(encoded, console)
    console.print("\n[bold]Looked for[/]", highlight=False)
    for check in audited.checks:
        rows = f"{check.rows:,} rows" if check.rows == check.of else f"{check.rows:,} of {check.of:,} rows"
        console.print(Padding(Text(f"{check.name} ({rows}): {check.how}"), (0, 0, 0, INDENT), expand=False))


def _rows_line(data: DataRead, what: str) -> str:
    files = files_line(data.files)
    return f"{files}: " + ", ".join(f"{count:,} {split}" for split, count in data.rows.items() if count) + f" {what}"


def _labels_line(data: DataRead) -> str:
    if data.task in WRITING:
        return answers_line(data)
    if data.spread is not None:
        return f"task {data.task}: {answers_line(data)}"
    several = data.task == "multi_label"
    total = data.rows["train"] if several else sum(data.labels.values())
    most = sorted(data.labels.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{label} {percent(count / total)}" for label, count in most[:MOST_LABELS])
    more = f" and {len(most) - MOST_LABELS} more" if len(most) > MOST_LABELS else ""
    return f"{'task multi_label, ' if several else ''}{counted(len(most), 'labels')}: {shown}{more}"


def _show_finding(finding: Finding, console: Console) -> None:
    console.print(f"[bold yellow]{escape(counted(finding.count, finding.name))}[/]", highlight=False)
    advice = f"\n-> {finding.advice}" if finding.advice else ""
    console.print(Padding(Text(f"{finding.meaning}{advice}"), (0, 0, 0, INDENT), expand=False))
    for example in finding.examples[:EXAMPLES]:
        console.print(Padding(Text(f"such as {example}", style="dim"), (0, 0, 0, INDENT), expand=False))
    console.print()


def _lengths_table(lengths: tuple[Lengths, ...]) -> Table:
    table = Table(title="Length of a text", title_justify="left")
    table.add_column("split")
    table.add_column("in")
    for name in ("least", "5%", "25%", "median", "75%", "95%", "most"):
        table.add_column(name, justify="right", no_wrap=True)
    for found in lengths:
        figures = (found.least, found.q05, found.q25, found.median, found.q75, found.q95, found.most)
        table.add_row(found.split, found.unit, *(f"{figure:,}" for figure in figures))
    return table


def _cut_lines(cuts: tuple[Cut, ...], rows: int) -> Iterator[str]:
    for cut in cuts:
        name = "the limit of this recipe" if cut.chosen else "would cut"
        of = cut.of or rows
        share = percent(cut.rows / of) if of else ""
        what = f"{counted(cut.rows, 'rows')} ({share}), {counted(cut.tokens, 'tokens')}" if cut.rows else "nothing"
        yield f"{cut.limit:>6,} tokens {f'({name}) cut' if cut.chosen else name} {what}"


def _show_encoded(encoded: Encoded, console: Console) -> None:
    console.print(f"\n[bold]As the model reads[/] {escape(encoded.where)},", highlight=False, soft_wrap=True)
    console.print("the first training row without personal data:", highlight=False)
    console.print(Padding(_marked(encoded), (0, 0, 0, INDENT), expand=False))
    target = Text("trained: ")
    if any(encoded.trained):
        target.append(f"the tokens between {OPENING} and {CLOSING}")
        target.append(f", and more of the {encoded.hidden:,} that are not shown" if encoded.hidden else "")
    else:
        target.append(f" {encoded.target} ", style="reverse")
        target.append(" (the label of the whole text)")
    console.print(Padding(target, (0, 0, 0, INDENT), expand=False))


def _marked(encoded: Encoded) -> Text:
    """The tokens; those that are targets between marks, since not every terminal has colours."""
    text, before = Text(), False
    for token, trained in zip(encoded.tokens, encoded.trained, strict=True):
        text.append((OPENING if trained else CLOSING) + " " if trained != before else "", style="bold")
        text.append(token, style="reverse" if trained else "")
        text.append(" ")
        before = trained
    text.append(CLOSING if before and not encoded.hidden else "", style="bold")
    text.append(f"... {encoded.hidden} more" if encoded.hidden else "", style="dim")
    return text
