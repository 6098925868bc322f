"""The model card: Markdown with the front matter that the model hub reads, made from a run's record alone.

It ships with the model, so it names no folder of this machine and quotes no row of the data; labels and figures are in
it. What is not known (a licence, a language) is left out rather than guessed. This module writes no file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

import yaml

from affina.recipe.base import AUTO
from affina.record.payloads import ADAPTER, PEFT, STEP_BACK, Payload, Scores
from affina.record.starts import STARTER
from affina.reporting import environment, formats, unmeasured
from affina.reporting.budgets import search_of
from affina.reporting.gathered import Gathered, gather
from affina.reporting.in_use import (
    LIBRARY,
    base_of,
    exactly,
    has_model,
    lines_of_adapter,
    lines_of_use,
    pipeline_tag,
)
from affina.reporting.markdown import fenced
from affina.reporting.risks import Judged, risks_of
from affina.reporting.texts import one_line
from affina.reporting.verdict import narrow, verdict_of

TEMPLATE: Final = "card.md.j2"
HUB_METRICS: Final = {"macro_f1": "f1", "micro_f1": "f1"}
"""Metrics that the hub knows by another name."""
MOST_LABELS: Final = 40
LONGEST_NAME: Final = 80


def render(records: Sequence[Payload], *, title: str) -> str:
    """The card as text.

    Args:
        records: the run's record, in order.
        title: the run's name.
    """
    run = gather(records)
    found = verdict_of(run)
    body = (
        environment.markdown()
        .get_template(TEMPLATE)
        .render(
            title=title,
            run=run,
            verdict=found,
            tuned=run.scores.get("tuned"),
            metrics=list(dict.fromkeys(key for scored in run.scores.values() for key in scored.names)),
            labels=list(run.data.labels)[:MOST_LABELS] if run.data else [],
            base=_base(run),
            use=fenced(lines_of_use(run), "python") if has_model(run) else "",
            beside=run.chosen.get(ADAPTER),
            adapter=fenced(lines_of_adapter(run), "python"),
            search=search_of(run),
            risks=risks_of(run),
            plainly=partial(_plainly, run),
            without_folder=partial(_without_folder, run),
            gaps=unmeasured.gaps(run),
            steps_back=list(_steps_back(run)),
            narrow=narrow(found.tuned.n) if found else "",
            confidence=f"{run.confidence * 100:g}% " if run.confidence else "",
        )
    )
    return f"---\n{_yaml(front_matter(run, title=title))}---\n\n{body.strip()}\n"


def front_matter(run: Gathered, *, title: str) -> dict[str, Any]:
    """What the hub reads of a card, as plain data."""
    found: dict[str, Any] = {}
    if languages := _languages(run):
        found["language"] = [_short(code) for code in languages]
    if (model := run.model) is not None:
        if model.licence:
            found["license"] = _short(model.licence)
        # whoever loads an adapter loads what is named here beneath it: a model that its base was made from will not do
        if base := exactly(run) if ADAPTER in run.chosen else model.hub_id:
            found["base_model"] = _short(base)
    found |= {
        "library_name": LIBRARY if has_model(run) else PEFT,
        "pipeline_tag": pipeline_tag(run),
        "tags": ["affina", _short(run.task)],
    }
    if results := _results(run):
        found["metrics"] = list(dict.fromkeys(result["type"] for result in results))
        found["model-index"] = [{"name": _short(title), "results": [_index(run, results)]}]
    return found


def _languages(run: Gathered) -> list[str]:
    """Of the rows; of a translation both, as the recipe or the columns name them."""
    asked: Any = run.started[-1].resolved.get("task") if run.started else None
    if run.task == "translation" and isinstance(asked, dict):
        both = [asked.get("source_language"), asked.get("target_language")]
        if all(isinstance(code, str) and code != AUTO for code in both):
            return list(dict.fromkeys(map(str, both)))
    return [run.audited.language] if run.audited is not None and run.audited.language else []


def _results(run: Gathered) -> list[dict[str, Any]]:
    """The tuned model's metrics as the hub has them; one that is not a number cannot be written there."""
    tuned: Scores | None = run.scores.get("tuned")
    figures = tuned.metrics.items() if tuned else ()
    return [
        {"type": HUB_METRICS.get(key, _short(key)), "value": round(figure.value, 6), "name": _short(formats.name(key))}
        for key, figure in figures
        if math.isfinite(figure.value)
    ]


def _index(run: Gathered, results: list[dict[str, Any]]) -> dict[str, Any]:
    files = ", ".join(environment.basename(file) for file in run.data.files) if run.data else "rows of the user"
    named = {"name": _short(files), "type": "private", "split": _short(run.scores["tuned"].split)}
    return {"task": {"type": pipeline_tag(run), "name": _short(run.task)}, "dataset": named, "metrics": results}


def _steps_back(run: Gathered) -> Iterator[str]:
    """What is said of a run that was worth nothing."""
    for event in run.events:
        if event.name == STEP_BACK:
            yield _without_folder(run, event.text)


def _plainly(run: Gathered, risk: Judged) -> str:
    """What is said of a risk, and first of all why nothing was measured where nothing was."""
    said = risk.sentences if risk.probes else (risk.gaps[0].why, *risk.sentences)
    return _without_folder(run, ". ".join(map(formats.capital, said)))


def _without_folder(run: Gathered, text: str) -> str:
    """A folder of the training machine by its last name alone."""
    reference = "" if run.model is None else run.model.reference
    return text.replace(reference, environment.basename(reference)) if reference else text


def _base(run: Gathered) -> str:
    """The base model for the reader; a folder of the training machine by its last name alone."""
    if run.model is None:
        return "a model that the record does not name"
    adapter = f"the adapter {environment.basename(run.model.reference)} of " if run.model.base else ""
    if base_of(run).startswith(STARTER):
        return f"{adapter}{base_of(run)} ({run.model.hub_id})"
    made = f" (made from {run.model.hub_id})" if run.model.hub_id else ""
    return adapter + (exactly(run) or environment.basename(base_of(run)) + made)


def _short(text: str) -> str:
    return one_line(str(text))[:LONGEST_NAME]


def _yaml(data: dict[str, Any]) -> str:
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)
