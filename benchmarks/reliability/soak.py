"""A soak: short runs in one process, one after the other, and what memory and open files come to.

A round is three runs, each trained for some steps, evaluated, exported, opened again and asked: the starter encoder
with all its weights, it with LoRA, and a tiny decoder that writes. Every round is the same but for its seed. After each
the resident memory and the open files are noted. Judged is the second half of the rounds: by then all that is loaded
once is there. The line through them is found by least squares; its interval takes each round to tell the less, the more
its residual is like that of the round before (Santer et al. 2000, Journal of Geophysical Research 105, section 2.1).

    python benchmarks/reliability/soak.py --minutes 20 --out benchmarks/results/soak.json
"""

from __future__ import annotations

import argparse
import gc
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "quality"))

import ledger
import numpy as np

import affina
from affina.models.source import locate
from affina.runtime import cache, memory
from workbench import sample_rows, tiny, write_csv

MOST_SLOPE: Final = 1.0
"""MiB a round: a slope above that is growth, whatever its interval."""
ERRORS: Final = 1.96
"""Standard errors in half of an interval of 95%, of a normal distribution."""
LEAST_ROUNDS: Final = 8
"""Of which half are judged."""
STEPS: Final = 6
WHAT: Final = (
    "short runs in one process: resident memory and open files after each round; benchmarks/reliability/soak.py"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """A line through values at equal distances.

    Attributes:
        slope: per value.
        low: end of its interval of 95%.
        high: the other.
        likeness: of a residual to the one before it, from 0 (none) to 1.
    """

    slope: float
    low: float
    high: float
    likeness: float


def slope_of(values: Sequence[float]) -> Slope:
    """The line through at least four values, with its interval."""
    y = np.asarray(values, dtype=float)
    x = np.arange(len(y), dtype=float)
    x -= x.mean()
    slope = float(x @ y / (x @ x))
    residuals = y - y.mean() - slope * x
    around = float(residuals @ residuals)
    likeness = min(0.99, max(0.0, float(residuals[1:] @ residuals[:-1]) / around)) if around > 0 else 0.0
    free = max(1.0, len(y) * (1 - likeness) / (1 + likeness) - 2)
    half = ERRORS * math.sqrt(around / free / float(x @ x))
    return Slope(slope=slope, low=slope - half, high=slope + half, likeness=likeness)


def judged(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Whether the second half of the rounds is level, in memory and in open files.

    Args:
        rounds: each with `mebibytes` and `files`, at least `LEAST_ROUNDS` of them.
    """
    half = rounds[len(rounds) // 2 :]
    found = slope_of([each["mebibytes"] for each in half])
    files = [each["files"] for each in half]
    level = found.slope < MOST_SLOPE and found.low <= 0.0 and max(files) <= files[0]
    return {
        "rounds": len(rounds),
        "judged": len(half),
        "mebibytes_a_round": asdict(found),
        "most_slope": MOST_SLOPE,
        "files": {"first": files[0], "most": max(files), "last": files[-1]},
        "level": level,
    }


def recipes(seed: int) -> list[dict[str, Any]]:
    """The runs of a round; the files that they read lie in the current folder."""
    labelled = {"model": "starter/encoder", "data": {"train": "labels.csv"}}
    written = {"model": str(tiny("gpt2")), "task": "generation", "data": {"train": "texts.csv"}}
    common = {
        "seed": seed,
        "train": {"max_steps": STEPS, "batch_tokens": 200, "learning_rate": 1e-4, "checkpoint_every": 3},
        "evaluate": {"resamples": 50, "baselines": False},
    }
    kinds = (labelled | {"method": "full"}, labelled | {"method": "lora"}, written | {"method": "lora"})
    return [common | kind for kind in kinds]


def one_round(seed: int) -> None:
    """Train, evaluate, export, open again, ask and report, three times; nothing stays on the disk."""
    for recipe in recipes(seed):
        run = affina.train(recipe | {"run": "run"}).folder.path
        written = "task" in recipe
        affina.evaluate(run, "texts.csv" if written else "labels.csv")
        affina.predict(run, "where is my card")
        affina.report(run)
        shutil.rmtree(run)


def open_files() -> int:
    """File descriptors of this process."""
    return len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208 - the one for the listing itself is left out


def main() -> int:
    """Rounds until the time is over; 1 where memory or files grew."""
    words = argparse.ArgumentParser()
    words.add_argument("--minutes", type=float, default=20.0)
    words.add_argument("--out", default="")
    given = words.parse_args()
    out = Path(given.out).absolute() if given.out else None
    rounds: list[dict[str, Any]] = []
    commit, begun = ledger.commit(), time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        os.chdir(home)
        models = locate("starter/encoder").folder.parent
        Path("cache").mkdir()
        Path("cache", cache.MODELS).symlink_to(models)
        os.environ["AFFINA_CACHE"] = str(Path(home, "cache"))  # what the runs keep for each other is theirs alone
        write_csv(Path("labels.csv"), sample_rows(60))
        write_csv(Path("texts.csv"), sample_rows(60), header="input,output")
        while time.monotonic() - begun < 60 * given.minutes or len(rounds) < LEAST_ROUNDS:
            started = time.monotonic()
            one_round(len(rounds))
            gc.collect()
            now = time.monotonic()
            rounds.append(
                {
                    "mebibytes": round(memory.resident() / 2**20, 2),
                    "files": open_files(),
                    "seconds": round(now - started, 1),
                    "minute": round((now - begun) / 60, 2),
                }
            )
            print(rounds[-1], flush=True)
            if out and len(rounds) >= LEAST_ROUNDS:
                ledger.save(out, [{"commit": commit, **judged(rounds), "each": rounds}], what=WHAT)
        os.chdir("/")
    found = judged(rounds)
    print(found)
    return 0 if found["level"] else 1


if __name__ == "__main__":
    sys.exit(main())
