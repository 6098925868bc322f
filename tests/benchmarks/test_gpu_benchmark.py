"""The benchmark for GPUs runs from end to end, on a tiny shape and the CPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu"
BEST = ("trl, best setting", "trl, best setting, bf16 weights")


@pytest.mark.slow
def test_a_tiny_shape_is_measured_with_its_share_of_the_peak(tmp_path):
    words = ["--shapes", "tiny", "--methods", "lora", "--rows", "12", "--tokens", "400", "--repeats", "1"]
    words += ["--device", "cpu", "--side", "128", "--out", str(tmp_path / "found.json")]
    command = [sys.executable, str(HERE / "run.py"), *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    [one] = found["rounds"]
    assert (one["shape"], one["method"]) == ("tiny", "lora")
    assert 0 < one["affina"]["share_of_peak"] < 1
    assert one["affina"]["tokens"] > 500
    assert one["affina"]["weights"] == "float32"
    assert [name for name in one if name.startswith("trl")] == ["trl, defaults", *BEST]
    assert all(why["not_run"].startswith("not installed") for why in found["comparisons"].values())
    assert len(found["comparisons"]) == 3
