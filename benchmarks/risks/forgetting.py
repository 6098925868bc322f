"""What full fine-tuning, LoRA, L2-SP, replay with KL and interpolation learn and forget: runs of starter/decoder.

    python benchmarks/risks/forgetting.py                 # goes on where it stopped
    python benchmarks/risks/forgetting.py --only full     # the runs whose names begin so
    python benchmarks/risks/forgetting.py --table         # what there is, and the plot

Each run learns the same answers of bitext_support, under 20,000 tokens of them. What it forgets is measured thrice: by
the data-free probe (texts that the untouched model writes itself), and by two real ones, BLiMP's minimal pairs (10 of
each paradigm) and 100 kB of WikiText-2. The table says whether the data-free probe ranks the runs as the real ones do
(Spearman), and the plot is what was learned against what was forgotten, with the intervals of both. Learned is how far
the loss of the test answers fell, row by row. Runs with a budget give the points of the interpolation: their search
tries strengths between the untouched model and the tuned one, whose gains are those of the validation answers.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from scipy.stats import spearmanr

import affina
from affina.data.drawing import drawn_places
from affina.pipeline.writing.measuring import TUNED, ZERO_SHOT
from affina.pipeline.writing.shown import rows_of_losses
from affina.record import journal
from affina.record.figures import Measured
from affina.record.folder import RunFolder
from affina.record.payloads import Finished, Payload
from affina.record.risks import Probed
from affina.record.row_results import RowResults
from affina.record.searched import Tried
from affina.reporting.gathered import gather
from affina.reporting.paired import paired
from affina.verbs.runs import read_run
from affina.verbs.writers import BATCH_TOKENS, open_writer

HERE: Final = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "quality")]
from front_plot import drawn  # noqa: E402 - beside this file
from ledger import commit, now, runs_of, save, words  # noqa: E402 - the other benchmarks' own

OUT: Final = HERE.parent / "results" / "risks-forgetting.json"
WHAT: Final = "learned and forgotten, starter/decoder on bitext_support; benchmarks/risks/forgetting.py"
ROWS: Final = {"train": 100, "validation": 30, "test": 60}
PAIRS_EACH: Final = 10
TEXT_BYTES: Final = 100_000
OWN, TEXT, PAIRS = "own", "text", "pairs"
PROBES: Final = {OWN: "by itself", TEXT: "text.txt", PAIRS: "pairs.jsonl"}
"""What a probe's name in the record holds."""
LORA: Final = {"name": "lora", "rank": 8}
UPPER: Final = {"name": "partial", "blocks": 8}
BUDGET: Final = 0.05


def _ways() -> dict[str, dict[str, Any]]:
    """Name to what differs in the recipe."""
    found: dict[str, dict[str, Any]] = {}
    for rate in (2e-5, 1e-4, 5e-4, 2e-3):
        found[f"full {rate:g}"] = {"method": "full", "train": {"learning_rate": rate}}
    for rate in (2e-4, 1e-3, 5e-3, 2e-2):
        found[f"lora {rate:g}"] = {"method": LORA, "train": {"learning_rate": rate}}
    for rate in (1e-4, 5e-4, 2e-3):
        found[f"upper blocks {rate:g}"] = {"method": UPPER, "train": {"learning_rate": rate}}
        found[f"l2-sp {rate:g}"] = {"method": "full", "train": {"learning_rate": rate, "l2_sp": 1.0}}
        found[f"replay {rate:g}"] = {"method": "full", "train": {"learning_rate": rate, "replay": True}}
    for name in ("full 0.0005", "lora 0.005"):
        found[f"budget, {name}"] = found[name] | {"forgetting": {"budget": BUDGET}}
    return found


WAYS: Final = _ways()
Run = dict[str, Any]


def main() -> None:
    """Run what is missing, and show the table."""
    given = _arguments()
    runs = runs_of(given.out)
    for name in WAYS if not given.table else ():
        if name.startswith(given.only) and not any(run["name"] == name for run in runs):
            runs.append(_run(name, given.data, rows=given.rows))
            save(given.out, runs, what=WHAT)
            print(json.dumps(runs[-1]), flush=True)
    print("\n".join(table(runs)))
    if len(runs) > 1:
        given.out.with_suffix(".svg").write_text(drawn(points(runs)), encoding="utf-8")


def recipe(name: str, folder: Path) -> dict[str, Any]:
    """One run's recipe, on the files in `folder`."""
    way = WAYS[name]
    asked = {"texts": str(folder / "text.txt"), "pairs": str(folder / "pairs.jsonl")}
    return {
        "model": "starter/decoder",
        "task": "chat",
        "seed": 0,
        "data": {part: str(folder / f"{part}.jsonl") for part in ROWS},
        "run": str(folder / "run"),
        "method": way["method"],
        "train": {"epochs": 1, "batch_tokens": 1024, "reuse": False, "early_stopping": False, **way["train"]},
        "evaluate": {"per_epoch": 1, "rows": "all", "baselines": "forgetting" in way},
        "generate": {"rows": 1, "max_new_tokens": 2, "shots": 0},
        "risks": {"measure": "always", "forgetting": {**asked, **way.get("forgetting", {})}},
    }


def write(data: Path, folder: Path, *, rows: int | None) -> None:
    """The files of a run: answers to learn, minimal pairs and a text; of a trial, a few of each."""
    with (data / "bitext_support" / "train.csv").open(encoding="utf-8", newline="") as file:
        every = list(csv.DictReader(file))
    drawn = iter(drawn_places(len(every), most=sum(ROWS.values()), seed=0))
    for part, count in ROWS.items():
        chosen = [every[place] for place in itertools.islice(drawn, count)][:rows]
        lines = [json.dumps({"prompt": row["instruction"], "completion": row["response"]}) for row in chosen]
        (folder / f"{part}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    pairs = (data / "blimp_sample" / "test.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in pairs if int(json.loads(line)["pairID"]) < PAIRS_EACH]
    (folder / "pairs.jsonl").write_text("".join(kept if rows is None else kept[::20]), encoding="utf-8")
    text = (data / "wikitext2_valid" / "valid.txt").read_bytes()[: TEXT_BYTES if rows is None else TEXT_BYTES // 20]
    (folder / "text.txt").write_bytes(text[: text.rindex(b"\n") + 1])


def _run(name: str, data: Path, *, rows: int | None) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        write(data, Path(folder), rows=rows)
        started = time.process_time()
        result = affina.train(recipe(name, Path(folder)))
        spent = time.process_time() - started
        records = journal.read(result.folder.journal)
        tuned, untouched = (_losses(result.folder, Path(folder), who=who) for who in (TUNED, ZERO_SHOT))
    run = gather(records)
    seconds = next(record.seconds for record in records if isinstance(record, Finished))
    by_row = paired(tuned, untouched, "loss")
    if by_row is None:
        raise SystemExit(f"{name}: a loss on the test rows is no number")
    return {
        "name": name,
        "learned": _negated(by_row.difference),
        "probes": _probes(records),
        "exported": None if run.searched is None else run.searched.exported,
        "candidates": [_candidate(record) for record in records if isinstance(record, Tried)],
        "share_of_time": round(seconds["risks"] / seconds["total"], 4),
        "cpu_seconds": round(spent, 1),
        "commit": commit(),
        "date": now(),
    }


def _losses(folder: RunFolder, files: Path, *, who: str) -> RowResults:
    """Of the model that the run exported, or of the one that it began with, on the test rows: row by row.

    A run's own record has them where it writes no texts.
    """
    opened = open_writer(read_run(folder.path), base=who == ZERO_SHOT)
    rows = opened.read(str(files / "test.jsonl"), answered=True)
    found = opened.writer.losses(opened.writer.taught(rows), budget=BATCH_TOKENS)
    return rows_of_losses(rows, found, who=who, split="test")


def _negated(found: Measured) -> list[float]:
    """How far a loss fell: value, low, high."""
    return [-found.value, -found.high, -found.low]


def _ends(found: Measured) -> list[float]:
    return [found.value, found.low, found.high]


def _probes(records: Sequence[Payload]) -> dict[str, list[float]]:
    """Of each probe of forgetting what decides: the figure and its interval."""
    return {
        _key(record.probe): _ends(record.figures[0].found)
        for record in records
        if isinstance(record, Probed) and record.risk == "forgetting" and record.figures
    }


def _candidate(tried: Tried) -> dict[str, Any]:
    held = {_key(one.probe): _ends(one.figure.found) for one in tried.held if one.figure is not None}
    return {
        "name": tried.name,
        "strength": tried.strength,
        "learned": _ends(tried.gain),
        "probes": held,
        "fits": tried.fits,
    }


def _key(probe: str) -> str:
    return next((key for key, said in PROBES.items() if said in probe), probe)


def points(runs: Sequence[Run]) -> list[tuple[str, str, list[float], list[float]]]:
    """What is drawn: kind, name, forgotten (by the text) and learned, each with its interval."""
    found = []
    for run in runs:
        kind = run["name"].rpartition(" ")[0]
        if not run["candidates"] and TEXT in run["probes"]:
            found.append((kind, run["name"], run["probes"][TEXT], run["learned"]))
        found += [
            (
                f"interpolation of {run['name'].removeprefix('budget, ')}",
                one["name"],
                one["probes"][TEXT],
                one["learned"],
            )
            for one in run["candidates"]
            if TEXT in one["probes"] and one["strength"] is not None
        ]
    return found


def table(runs: Sequence[Run]) -> Iterator[str]:
    """A line for each run, and what the data-free probe is worth."""
    yield "| run | learned, nats a token | own texts | WikiText-2 | BLiMP | exported |"
    yield "|---|---:|---:|---:|---:|---|"
    for run in runs:
        probes = " | ".join(f"{run['probes'][key][0]:.4f}" if key in run["probes"] else "-" for key in PROBES)
        yield f"| {run['name']} | {run['learned'][0]:.3f} | {probes} | {run['exported'] or ''} |"
    plain = [run for run in runs if not run["candidates"] and PROBES.keys() <= run["probes"].keys()]
    if len(plain) > 2:
        yield ""
        rates = [float(run["name"].rpartition(" ")[2]) for run in plain]
        for real in (TEXT, PAIRS):
            true = [run["probes"][real][0] for run in plain]
            own = spearmanr([run["probes"][OWN][0] for run in plain], true).statistic
            alone = spearmanr(rates, true).statistic
            yield f"{len(plain)} runs, ranks against {real}: data-free probe {own:.2f}, learning rate alone {alone:.2f}"


def _arguments() -> argparse.Namespace:
    parser = words(__doc__, out=OUT)
    parser.add_argument("--only", default="", help="runs whose names begin so")
    parser.add_argument("--rows", type=int, default=None, help="a trial of the benchmark on so few rows")
    return parser.parse_args()


if __name__ == "__main__":
    main()
