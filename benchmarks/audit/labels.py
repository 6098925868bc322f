"""Probable label errors against cleanlab: planted swaps found, on the same out-of-fold probabilities, in one run.

    python benchmarks/audit/labels.py --cleanlab VENV/bin/python

Needs the data sets' folder in AFFINA_DATA, and a Python that has cleanlab (`python -m venv VENV`, `VENV/bin/pip install
cleanlab`): it is the oracle, no dependency of ours. Writes benchmarks/results/audit-labels.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from affina.data.loading import load
from affina.data.units import units_of
from affina.evaluation.judging.classes import ClassJudge
from affina.evaluation.label_errors import fold_of, out_of_fold, suspects
from affina.evaluation.probing import Prober
from affina.models.classifier import load_classifier
from affina.models.source import locate
from affina.recipe.data_spec import DataSpec
from affina.tasks.classification import Classification

RESULT: Final = Path(__file__).parents[1] / "results" / "audit-labels.json"
RATES: Final = (0.0, 0.05, 0.10)
TOP: Final = 100
ORACLE: Final = """
import json, sys, warnings
import numpy as np
warnings.simplefilter("ignore")
import cleanlab
from cleanlab.filter import find_label_issues
given = np.load(sys.argv[1])
found = {way: find_label_issues(given["targets"], given["probabilities"], filter_by=way, n_jobs=1).nonzero()[0].tolist()
         for way in ("prune_by_noise_rate", "confident_learning", "low_self_confidence")}
print(json.dumps({"version": cleanlab.__version__, "found": found}))
"""


def main() -> None:
    """Plant, look, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cleanlab", required=True, help="a Python that has cleanlab")
    parser.add_argument("--sets", nargs="+", default=["sst2", "banking77"])
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    lines: list[dict[str, Any]] = []
    for name in given.sets:
        features, clean, units, classes = _features(name)
        for rate in RATES:
            noisy, swapped = _swap(clean, rate, classes, given.seed)
            started = time.perf_counter()
            folds = fold_of(units, noisy.tolist())
            probabilities = out_of_fold(features, noisy.tolist(), folds, classes=classes)
            wrong, _ = suspects(probabilities, noisy.tolist())
            seconds = round(time.perf_counter() - started, 1)
            line: dict[str, Any] = {"set": name, "rate": rate, "rows": len(clean), "swapped": int(swapped.sum())}
            line |= {"seconds": seconds, "affina": _figures(wrong.tolist(), swapped)}
            line |= {"affina_first_100": _figures(wrong[:TOP].tolist(), swapped)}
            line |= _oracle(given.cleanlab, noisy, probabilities, swapped)
            lines.append(line)
            print(json.dumps(line), flush=True)
    RESULT.write_text(json.dumps({"model": "starter/encoder", "lines": lines}, indent=2) + "\n", encoding="utf-8")


def _features(name: str) -> tuple[Any, Any, Any, int]:
    """The mean features of a set's training rows, their labels, and which of them belong together."""
    data = Path(os.environ.get("AFFINA_DATA", "../shared/data")) / name
    other = data / ("dev.csv" if (data / "dev.csv").is_file() else "test.csv")
    loaded = load(DataSpec(train=str(data / "train.csv"), validation=str(other), test="none"), seed=0)
    classifier = load_classifier(locate("starter/encoder"), loaded.labels)
    task = Classification(classifier.tokenizer, loaded.labels, max_length=512)
    examples = task.encode(loaded.splits.train)
    judge = ClassJudge(loaded.labels)
    prober = Prober(
        module=classifier.module.eval(),
        anatomy=classifier.anatomy,
        task=task,
        judge=judge,
        budget=4_096,
        device=torch.device("cpu"),
    )
    units = units_of(loaded.splits.train, seed=0)
    return prober.features(examples), judge.targets(examples), units, len(loaded.labels)


def _swap(clean: Any, rate: float, classes: int, seed: int) -> tuple[Any, Any]:
    """The labels with a share of them replaced by another, evenly drawn, and which they are."""
    draw = np.random.default_rng(seed)
    swapped = draw.random(len(clean)) < rate
    noisy = clean.copy()
    noisy[swapped] = (clean[swapped] + draw.integers(1, classes, int(swapped.sum()))) % classes
    return noisy, swapped


def _figures(found: list[int], swapped: Any) -> dict[str, Any]:
    right = int(swapped[found].sum())
    shares = {"precision": round(right / max(1, len(found)), 3), "recall": round(right / max(1, int(swapped.sum())), 3)}
    return {"found": len(found), **shares}


def _oracle(python: str, noisy: Any, probabilities: Any, swapped: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "given.npz"
        sound = np.clip(probabilities, 1e-9, 1)
        np.savez(path, targets=noisy, probabilities=sound / sound.sum(axis=1, keepdims=True))
        command = [python, "-c", ORACLE, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": ""})
    said = json.loads(done.stdout)
    return {f"cleanlab {said['version']} {way}": _figures(found, swapped) for way, found in said["found"].items()}


if __name__ == "__main__":
    main()
