"""All benchmarks of speed, one after the other: each writes its own result, and one that fails does not stop the rest.

    python benchmarks/speed/run.py --trl-python trl-venv/bin/python
    python benchmarks/speed/run.py --only chat start
    python benchmarks/speed/run.py --quick                 # the smallest sizes: whether all of it runs

Results are put into benchmarks/results; those of `--quick`, which are of no worth, into another folder. speed-run.json
there says of each script that was run how it ended and how long it took, and which contenders did not run, and why.
Needs the data sets' folder in AFFINA_DATA.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from side_by_side import HERE, NOT_RUN, RESULTS

QUICK: Final[dict[str, tuple[str, ...]]] = {
    "chat": ("--rows", "8", "--held-out", "2", "--repeats", "1"),
    "classification": ("--rows", "150", "--labels", "8", "--epochs", "1", "--repeats", "1"),
    "frozen": ("--rows", "150", "--labels", "8", "--epochs", "1", "--repeats", "1"),
    "share": ("--rows", "20", "--tokens", "512"),
    "growth": ("--axes", "length", "--points", "1"),
    "rows": ("--rows", "1000"),
    "beginnings": ("--rows", "8", "--tokens", "1024", "--repeats", "1"),
    "lora_step": ("--rows", "1", "--tokens", "64", "--repeats", "1"),
    "start": ("--rows", "150", "--labels", "8", "--chat-rows", "8", "--repeats", "1"),
}
"""Each script, and its words for the smallest sizes."""


def main() -> int:
    """Run them; 1 where a script or a contender failed, which is not so of one that is not installed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=QUICK, default=list(QUICK))
    parser.add_argument("--quick", action="store_true", help="the smallest sizes, in minutes")
    parser.add_argument("--trl-python", type=Path, help="of an environment with trl-requirements.txt; none: no TRL")
    parser.add_argument("--results", type=Path, help="their folder")
    given = parser.parse_args()
    usual = Path(tempfile.gettempdir()) / "affina-speed-quick" if given.quick else RESULTS
    results = given.results or usual
    results.mkdir(parents=True, exist_ok=True)
    ended: dict[str, dict[str, Any]] = {}
    for name in given.only:
        out = results / f"speed-{name.replace('_', '-')}.json"
        if given.quick:  # some go on where they stopped
            out.unlink(missing_ok=True)
        words = [*(QUICK[name] if given.quick else ()), "--out", str(out)]
        if name == "chat" and given.trl_python:
            words += ["--trl-python", str(given.trl_python)]
        ended[name] = _run(name, words, out)
        (results / "speed-run.json").write_text(json.dumps(ended, indent=2) + "\n", encoding="utf-8")
        print(name, json.dumps(ended[name]), flush=True)
    whys = [str(why) for one in ended.values() for why in (one["ended"], *one["not run"].values())]
    print(f"results are in {results}")
    return int(any(why.startswith("failed") for why in whys))


def _run(name: str, words: list[str], out: Path) -> dict[str, Any]:
    started = time.perf_counter()
    done = subprocess.run([sys.executable, str(HERE / f"{name}.py"), *words], check=False)
    ended = "done" if done.returncode == 0 else f"failed with exit status {done.returncode}"
    found = json.loads(out.read_text(encoding="utf-8")) if done.returncode == 0 and out.is_file() else {}
    return {"ended": ended, "seconds": round(time.perf_counter() - started, 1), "not run": dict(_not_run("", found))}


def _not_run(name: str, found: Any) -> Iterator[tuple[str, str]]:
    """Each comparison and each contender of a result that did not run, with why."""
    if isinstance(found, dict) and NOT_RUN in found:
        yield name, found[NOT_RUN]
    elif isinstance(found, dict | list):
        for at, one in found.items() if isinstance(found, dict) else enumerate(found, start=1):
            yield from _not_run(f"{name}, {at}".removeprefix(", "), one)


if __name__ == "__main__":
    sys.exit(main())
