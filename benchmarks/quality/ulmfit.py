"""ULMFiT's Table 7 on TREC, from starter/encoder: which of its parts helps a transformer (Howard & Ruder 2018, 5.2).

    python benchmarks/quality/ulmfit.py                                     # all rows, 3 seeds, all variants
    python benchmarks/quality/ulmfit.py --rows 300 --epochs 12 --seeds 2    # a first look
    python benchmarks/quality/ulmfit.py --table                             # what there is, as a table

Each run is saved when it ends; the same command goes on. Nothing of the test file is looked at: as in the paper a tenth
of the training file judges. Another tenth (of few rows: half as many) chooses each run's weights and each variant's
rate; no run is stopped early, so that all variants have the same steps.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import sets
from ledger import HERE, commit, now, runs_of, save, words
from transformers import AutoConfig, AutoModel, AutoTokenizer, set_seed

import affina
from affina.models.source import locate
from affina.record import journal
from affina.record.payloads import Evaluated, Finished

OUT: Final = HERE.parent / "results" / "ulmfit.json"
WHAT: Final = "the variants of ULMFiT's Table 7 on TREC, from starter/encoder; benchmarks/quality/ulmfit.py"
MODEL: Final = "starter/encoder"
DISCR: Final = {"name": "full", "layer_decay": 2.6}
FREEZ: Final = {"name": "full", "unfreezing": "gradual"}
BOTH: Final = {**DISCR, **FREEZ}
STLR: Final = {"schedule": "slanted_triangular"}
VARIANTS: Final[dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "scratch": ({"name": "full"}, {}),
    "last": ({"name": "partial", "blocks": 0}, {}),
    "full": ({"name": "full"}, {}),
    "full+discr": (DISCR, {}),
    "chain-thaw": ({"name": "full", "unfreezing": "chain_thaw"}, {}),
    "freez": (FREEZ, {}),
    "freez+discr": (BOTH, {}),
    "freez+stlr": (FREEZ, STLR),
    "freez+cos": (FREEZ, {"schedule": "cosine"}),
    "freez+discr+stlr": (BOTH, STLR),
}
"""The lines of the table: method, and what differs in `train`; the schedule is else Affina's, a linear fall."""
PAPER: Final = dict(zip(VARIANTS, (13.36, 16.09, 6.86, 6.21, 6.71, 6.86, 5.86, 6.02, 6.38, 5.69), strict=True))
"""Table 7's validation errors on TREC-6, in percent, by an LSTM."""
CHAIN_THAW_HEAD: Final = 10.0
"""The head's rate over the others' in the paper's chain-thaw (0.001 and 0.0001)."""
RATES: Final = (1e-4, 3e-4)
IDENTITY: Final = ("variant", "rate", "seed", "rows", "epochs")
Run = dict[str, Any]


def main() -> None:
    """Run what is missing, and show the table."""
    given = _arguments()
    runs = runs_of(given.out)
    done = {tuple(run[name] for name in IDENTITY) for run in runs}
    tasks = [] if given.table else list(_tasks(given))
    for number, task in enumerate(tasks, start=1):
        if tuple(task.values()) not in done:
            runs.append(_run(task, given.data))
            save(given.out, runs, what=WHAT)
            print(f"[{number}/{len(tasks)}] {_line(runs[-1])}", flush=True)
    for rows, epochs in sorted({(run["rows"], run["epochs"]) for run in runs}, key=str):
        print(f"\nrows: {rows or 'all'}, epochs: {epochs}\n")
        print("\n".join(table([run for run in runs if (run["rows"], run["epochs"]) == (rows, epochs)])))


def _tasks(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for rate in given.rates:
        for seed in range(given.seeds):
            for variant in given.variants:
                yield dict(zip(IDENTITY, (variant, rate, seed, given.rows, given.epochs), strict=True))


def splits(data: Path, rows: int | None, *, seed: int) -> sets.Splits:
    """Train, validation and judged rows, all of TREC's training file; the judged ones are always the same."""
    rest, judged = sets.hold_out(sets.read(data / "trec/train.csv"))
    if rows is None:
        train, validation = sets.hold_out(rest)
        return sets.Splits(train, validation, judged)
    drawn = sets.draw(rest, rows + rows // 2, seed=seed)
    return sets.Splits(drawn[:rows], drawn[rows:], judged)


def recipe(task: dict[str, Any], folder: Path) -> dict[str, Any]:
    """One run's recipe, on the files that are in `folder`."""
    method, train = VARIANTS[task["variant"]]
    head = {"head_learning_rate": CHAIN_THAW_HEAD * task["rate"]} if task["variant"] == "chain-thaw" else {}
    same = {"epochs": task["epochs"], "head_start": "random", "early_stopping": False, "restart": False, "reuse": False}
    files = {part: str(folder / f"{part}.csv") for part in sets.Splits._fields}
    return {
        "model": _scratch(folder / "random", task["seed"]) if task["variant"] == "scratch" else MODEL,
        "seed": task["seed"],
        "data": {**files, "text": "text", "label": "label"},
        "run": str(folder / "run"),
        "method": method,
        "train": {**same, "learning_rate": task["rate"], **head, **train},
        "evaluate": {"baselines": False, "rows": "all"},
    }


def _run(task: dict[str, Any], data: Path) -> Run:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sets.write(splits(data, task["rows"], seed=task["seed"]), folder)
        started = time.process_time()
        result = affina.train(recipe(task, folder))
        spent = time.process_time() - started
        records = journal.read(result.folder.journal)
    looks = [record for record in records if isinstance(record, Evaluated)]
    kept = [look for look in looks if look.best][-1]
    accuracy = result.scores.metrics["accuracy"]
    return {
        **task,
        "error": 100 * (1 - accuracy.value),
        "interval": [100 * (1 - accuracy.high), 100 * (1 - accuracy.low)],
        "validation_accuracy": kept.metrics["accuracy"],
        "validation_loss": kept.metrics["loss"],
        "validation": [[look.epoch, look.metrics["accuracy"], look.metrics["loss"]] for look in looks],
        "best_epoch": kept.epoch,
        "steps": next(record.steps for record in records if isinstance(record, Finished)),
        "cpu_seconds": round(spent, 1),
        "commit": commit(),
        "date": now(),
    }


def _scratch(folder: Path, seed: int) -> str:
    """The starter's architecture with random weights."""
    start = locate(MODEL).folder
    set_seed(seed)
    AutoModel.from_config(AutoConfig.from_pretrained(start)).save_pretrained(folder)
    AutoTokenizer.from_pretrained(start).save_pretrained(folder)
    return str(folder)


def table(runs: Sequence[Run]) -> Iterator[str]:
    """A line for each variant: the mean error at the rate that its validation rows choose, and at each rate."""
    rates = sorted({run["rate"] for run in runs})
    yield f"| variant | error % | each seed | rate | {' | '.join(f'at {rate:g}' for rate in rates)} | paper, LSTM |"
    yield f"|---|---:|---|---:|{'---:|' * len(rates)}---:|"
    for variant in VARIANTS:
        of_rate = {rate: [run for run in runs if (run["variant"], run["rate"]) == (variant, rate)] for rate in rates}
        found = {rate: many for rate, many in of_rate.items() if many}
        if not found:
            continue
        best = max(found, key=lambda rate: _mean(found[rate], "validation_accuracy"))
        each = ", ".join(f"{run['error']:.1f}" for run in found[best])
        columns = " | ".join(f"{_mean(found[rate], 'error'):.1f}" if rate in found else "" for rate in rates)
        yield f"| {variant} | {_mean(found[best], 'error'):.1f} | {each} | {best:g} | {columns} | {PAPER[variant]} |"


def _mean(runs: Sequence[Run], figure: str) -> float:
    return statistics.fmean(run[figure] for run in runs)


def _line(run: Run) -> str:
    return (
        f"{run['variant']}, rate {run['rate']:g}, seed {run['seed']}: error {run['error']:.1f}%, "
        f"best after epoch {run['best_epoch']:g}, {run['cpu_seconds']:.0f} s of CPU"
    )


def _arguments() -> argparse.Namespace:
    parser = words(__doc__, out=OUT)
    parser.add_argument("--rows", type=int, help="training rows, drawn anew for each seed; all where left out")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rates", type=float, nargs="+", default=list(RATES))
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    given = parser.parse_args()
    if not given.table and not (given.data / "trec").is_dir():
        parser.error(f"no data sets in {given.data}: name their folder with --data or AFFINA_DATA")
    return given


if __name__ == "__main__":
    main()
