"""How long the audit takes and how much memory it needs, by the number of rows.

Writes a CSV of made-up short texts with planted duplicates, rows shared with a test file and personal data, runs
`affina check` on it in a process of its own, and prints one JSON object: seconds, peak memory, and what was found of
what was planted.

    python benchmarks/audit/scale.py --rows 100000
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLANTED = 100
"""Of each kind."""
COMMAND = "from affina.cli.main import run; run()"


def main() -> None:
    """Write, check, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, default=None, help="where the files are written, if not a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        size = write(Path(folder), arguments.rows)
        started = time.perf_counter()
        words = ["check", f"{folder}/train.csv", f"data.test={folder}/test.csv", "--json"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", COMMAND, *words]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        seconds = time.perf_counter() - started
        if done.returncode:
            sys.exit(done.stderr)
        found = {finding["name"]: finding["count"] for finding in json.loads(done.stdout)["findings"]}
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            json.dumps(
                {
                    "rows": arguments.rows,
                    "file_mb": round(size / 1e6, 1),
                    "seconds": round(seconds, 1),
                    "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
                    "peak_mib": round(used.ru_maxrss / 1024),
                    "planted": {"duplicates": PLANTED, "test_rows_in_train": PLANTED, "email_addresses": PLANTED},
                    "found": found,
                }
            )
        )


def write(folder: Path, rows: int) -> int:
    """Write train.csv and test.csv; the bytes of the first."""
    draw = random.Random(0)  # noqa: S311 - not a secret
    vocabulary = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(20_000)]

    def text() -> str:
        return " ".join(draw.choices(vocabulary, k=draw.randint(5, 12)))

    kept: list[list[str]] = []
    with (folder / "train.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(rows):
            row = [text(), f"label {number % 7}"]
            if number < PLANTED:
                kept.append(row)
            elif number >= rows - PLANTED:
                row = kept[number - rows + PLANTED]
            elif number >= rows - 2 * PLANTED:
                row[0] += f" write to user{number}@example.com"
            writer.writerow(row)
    with (folder / "test.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(kept)
        writer.writerows([text(), f"label {number % 7}"] for number in range(1_000))
    return (folder / "train.csv").stat().st_size


if __name__ == "__main__":
    main()
