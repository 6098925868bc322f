"""`affina plan` beside what a real run then needs and takes: memory and seconds per epoch, over many combinations.

    python benchmarks/plan/run.py
    python benchmarks/plan/run.py --only 3 7

Each combination is planned, and right afterwards trained for one epoch, in processes of their own. The peak is that of
the training process above what it held after its imports. On a busy machine wall time is noise: processor time stands
beside it, and `busy` is what plan and run each got of one core. Data and models are made here, but for the starters.
Writes benchmarks/results/plan.json; a combination that is run again replaces its line.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

RESULT: Final = Path(__file__).parents[1] / "results" / "plan.json"
AS_IN_ALL: Final = ("train.restart=false", "train.reuse=false", "evaluate.resamples=100")
"""A second start, where the first is stuck, would make it another run than the one that was planned."""
MEMORY_GOAL: Final = 0.20
TIME_GOAL: Final = 0.35
RUN: Final = """
import json, sys
import affina.verbs.train
from affina.runtime import memory
held = memory.resident()
affina.verbs.train.train(sys.argv[1], sys.argv[2:])
print(json.dumps({"peak": memory.peak() - held}))
"""
PLAN: Final = """
import json, sys
import affina
print(json.dumps(affina.plan(sys.argv[2], sys.argv[3:], rehearse=sys.argv[1] == "rehearse").as_json()))
"""


@dataclass(frozen=True)
class Case:
    """A combination: the model, what trains, how many tokens at a time, how long the texts are, how many there are."""

    model: str | tuple[str, dict[str, Any]]
    method: str
    batch_tokens: int | None
    words: tuple[int, int]
    rows: int
    more: tuple[str, ...] = ()


def _bert(width: int, depth: int, vocabulary: int, family: str = "bert") -> tuple[str, dict[str, Any]]:
    sizes = {"hidden_size": width, "num_hidden_layers": depth, "num_attention_heads": width // 64 or 1}
    more = {"relative_attention": True, "position_buckets": 64, "pos_att_type": ["p2c", "c2p"]}
    settings = {**sizes, "intermediate_size": 4 * width, "vocab_size": vocabulary, "max_position_embeddings": 512}
    return family, settings | (more if family == "deberta-v2" else {})


def _gpt2(width: int, depth: int, vocabulary: int) -> tuple[str, dict[str, Any]]:
    sizes = {"n_embd": width, "n_layer": depth, "n_head": width // 64, "n_positions": 512}
    return "gpt2", {**sizes, "vocab_size": vocabulary}


def _llama(width: int, depth: int, vocabulary: int) -> tuple[str, dict[str, Any]]:
    heads = width // 64
    sizes = {"hidden_size": width, "num_hidden_layers": depth, "num_attention_heads": heads, "num_key_value_heads": 2}
    return "llama", {**sizes, "intermediate_size": 8 * width // 3, "vocab_size": vocabulary}


def _blocks(count: int) -> str:
    return f"method={{name: partial, blocks: {count}}}"


FULL: Final = "method=full"
WRITES: Final = ("task=generation", "data.text=text")
CASES: Final = (
    Case("starter/encoder", FULL, None, (5, 30), 600),
    Case("starter/encoder", "method=partial", 1024, (5, 60), 400),
    Case("starter/encoder", FULL, 4096, (20, 110), 300),
    Case("starter/encoder", _blocks(2), 2048, (10, 60), 400),
    Case("starter/encoder", _blocks(0), 1024, (5, 30), 500),
    Case("starter/decoder", FULL, 256, (4, 12), 40),
    Case("starter/decoder", _blocks(6), 768, (5, 40), 40),
    Case("starter/decoder", _blocks(0), 512, (5, 20), 40),
    Case(_bert(128, 2, 30_000), FULL, 2048, (10, 120), 900),
    Case(_bert(512, 8, 8_000), FULL, 1024, (10, 120), 150),
    Case(_bert(256, 4, 4_000), FULL, 8192, (50, 250), 300),
    Case(_gpt2(256, 6, 16_000), FULL, 2048, (10, 120), 400),
    Case(_gpt2(384, 4, 4_000), _blocks(2), 1024, (20, 200), 200),
    Case(_llama(384, 6, 32_000), FULL, 1024, (10, 60), 300),
    Case(_llama(256, 12, 2_000), _blocks(6), 512, (10, 60), 400, ("train.accumulate=2",)),
    Case(_bert(256, 4, 8_000, "deberta-v2"), FULL, 2048, (20, 120), 200),
    Case(_bert(768, 4, 20_000, "roberta"), _blocks(4), 512, (10, 40), 200),
    Case(_bert(64, 2, 1_000), FULL, 1024, (5, 60), 1200),
    Case("starter/encoder", "method=lora", 1024, (5, 60), 300),
    Case("starter/encoder", "method=prompt", 1024, (5, 40), 300),
    Case("starter/decoder", "method=lora", 512, (5, 40), 30, WRITES),
    Case(_llama(384, 6, 32_000), FULL, 1024, (10, 60), 300, WRITES),
    Case(_gpt2(256, 6, 16_000), "method=prefix", 1024, (10, 60), 200, WRITES),
)


def main() -> None:
    """Plan, run, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", type=int, help="numbers of combinations, from 1")
    parser.add_argument("--result", type=Path, default=RESULT)
    given = parser.parse_args()
    lines = _earlier(given.result)
    for number, case in enumerate(CASES, start=1):
        if given.only is None or number in given.only:
            with tempfile.TemporaryDirectory() as folder:
                lines[number] = {"number": number, **_compare(case, Path(folder))}
            ordered = [lines[key] for key in sorted(lines)]
            given.result.write_text(json.dumps({"lines": ordered}, indent=2) + "\n", encoding="utf-8")
            print(table([lines[number]]).splitlines()[2], flush=True)
    print(table([lines[key] for key in sorted(lines)]))


def _earlier(result: Path) -> dict[int, dict[str, Any]]:
    if not result.is_file():
        return {}
    return {line["number"]: line for line in json.loads(result.read_text(encoding="utf-8"))["lines"]}


def _compare(case: Case, folder: Path) -> dict[str, Any]:
    from models import make_model, write_texts  # noqa: PLC0415 - torch, which the table alone does not need

    model = (
        case.model
        if isinstance(case.model, str)
        else str(make_model(folder / "model", *case.model, writes=case.more == WRITES))
    )
    data = write_texts(folder / "texts.csv", rows=case.rows, words=case.words, seed=1)
    budget = () if case.batch_tokens is None else (f"train.batch_tokens={case.batch_tokens}",)
    words = [f"model={model}", case.method, *budget, "train.epochs=1", f"run={folder}/run", *AS_IN_ALL, *case.more]
    sizes = _ask(PLAN, ["sizes", str(data), *words])
    plan = _ask(PLAN, ["rehearse", str(data), *words])
    started = time.perf_counter()
    done = _ask(RUN, [str(data), *words])
    seconds = time.perf_counter() - started
    records = [json.loads(line) for line in (folder / "run" / "record.jsonl").read_text("utf-8").splitlines()]
    finished = next(record for record in records if record["kind"] == "finished")
    said, took = plan["time"]["seconds_per_epoch"], finished["seconds_per_epoch"]
    cpu, cpu_took = plan["time"]["cpu_seconds_per_epoch"], finished["cpu_seconds_per_epoch"]
    return {
        "model": case.model if isinstance(case.model, str) else f"{case.model[0]} {_sizes(case.model[1])}",
        "parameters": plan["parameters"],
        "method": plan["method"],
        "batch_tokens": plan["batch_tokens"],
        "longest": plan["longest"],
        "steps": finished["steps"],
        "peak_bytes": {"planned": plan["memory"]["peak_bytes"], "measured": done["peak"]},
        "peak_error": plan["memory"]["peak_bytes"] / done["peak"] - 1,
        "peak_by_size_error": sizes["memory"]["peak_bytes"] / done["peak"] - 1,
        "stages": plan["memory"]["stages"],
        "epoch_seconds": {"planned": said, "measured": took, "error": said / took - 1},
        "epoch_cpu_seconds": {"planned": cpu, "measured": cpu_took, "error": cpu / cpu_took - 1},
        "epoch_by_size_error": sizes["time"]["seconds_per_epoch"] / took - 1,
        "busy": {"planned": cpu / said, "measured": cpu_took / took},
        "total_seconds": {"planned": plan["time"]["total_seconds"], "measured": finished["seconds"]["total"]},
        "disk_bytes": {
            "planned": sum(plan["disk"][f"{part}_bytes"] for part in ("checkpoints", "model", "record")),
            "measured": sum(file.stat().st_size for file in (folder / "run").rglob("*") if file.is_file()),
        },
        "seconds": {"plan": plan["seconds"], "plan_by_size": sizes["seconds"], "run": round(seconds, 1)},
    }


def _sizes(settings: dict[str, Any]) -> str:
    width = settings.get("hidden_size") or settings["n_embd"]
    return f"{settings.get('num_hidden_layers') or settings['n_layer']}x{width}, {settings['vocab_size']:,} words"


def _ask(code: str, words: list[str]) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{words}\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(lines: list[dict[str, Any]]) -> str:
    """The results as Markdown."""
    rows = [
        "| model | method | tokens | longest | peak, plan | run | off | from sizes | epoch, plan | run | off | cpu |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for line in lines:
        peak, seconds = line["peak_bytes"], line["epoch_seconds"]
        off = f"{line['peak_error']:+.0%} | {line['peak_by_size_error']:+.0%}"
        took = f"{seconds['planned']:.1f} s | {seconds['measured']:.1f} s | {seconds['error']:+.0%}"
        rows.append(
            f"| {line['model']} | {line['method']} | {line['batch_tokens']:,} | {line['longest']} "
            f"| {peak['planned'] / 2**20:,.0f} MiB | {peak['measured'] / 2**20:,.0f} MiB | {off} "
            f"| {took} | {line['epoch_cpu_seconds']['error']:+.0%} |"
        )
    within = [abs(line["peak_error"]) <= MEMORY_GOAL for line in lines]
    in_time = [abs(line["epoch_seconds"]["error"]) <= TIME_GOAL for line in lines]
    rows.append(
        f"\nPeak within {MEMORY_GOAL:.0%}: {sum(within)} of {len(within)}; "
        f"seconds per epoch within {TIME_GOAL:.0%}: {sum(in_time)} of {len(in_time)}. Machine: {os.cpu_count()} cores."
    )
    return "\n".join(rows)


if __name__ == "__main__":
    main()
