"""The benchmark of ULMFiT's parts: what judges is held apart, every variant is a valid recipe, a run is done once."""

import json
import sys
from collections import Counter

import pytest
import ulmfit

from affina.recipe.load import check_recipe


@pytest.mark.parametrize("rows", [None, 60])
def test_the_rows_that_judge_are_always_the_same_and_never_trained_on(data, rows):
    found = [ulmfit.splits(data, rows, seed=seed) for seed in (0, 1)]
    whole = Counter(ulmfit.sets.read(data / "trec/train.csv"))
    for one in found:
        drawn = Counter([*one.train, *one.validation, *one.test])
        assert drawn == whole if rows is None else drawn <= whole
        assert len(one.test) == 545
        assert rows is None or (len(one.train), len(one.validation)) == (rows, rows // 2)
    assert found[0].test == found[1].test
    assert (found[0].train == found[1].train) == (rows is None)


@pytest.mark.parametrize("variant", ulmfit.VARIANTS)
def test_every_variant_is_a_recipe(tmp_path, monkeypatch, variant):
    monkeypatch.setattr(ulmfit, "_scratch", lambda folder, _: str(folder))
    task = dict(zip(ulmfit.IDENTITY, (variant, 1e-4, 0, 60, 12), strict=True))
    recipe = check_recipe(ulmfit.recipe(task, tmp_path))
    method = recipe.method
    assert method.name == ("partial" if variant == "last" else "full")
    if method.name == "full":
        assert method.layer_decay == (2.6 if "discr" in variant else 1.0)
        turns = "gradual" if variant.startswith("freez") else "chain_thaw" if variant == "chain-thaw" else "none"
        assert method.unfreezing == turns
    assert (recipe.train.schedule == "slanted_triangular") == variant.endswith("stlr")


def test_what_is_done_is_not_run_again_and_the_rate_is_chosen_by_the_validation_rows(tmp_path, monkeypatch, capsys):
    ran = []

    def run(task, data):
        ran.append((task["variant"], task["rate"], task["seed"]))
        good = task["rate"] == 1e-4
        return {
            **task,
            "error": 9.0 if good else 1.0,
            "validation_accuracy": 0.9 if good else 0.8,
            "best_epoch": 3,
            "cpu_seconds": 1.0,
        }

    (tmp_path / "trec").mkdir()
    monkeypatch.setattr(ulmfit, "_run", run)
    words = ["ulmfit.py", "--out", str(tmp_path / "found.json"), "--data", str(tmp_path), "--variants", "full"]
    for seeds in ("1", "2"):
        monkeypatch.setattr(sys, "argv", [*words, "--seeds", seeds])
        ulmfit.main()
    assert sorted(ran) == [("full", rate, seed) for rate in (1e-4, 3e-4) for seed in (0, 1)]
    assert len(json.loads((tmp_path / "found.json").read_text("utf-8"))["runs"]) == 4
    assert "| full | 9.0 | 9.0, 9.0 | 0.0001 | 9.0 | 1.0 | 6.86 |" in capsys.readouterr().out
