"""How the cost of full fine-tuning grows with the length of the rows, the size of a batch and that of the model.

    python benchmarks/speed/growth.py                     # goes on where it stopped
    python benchmarks/speed/growth.py --axes length       # a part of it
    python benchmarks/speed/growth.py --table             # what there is

Each point is one epoch on made-up rows of one length, by a model with random weights, in a process of its own. Seconds
are the processor's, which a shared machine disturbs least, with an evaluation of eight rows in them; the peak is the
process's above what it held after its imports. The share is that of this machine's own float32 matrix peak, measured in
the same process when the training is over, which useful operations make up: 6 for each weight of the blocks and each
real token, so that attention itself, which grows with the length, counts as none. Rows are an axis of their own:
rows.py.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "quality"), str(HERE.parent / "plan")]
from ledger import commit, now, runs_of, save, words  # noqa: E402 - the other benchmarks' own

OUT: Final = HERE.parent / "results" / "speed-growth.json"
WHAT: Final = "cost by length, batch and model, full fine-tuning; benchmarks/speed/growth.py"
SPECIAL: Final = 2
"""Tokens of a row that are no words."""
LABELS: Final = 4
Run = dict[str, Any]
CHILD: Final = """
import json, sys
sys.path.insert(0, sys.argv.pop(1))
from matrix_peak import matrix_peak
import affina.verbs.train
from affina.runtime import memory
held = memory.resident()
affina.verbs.train.train(sys.argv[1], sys.argv[2:])
peak = memory.peak() - held
print(json.dumps({"peak": peak, "matrix_peak": matrix_peak(1_536, repeats=12)}))
"""


def _bert(width: int, depth: int) -> tuple[str, dict[str, Any]]:
    heads = {"num_attention_heads": width // 64 if width % 64 == 0 else width // 32}
    sizes = {"hidden_size": width, "num_hidden_layers": depth, "intermediate_size": 4 * width, **heads}
    return "bert", {**sizes, "vocab_size": 30_522, "max_position_embeddings": 512}


def _llama(width: int, depth: int, inner: int, heads: tuple[int, int]) -> tuple[str, dict[str, Any]]:
    sizes = {"hidden_size": width, "num_hidden_layers": depth, "intermediate_size": inner}
    shared = {"num_attention_heads": heads[0], "num_key_value_heads": heads[1], "tie_word_embeddings": True}
    return "llama", {**sizes, **shared, "vocab_size": 32_000, "max_position_embeddings": 512}


MODELS: Final = {
    "22M, 6 blocks of 384": _bert(384, 6),
    "110M, 12 blocks of 768": _bert(768, 12),
    "335M, 24 blocks of 1,024": _bert(1_024, 24),
    "1B, 16 blocks of 2,048": _llama(2_048, 16, 8_192, (32, 8)),
}
"""Shapes of MiniLM-L6, BERT-base, BERT-large and Llama 3.2 1B (with fewer words)."""
SMALL: Final = next(iter(MODELS))


@dataclass(frozen=True)
class Point:
    """What is run: tokens of each row, tokens of a batch, and the model."""

    axis: str
    length: int = 32
    batch: int = 2_048
    model: str = SMALL
    tokens: int = 16_384
    """Of the training rows together."""


POINTS: Final = (
    *(Point("length", length=length, batch=4_096) for length in (16, 32, 64, 128, 256, 512)),
    *(Point("batch", batch=batch) for batch in (128, 256, 512, 1_024, 2_048, 4_096, 8_192)),
    *(Point("model", length=64, batch=1_024, model=model, tokens=4_096) for model in MODELS),
)


def main() -> None:
    """Run what is missing, and show the table; a point that fails is told, and the others go on."""
    given = _arguments()
    runs = runs_of(given.out)
    chosen = [point for axis in given.axes for point in [one for one in POINTS if one.axis == axis][: given.points]]
    failed = []
    for point in chosen if not given.table else ():
        if any(all(run[key] == value for key, value in vars(point).items()) for run in runs):
            continue
        try:
            runs.append(_run(point))
        except RuntimeError as error:
            print(f"{point} failed: {error}", file=sys.stderr, flush=True)
            failed.append(point)
            continue
        save(given.out, runs, what=WHAT)
        print(json.dumps(runs[-1]), flush=True)
    print("\n".join(table(runs)))
    sys.exit(int(bool(failed)))


def _run(point: Point) -> Run:
    from models import make_model  # noqa: PLC0415 - torch, which the table alone does not need

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = make_model(folder / "model", *MODELS[point.model])
        rows = max(LABELS, point.tokens // point.length)
        for part, count in {"train": rows, "validation": 2 * LABELS}.items():
            _write(folder / f"{part}.csv", rows=count, length=point.length)
        asked = {
            "data.validation": folder / "validation.csv",
            "data.test": "none",
            "model": model,
            "method": "full",
            "train.batch_tokens": point.batch,
            "train.epochs": 1,
            "train.learning_rate": 1e-5,
            "train.head_start": "random",
            "train.reuse": "false",
            "train.restart": "false",
            "evaluate.baselines": "false",
            "evaluate.per_epoch": 1,
            "risks.measure": "never",
            "run": folder / "run",
        }
        recipe = [f"{key}={value}" for key, value in asked.items()]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", CHILD, str(HERE), str(folder / "train.csv"), *recipe]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        child = json.loads(done.stdout.splitlines()[-1])
        records = [json.loads(line) for line in (folder / "run" / "record.jsonl").read_text("utf-8").splitlines()]
    finished = next(record for record in records if record["kind"] == "finished")
    seconds, tokens = finished["cpu_seconds_per_epoch"], rows * point.length
    useful = 6 * _block_weights(point.model) * tokens
    return {
        **vars(point),
        "rows": rows,
        "steps": finished["steps"],
        "tokens_per_cpu_second": round(tokens / seconds, 1),
        "peak_mib": round(child["peak"] / 2**20),
        "gflops": round(useful / seconds / 1e9, 2),
        "matrix_peak_gflops": round(child["matrix_peak"] / 1e9, 2),
        "share_of_peak": round(useful / seconds / child["matrix_peak"], 4),
        "commit": commit(),
        "date": now(),
    }


def _block_weights(model: str) -> int:
    """The weights of the matrices of all blocks."""
    family, sizes = MODELS[model]
    width, inner, depth = (sizes[f"{part}"] for part in ("hidden_size", "intermediate_size", "num_hidden_layers"))
    if family == "bert":
        return int(depth * (4 * width**2 + 2 * width * inner))
    shared = sizes["num_key_value_heads"] / sizes["num_attention_heads"]
    return int(depth * ((2 + 2 * shared) * width**2 + 3 * width * inner))


def _write(path: Path, *, rows: int, length: int) -> None:
    """Rows of words of one token each, of one length."""
    draw = random.Random(0)  # noqa: S311 - not a secret
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(rows):
            text = " ".join(f"w{draw.randrange(20_000)}" for _ in range(length - SPECIAL))
            writer.writerow([text, f"label {number % LABELS}"])


def table(runs: Sequence[Run]) -> Iterator[str]:
    """A line for each point."""
    yield "| row | batch | model | tokens a processor second | peak memory | share of the matrix peak |"
    yield "|---:|---:|---|---:|---:|---:|"
    for run in runs:
        cost = f"{run['tokens_per_cpu_second']:,.0f} | {run['peak_mib']:,} MiB | {run['share_of_peak']:.0%}"
        yield f"| {run['length']} | {run['batch']:,} | {run['model']} | {cost} |"


def _arguments() -> argparse.Namespace:
    parser = words(__doc__, out=OUT)
    axes = sorted({point.axis for point in POINTS})
    parser.add_argument("--axes", nargs="+", choices=axes, default=axes)
    parser.add_argument("--points", type=int, help="of each axis, the first ones; none: all")
    return parser.parse_args()


if __name__ == "__main__":
    main()
