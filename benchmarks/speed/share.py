"""What share of the machine's float32 matrix peak full fine-tuning of starter/decoder reaches, a step and an epoch.

    python benchmarks/speed/share.py --rows 96

Useful operations are 6 for each weight of the blocks and real token, and 6 for each of the output layer and token that
is learned: attention itself, norms, the optimizer, padding and what is read twice are none. The peak is that of square
float32 products in the same process, measured before and after the training, the best of all. A step is the median of
the steps; the epoch is all from the forecast to the last evaluation, the one before the first step and checkpoints
included. Once with padded rows, each with its own system prompt, so that what is counted is computed; and once as it is
by default, a batch in one line, in which the prompt that all its rows have is computed once and counted for each row.
The processor's seconds decide, which a shared machine disturbs least; with one thread they are the wall's on a quiet
one. Needs the data sets' folder in AFFINA_DATA. Writes benchmarks/results/speed-share.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import torch
from chat import write_rows
from matrix_peak import matrix_peak
from side_by_side import RESULTS, write_result
from transformers import AutoTokenizer

import affina
from affina.models.language import load_language_model
from affina.models.source import locate
from affina.record.payloads import Evaluated, Payload, Step
from affina.record.starts import Predicted

RESULT: Final = RESULTS / "speed-share.json"
SIDES, REPEATS = (576, 1_024, 1_536), 8
"""Of the square products."""
HELD_OUT: Final = 0.1
"""Of the rows: as many as `auto` holds out."""
ARRANGED: Final[Mapping[str, bool | str]] = {"padded rows": False, "by default": "auto"}
"""How a batch of rows is laid out: `train.pack`."""
WEIGHT: Final = 6
"""Useful operations for each weight and token: two forward, four backward."""


class Watch:
    """Notes the processor's time of each step, and of the whole."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, float]] = []
        self.tokens = 0
        self.begun = self.ended = self._last = 0.0
        self.peak = 0.0

    def __call__(self, record: Payload) -> None:
        """Called with each line of the record as it is written."""
        if isinstance(record, Predicted):
            self.peak = matrix_peak(*SIDES, repeats=REPEATS)
            self.begun = time.process_time()
        if isinstance(record, Step):
            self.tokens += record.tokens
            self.steps.append((record.tokens, time.process_time() - self._last))
        if isinstance(record, Evaluated):
            self.ended = time.process_time()
        self._last = time.process_time()


def main() -> None:
    """Train each way once, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=96)
    parser.add_argument("--tokens", type=int, default=2_048, help="of a batch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AFFINA_DATA", "../shared/data")))
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    found = {name: _measure(given, pack=pack) for name, pack in ARRANGED.items()}
    what = f"share of the float32 matrix peak, full, starter/decoder, {given.rows} answers of bitext_support"
    settings = f"batches of {given.tokens:,} tokens, {given.threads} threads, processor seconds"
    write_result(given.out, what=f"{what}, {settings}", comparisons=found, rounds=[])


def _measure(given: argparse.Namespace, *, pack: bool | str) -> dict[str, object]:
    watch = Watch()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = write_rows(
            given.data / "bitext_support" / "train.csv", folder, rows=given.rows, held_out=round(HELD_OUT * given.rows)
        )
        answers = _learned(rows)
        data = {"train": str(folder / "train.jsonl"), "validation": str(folder / "validation.jsonl"), "test": "none"}
        recipe = {
            "model": "starter/decoder",
            "task": "chat",
            "method": "full",
            "data": data,
            "run": str(folder / "run"),
            "train": {
                "epochs": 1,
                "learning_rate": 1e-5,
                "batch_tokens": given.tokens,
                "reuse": False,
                "pack": pack,
            },
            "evaluate": {"baselines": False},
            "generate": {"rows": 1, "max_new_tokens": 2, "shots": 0},
            "risks": {"measure": "never"},
        }
        affina.train(recipe, observers=(watch,))
    peak = max(watch.peak, matrix_peak(*SIDES, repeats=REPEATS))
    blocks, output = _weights()
    useful = WEIGHT * (blocks + output * answers / watch.tokens)
    each = [useful * tokens / seconds / peak for tokens, seconds in watch.steps]
    found: dict[str, object] = {
        "matrix_peak_gflops": round(peak / 1e9, 1),
        "tokens": watch.tokens,
        "learned": answers,
        "steps": len(each),
        "step": round(statistics.median(each), 4),
        "steps_least_and_most": [round(min(each), 4), round(max(each), 4)],
        "epoch": round(useful * watch.tokens / (watch.ended - watch.begun) / peak, 4),
    }
    print(json.dumps(found), flush=True)
    return found


def _weights() -> tuple[int, int]:
    """The weights of the matrices of all blocks, and of the output layer."""
    module = load_language_model(locate("starter/decoder")).module
    blocks = sum(one.numel() for one in module.model.layers.parameters() if one.ndim == 2)
    return blocks, module.get_output_embeddings().weight.numel()


def _learned(rows: Sequence[Mapping[str, str]]) -> int:
    """How many tokens of answers there are, the end of each included."""
    tokenizer = AutoTokenizer.from_pretrained(locate("starter/decoder").folder)
    return sum(len(ids) + 1 for ids in tokenizer([row["response"] for row in rows])["input_ids"])


if __name__ == "__main__":
    main()
