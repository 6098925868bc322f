"""The table of speed in the README: that of the results, with their spread and what was asked of them."""

import json
import sys

import pytest
import readme

from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks" / "speed"))
import figures
import side_by_side

TIMES = {
    "rounds": 2,
    "ratio_median": 2.0,
    "ratio_low": 1.5,
    "ratio_high": 2.5,
    "processor_ratio_median": 1.9,
    "processor_ratio_low": 1.8,
    "processor_ratio_high": 2.1,
    "memory_ratio_median": 0.75,
    "rows_per_step": [30.303, 8],
}


def made_of(folder, name, comparisons):
    (folder / f"{name}.json").write_text(json.dumps({"comparisons": comparisons}))
    return figures.table(folder).splitlines()


def test_the_readmes_speeds_are_those_of_the_results():
    page, made = readme.README.read_text("utf-8"), figures.table(figures.RESULTS)
    assert page == readme.replaced(page, made, name=figures.NAME), "python benchmarks/speed/figures.py"


def test_a_line_has_the_spread_of_the_rounds_and_what_was_not_run_has_none(tmp_path):
    lines = made_of(tmp_path, "speed-beginnings", {"short": TIMES, "long": TIMES | {"rounds": 1}})
    assert len(lines) == 4
    assert lines[2].endswith("| 30.3 against 8 | 2.00 (1.50-2.50) | 1.90 (1.80-2.10) |  | 0.75 |")
    assert lines[3].endswith("| 2.00 (one round) | 1.90 (one round) |  | 0.75 |")


def test_a_line_says_what_was_asked_and_whether_it_is_missed(tmp_path):
    met = {"ratio_median": 3.0, "memory_ratio_median": 0.7}
    missed = {"ratio_median": 1.796, "memory_ratio_median": 0.701}  # as measured: rounded it would be 1.80 and 0.70
    defaults, best = made_of(
        tmp_path, "speed-chat", {"trl, defaults": TIMES | met, "trl, best setting": TIMES | missed}
    )[2:]
    assert "| 3 times: yes |" in defaults
    assert "| 1.8 times: **missed**, memory at most 0.7: **missed** |" in best


def test_a_line_of_what_could_not_run_says_why(tmp_path):
    why = {"not_run": "not installed"}
    [line, _] = made_of(tmp_path, "speed-chat", {"trl, defaults": why, "trl, best setting": why})[2:]
    assert line.endswith("| | not installed | | 3 times | |")


@pytest.mark.parametrize("several", [False, True])
def test_shares_of_the_peak_are_told_of_one_way_or_of_several(tmp_path, several):
    one = {"step": 0.81, "epoch": 0.7449, "matrix_peak_gflops": 116.3}
    ways = {"padded rows": one, "by default": one | {"step": 0.2}}
    lines = made_of(tmp_path, "speed-share", ways if several else one)
    padded = "| padded rows, a peak of 116.3 GFLOP/s | 81% | 80%: yes | 74% | 75%: **missed** |"
    assert padded in lines
    assert (
        "| by default, a peak of 116.3 GFLOP/s | 20% | 80%: **missed** | 74% | 75%: **missed** |" in lines
    ) is several


def test_the_time_to_the_peers_best_is_told_where_it_was_measured(tmp_path):
    soon = {"best": 0.8, "our_seconds": 20.4, "peers_seconds": 50.0}
    reached = {"to_the_peers_best": {"accuracy": [soon, soon], "loss": [soon | {"our_seconds": None}]}}
    names = [row.comparison for row in figures.ROWS if row.file == "speed-classification"]
    lines = made_of(tmp_path, "speed-classification", dict.fromkeys(names, TIMES) | {names[1]: TIMES | reached})
    assert lines[-2:][0] == figures.SOONER_HEAD.splitlines()[1]
    assert lines[-1].endswith("| 20, 50; 20, 50 | never, 50 |")


def test_a_contender_that_failed_is_left_out_of_the_ratios_and_noted_where_none_ran():
    ours, peer = ({"rows_per_second": speed, "rows_per_processor_second": speed / 2} for speed in (30.0, 10.0))
    one = {
        "ours": ours | {"peak_memory_bytes": 1, "rows_per_step": 30},
        "peer": peer | {"peak_memory_bytes": 2, "rows_per_step": 8},
    }
    failed = one | {"peer": {"not_run": "failed with exit status 1: no memory"}}
    found = side_by_side.compared([one, failed], "ours", "peer", of="rows")
    assert (found["rounds"], found["ratio_median"], found["processor_ratio_high"]) == (1, 3.0, 3.0)
    assert (found["memory_ratio_median"], found["rows_per_step"]) == (0.5, [30, 8])
    assert side_by_side.compared([failed], "ours", "peer", of="rows") == failed["peer"]


def test_a_script_that_dies_and_a_python_that_is_not_there_are_noted(tmp_path):
    assert "--model" in side_by_side.run_script("trainer.py")["not_run"]
    assert side_by_side.run_script("trainer.py", python=tmp_path / "none")["not_run"].startswith("not installed")
