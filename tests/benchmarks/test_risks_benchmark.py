"""The benchmark of the risks: valid recipes, other training rows for each seed, and what is done is not run again."""

import csv
import sys

import pytest

from affina.recipe.load import check_recipe
from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks" / "risks"))
import overfitting


@pytest.mark.parametrize("kind", overfitting.KINDS)
def test_every_kind_is_a_recipe_with_rows_of_its_own(tmp_path, data, kind):
    found = []
    for seed in (0, 1):
        recipe = check_recipe(overfitting.recipe(kind, seed, data / "sst2", tmp_path))
        with (tmp_path / "train.csv").open(encoding="utf-8", newline="") as file:
            found.append([row["text"] for row in csv.DictReader(file)])
        assert recipe.seed == seed
    assert [len(rows) for rows in found] == [overfitting.KINDS[kind][0]] * 2
    assert found[0] != found[1]


def test_what_is_done_is_not_run_again_and_each_kind_has_a_line(tmp_path, monkeypatch, capsys):
    ran = []

    def run(kind, seed, data):
        ran.append((kind, seed))
        lost = {"heart": 0.6, "healthy": 0.1}[kind]
        outcome = "flagged" if kind == "heart" else "within"
        return {
            "kind": kind,
            "seed": seed,
            "outcome": outcome,
            "figures": {"lost_elsewhere": lost},
            "share_of_time": 0.1,
        }

    monkeypatch.setattr(overfitting, "_run", run)
    for seeds in ("1", "2"):
        monkeypatch.setattr(sys, "argv", ["overfitting.py", "--out", str(tmp_path / "found.json"), "--seeds", seeds])
        overfitting.main()
    assert sorted(ran) == [(kind, seed) for kind in ("healthy", "heart") for seed in (0, 1)]
    shown = capsys.readouterr().out
    assert "| heart, 100 rows | 2 of 2 | 60.0% to 60.0% | 10.0% |" in shown
    assert "| healthy, 2,000 rows | 0 of 2 | 10.0% to 10.0% | 10.0% |" in shown
