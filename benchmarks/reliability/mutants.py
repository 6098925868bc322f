"""Mutation testing of what decides a run: stopping, checkpoints, guard, and what makes masks and labels.

A sample of mutants (`mutation.py`), the same for the same seed and source, each in a copy of the tree against the quick
tests of its module; a mutant that no test notices has survived. Those that are no fault, since nothing that is promised
changes, are in `mutants_why.json`, by their names, each with the reason. The tests run in forks of one process that has
imported the libraries and nothing of Affina. Goes on where it stopped: what is in the file and unchanged in the source
is not done again, but for survivors named with `--again`.

    python benchmarks/reliability/mutants.py --mutants 300 --minutes 25 --out benchmarks/results/mutants.json
"""

from __future__ import annotations

import argparse
import compileall
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from mutation import Mutant, mutants

ROOT: Final = Path(__file__).resolve().parents[2]
WHY: Final = Path(__file__).parent / "mutants_why.json"
FAMILIES: Final = (
    "bert",
    "distilbert",
    "electra",
    "roberta",
    "gpt2",
    "llama",
    "qwen2",
    "gpt_neox",
    "opt",
    "bart",
    "t5",
)
LIBRARIES: Final = (
    "torch",
    "torch._dynamo",
    "transformers.generation",
    *(f"transformers.models.{family}.modeling_{family}" for family in FAMILIES),
    "tokenizers",
    "safetensors.torch",
    "sklearn.linear_model",
    "scipy.stats",
    "pydantic",
    "pyarrow",
    "hypothesis",
    "pytest",
    "sacrebleu",
)
MASKS: Final = ("tests/tasks/test_masks_by_hand.py", "-k", "ChatML or own or without")
PACKED: Final = ("tests/tasks/test_packing.py", "-k", "gpt2 or gemma2 or not one_by_one and not gradient_checkpointing")
RESUMED: Final = ("tests/numerics/test_resume.py", "-k", "accumulated or cut_off")
JUDGED: Final = ("tests/training/test_guard.py", "-k", "left_alone or far_above or runaway_from or grows or plain_data")
ACTED: Final = ("tests/training/test_guard.py", "-k", "lead_back or again_and_again or skipped_at")
TESTS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "training/stopping.py": (("tests/training/test_stopping.py",),),
    "training/guard.py": (("tests/training/test_guard_counts.py",), JUDGED, ACTED),
    "training/mishaps.py": (("tests/training/test_mishaps.py",), ACTED, ("tests/training/test_memory_of_steps.py",)),
    "training/control.py": (("tests/training/test_loop.py", "-k", "checkpoint"),),
    "training/checkpoint.py": (("tests/training/test_checkpoint.py",), RESUMED),
    "training/sound.py": (("tests/training/test_checkpoint.py",),),
    "tasks/packing.py": (("tests/tasks/test_packs.py",), PACKED),
    "tasks/packs.py": (("tests/tasks/test_packs.py",), PACKED),
    "tasks/layout.py": (("tests/tasks/test_layout.py",),),
    "tasks/token_loss.py": (("tests/tasks/test_token_loss.py",),),
    "tasks/lessons.py": (("tests/tasks/test_lessons.py",), MASKS),
    "tasks/turns.py": (("tests/tasks/test_turns.py",), MASKS),
    "models/first_position.py": (("tests/models/test_first_position.py",),),
    "models/attended_prefix.py": (
        ("tests/methods/test_prefix.py", "-k", "taken_off or gpt2/write or t5 or bert/classify and not ro"),
    ),
}
"""Module to groups of pytest's words, the quickest first; the next group runs where the one before noticed nothing."""
TIMES: Final = 4.0
"""A mutant that takes so many times as long as the source itself, and `SPARE` seconds, is noticed: it hangs."""
SPARE: Final = 20.0
SAVE_EVERY: Final = 10
WHAT: Final = (
    "mutants of stopping, checkpoint, guard and masks against their quick tests; benchmarks/reliability/mutants.py"
)


def sample(most: int, seed: int) -> list[Mutant]:
    """Mutants of all modules, drawn at random, in a random order."""
    found = [
        mutant
        for module in TESTS
        for mutant in mutants(module, (ROOT / "src" / "affina" / module).read_text(encoding="utf-8"))
    ]
    draw = random.Random(seed)  # noqa: S311 - not a secret
    return draw.sample(found, min(most, len(found)))


def in_fork(work: Callable[[], int], *, limit: float, said: Path) -> int | None:
    """The status that some work ends with in a process of its own; None where it takes too long."""
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        status = 70
        try:
            os.setpgid(0, 0)
            with said.open("w") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            status = work()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    while time.monotonic() - begun < limit:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)  # its own group, which this process made
    os.waitpid(child, 0)
    return None


class Tree:
    """A copy of the project, in which one module is changed at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("src", "tests", "recipes"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(ROOT / name, folder / name)
        compileall.compile_dir(folder / "src", quiet=1)
        sys.dont_write_bytecode = True  # what is changed is compiled anew, and leaves nothing behind
        self.seconds: dict[tuple[str, ...], float] = {}

    def tests(self, words: Sequence[str], *, limit: float) -> int | None:
        """Run pytest in a fork, from the folder."""

        def work() -> int:
            os.chdir(self.folder)
            sys.path[:0] = [str(self.folder / "src"), str(self.folder / "tests")]
            import pytest  # noqa: PLC0415 - long since imported

            temporary = f"--basetemp={self.folder / 'temporary'}"
            return int(
                pytest.main(
                    [
                        "-x",
                        "-q",
                        "--assert=plain",
                        "-p",
                        "no:cacheprovider",
                        "-m",
                        "not slow and not gpu",
                        temporary,
                        *words,
                    ]
                )
            )

        return in_fork(work, limit=limit, said=self.folder / "said.txt")

    def check(self, words: tuple[str, ...]) -> None:
        """A group of tests passes on the source itself; how long that takes is known from here on."""
        if words in self.seconds:
            return
        begun = time.monotonic()
        if self.tests(words, limit=600) != 0:
            raise RuntimeError(f"{words} do not pass:\n{(self.folder / 'said.txt').read_text()[-2000:]}")
        self.seconds[words] = time.monotonic() - begun
        print(f"{self.seconds[words]:.1f} s", *words, flush=True)

    def judge(self, mutant: Mutant) -> tuple[str, str]:
        """Whether a mutant is noticed, and by what."""
        for words in TESTS[mutant.module]:
            self.check(words)
        path = self.folder / "src" / "affina" / mutant.module
        whole = path.read_text(encoding="utf-8")
        cached = Path(importlib.util.cache_from_source(str(path)))
        cached.unlink(missing_ok=True)
        path.write_text(mutant.source, encoding="utf-8")
        try:
            for words in TESTS[mutant.module]:
                status = self.tests(words, limit=SPARE + TIMES * self.seconds[words])
                if status is None:
                    return "killed", "it took too long"
                if status != 0:
                    return "killed", _by(self.folder / "said.txt")
        finally:
            path.write_text(whole, encoding="utf-8")
        return "survived", ""


def _by(said: Path) -> str:
    lines = said.read_text(encoding="utf-8", errors="replace").splitlines()
    named = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return named[0].split(" - ")[0][:200] if named else "its import"


def save(out: Path, runs: list[dict[str, Any]], *, seed: int) -> None:
    """Write the results so far, in a fork: the ledger imports Affina."""

    def work() -> int:
        sys.path[:0] = [str(ROOT / "src"), str(ROOT / "benchmarks" / "quality")]
        import ledger  # noqa: PLC0415 - this process must not have imported what is mutated

        ledger.save(out, [{"seed": seed, "commit": ledger.commit(), **summary(runs), "mutants": runs}], what=WHAT)
        return 0

    if in_fork(work, limit=120, said=out.with_suffix(".log")) != 0:
        raise RuntimeError(out.with_suffix(".log").read_text(encoding="utf-8"))
    out.with_suffix(".log").unlink()


def summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How many were noticed, in all and by module; what is explained is counted apart, and as a survivor."""
    killed = [run for run in runs if run["status"] == "killed"]
    explained = [run for run in runs if run["status"] == "survived" and run["why"]]
    total, dead = Counter(run["module"] for run in runs), Counter(run["module"] for run in killed)
    return {
        "sampled": len(runs),
        "killed": len(killed),
        "share": round(len(killed) / max(1, len(runs)), 4),
        "explained": len(explained),
        "unexplained": len(runs) - len(killed) - len(explained),
        "modules": {module: f"{dead[module]}/{count}" for module, count in sorted(total.items())},
    }


def done_before(out: Path) -> dict[str, dict[str, Any]]:
    """What a file holds, by name."""
    if not out.is_file():
        return {}
    [run] = json.loads(out.read_text(encoding="utf-8"))["runs"]
    return {each["name"]: each for each in run["mutants"]}


def main() -> int:
    """Judge the sample, within the time; 1 where a survivor has no reason."""
    words = argparse.ArgumentParser()
    words.add_argument("--mutants", type=int, default=300)
    words.add_argument("--minutes", type=float, default=25.0)
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--again", action="store_true", help="judge survivors once more, after new tests")
    words.add_argument("--out", required=True)
    given = words.parse_args()
    out, begun = Path(given.out).absolute(), time.monotonic()
    why = json.loads(WHY.read_text(encoding="utf-8"))
    known = done_before(out)
    wanted = sample(given.mutants, given.seed)
    for name in LIBRARIES:
        importlib.import_module(name)
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as home:
        tree = Tree(Path(home))
        for number, mutant in enumerate(wanted):
            before = known.get(mutant.name)
            if before is not None and not (given.again and before["status"] == "survived"):
                runs.append(before | {"why": why.get(mutant.name, "")})
                continue
            if time.monotonic() - begun > 60 * given.minutes:
                continue
            status, by = tree.judge(mutant)
            run = {"name": mutant.name, "module": mutant.module, "line": mutant.line, "what": mutant.what}
            runs.append(run | {"diff": mutant.diff, "status": status, "by": by, "why": why.get(mutant.name, "")})
            print(number, status, mutant.name, by, flush=True)
            if len(runs) % SAVE_EVERY == 0:
                save(out, runs, seed=given.seed)
    save(out, runs, seed=given.seed)
    for run in runs:
        if run["status"] == "survived":
            print(f"\n{run['name']}, line {run['line']}: {run['what']}\n{run['diff']}\n  {run['why'] or 'NO REASON'}")
    found = summary(runs)
    print(json.dumps(found, indent=1))
    return 1 if found["unexplained"] else 0


if __name__ == "__main__":
    sys.exit(main())
