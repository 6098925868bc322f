"""How long Affina takes to start: `affina --help`, and `affina train` to its first step, the first time and the second.

    python benchmarks/speed/start.py --rows 2000 --chat-rows 500

Classification is of Banking77's rows with starter/encoder, chat of customer-support answers with starter/decoder. Each
run is a process of its own and ends after one step; both runs of a task have one cache, empty before the first. Of a
run the time is from its command to the record's first step, by the wall's clock and by the processor's (of the process
and of those that it has waited for); both are read twenty times a second, and are that much too high at most. Needs the
data sets' folder in AFFINA_DATA. Writes benchmarks/results/speed-start.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from chat import write_rows
from classification import DATA, split_rows
from side_by_side import NOT_RUN, RESULTS, ran, write_result

from affina.models.source import locate

RESULT: Final = RESULTS / "speed-start.json"
COMMAND: Final = (sys.executable, "-c", "from affina.cli.main import run; run()")
MOST: Final = {"help": 0.4, "second": 6.0}
"""Seconds of the wall's clock that were asked for."""
CLOCKS: Final = ("seconds", "processor_seconds")
EVERY: Final = 0.05
SHORT: Final = ("train.max_steps=1", "data.test=none", "evaluate.baselines=false", "risks.measure=never")
CHAT: Final = ("task=chat", "method=lora", "evaluate.rows=2", "generate={rows: 1, max_new_tokens: 2, shots: 0}")
Taken = dict[str, Any]


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--chat-rows", type=int, default=500)
    parser.add_argument("--labels", type=int, help="of the 77, so that few rows have several of each; none: all")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    rounds: list[dict[str, Any]] = []
    for _ in range(given.repeats):
        with tempfile.TemporaryDirectory() as name:
            found = _round(Path(name), given)
        print(json.dumps(found), flush=True)
        rounds.append(found)
        what = f"start-up; {given.rows} rows of banking77, {given.chat_rows} of bitext_support"
        write_result(given.out, what=what, comparisons=compare(rounds), rounds=rounds)
    print(json.dumps(compare(rounds)), flush=True)


def compare(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of both clocks of each start, and what was asked of the wall's."""
    found: dict[str, Any] = {}
    for name in rounds[0]:
        done = [one[name] for one in rounds if ran(one[name])]
        clocks = {clock: statistics.median(one[clock] for one in done) for clock in CLOCKS if done}
        whys = {} if done else {NOT_RUN: [one[name][NOT_RUN] for one in rounds]}
        found[name] = {**clocks, "asked": MOST.get(name.rsplit(", ", 1)[-1]), **whys}
    return found


def _round(folder: Path, given: argparse.Namespace) -> dict[str, Taken]:
    train, validation = split_rows(DATA, folder, rows=given.rows, labels=given.labels)
    chats = folder / "chats"
    chats.mkdir()
    write_rows(DATA.parents[1] / "bitext_support" / "train.csv", chats, rows=given.chat_rows, held_out=8)
    encoder, decoder = (str(locate(f"starter/{kind}").folder) for kind in ("encoder", "decoder"))
    asked = {
        "classification": (f"data.train={train}", f"data.validation={validation}", f"model={encoder}"),
        "chat": (
            f"data.train={chats / 'train.jsonl'}",
            f"data.validation={chats / 'validation.jsonl'}",
            f"model={decoder}",
            *CHAT,
        ),
    }
    found = {"help": _help()}
    for task, words in asked.items():
        for time_of in ("first", "second"):
            found[f"{task}, {time_of}"] = _to_first_step(folder / task, time_of, words)
    return found


def _help() -> Taken:
    started, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=False)
    seconds, ended = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        return {NOT_RUN: done.stderr.strip().splitlines()[-1]}
    return {"seconds": seconds, "processor_seconds": ended.ru_utime + ended.ru_stime - used.ru_utime - used.ru_stime}


def _to_first_step(folder: Path, name: str, words: tuple[str, ...]) -> Taken:
    folder.mkdir(exist_ok=True)
    run = folder / name
    environment = {**os.environ, "AFFINA_CACHE": str(folder / "cache")}
    with (folder / f"{name}.txt").open("w+", encoding="utf-8") as said:
        started, taken = time.perf_counter(), None
        command = [*COMMAND, "train", *words, *SHORT, f"run={run}"]
        child = subprocess.Popen(command, stdout=said, stderr=said, env=environment)
        while child.poll() is None:
            if taken is None and _stepped(run / "record.jsonl"):
                taken = {"seconds": time.perf_counter() - started, "processor_seconds": _used(child.pid)}
            time.sleep(EVERY)
        if child.returncode or taken is None:
            said.seek(0)
            return {NOT_RUN: (said.read().strip().splitlines() or ["no step was seen"])[-1]}
    return taken


def _stepped(record: Path) -> bool:
    try:
        return '"kind": "step"' in record.read_text(encoding="utf-8")
    except OSError:
        return False


def _used(process: int) -> float:
    """Processor seconds of a process and of those that it has waited for, as Linux counts them."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
