"""One step of LoRA on the starter decoder: Affina's and PEFT's, in one process, in turn.

    python benchmarks/speed/lora_step.py --rows 4 --tokens 256

Both train the same updates (rank 8, all linear layers) from the same tensors on the same batch: forward, summed
cross-entropy of the tokens that are learned, backward. `affina` is a step as Affina takes it, whose output layer is run
where a target is, with the products that are the fastest here; `affina_whole` has the logits of all tokens, as PEFT
has; `affina_whole_torch` has torch's own products, too, so that what differs from PEFT is LoRA alone. Each
ratio is PEFT's median over that way's, of the seconds and of the processor's time, which a busy machine disturbs less.
Peak memory is the resident memory of a process that takes such steps alone, weights included (`--memory`; Linux).
Writes benchmarks/results/speed-lora-step.json.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import peft
import torch
from side_by_side import RESULTS, write_result
from torch import Tensor
from torch.nn import functional

from affina.methods import lora
from affina.models.language import LanguageModel, load_language_model
from affina.models.source import locate
from affina.recipe.method_specs import LoraSpec
from affina.runtime import products
from affina.tasks.token_loss import IGNORED, token_loss

Step = Callable[[], float]
RESULT: Final = RESULTS / "speed-lora-step.json"
WAYS = ("affina", "affina_whole", "affina_whole_torch", "peft")


def main() -> None:
    """Measure, and print the ratio of the medians, the losses and the peaks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="starter/decoder")
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--targets", type=float, default=0.4, help="share of the tokens that are learned")
    parser.add_argument("--memory", choices=WAYS, help="one step of this alone, its peak printed")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    steps = _steps(given.model, _batch(given.rows, given.tokens, given.targets), only=given.memory)
    if given.memory:
        sys.stdout.write(json.dumps({"bytes": _peak(steps[given.memory])}) + "\n")
        return
    losses = {name: step() for name, step in steps.items()}  # warm-up
    clocks = {"seconds": time.perf_counter, "processor_seconds": time.process_time}
    taken: dict[str, dict[str, list[float]]] = {clock: {name: [] for name in steps} for clock in clocks}
    for _ in range(given.repeats):
        for name, step in steps.items():
            before = {clock: read() for clock, read in clocks.items()}
            step()
            for clock, read in clocks.items():
                taken[clock][name].append(round(read() - before[clock], 3))
    ratios = {
        name: {
            clock: round(statistics.median(each["peft"]) / statistics.median(each[name]), 3)
            for clock, each in taken.items()
        }
        for name in steps
        if name != "peft"
    }
    peaks = {name: _peak_of_child(name) for name in steps}
    what = f"a step of LoRA, {given.rows} rows of {given.tokens} tokens, {given.targets:.0%} learned, {given.model}"
    rounds = [{"taken": taken, "losses": losses, "peak_bytes": peaks}]
    write_result(given.out, what=what, comparisons=ratios, rounds=rounds)
    print(json.dumps({"ratios": ratios, "losses": losses, "peak_bytes": peaks}))


def _batch(rows: int, tokens: int, share: float) -> tuple[Tensor, Tensor]:
    """Random tokens, and their targets: those of the end of each row, as of an answer after its prompt."""
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 49_000, (rows, tokens), generator=draw)
    targets = torch.full_like(ids, IGNORED)
    start = tokens - 1 - round(share * tokens)
    targets[:, start:-1] = ids[:, start + 1 :]
    return ids, targets


def _steps(reference: str, batch: tuple[Tensor, Tensor], *, only: str | None) -> dict[str, Step]:
    model = load_language_model(locate(reference))
    twin = copy.deepcopy(model.module) if only is None else model.module
    steps: dict[str, Step] = {}
    if only != "peft":
        torch.manual_seed(0)
        ours = lora.attach(model.module, model.anatomy, LoraSpec(rank=8))
        ours.train()
        trained = [tensor for group in ours.parameter_groups() for tensor in group.parameters.values()]
        fastest = products.fastest().value
        steps["affina"] = lambda: _step(trained, lambda: _at_targets(model, batch), made_by=fastest)
        steps["affina_whole"] = lambda: _step(trained, lambda: _whole(model.module, batch), made_by=fastest)
        steps["affina_whole_torch"] = lambda: _step(trained, lambda: _whole(model.module, batch))
    if only in (None, "peft"):
        config = peft.LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
        theirs = peft.get_peft_model(twin, config).train()
        learned = [tensor for tensor in theirs.parameters() if tensor.requires_grad]
        steps["peft"] = lambda: _step(learned, lambda: _whole(theirs, batch))
        if only is None:
            _copy(ours, theirs)
    return steps


def _at_targets(model: LanguageModel, batch: tuple[Tensor, Tensor]) -> Tensor:
    ids, targets = batch
    return token_loss(model.states({"input_ids": ids}), targets, model.output)


def _whole(module: Any, batch: tuple[Tensor, Tensor]) -> Tensor:
    ids, targets = batch
    logits = module(input_ids=ids, use_cache=False).logits
    return functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum", ignore_index=IGNORED)


def _copy(ours: lora.LowRank, theirs: Any) -> None:
    with torch.no_grad():
        for update in ours.updates:
            layer = theirs.base_model.model.get_submodule(update.layer.path)
            update.b.normal_(std=0.01)
            layer.lora_A["default"].weight.copy_(update.a)
            layer.lora_B["default"].weight.copy_(update.b)


def _step(trained: list[Tensor], loss_of: Callable[[], Tensor], *, made_by: products.Products = "torch") -> float:
    for tensor in trained:
        tensor.grad = None
    with products.scoped():
        products.use(made_by)
        loss = loss_of()
        loss.backward()
    return float(loss.detach())


def _peak(step: Step) -> int:
    """The most resident memory, in bytes, during a step that is not the first."""
    step()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the high-water mark starts anew
    step()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def _peak_of_child(name: str) -> int:
    words = [word for word in sys.argv[1:] if word]
    ran = subprocess.run(
        [sys.executable, __file__, *words, "--memory", name], capture_output=True, text=True, check=True
    )
    return int(json.loads(ran.stdout)["bytes"])


if __name__ == "__main__":
    main()
