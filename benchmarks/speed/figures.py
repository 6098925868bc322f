"""The table of the results of speed, in Markdown, between two markers in the README, with what was asked of them.

python benchmarks/speed/figures.py            # write it
python benchmarks/speed/figures.py --check    # exit 1 where the README says something else
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

HERE: Final = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "quality"))
from readme import write_table  # noqa: E402
from side_by_side import NOT_RUN, RESULTS  # noqa: E402

NAME: Final = "speed"
HEAD: Final = (
    "| what (ours) | against | rows a step | times as fast (least-most) | of the processor's time | asked "
    "| peak memory |"
    "\n|---|---|---|---:|---:|---|---:|"
)
SHARE: Final = "speed-share"
SHARE_HEAD: Final = (
    "| full fine-tuning, `starter/decoder` | share of the float32 matrix peak, a step | asked | an epoch | asked |"
    "\n|---|---:|---|---:|---|"
)
SOONER_HEAD: Final = (
    "| what (ours) | against | seconds to the peer's best validation accuracy: ours, the peer's "
    "| to its lowest validation loss |"
    "\n|---|---|---|---|"
)
SOONER: Final = ("accuracy", "loss")
LEAST_SHARES: Final = {"step": 0.80, "epoch": 0.75}


class Row(NamedTuple):
    """A line of the table: the result's file, its comparison, what that is in words, and what was asked of it."""

    file: str
    comparison: str
    what: str
    against: str
    times: float | None = None
    """How many times as fast it is to be, at least."""
    memory: float | None = None
    """What share of the peer's peak memory it is to take, at most."""


CLASSES: Final = "Banking77, 2,000 rows, 3 epochs, `starter/encoder`: our defaults (embeddings frozen)"
PARTIAL: Final = "1,000 rows of Banking77, upper 2 of 6 blocks, 5 epochs (embeddings frozen)"
HEAD_ALONE: Final = "the same rows, head alone, 10 epochs (embeddings frozen)"
CHAT: Final = "96 customer-support answers, LoRA, `starter/decoder`"
DEFAULTS: Final = "`Trainer`, defaults (all weights)"
BEST: Final = "`Trainer`, best setting (all weights)"
ROWS: Final = (
    Row("speed-classification", "defaults against defaults", CLASSES, DEFAULTS, 2.5),
    Row(
        "speed-classification",
        "same tensors, against the best setting",
        "the same, full fine-tuning",
        BEST,
        1.2,
    ),
    Row("speed-classification", "defaults against the best setting", "the same, our defaults", BEST, 1.4),
    Row(
        "speed-frozen",
        "trainer, partial / affina, partial, cached",
        PARTIAL,
        "`Trainer`, the same blocks, defaults",
        4,
    ),
    Row(
        "speed-frozen",
        "affina, full but embeddings / affina, partial, cached",
        "the same",
        "ours, all blocks (embeddings frozen)",
        2.2,
    ),
    Row(
        "speed-frozen",
        "trainer, head / affina, head, cached",
        HEAD_ALONE,
        "`Trainer`, head alone, defaults",
        15,
    ),
    Row("speed-chat", "trl, defaults", CHAT, "TRL with PEFT, defaults", 3),
    Row("speed-chat", "trl, best setting", "the same", "TRL with PEFT, best setting", 1.8, 0.7),
    Row("speed-beginnings", "short", "64 such answers", "ours, the system prompt in every row (24 tokens)"),
    Row("speed-beginnings", "long", "the same", "ours, a system prompt of about 300 tokens in every row"),
)


def main() -> int:
    """Write the table into the README, or compare."""
    return write_table(__doc__, name=NAME, result=RESULTS, made=table, command="python benchmarks/speed/figures.py")


def table(folder: Path) -> str:
    """A line for each comparison whose result is there, and one for each share of the machine's matrix peak."""
    names = dict.fromkeys([*(row.file for row in ROWS), SHARE])
    paths = {name: folder / f"{name}.json" for name in names}
    found = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items() if path.is_file()}
    lines = [HEAD, *(_line(row, found[row.file]["comparisons"][row.comparison]) for row in ROWS if row.file in found)]
    sooner = [(row, found[row.file]["comparisons"][row.comparison]) for row in ROWS if row.file in found]
    if sooner := [_sooner(row, one["to_the_peers_best"]) for row, one in sooner if "to_the_peers_best" in one]:
        lines += ["", SOONER_HEAD, *sooner]
    if SHARE in found:
        lines += ["", SHARE_HEAD, *_shares(found[SHARE]["comparisons"])]
    return "\n".join(lines)


def _line(row: Row, found: Mapping[str, Any]) -> str:
    if NOT_RUN in found:
        return f"| {row.what} | {row.against} | | {found[NOT_RUN]} | | {_asked(row, None)} | |"
    clocks = " | ".join(_spread(found, name) for name in ("ratio", "processor_ratio"))
    rows = " against ".join(f"{count:.3g}" for count in found["rows_per_step"])
    asked, memory = _asked(row, found), f"{found['memory_ratio_median']:.2f}"
    return f"| {row.what} | {row.against} | {rows} | {clocks} | {asked} | {memory} |"


def _spread(found: Mapping[str, Any], name: str) -> str:
    median = f"{found[f'{name}_median']:.2f}"
    if found["rounds"] == 1:
        return f"{median} (one round)"
    return f"{median} ({found[f'{name}_low']:.2f}-{found[f'{name}_high']:.2f})"


def _asked(row: Row, found: Mapping[str, Any] | None) -> str:
    """What was asked, and whether the figures as measured, not as they are rounded, are that."""
    words = []
    if row.times is not None:
        words.append(_verdict(f"{row.times:g} times", None if found is None else found["ratio_median"] >= row.times))
    if row.memory is not None:
        held = None if found is None else found["memory_ratio_median"] <= row.memory
        words.append(_verdict(f"memory at most {row.memory:g}", held))
    return ", ".join(words)


def _verdict(asked: str, held: bool | None) -> str:
    return asked if held is None else f"{asked}: {'yes' if held else '**missed**'}"


def _sooner(row: Row, found: Mapping[str, Any]) -> str:
    """Each round's seconds of both sides, evaluations included."""
    cells = []
    for score in SOONER:
        pairs = [(one["our_seconds"], one["peers_seconds"]) for one in found[score]]
        cells.append("; ".join(", ".join("never" if of is None else f"{of:.0f}" for of in pair) for pair in pairs))
    return f"| {row.what} | {row.against} | {' | '.join(cells)} |"


def _shares(found: Mapping[str, Any]) -> list[str]:
    """The lines of the shares: those of several ways, by their names, or those of rows that are padded alone."""
    ways = found if "step" not in found else {"padded rows": found}
    lines = []
    for way, one in ways.items():
        asked = [f"{one[of]:.0%} | {_verdict(f'{least:.0%}', one[of] >= least)}" for of, least in LEAST_SHARES.items()]
        peak = f"a peak of {one['matrix_peak_gflops']:g} GFLOP/s"
        lines.append(f"| {way}, {peak} | {' | '.join(asked)} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
