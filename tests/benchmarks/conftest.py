"""Puts the scripts of `benchmarks/quality` on the import path."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks" / "quality"))


@pytest.fixture
def run_record():
    """Makes a finished run as the results hold it."""

    def make(contender="affina", *, seed=0, accuracy=0.9, setting="defaults", rate=None, **more):
        run = {"set": "trec", "contender": contender, "setting": setting, "learning_rate": rate, "seed": seed}
        run |= {"cut": None, "threads": 1, "status": "done", "wall_seconds": 5.0, "rows": {"train": 4907}}
        run |= {"accuracy": accuracy, "rows_per_second": 100.0}
        if contender == "affina":
            run |= {"linear_probe": 0.8, "at_or_below_probe": False, "says_so": False, "epochs_planned": 5.0}
        if setting == "grid":
            run |= {"validation_accuracy": accuracy, "validation_loss": 1.0}
        return run | more

    return make
