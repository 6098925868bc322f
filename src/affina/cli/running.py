"""What the commands share: watching a run, and showing what came of it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeGuard

from rich.console import Console

from affina.cli.display import Display
from affina.cli.printing import print_json
from affina.cli.tables import percent, samples_table, scores_table
from affina.errors import GateError, Problem
from affina.evaluation.judging.base import Answer
from affina.pipeline.execute import RunResult
from affina.recipe.base import AUTO
from affina.record import journal
from affina.record.payloads import STEP_BACK, DataRead, Event, Finished, Payload, Sample, Started
from affina.reporting import budgets, formats
from affina.reporting.foreseen import how_far_off
from affina.reporting.gathered import Gathered, gather
from affina.reporting.plain import risks_as_json
from affina.reporting.risks import risks_of
from affina.reporting.verdict import verdict_of
from affina.verbs.predict import Prediction

MOST_SHOWN: Final = 20
MOST_WRONG: Final = 4
MOST_SAMPLES: Final = 8
TOP: Final = 3
LONGEST_EXAMPLE: Final = 60


@contextmanager
def watched(*, as_json: bool) -> Iterator[Display]:
    """A display for one run; on standard error when standard output is for JSON."""
    display = Display(Console(stderr=as_json))
    try:
        yield display
    finally:
        display.close()


def show_result(result: RunResult, *, as_json: bool) -> None:
    """The scores next to the baselines, some predictions, and what to do next."""
    records = journal.read(result.folder.journal)
    run = gather(records)
    if as_json:
        found = {
            "run": str(result.folder.path),
            "split": result.scores.split,
            "metrics": result.scores.as_json(),
            "baselines": {who: scores.as_json() for who, scores in result.baselines.items()},
            "budgets": budgets.as_json(run),
            "risks": risks_as_json(run),
            "forecast": how_far_off(records),
            "step_back": next((record.text for record in records if _is_step_back(record)), None),
        }
        print_json(found)
        return
    console = Console()
    finished = next(record for record in reversed(records) if isinstance(record, Finished))
    console.print(scores_table(result.scores, dict(result.baselines)))
    for sentence in _said(result, run, records):
        console.print(sentence, highlight=False, markup=False)
    if samples := _shown(finished):
        console.print(samples_table(samples))
    folder = shlex.quote(str(result.folder.path))
    shipped = "".join(f"[bold]{path.name:<7}[/] {folder}/{path.name}    " for path in result.folder.shipped)
    console.print(f"\n{shipped}[bold]report[/]  {folder}/report.html", highlight=False, soft_wrap=True)
    if not result.folder.shipped:
        return
    console.print("[bold]next[/]    ", end="")
    for command in _next_commands(folder, records, finished):
        console.print(command, highlight=False, soft_wrap=True, markup=False)
        console.print("        ", end="")
    console.print()


def pass_gate(result: RunResult) -> None:
    """Let a run pass that exported a model within its budgets.

    Raises:
        GateError: it did not.
    """
    if result.within_budgets:
        return
    search = budgets.search_of(gather(journal.read(result.folder.journal)))
    raise GateError(
        Problem(
            where=str(result.folder.path),
            expected="a model that gains something and keeps every budget (--gate)",
            found="none" if search is None else search.sentences[0],
            fix="see report.html (Budgets)" + ("" if search is None else f": {search.way_out}"),
        )
    )


def _shown(finished: Finished) -> tuple[Sample, ...]:
    """The surest mistakes, then random rows that are none of them."""
    worst = finished.worst[:MOST_WRONG]
    others = [sample for sample in finished.samples if sample not in worst]
    return (*worst, *others[: MOST_SAMPLES - len(worst)])


def _said(result: RunResult, run: Gathered, records: Sequence[Payload]) -> Iterator[str]:
    """What the figures come to, in words."""
    if (found := verdict_of(run)) is not None:
        yield found.sentence
    if (search := budgets.search_of(run)) is not None:
        yield f"Budgets: {search.in_short}. {' '.join(f'{formats.capital(text)}.' for text in search.sentences[1:])}"
    for risk in risks_of(run):
        yield f"{risk.title}: {risk.in_short}."
        if risk.probes:
            yield from (f"  and {sentence}." for sentence in risk.sentences[1:])
            yield from (f"  not measured: {gap.what}: {gap.why}." for gap in risk.lacking[0 if risk.probes else 1 :])
    if (off := how_far_off(records)) is not None:
        yield f"Forecast: {off}."
    yield from (f"A step back: {record.text}" for record in records if _is_step_back(record))
    if result.scores.split == "validation":
        yield "These rows also chose the checkpoint, so the figures flatter; name or hold out test rows (data.test)."


def _is_step_back(record: Payload) -> TypeGuard[Event]:
    return isinstance(record, Event) and record.name == STEP_BACK


def _next_commands(run: str, records: Sequence[Payload], finished: Finished) -> tuple[str, ...]:
    """Commands to try next, which work as they stand but for the name of a file."""
    pairs = any(isinstance(record, DataRead) and "text_pair" in record.columns for record in records)
    example = "FILE" if pairs or not finished.samples else shlex.quote(_shortened(finished.samples[0].text))
    started = next(record for record in records if isinstance(record, Started))
    again = "" if started.asked["run"] == AUTO else f" run={run}-again"
    return (f"affina predict {run} {example}", f"affina evaluate {run} FILE", f"affina train {run}/recipe.yaml{again}")


def _shortened(text: str) -> str:
    """A text for an example command, cut between words."""
    return text if len(text) <= LONGEST_EXAMPLE else text[:LONGEST_EXAMPLE].rpartition(" ")[0] or text[:LONGEST_EXAMPLE]


def show_predictions(found: Sequence[Prediction], *, out: Path | None) -> None:
    """The most probable labels of each text, or where all of them were written."""
    console = Console()
    for prediction in found[:MOST_SHOWN]:
        shown = _answered(prediction.answer)
        console.print(f"{shown}   {prediction.text[:100]!r}", highlight=False, markup=False, soft_wrap=True)
    if len(found) > MOST_SHOWN:
        console.print(f"... and {len(found) - MOST_SHOWN:,} more", highlight=False)
    if out is not None:
        console.print(f"{len(found):,} predictions in {out}", highlight=False, soft_wrap=True)


def _answered(answer: Answer) -> str:
    """The number; the labels that are given; or the most probable labels, each with its probability."""
    if answer.probabilities is None:
        return answer.shown
    ranked = sorted(answer.probabilities.items(), key=lambda item: -item[1])
    chosen = ranked[:TOP] if answer.labels is None else [item for item in ranked if item[0] in answer.labels]
    return ", ".join(f"{label} {percent(share)}" for label, share in chosen) or answer.shown
