"""The table of the quality benchmark, on made-up results, and the one in the README."""

import json

import pytest
import readme
import table
from table import NONE

START, END = (f"<!-- quality table: {side} -->" for side in ("start", "end"))


@pytest.fixture
def runs(run_record):
    def grid(rate, accuracy, seed=0):
        return run_record("trainer", setting="grid", rate=rate, accuracy=accuracy, seed=seed)

    return [
        run_record(accuracy=0.95),
        run_record(accuracy=0.97, seed=1),
        run_record("trainer", accuracy=0.6, rows_per_second=40.0),
        grid(5e-5, 0.90),
        grid(2e-4, 0.94),
        grid(5e-4, 0.92),
        grid(2e-4, 0.935, seed=1),
    ]


def lines(found):
    rows = [line for line in table.table(found).splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_the_readmes_table_is_that_of_the_results():
    page, made = readme.README.read_text("utf-8"), table.table(table.runs_of(table.RESULT))
    assert page == readme.replaced(page, made, name=table.NAME), "python benchmarks/quality/table.py"


def test_a_line_of_the_table(runs):
    assert lines(runs) == [["trec", "4,907", "96.0 (95.0-97.0)", "80.0", "60.0", "93.8 (2e-4)", NONE, "+2.2"]]
    assert "at or below their linear probe: 0 of 2. Affina was run with the seeds: 0, 1." in table.table(runs)


def test_the_gain_is_on_the_seeds_that_both_have(runs):
    assert lines(runs[:-1])[0][7] == "+1.0"


def test_what_is_missing_is_a_dash(runs):
    assert table.table([]) == table.NOT_MEASURED
    assert lines(runs[:1]) == [["trec", "4,907", "95.0", "80.0", NONE, NONE, NONE, NONE]]
    assert lines(runs[2:3]) == [["trec", "4,907", NONE, NONE, "60.0", NONE, NONE, NONE]]
    failed = {"status": "failed", "reason": "an error", "set": "sst2"}
    assert lines([*runs[:1], failed]) == lines(runs[:1])


def test_a_grid_that_is_not_whole_says_so(runs):
    assert lines(runs[:4])[0][5] == "90.0 (5e-5, of 1)"


def test_sets_are_in_order_and_cut_ones_are_marked(runs, run_record):
    sizes = {"banking77": 9003, "banking77-100": 80}
    more = [run_record(set=name, rows={"train": rows}) for name, rows in sizes.items()]
    cut = run_record(cut=1000, rows={"train": 900})
    names = [line[0] for line in lines([*runs, *more, cut])]
    assert names == ["banking77-100", "banking77", "trec, cut to 1,000", "trec"]


def test_what_is_worth_knowing_stands_below(runs, run_record):
    runs.append(run_record(seed=2, at_or_below_probe=True, says_so=True))
    runs.append(run_record("setfit", capped=True, steps=1125, steps_of_defaults=12600))
    found = table.table(runs)
    assert "90.0\\*" in found
    assert "1,125 of the 12,600 steps" in found
    assert "1 of 3; the verdict said so in 1 of them." in found


def test_check_compares_and_the_command_writes(tmp_path, monkeypatch, runs):
    page, result = tmp_path / "page.md", tmp_path / "r.json"
    page.write_text(f"before\n{START}\nold\n{END}\nafter\n", "utf-8")
    result.write_text(json.dumps({"runs": runs}), "utf-8")
    words = ["table.py", "--readme", str(page), "--result", str(result)]
    monkeypatch.setattr("sys.argv", [*words, "--check"])
    assert table.main() == 1
    monkeypatch.setattr("sys.argv", words)
    assert table.main() == 0
    monkeypatch.setattr("sys.argv", [*words, "--check"])
    assert table.main() == 0
    text = page.read_text("utf-8")
    assert text.startswith(f"before\n{START}\n| set")
    assert text.endswith(f"{END}\nafter\n")


def test_a_page_without_markers_is_refused():
    with pytest.raises(ValueError, match="once each"):
        readme.replaced("no markers", "x", name="quality")
