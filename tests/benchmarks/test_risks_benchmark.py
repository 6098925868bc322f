"""The benchmark of the risks: valid recipes, other training rows for each seed, and what is done is not run again."""

import csv
import sys

import pytest

from affina.recipe.load import check_recipe
from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks" / "risks"))
import bias
import overfitting
import similarity


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


def test_names_agree_with_labels_as_often_as_was_asked(tmp_path, data):
    for strength, least, most in ((0.0, 0.4, 0.6), (0.6, 0.72, 0.88), (1.0, 1.0, 1.0)):
        bias.plant(bias.SETS[2], data / "sst2", tmp_path / "train.csv", rows=300, strength=strength, seed=1)
        with (tmp_path / "train.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        women = [row["text"].split(" : ")[0] in bias.WOMEN for row in rows]
        agree = sum(woman == (row["label"] == "1") for woman, row in zip(women, rows, strict=True)) / len(rows)
        assert least <= agree <= most


def test_the_table_of_bias_has_a_line_for_each_strength_and_way(monkeypatch, tmp_path, capsys):
    def run(kind, given):
        flips, seen = 0.5 if kind["way"] == "plain" else 0.1, kind["strength"] > 0
        figures = {"flip_rate": [flips, 0, 1], "flip_rate_untouched": 0.2, "accuracy": 0.8, "seen_before": seen}
        return {**kind, "outcome": "flagged", **figures}

    monkeypatch.setattr(bias, "_run", run)
    monkeypatch.setattr(sys, "argv", ["bias.py", "--out", str(tmp_path / "found.json"), "--seeds", "2"])
    bias.main()
    shown = capsys.readouterr().out
    assert "| 2, 0.9, train | plain | 2 | 2 | 20.0% | 50.0% | 2 | 80.0% |" in shown
    assert "| 2, 0, train | swapped | 2 | 0 | 20.0% | 10.0% | 2 | 80.0% |" in shown


def test_what_is_lost_is_told_by_how_far_the_similarities_moved():
    figures = [(0.01, 0.0), (0.03, 0.02), (0.04, 0.04), (0.3, 0.2)]
    runs = [
        {"set": "trec", "other": "sst2", "way": "full", "score": 0.9, "moved": [moved], "lost": [lost]}
        for moved, lost in figures
    ]
    shown = list(similarity.table(runs))
    assert "| trec | sst2 | full | 90.0% | 0.300 | 20.0% |" in shown
    assert "moved 0.02 to 0.05: 2 runs, lost 2.0% to 4.0%, mean 3.0%" in shown
    assert "trec: rank correlation 1.00 over 4 runs" in shown
