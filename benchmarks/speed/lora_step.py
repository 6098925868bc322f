"""One step of LoRA on the starter decoder: Affina's and PEFT's, in one process, in turn. Prints one JSON line.

Both train the same updates (rank 8, all linear layers) from the same tensors on the same batch; forward, summed
cross-entropy over all tokens by the model's own logits, backward. The ratio is that of the medians. Peak memory is each
step's own, above what lay there before it, in a process of its own (`--memory`).
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import torch
from torch import Tensor
from torch.nn import functional

from affina.methods import lora
from affina.models.language import load_language_model
from affina.models.source import locate
from affina.recipe.method_specs import LoraSpec

Step = Callable[[], float]


def main() -> None:
    """Measure, and print the ratio of the medians, the losses and the peaks."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="starter/decoder")
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--memory", choices=("affina", "peft"))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    steps = _steps(given.model, given.rows, given.tokens, only=given.memory)
    if given.memory:
        sys.stdout.write(json.dumps({"bytes": _peak(steps[given.memory])}) + "\n")
        return
    losses = {name: step() for name, step in steps.items()}  # warm-up
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(given.repeats):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    found = {
        "ratio": medians["peft"] / medians["affina"],
        "ratio_of_the_fastest": min(seconds["peft"]) / min(seconds["affina"]),
        "seconds": {name: [round(taken, 3) for taken in each] for name, each in seconds.items()},
        "losses": losses,
        "peak_bytes": {name: _peak_of_child(name) for name in steps},
        "tokens": given.rows * given.tokens,
        "threads": given.threads,
        "versions": {"torch": torch.__version__, "peft": peft.__version__},
    }
    sys.stdout.write(json.dumps(found) + "\n")


def _steps(reference: str, rows: int, tokens: int, *, only: str | None) -> dict[str, Step]:
    model = load_language_model(locate(reference))
    torch.manual_seed(0)
    ids = torch.randint(5, model.output.vocabulary, (rows, tokens))
    twin = copy.deepcopy(model.module) if only is None else model.module
    steps: dict[str, Step] = {}
    ours = None
    if only != "peft":
        torch.manual_seed(0)
        ours = lora.attach(model.module, model.anatomy, LoraSpec(rank=8))
        trained = [tensor for group in ours.parameter_groups() for tensor in group.parameters.values()]
        ours.train()
        steps["affina"] = lambda: _step(model.module, ids, trained)
    if only != "affina":
        config = peft.LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
        theirs = peft.get_peft_model(twin, config).train()
        steps["peft"] = lambda: _step(theirs, ids, [p for p in theirs.parameters() if p.requires_grad])
        if ours is not None:
            _copy(ours, theirs)
    return steps


def _copy(ours: lora.LowRank, theirs: Any) -> None:
    with torch.no_grad():
        for update in ours.updates:
            layer = theirs.base_model.model.get_submodule(update.layer.path)
            update.b.normal_(std=0.01)
            layer.lora_A["default"].weight.copy_(update.a)
            layer.lora_B["default"].weight.copy_(update.b)


def _step(module: Any, ids: Tensor, trained: list[Tensor]) -> float:
    for tensor in trained:
        tensor.grad = None
    logits = module(input_ids=ids, use_cache=False).logits[:, :-1]
    loss = functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
    loss.backward()
    return float(loss.detach())


def _peak(step: Step) -> int:
    """The most resident memory during a step above that before it; the first step is a warm-up."""
    step()
    before, most, done = _resident(), 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.002):
            most = max(most, _resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    step()
    done.set()
    watcher.join()
    return most - before


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _peak_of_child(name: str) -> int:
    words = [word for word in sys.argv[1:] if word]
    ran = subprocess.run(
        [sys.executable, __file__, *words, "--memory", name], capture_output=True, text=True, check=True
    )
    return int(json.loads(ran.stdout)["bytes"])


if __name__ == "__main__":
    main()
