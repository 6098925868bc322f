"""A run's result for other programs, as plain data: what `report.json` holds. Made from the record alone."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from affina.reporting import budgets
from affina.reporting.gathered import Gathered
from affina.reporting.risks import risks_of
from affina.reporting.unmeasured import gaps
from affina.reporting.verdict import verdict_of


def as_json(run: Gathered, *, title: str) -> dict[str, Any]:
    """The figures, the verdict, the risks, and what was not measured.

    Args:
        run: its record.
        title: its name.
    """
    found, tuned = verdict_of(run), run.scores.get("tuned")
    return {
        "run": title,
        "finished": run.finished is not None,
        "split": None if tuned is None else tuned.split,
        "metrics": {} if tuned is None else tuned.as_json(),
        "baselines": {who: scores.as_json() for who, scores in run.scores.items() if who != "tuned"},
        "verdict": None if found is None else {"outcome": found.outcome, "sentence": found.sentence},
        "budgets": budgets.as_json(run),
        "risks": risks_as_json(run),
        "not_measured": [asdict(gap) for gap in gaps(run)],
    }


def risks_as_json(run: Gathered) -> dict[str, dict[str, Any]]:
    """Risk to its verdict, what is said of it, the probes with their figures, and what was not measured."""
    return {
        judged.risk: {
            "verdict": judged.outcome,
            "sentences": list(judged.sentences),
            "seconds": round(judged.seconds, 2),
            "probes": [asdict(probe) for probe in judged.probes],
            "not_measured": [asdict(gap) for gap in judged.gaps],
        }
        for judged in risks_of(run)
    }
