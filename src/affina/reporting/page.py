"""The report: one self-contained HTML page about a run, and its card, made from the record alone.

The page loads nothing from anywhere, runs no script, and escapes everything that came from the user's data. This module
does not measure and does not need the model; the layout is in `templates/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from affina.errors import Problem, RunError
from affina.record import journal
from affina.record.files import write_text
from affina.record.folder import RunFolder
from affina.record.measures import higher_is_better
from affina.record.payloads import Payload
from affina.record.strict import strict_json
from affina.reporting import card, curves, environment, formats, scatter, trade_off, unmeasured
from affina.reporting.again import commands
from affina.reporting.answers import answers
from affina.reporting.asked import asked_for
from affina.reporting.budgets import search_of
from affina.reporting.confusion import confusion
from affina.reporting.foreseen import how_far_off
from affina.reporting.gathered import Gathered, gather
from affina.reporting.paired import CONFIDENCE, Paired, against
from affina.reporting.plain import as_json
from affina.reporting.risks import limit_of, risks_of, signed
from affina.reporting.run_charts import charts, looked_at
from affina.reporting.scatter import Scatter
from affina.reporting.verdict import Verdict, headline, narrow, verdict_of
from affina.reporting.whiskers import whiskers

TEMPLATE: Final = "run.html.j2"
MOST_CLASSES: Final = 20
"""Lines of the per-class table that are open; the others unfold."""
SECTIONS: Final = (
    ("result", "Result"),
    ("budgets", "Budgets"),
    ("risks", "Risks"),
    ("asked", "Asked"),
    ("chosen", "Choices"),
    ("data", "Data"),
    ("curves", "Curves"),
    ("scores", "Scores"),
    ("fit", "Predicted and true"),
    ("classes", "Labels"),
    ("errors", "Worst errors"),
    ("samples", "Samples"),
    ("unmeasured", "Not measured"),
    ("cost", "Cost"),
    ("again", "Run it again"),
)


def write(run_folder: Path) -> Path:
    """Make the page, the card and `report.json` of a run from its record, in its folder, each whole or not at all.

    The card is also written beside what the run ships, as its README.md.

    Returns:
        The page's path.

    Raises:
        RunError: the folder has no record, an empty or a damaged one.
    """
    folder = RunFolder(run_folder)
    reading = journal.read_known(folder.journal)
    if not reading.records:
        raise RunError(
            Problem(
                where=str(folder.journal),
                expected="the record of a run that has begun",
                found=reading.remarks[0] if reading.remarks else "nothing that can be read",
                fix="give the command that started the run again, or take the file from a copy",
            )
        )
    title = run_folder.resolve().name
    write_text(folder.report, render(reading.records, title=title, remarks=reading.remarks))
    plain = as_json(gather(reading.records), title=title)
    write_text(folder.report_json, strict_json(plain, indent=2) + "\n")
    text = card.render(reading.records, title=title)
    write_text(folder.card, text)
    for path in (*folder.shipped_cards, *folder.over_budget.shipped_cards):
        write_text(path, text)
    return folder.report


def render(records: Sequence[Payload], *, title: str, remarks: Sequence[str] = ()) -> str:
    """The page as HTML, of a finished run or of one still on its way.

    Args:
        records: the run's record, in order.
        title: the run's name.
        remarks: what of the record could not be read.
    """
    run = gather(records)
    found = verdict_of(run)
    tuned = run.scores.get("tuned")
    plot = scatter.scatter(run.rows["tuned"].numbers) if "tuned" in run.rows else None
    return (
        environment.html()
        .get_template(TEMPLATE)
        .render(
            title=title,
            run=run,
            remarks=remarks,
            sections=_sections(run, plot=plot),
            plot=plot,
            square=scatter,
            has_labels=_has_labels(run),
            verdict=found,
            tuned=tuned,
            forecast=how_far_off(records),
            **_first_screen(run, found),
            asked=_asked(run),
            charts=charts(run),
            looks=looked_at(run),
            frame=curves,
            metrics=_metric_names(run),
            lower=_lower(run),
            narrow=narrow(found.tuned.n) if found else "",
            pairs=list(_pairs(run, found)),
            texts=run.texts if run.writes else None,
            most_classes=MOST_CLASSES,
            confusion=confusion(tuned) if tuned else None,
            no_errors=_no_errors(run),
            search=search_of(run),
            frame_of_front=trade_off,
            risks=risks_of(run),
            signed=signed,
            limit_of=limit_of,
            gaps=unmeasured.gaps(run),
            since="Time in all" if run.went_on_at is None else "Time since it went on",
            stages=_stages(run),
            commands=commands(run, title=title),
            facts=_facts(run),
        )
    )


def _first_screen(run: Gathered, found: Verdict | None) -> dict[str, Any]:
    level = f"{run.confidence * 100:g}% " if run.confidence else ""
    if found is None:
        return {"headline": "", "answers": None, "scale": None, "confidence": level}
    scale = whiskers({"tuned": found.tuned, **found.baselines})
    return {"headline": headline(found), "answers": answers(found, run), "scale": scale, "confidence": level}


def _sections(run: Gathered, *, plot: Scatter | None) -> list[tuple[str, str]]:
    """What the page has, without what has nothing in it for this task."""
    has = {"fit": plot is not None, "classes": _has_labels(run), "budgets": search_of(run) is not None}
    return [(anchor, name) for anchor, name in SECTIONS if has.get(anchor, True)]


def _has_labels(run: Gathered) -> bool:
    """Whether answers are labels: not where what was measured has none, nor where numbers are predicted."""
    if run.writes:
        return False
    tuned = run.scores.get("tuned")
    return bool(tuned.classes) if tuned else run.data is None or run.data.spread is None


def _asked(run: Gathered) -> list[tuple[str, str]]:
    asked = asked_for(run.started[0].asked) if run.started else {}
    return [(key, formats.plain(value)) for key, value in asked.items()]


def _metric_names(run: Gathered) -> list[str]:
    """Every metric that some predictor has, in the order of the record."""
    return list(dict.fromkeys(key for scored in run.scores.values() for key in scored.names))


def _lower(run: Gathered) -> str:
    """Which of the metrics are better when lower, as the end of a sentence."""
    names = [formats.name(key) for key in _metric_names(run) if not higher_is_better(key)]
    return f". {formats.capital(' and '.join(names))}: lower is better" if names else ""


def _pairs(run: Gathered, found: Verdict | None) -> Iterator[tuple[str, str, Paired]]:
    """The tuned model against each baseline, row by row."""
    if found is None or "tuned" not in run.rows:
        return
    level = run.confidence or CONFIDENCE
    for who in found.baselines:
        # the strongest one is in the verdict, and is not drawn again
        pair = found.pair if who == found.rival else None
        if pair is None and who in run.rows and run.rows[who].split == run.rows["tuned"].split:
            pair = against(run.rows["tuned"], run.rows[who], found.metric, confidence=level)
        if pair is not None:
            yield who, found.metric, pair


def _no_errors(run: Gathered) -> str:
    """Why there are no worst errors in a finished run's record."""
    tuned = run.rows.get("tuned")
    if tuned is not None and tuned.expected and tuned.expected == tuned.predicted:
        return f"The model was wrong about no row of the {tuned.split} split."
    return "Not recorded."


def _stages(run: Gathered) -> list[tuple[str, str]]:
    if run.finished is None:
        return []
    seconds = run.finished.seconds
    return [(formats.capital(formats.name(stage)), formats.duration(spent)) for stage, spent in seconds.items()]


def _facts(run: Gathered) -> list[tuple[str, str]]:
    """The base model, the versions and the machine."""
    found: list[tuple[str, str]] = []
    if (model := run.model) is not None:
        beside = f", an adapter beside {model.base}" if model.base else ""
        found.append(("base model", f"{model.reference}{beside} ({model.family})"))
        found.append(("fingerprint of its weights", model.fingerprint))
        found.append(("licence of the base model", model.licence or "not known"))
        found.append(("languages of the base model", ", ".join(model.languages) or "not known"))
    if run.audited is not None:
        found.append(("language of the rows", run.audited.language or "not clear"))
    if run.started:
        found += run.started[-1].versions.items()
        found += [(formats.name(key), formats.plain(value)) for key, value in run.started[-1].machine.items()]
    return found
