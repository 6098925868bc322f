"""The table of the results of speed, in Markdown, between two markers in the README.

python benchmarks/speed/figures.py            # write it
python benchmarks/speed/figures.py --check    # exit 1 where the README says something else
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

HERE: Final = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "quality"))
from readme import write_table  # noqa: E402

NAME: Final = "speed"
RESULTS: Final = HERE.parent / "results"
NONE: Final = "\N{EN DASH}"
HEAD: Final = "| what | against | times as fast (least-most) | peak memory |\n|---|---|---:|---:|"


class Row(NamedTuple):
    """A line of the table: the result's file, its comparison, and what that is in words."""

    file: str
    comparison: str
    what: str
    against: str


CLASSES: Final = "Banking77, 2,000 rows, 3 epochs, `starter/encoder`"
PARTIAL: Final = "1,000 rows of Banking77, upper 2 of 6 blocks, 5 epochs"
HEAD_ALONE: Final = "the same, head alone, 10 epochs"
CHAT: Final = "96 customer-support answers, LoRA, `starter/decoder`"
ROWS: Final = (
    Row("speed-classification", "defaults against defaults", CLASSES, "`Trainer`, defaults"),
    Row(
        "speed-classification",
        "same tensors, against the best setting",
        "the same, full fine-tuning",
        "`Trainer`, best setting, same tensors",
    ),
    Row(
        "speed-classification",
        "defaults against the best setting",
        "the same, our defaults (embeddings frozen)",
        "`Trainer`, best setting",
    ),
    Row("speed-frozen", "trainer, partial / affina, partial, cached", PARTIAL, "`Trainer`, the same blocks"),
    Row(
        "speed-frozen",
        "affina, full but embeddings / affina, partial, cached",
        "the same",
        "ours, all blocks (embeddings frozen in both)",
    ),
    Row("speed-frozen", "trainer, head / affina, head, cached", HEAD_ALONE, "`Trainer`, head alone"),
    Row("speed-chat", "trl, defaults", CHAT, "TRL with PEFT, defaults"),
    Row("speed-chat", "trl, best setting", "the same", "TRL with PEFT, best setting"),
    Row("speed-beginnings", "short", "64 such answers", "ours, the system prompt in every row (24 tokens)"),
    Row("speed-beginnings", "long", "the same", "ours, a system prompt of about 300 tokens in every row"),
)


def main() -> int:
    """Write the table into the README, or compare."""
    return write_table(__doc__, name=NAME, result=RESULTS, made=table, command="python benchmarks/speed/figures.py")


def table(folder: Path) -> str:
    """A line for each comparison whose result is there."""
    found = {}
    for name in dict.fromkeys(row.file for row in ROWS):
        path = folder / f"{name}.json"
        if path.is_file():
            found[name] = json.loads(path.read_text(encoding="utf-8"))
    lines = [_line(row, found[row.file]) for row in ROWS if row.file in found]
    return "\n".join([HEAD, *lines])


def _line(row: Row, result: Mapping[str, Any]) -> str:
    times = result["comparisons"][row.comparison]
    if "training_seconds" in times:
        wall = times["training_seconds"]
        speed, memory = _spread(wall["median"], wall["low"], wall["high"], rounds=len(result["rounds"])), NONE
    else:
        speed = _spread(times["ratio_median"], times["ratio_low"], times["ratio_high"], rounds=len(result["rounds"]))
        memory = f"{times['memory_ratio_median']:.2f}"
    return f"| {row.what} | {row.against} | {speed} | {memory} |"


def _spread(median: float, least: float, most: float, *, rounds: int) -> str:
    return f"{median:.2f} ({least:.2f}-{most:.2f})" if rounds > 1 else f"{median:.2f} (one round)"


if __name__ == "__main__":
    sys.exit(main())
