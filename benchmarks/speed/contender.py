"""What every contender of the chat's comparison is asked, and how it answers. It imports neither Affina nor TRL."""

from __future__ import annotations

import argparse
import json
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

Told = Mapping[str, Any]


def words(doc: str | None) -> argparse.ArgumentParser:
    """The model, the rows and the settings that are the same for all."""
    parser = argparse.ArgumentParser(description=doc)
    for name in ("--model", "--train", "--adapter"):
        parser.add_argument(name, type=Path, required=True)
    for name in ("--epochs", "--rate"):
        parser.add_argument(name, type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--method", choices=("lora", "full"), default="lora")
    parser.add_argument("--device", default="cpu", help="on a GPU products are made in bf16, on a CPU in float32")
    return parser


def tell(*, tokens: float, rows: float, steps: int, seconds: float, processor_seconds: float, told: Told) -> None:
    """Print what a training took as one JSON line, with the peak memory: the device's on a GPU, else the process's.

    Args:
        tokens: real ones, in all epochs,
        rows: the same,
        steps: of the optimizer.
        seconds: of the wall's clock.
        processor_seconds: of the processor's.
        told: what only this contender has to say.
    """
    on_gpu = torch.cuda.is_initialized()
    peak = torch.cuda.max_memory_allocated() if on_gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found = {
        "tokens": tokens,
        "steps": steps,
        "rows_per_step": rows / steps,
        "tokens_per_second": tokens / seconds,
        "tokens_per_processor_second": tokens / processor_seconds,
        "training_seconds": seconds,
        "processor_seconds": processor_seconds,
        "peak_memory_bytes": peak,
        "threads": torch.get_num_threads(),
        **told,
    }
    sys.stdout.write(json.dumps(found) + "\n")
