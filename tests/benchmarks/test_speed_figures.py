"""The table of speed in the README: that of the results, with their spread."""

import json
import sys

import readme

from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks" / "speed"))
import figures


def test_the_readmes_speeds_are_those_of_the_results():
    page, made = readme.README.read_text("utf-8"), figures.table(figures.RESULTS)
    assert page == readme.replaced(page, made, name=figures.NAME), "python benchmarks/speed/figures.py"


def test_a_line_has_the_spread_of_the_rounds_and_what_was_not_run_has_none(tmp_path):
    times = {"ratio_median": 2.0, "ratio_low": 1.5, "ratio_high": 2.5, "memory_ratio_median": 0.75}
    short = {"comparisons": {"short": times, "long": times}, "rounds": [{}, {}]}
    (tmp_path / "speed-beginnings.json").write_text(json.dumps(short))
    wall = {"training_seconds": {"median": 4.0, "low": 4.0, "high": 4.0}}
    names = [row.comparison for row in figures.ROWS if row.file == "speed-frozen"]
    frozen = {"comparisons": dict.fromkeys(names, wall), "rounds": [{}]}
    (tmp_path / "speed-frozen.json").write_text(json.dumps(frozen))
    lines = figures.table(tmp_path).splitlines()[2:]
    assert len(lines) == len(names) + 2
    assert all("| 4.00 (one round) | \N{EN DASH} |" in line for line in lines[:3])
    assert all("| 2.00 (1.50-2.50) | 0.75 |" in line for line in lines[3:])
