"""The command line: one command for each verb, and the one place where errors become words and exit statuses.

Verbs are imported when they run, so that `affina --help` never loads torch.
"""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from affina.cli.failing import error_of, fail
from affina.cli.options import AsJson, Device, Gate, Overrides, Run, Source
from affina.cli.printing import notice, print_json
from affina.cli.stopping import Verbs, as_interrupt
from affina.cli.words import spread

app = typer.Typer(
    name="affina",
    cls=Verbs,
    help="Fine-tune a pre-trained language model on your own data, and know what it cost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

STARTED: Final = time.perf_counter()
"""When the command began: what a verb measures of itself leaves out the loading of torch."""
NOT_KEPT: Final = 3


@app.command()
def train(
    source: Source,
    overrides: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Fail unless there is a stopped run to go on with.")] = False,
    gate: Gate = False,
    as_json: AsJson = False,
) -> None:
    """Fine-tune a model: `affina train tickets.csv`, or with recipe keys: `affina train tickets.csv train.epochs=3`."""
    from affina.cli.running import pass_gate, show_result, watched  # noqa: PLC0415 - see the module's docstring
    from affina.verbs.train import train as verb  # noqa: PLC0415

    with watched(as_json=as_json) as display:
        result = verb(source, overrides or (), resume=resume, gate=gate, observers=(display,), notify=display.notify)
    show_result(result, as_json=as_json)
    if gate:
        pass_gate(result)


@app.command()
def check(
    source: Source,
    overrides: Overrides = None,
    labels: Annotated[bool, typer.Option("--labels", help="Look for probable label errors; takes minutes.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look at data before training: repeated and shared rows, odd labels, personal data, damage, lengths."""
    from affina.cli.audit import show_audit  # noqa: PLC0415 - see the module's docstring
    from affina.verbs.check import check as verb  # noqa: PLC0415

    found = verb(source, overrides or (), labels=labels, notify=notice)
    if as_json:
        print_json(found.as_json())
    else:
        show_audit(found.data, found.audited, found.chosen, Console())
        Console().print(f"in {time.perf_counter() - STARTED:.1f} s", highlight=False)


@app.command()
def plan(
    source: Annotated[str, typer.Argument(help="A data file or a recipe (.yaml).", show_default=False)],
    overrides: Overrides = None,
    memory: Annotated[
        float | None, typer.Option(help="GiB in the place of the memory of this machine.", min=0.0)
    ] = None,
    rehearse: Annotated[bool, typer.Option(help="Run up to ten steps, or judge by the sizes alone.")] = True,
    as_json: AsJson = False,
) -> None:
    """Say before a run what memory, time and disk it will take, whether it fits, and what would make it fit."""
    from affina.cli.planned import show_plan  # noqa: PLC0415
    from affina.verbs.plan import plan as verb  # noqa: PLC0415

    limit = None if memory is None else round(memory * 2**30)
    found = verb(source, overrides or (), memory_limit=limit, rehearse=rehearse, notify=notice)
    if as_json:
        print_json(found.as_json())
    else:
        show_plan(found, Console())
        Console().print(f"planned in {time.perf_counter() - STARTED:.1f} s", highlight=False)


@app.command()
def compare(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE... [KEY=VALUE]...",
            help="Data, a recipe, or several recipes; then recipe keys.",
            show_default=False,
        ),
    ],
    methods: Annotated[
        list[str] | None,
        typer.Option("--methods", metavar="NAME...", help="Such as full lora; with keys: '{name: lora, rank: 16}'."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each candidate, all on the same rows.")] = 1,
    halving: Annotated[
        int | None,
        typer.Option(help="Stop weak candidates early: 3 keeps the best third of each round, 2 the better half."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train with several methods, or recipes, on the same rows, and say which is worth what it costs."""
    from affina.cli.comparing import run_comparison  # noqa: PLC0415 - see the module's docstring

    raise typer.Exit(run_comparison(words, methods or (), seeds=seeds, halving=halving, as_json=as_json))


@app.command()
def demo(overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Fine-tune the starter encoder on customer-support messages that come with Affina; about a minute."""
    from affina.cli.running import show_result, watched  # noqa: PLC0415
    from affina.verbs.demo import demo as verb  # noqa: PLC0415

    with watched(as_json=as_json) as display:
        result = verb(overrides or (), observers=(display,), notify=display.notify)
    show_result(result, as_json=as_json)


@app.command()
def evaluate(
    run: Run,
    data: Annotated[str, typer.Argument(help="Labelled data: a file, folder, zip or hf://...", show_default=False)],
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Measure a run's model on rows with labels, numbers or answers, with intervals."""
    from affina.cli.tables import classes_table, scores_table  # noqa: PLC0415
    from affina.verbs.evaluate import evaluate as verb  # noqa: PLC0415

    found = verb(run, data, device=device, notify=notice)
    if as_json:
        print_json(found.as_json())
        return
    console = Console()
    console.print(scores_table(found.scores, {}))
    if found.scores.classes:
        console.print(classes_table(found.scores))


@app.command()
def predict(
    run: Run,
    texts: Annotated[
        str, typer.Argument(help="Data (a file, folder, zip or hf://...), or one text.", show_default=False)
    ],
    out: Annotated[Path | None, typer.Option(help="A file for the predictions, one JSON object a line.")] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Say which label or labels each text has, with every probability, which number, or what is written."""
    from affina.cli.running import show_predictions  # noqa: PLC0415
    from affina.verbs.predict import predict as verb  # noqa: PLC0415

    found = verb(run, texts, out=out, device=device, notify=notice)
    if as_json:
        print_json([prediction.as_json() for prediction in found])
    else:
        show_predictions(found, out=out)


@app.command()
def chat(run: Run, device: Device = "auto") -> None:
    """Talk to a run's model on the terminal; /base asks the untouched one."""
    from affina.cli.talking import talk_on  # noqa: PLC0415
    from affina.verbs.chat import chat as verb  # noqa: PLC0415

    talk_on(verb(run, device=device, notify=notice), Console())


@app.command()
def report(
    run: Run,
    other: Annotated[Path | None, typer.Argument(help="Another run, to compare with.", show_default=False)] = None,
) -> None:
    """Make the report of a run, or of a comparison, again from its record; with two runs, a page about both."""
    from affina.verbs.report import report as verb  # noqa: PLC0415

    console = Console()

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    say(str(verb(run, other, notify=say)))


@app.command()
def verify(
    source: Annotated[
        str, typer.Argument(help="A run folder; or data or a recipe (.yaml), as for train.", show_default=False)
    ],
    overrides: Overrides = None,
    rows: Annotated[int | None, typer.Option(help="Training rows to look at; by the model's size if absent.")] = None,
    float64: Annotated[bool, typer.Option("--float64", help="Look at the arithmetic in double precision.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check what Affina promises on your own model and rows: batches, resume, merging, export. A minute or two."""
    from affina.cli.verified import GuaranteeDisplay  # noqa: PLC0415
    from affina.verbs.verify import verify as verb  # noqa: PLC0415

    display = GuaranteeDisplay(Console(stderr=as_json))
    found = verb(source, overrides or (), rows=rows, float64=float64, tell=display.tell, notify=notice)
    if as_json:
        print_json(found.as_json())
    display.end(found, seconds=time.perf_counter() - STARTED)
    if not found.passed:
        raise typer.Exit(NOT_KEPT)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a recipe, for editors."""
    from affina.recipe.schema import Recipe  # noqa: PLC0415

    print_json(Recipe.model_json_schema())


def run() -> None:
    """The entry point: errors of ours as words, everything else as a fault of ours."""
    with as_interrupt():
        error = error_of(lambda: app(spread(sys.argv[1:])))
    if error is not None:
        gc.collect()
        fail(error)
