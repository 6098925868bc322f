"""The table that `method: auto` reads is that of the committed runs, and what it decides."""

import statistics

import pytest
from ledger import runs_of

import methods
from affina.recipe import measured_methods
from affina.recipe.measured_methods import MEASURED, Worth, better_than, nearest, told


def test_the_table_is_that_of_the_results():
    runs = runs_of(methods.OUT)
    found = {}
    for rows in methods.ROWS:
        for way in methods.METHODS:
            means, took = methods.worth(runs, rows, way)
            mean = round(100 * statistics.mean(means.values()), 1)
            found.setdefault(rows, {})[way] = Worth(mean, round(took, 2))
    assert found == MEASURED


@pytest.mark.parametrize(
    ("rows", "line"), [(1, 100), (220, 100), (230, 500), (990, 500), (1_010, 2_000), (10**7, 2_000)]
)
def test_the_nearest_number_of_rows_is_so_by_its_ratio(rows, line):
    assert nearest(rows) == line


@pytest.mark.parametrize(("ahead", "way"), [(0.0, "full"), (2.0, "full"), (2.1, "lora")])
def test_another_way_is_taken_where_it_is_clearly_better(monkeypatch, ahead, way):
    line = {"full": Worth(80.0, 1.0), "lora": Worth(80.0 + ahead, 0.7), "head": Worth(60.0, 0.1)}
    monkeypatch.setattr(measured_methods, "MEASURED", {100: line})
    assert better_than("full", 90) == way


def test_what_is_said_has_the_best_first(monkeypatch):
    line = {"full": Worth(80.0, 1.0), "lora": Worth(81.26, 0.7)}
    monkeypatch.setattr(measured_methods, "MEASURED", {1_000: line})
    assert "had right: LoRA 81.3% in 70% of the time, all weights 80.0%; less than 2 points" in told(90)
    assert "1,000 rows" in told(90)
