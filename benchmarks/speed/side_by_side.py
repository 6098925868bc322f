"""What the comparisons of speed share: contenders as processes, their ratios round by round, and the result's JSON.

A contender that fails, or is not there, is noted in its place (`not_run`, with why) and the others go on.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import torch

HERE: Final = Path(__file__).resolve().parent
RESULTS: Final = HERE.parent / "results"
NOT_RUN: Final = "not_run"
PACKAGES: Final = ("affina", "torch", "transformers", "accelerate", "peft")
Found = dict[str, Any]


def run_script(script: str, *words: str, python: Path | str = sys.executable) -> Found:
    """What a contender's process prints last, as JSON; where it fails, `not_run` with the last line that it said.

    Args:
        script: in this folder.
        words: for it.
        python: that runs it.
    """
    try:
        done = subprocess.run([str(python), str(HERE / script), *words], check=False, capture_output=True, text=True)
    except OSError as error:
        return {NOT_RUN: f"not installed: {error.strerror}"}
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["nothing was said"]
        print(f"{script} failed:", *said[-20:], sep="\n", file=sys.stderr, flush=True)
        return {NOT_RUN: f"failed with exit status {done.returncode}: {said[-1]}"}
    found: Found = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def ran(found: Mapping[str, Any]) -> bool:
    """Whether a contender gave figures."""
    return NOT_RUN not in found


def compared(rounds: Sequence[Found], ours: str, peer: str, *, of: str) -> Found:
    """How often our speed is the peer's, by the wall clock and by the processor's, and our peak memory its.

    Args:
        rounds: each contender's figures by its name.
        ours: one of the names,
        peer: the other.
        of: what is counted, `rows` or `tokens`.

    Returns:
        Medians, least and most over the rounds in which both ran, how many these are, and the rows of each side's steps
        in the mean; `not_run` where none is.
    """
    both = [(found[ours], found[peer]) for found in rounds if ran(found[ours]) and ran(found[peer])]
    if not both:
        why = [found[name][NOT_RUN] for found in rounds for name in (peer, ours) if not ran(found[name])]
        return {NOT_RUN: why[0]}
    clocks = {"ratio": f"{of}_per_second", "processor_ratio": f"{of}_per_processor_second"}
    found = {"rounds": len(both)}
    for name, speed in clocks.items():
        ratios = [one[speed] / other[speed] for one, other in both]
        found |= {f"{name}_median": statistics.median(ratios), f"{name}_low": min(ratios), f"{name}_high": max(ratios)}
    memory = statistics.median(one["peak_memory_bytes"] / other["peak_memory_bytes"] for one, other in both)
    rows = [statistics.mean(pair[side]["rows_per_step"] for pair in both) for side in range(2)]
    return {**found, "memory_ratio_median": memory, "rows_per_step": rows}


def write_result(path: Path, *, what: str, comparisons: Found, rounds: Sequence[Found]) -> None:
    """The result of a benchmark of speed, with what it was measured on; versions of peers are those that they told."""
    told = {
        name: one["versions"]
        for found in rounds
        for name, one in found.items()
        if isinstance(one, dict) and "versions" in one
    }
    result = {
        "what": what,
        "comparisons": comparisons,
        "rounds": rounds,
        "machine": {
            "system": platform.platform(),
            "processor": processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "load": os.getloadavg(),
        },
        "versions": {name: _version(name) for name in PACKAGES} | told,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def processor() -> str:
    """The processor's model, as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
