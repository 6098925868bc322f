"""Runs that get SIGKILL at random moments come to the same bits, whatever task and method."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "reliability" / "kills.py"


@pytest.mark.slow
def test_ten_kills_at_random_moments_change_nothing(tmp_path):
    out = tmp_path / "kills.json"
    words = [sys.executable, str(SCRIPT), "--kills", "10", "--seed", "1", "--out", str(out)]
    ended = subprocess.run(words, check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    found = json.loads(out.read_text())["runs"]
    assert sum(one["kills"] for one in found) >= 10
    assert all(one["same"] and not one["left_over"] for one in found)
