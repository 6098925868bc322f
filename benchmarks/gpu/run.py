"""Affina and TRL with PEFT on a GPU: Llama's shapes with random weights, LoRA and full fine-tuning, in bf16.

    python benchmarks/gpu/run.py --trl-python trl-venv/bin/python
    python benchmarks/gpu/run.py --shapes 1b 8b --methods lora --rows 2000

The same rows, epochs, rate, rank and about the same tokens of a step for both, interleaved and repeated; ours packs its
rows, TRL runs at its defaults and at its best setting (packed, no activation checkpointing). After every round
benchmarks/results/gpu.json is written: real tokens per second, peak memory of the device, and the share of the measured
bf16 matrix peak that useful operations make up (6 for each weight of the blocks and real token, 4 with LoRA, whose
matrices have no gradient). All load their weights in float32 and make their products in bf16, but for one more of TRL's
runs, whose weights are bf16: half the size, and the steps of full fine-tuning rounded to them. `weights` in each result
says which. A contender that fails, for want of memory or without --trl-python, is noted with why; the others go on.

Not measured yet: no GPU was at hand when it was written; what ran is the shape `tiny` on a CPU.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import torch
from shapes import SHAPES, write_model, write_rows

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "speed"))
from side_by_side import NOT_RUN, RESULTS, compared, ran, run_script, write_result

RESULT: Final = RESULTS / "gpu.json"
METHODS: Final = {"lora": 4, "full": 6}
"""Useful operations for each weight of the blocks and token."""
WAYS: Final = {
    "affina": (),
    "trl, defaults": (),
    "trl, best setting": ("--setting", "best"),
    "trl, best setting, bf16 weights": ("--setting", "best", "--weights", "bfloat16"),
}
RATE: Final = 1e-5
SIDE: Final = 8_192
"""Of the square matrices by which the device's peak is measured."""


def main() -> None:
    """Run the rounds and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["135m", "1b", "8b"])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--tokens", type=int, default=16_384, help="of a step")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--side", type=int, default=SIDE)
    parser.add_argument("--trl-python", type=Path, help="of an environment with speed/trl-requirements.txt")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    peak = _peak(given.device, given.side)
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder, rows=given.rows)
        for shape in given.shapes:
            weights = write_model(shape, folder / shape)
            for method in given.methods:
                for number in range(given.repeats):
                    found = {way: _run(way, folder, shape, method, given, seed=number) for way in WAYS}
                    for one in filter(ran, found.values()):
                        useful = METHODS[method] * weights * one["tokens_per_second"]
                        one["share_of_peak"] = useful / peak
                    rounds.append({"shape": shape, "method": method, **found})
                    _write(given, rounds, peak)


def _run(way: str, folder: Path, shape: str, method: str, given: argparse.Namespace, *, seed: int) -> dict[str, Any]:
    words = ["--model", str(folder / shape), "--train", str(folder / "train.jsonl"), "--adapter", str(folder / "out")]
    words += ["--epochs", "1", "--rate", str(RATE), "--seed", str(seed), "--method", method, "--device", given.device]
    if way == "affina":
        settings = [f"train.batch_tokens={given.tokens}", "train.pack=true"]
        words += ["--validation", str(folder / "validation.jsonl"), *settings]
        found = run_script("affina_chat_run.py", *words)
    elif given.trl_python is None:
        found = {NOT_RUN: "not installed: its environment is named by --trl-python"}
    else:
        found = run_script("trl_run.py", *words, "--tokens", str(given.tokens), *WAYS[way], python=given.trl_python)
    print(shape, method, way, json.dumps(found), flush=True)
    return found


def _peak(device: str, side: int) -> float:
    """Operations a second of a large product in bf16, the best of some."""
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    best = 0.0
    for _ in range(5):
        _settle(device)
        start = time.perf_counter()
        for _ in range(3):
            a @ b
        _settle(device)
        best = max(best, 3 * 2 * side**3 / (time.perf_counter() - start))
    return best


def _settle(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _write(given: argparse.Namespace, rounds: list[dict[str, Any]], peak: float) -> None:
    comparisons = {
        f"{shape}, {method}, {way}": compared(
            [found for found in rounds if (found["shape"], found["method"]) == (shape, method)],
            "affina",
            way,
            of="tokens",
        )
        for shape, method in dict.fromkeys((found["shape"], found["method"]) for found in rounds)
        for way in WAYS
        if way != "affina"
    }
    name = torch.cuda.get_device_name() if given.device == "cuda" else given.device
    sizes = f"{given.rows} rows, {given.tokens} tokens a step"
    what = f"random Llama shapes, {sizes}, bf16 on {name}, whose peak is {peak:.3g} operations a second"
    write_result(given.out, what=what, comparisons=comparisons, rounds=rounds)


if __name__ == "__main__":
    main()
