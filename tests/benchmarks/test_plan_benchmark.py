"""The benchmark of plans: its combinations, and its table of what was committed."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

from affina.recipe.load import load_recipe

ROOT = Path(__file__).resolve().parents[2]


def _benchmark():
    """By its path: another benchmark has a `run.py` too."""
    spec = importlib.util.spec_from_file_location("plan_benchmark", ROOT / "benchmarks/plan/run.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_combinations_differ_and_are_recipes():
    cases = _benchmark().CASES
    assert len(cases) >= 12
    assert len({str(case) for case in cases}) == len(cases)
    for case in cases:
        load_recipe(None, overrides=(case.method, *case.more))


def test_the_table_of_what_was_measured():
    benchmark = _benchmark()
    lines = json.loads(benchmark.RESULT.read_text(encoding="utf-8"))["lines"]
    table = benchmark.table(lines)
    assert len(lines) >= 12
    assert len([line for line in table.splitlines() if line.startswith("| ")]) == len(lines) + 1
    assert all(abs(line["peak_error"]) <= benchmark.MEMORY_GOAL for line in lines)
