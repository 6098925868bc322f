"""What a run looks like while it runs: an observer of its records that prints them for a person.

It shows and never steers. On a terminal there is a progress bar with the time left; in a log there are lines.
"""

from __future__ import annotations

from functools import partial
from typing import Final, final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from affina.cli.printing import line
from affina.cli.tables import answers_line, files_line, percent, scores_line
from affina.record.audited import Audited
from affina.record.guarding import BatchesSplit, Rewound, Skipped
from affina.record.measures import title
from affina.record.payloads import (
    NOTICE,
    STEP_BACK,
    Chosen,
    DataRead,
    Evaluated,
    Event,
    Finished,
    Payload,
    Scores,
    Started,
    Step,
)
from affina.record.progress import Progress
from affina.record.searched import Tried
from affina.record.starts import ModelLoaded, Predicted, RangeTested, Restarted
from affina.reporting import budgets
from affina.reporting.formats import counted, mebibytes, metric, number

MOST_TOKENS: Final = 16
"""Of the first row, as it is read."""
SMOOTHING: Final = 0.9
"""Of the running means in the progress bar; the record has every raw value."""


@final
class Display:
    """Prints records as they come.

    Args:
        console: where to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._line = partial(line, console)
        self._progress = Bars(
            TextColumn("{task.fields[work]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:.0f}/{task.total:.0f}  {task.fields[status]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._bar = self._progress.add_task("", total=None, work="training", status="", visible=False)
        self._work: TaskID | None = None
        self._loss: float | None = None
        self._rate = 0.0
        self._seconds = 0.0
        self._score = ""
        self._spent = ""

    def notify(self, text: str) -> None:
        """A notice before the first record."""
        self._console.print(f"[dim]{escape(text)}[/dim]", highlight=False)

    def close(self) -> None:
        """Take the progress bar away."""
        self._progress.stop()

    def __call__(self, record: Payload | Progress) -> None:
        """Show one record, or how far slow work has come."""
        match record:
            case Progress():
                self._going(record)
            case Started() | DataRead() | Audited():
                self._beginning(record)
            case Step():
                self._step(record)
            case Restarted():
                self._restarted(record)
            case Evaluated():
                self._evaluated(record)
            case Finished():
                self._finished(record)
            case _:
                self._told(record)

    def _told(self, record: Payload) -> None:
        """What is a line and no more."""
        match record:
            case ModelLoaded():
                share = record.trained / record.parameters
                self._line(
                    "model",
                    f"{record.reference} ({record.family}), {record.parameters / 1e6:.1f} M weights, "
                    f"{percent(share)} of them trained",
                )
            case Predicted():
                how = f"{record.steps} rehearsed steps" if record.steps else "the sizes alone; the time is rough"
                epoch = record.seconds_per_epoch
                self._line("forecast", f"{_foretold(record)}, {epoch:,.0f} s an epoch", f"  from {how}")
            case Chosen():
                self._line("", f"{record.key} = {record.value}", f"  {record.reason}")
            case RangeTested():
                self._line("range test", f"{len(record.rates)} steps in {record.seconds:.0f} s, {_found(record)}")
            case Rewound():
                self._loss = None
                self._line("went back", f"step {record.step}: {record.text}")
            case Skipped() | BatchesSplit():
                self._line("note", f"step {record.step}: {record.text}")
            case Event() if record.name not in (NOTICE, STEP_BACK):
                at = f"step {record.step}" if record.step else record.name.replace("_", " ")
                self._line("note", f"{at}: {record.text}")
            case Tried():
                self._line("candidate", f"{record.name}: {budgets.tried_in_short(record)}", f"  {budgets.fate(record)}")
            case Scores():
                self._line(f"{record.who.replace('_', ' ')} ", f"{scores_line(record)} on {record.split}")

    def _restarted(self, record: Restarted) -> None:
        self._line("restarted", record.text)
        self._loss, self._rate, self._seconds, self._score = None, 0.0, 0.0, ""
        self._spent = " for both starts"

    def _beginning(self, record: Started | DataRead | Audited) -> None:
        match record:
            case Started():
                self._started(record)
            case DataRead():
                self._data(record)
            case Audited():
                self._audited(record)

    def _started(self, record: Started) -> None:
        if record.resumed_at is not None:
            self._line("going on", f"after step {record.resumed_at}")
            self._spent = f" since step {record.resumed_at:,}"

    def _data(self, record: DataRead) -> None:
        sizes = ", ".join(f"{count:,} {split}" for split, count in record.rows.items() if count)
        self._line("data", f"{files_line(record.files)}: {sizes}; {answers_line(record)}")
        for finding in record.findings:
            self._line("noticed", f"{counted(finding.count, finding.name)}: {finding.meaning}")
            if finding.advice:
                self._line("", f"-> {finding.advice}")
            if finding.examples:
                self._line("", "", f"such as {finding.examples[0]}")

    def _audited(self, record: Audited) -> None:
        tokens = [lengths for lengths in record.lengths if lengths.unit == "tokens" and lengths.split == "train"]
        for lengths in tokens:
            cut = ", ".join(f"{counted(cut.rows, 'rows')} over {cut.limit:,}" for cut in record.cuts if cut.chosen)
            middle = f"median {lengths.median:,}, 95% within {lengths.q95:,}, longest {lengths.most:,} tokens"
            middle += " (training rows)"
            self._line("lengths", f"{middle}; cut: {cut}" if cut else middle)
        for encoded in record.encoded:
            read = " ".join(encoded.tokens[:MOST_TOKENS]) + (" ..." if len(encoded.tokens) > MOST_TOKENS else "")
            told = f"{sum(encoded.trained)} of {len(encoded.tokens)} tokens; affina check marks them"
            self._line("reads", read, f"  {encoded.where}; trained: {encoded.target or told}")

    def _step(self, record: Step) -> None:
        self._loss = record.loss if self._loss is None else SMOOTHING * self._loss + (1 - SMOOTHING) * record.loss
        elapsed = record.seconds - self._seconds
        if elapsed > 0:
            rate = record.tokens / elapsed
            self._rate = rate if self._rate == 0 else SMOOTHING * self._rate + (1 - SMOOTHING) * rate
        self._seconds = record.seconds
        status = f"steps  loss {self._loss:.3f}{self._score}  {self._rate:,.0f} tokens/s  left"
        self._progress.start()
        self._progress.update(self._bar, completed=record.step, total=record.of, status=status, visible=True)

    def _going(self, record: Progress) -> None:
        """A bar of its own that goes when the work is done."""
        self._progress.start()
        if self._work is None:
            self._work = self._progress.add_task("", total=record.of, work="writing", status=record.what)
        self._progress.update(self._work, completed=record.done, total=record.of, status=record.what)
        if record.done >= record.of:
            self._progress.remove_task(self._work)
            self._work = None

    def _evaluated(self, record: Evaluated) -> None:
        shown = list(dict.fromkeys([*list(record.metrics)[:2], "loss"]))
        figures = [f"{title(name)} {metric(name, record.metrics[name])}" for name in shown]
        self._score = f"  {figures[0]}"
        mark = "" if record.best else "  worse, passed over"
        self._line(f"epoch {record.epoch:.1f}", f"validation {', '.join(figures)}", mark)

    def _finished(self, record: Finished) -> None:
        self.close()
        self._line(
            "finished",
            f"{counted(record.steps, 'steps')} in {record.seconds['training']:.0f} s{self._spent} ({record.stopped}; "
            f"the weights after step {record.best_step:,} are kept), {number(record.rows_per_second)} rows/s, "
            f"{number(record.tokens_per_second)} tokens/s, {_held(record)}",
        )


def _held(record: Finished) -> str:
    """The peak of the process, and of the run alone where the process held much before it."""
    whole, own = record.peak_memory_bytes, record.memory_bytes
    text = f"peak memory {mebibytes(whole)}"
    return text if own in (None, whole) else f"{text} in all, {mebibytes(own)} of them the run's own"


def _foretold(record: Predicted) -> str:
    """The same of a run to come."""
    own, below = record.peak_memory_bytes, record.interpreter_bytes
    text = f"peak memory {mebibytes(own + below)}"
    return f"{text} in all, {mebibytes(own)} of them the run's own" if below else text


def _found(test: RangeTested) -> str:
    """What a range test saw, in a few words."""
    if test.rate is None:
        return f"no rate up to {test.rates[-1]:.1e} made the loss fall by {test.fall:.3f}"
    return f"rates from {test.rates[0]:.1e} to {test.rates[-1]:.1e}; they speak for {test.rate:.1e}"
