"""The results of the language benchmarks as tables for the documents: `python benchmarks/language/table.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

RESULTS: Final = Path(__file__).resolve().parent.parent / "results"
SHOWN: Final = {
    "loss": ("loss", 1, 3),
    "chrf": ("chrF", 1, 1),
    "bleu": ("BLEU", 1, 1),
    "rouge_l": ("ROUGE-L", 100, 1),
    "slot_error": ("slot errors, %", 100, 1),
}
"""Metric to its name, the factor it is shown with, and its decimals."""
WHO: Final = {"zero_shot": "untouched", "few_shot": "with 4 rows shown", "tuned": "fine-tuned"}
Run = Mapping[str, Any]


def main() -> None:
    """Print what there is."""
    for name, lines in (("language.json", decoders), ("language-from-scratch.json", translators)):
        if (RESULTS / name).is_file():
            print("\n".join(lines(json.loads((RESULTS / name).read_text("utf-8"))["runs"])) + "\n")


def decoders(runs: Mapping[str, Run]) -> Iterator[str]:
    """A line for each set and metric, a column for each predictor."""
    yield f"| set | training tokens | texts | metric | {' | '.join(WHO.values())} |"
    yield "|---|---:|---:|---|" + "---:|" * len(WHO)
    for name, run in runs.items():
        first = f"{name} | {run['tokens_trained']:,} | {run['written']}"
        for metric, (shown, factor, digits) in SHOWN.items():
            cells = [_cell(run["metrics"].get(who, {}).get(metric), factor, digits) for who in WHO]
            if any(cells):
                yield f"| {first} | {shown} | {' | '.join(cells)} |"
                first = " | | "


def translators(runs: Mapping[str, Run]) -> Iterator[str]:
    """A line for each run."""
    yield "| run | steps | minutes of one core | BLEU | chrF | loss |"
    yield "|---|---:|---:|---:|---:|---:|"
    for name, run in runs.items():
        tuned = run["metrics"]["tuned"]
        cells = [_cell(tuned[metric], *SHOWN[metric][1:]) for metric in ("bleu", "chrf", "loss")]
        yield f"| {name} | {run['steps']:,} | {sum(run['cpu_seconds']) / 60:.0f} | {' | '.join(cells)} |"


def _cell(found: Mapping[str, float] | None, factor: float, digits: int) -> str:
    if found is None:
        return ""
    value, low, high = (f"{found[part] * factor:.{digits}f}" for part in ("value", "low", "high"))
    return f"{value} ({low}-{high})"


if __name__ == "__main__":
    main()
