"""The results files of the language benchmarks: JSON, saved whole after each run; a run in figures, from its record."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import affina
from affina.errors import AffinaError
from affina.pipeline.writing.shown import CUT_OFF
from affina.record import journal
from affina.record.files import write_text
from affina.record.payloads import Chosen, DataRead, Evaluated, Finished, Payload, Scores, Started, Step
from affina.record.row_results import WrittenTexts
from affina.runtime import machine

HERE: Final = Path(__file__).parent
RESULTS: Final = HERE.parent / "results"
CPU: Final = "cpu-seconds.json"
"""Beside a run folder: processor seconds of each process that worked on it."""
SHOWN: Final = 5
"""Texts kept of each predictor, to be looked at."""
Kind = TypeVar("Kind", bound=Payload)


def train(recipe: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A run to its end, where an earlier process left it; the figures of one that has ended."""
    path = folder / "record.jsonl"
    if not (path.is_file() and _all(journal.read(path), Finished)):
        started = time.process_time()
        try:
            affina.train(
                {**recipe, "train": {**recipe.get("train", {}), "reuse": False}, "run": str(folder)}, observers=[_say]
            )
        except AffinaError as error:
            raise SystemExit(str(error)) from None
        finally:
            _add(folder, time.process_time() - started)
    return figures(folder)


def figures(folder: Path) -> dict[str, Any]:
    """A finished run in plain figures."""
    records = journal.read(folder / "record.jsonl")
    finished, steps = _all(records, Finished)[-1], _all(records, Step)
    texts = _all(records, WrittenTexts)
    return {
        "metrics": {score.who: _plain(score) for score in _all(records, Scores)},
        "signatures": {
            choice.key: choice.value for choice in _all(records, Chosen) if choice.key.startswith("evaluate (")
        },
        "rows": _all(records, DataRead)[0].rows,
        "steps": finished.steps,
        "best_step": finished.best_step,
        "stopped": finished.stopped,
        "tokens_trained": sum(step.tokens for step in steps),
        "validation": [
            {"step": look.step, "epoch": look.epoch, "loss": round(look.metrics["loss"], 4)}
            for look in _all(records, Evaluated)
        ],
        "seconds": {name: round(value, 1) for name, value in finished.seconds.items()},
        "cpu_seconds": [round(part, 1) for part in _spent(folder)],
        "resumed": len(_all(records, Started)) - 1,
        "recipe": _without_paths(_all(records, Started)[0].asked),
        "texts": {
            found.who: {
                "written": len(found.texts),
                "ended": sum(not text.endswith(CUT_OFF) for text in found.texts),
                "shown": list(found.texts[:SHOWN]),
            }
            for found in texts
        },
    }


def save(path: Path, what: str, runs: dict[str, Any], **more: Any) -> None:
    """Write the file: conditions, then the runs by name."""
    head = {
        "what": what,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": machine.versions(),
        "machine": machine.facts(machine.choose_device("cpu")),
    }
    write_text(path, json.dumps({**head, **more, "runs": runs}, indent=1, ensure_ascii=False) + "\n")


def saved(path: Path) -> dict[str, Any]:
    """The runs of a file, or none."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))["runs"] if path.is_file() else {}
    return found


def _plain(score: Scores) -> dict[str, dict[str, float]]:
    return {
        name: {"value": found.value, "low": found.low, "high": found.high, "n": found.n}
        for name, found in score.metrics.items()
    }


def _all(records: Sequence[Payload], kind: type[Kind]) -> list[Kind]:
    return [record for record in records if isinstance(record, kind)]


def _say(record: object) -> None:
    """What a watcher of the log wants to see."""
    if isinstance(record, Step) and record.step % 50:
        return
    if isinstance(record, Step):
        print(f"step {record.step}/{record.of} loss {record.loss:.3f} norm {record.gradient_norm:.2f}", flush=True)
    elif isinstance(record, Evaluated):
        cpu = time.process_time()
        print(f"epoch {record.epoch} {record.metrics} best {record.best} cpu {cpu:.0f} s", flush=True)
    elif isinstance(record, Scores):
        print(record.who, {name: round(found.value, 3) for name, found in record.metrics.items()}, flush=True)


def _add(folder: Path, seconds: float) -> None:
    spent = [*_spent(folder), seconds]
    if folder.is_dir():
        (folder / CPU).write_text(json.dumps(spent), encoding="utf-8")


def _spent(folder: Path) -> list[float]:
    path = folder / CPU
    found: list[float] = json.loads(path.read_text("utf-8")) if path.is_file() else []
    return found


def _without_paths(asked: dict[str, Any]) -> dict[str, Any]:
    """The recipe as it was given, of each path the last part."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(part) for key, part in value.items() if key != "run"}
        return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value

    found: dict[str, Any] = plain(asked)
    return found
