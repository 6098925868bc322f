"""Learning rates to start from, by task, what is trained and the width of the model: measured, with their source.

They serve runs too short for a range test, and give the test the middle of its range. A width that no line has takes
the nearest line's rate times a power of the ratio of the widths, down to a floor: that fall is no measurement of ours
but what the usual rates of wider models show (`FALLS`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from affina.values import Resolved

Trained = Literal["full", "partial", "lora", "prompt", "prefix", "direct prefix", "head", "probed head"]
"""What moves: all weights, some of the pre-trained ones, tensors beside them (a prefix through its network, or as it
is), or a head alone, started at random or as a linear probe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """One line: a peak rate of the body (of the head's own scale, where nothing else trains) that did well.

    Attributes:
        task: what for.
        trained: what moved.
        width: the model's hidden size.
        rate: the peak rate.
        source: the entry of docs/log.md with the sweep behind it.
    """

    task: str
    trained: Trained
    width: int
    rate: float
    source: str


@dataclass(frozen=True, slots=True)
class Fall:
    """How a rate falls with the width, read off published rates.

    Attributes:
        power: of the ratio of the widths.
        least: no fall goes below it, unless a measured line is lower.
    """

    power: float
    least: float


_SQUARE: Final = Fall(2, 5e-6)
"""BERT-base (768 wide) 2e-5 to 5e-5, Devlin et al. 2019, A.3; GPT-3 (12,288) 5e-6, Hu et al. 2022."""
FALLS: Final[Mapping[Trained, Fall]] = {
    "full": _SQUARE,
    "partial": _SQUARE,
    "lora": Fall(1, 2e-4),  # RoBERTa-base 4e-4, GPT-2 of 1,024 and GPT-3 2e-4: Hu et al. 2022
    "prompt": Fall(2, 5e-4),  # GPT-3: Hu et al. 2022
    "prefix": Fall(2, 5e-5),  # GPT-2 of 1,024 to 1,280 5e-5 to 8e-5: Li & Liang 2021
    "direct prefix": Fall(2, 1e-4),  # GPT-3: Hu et al. 2022
    "head": Fall(0, 0),  # no pre-trained weight moves
    "probed head": Fall(0, 0),
}
WRITING: Final = "writing"
"""Stands for every task whose answers are texts: the same loss moves the same weights."""
_WRITERS: Final = "docs/log.md, 2026-11-25, rates of models that write"
_LOG: Final = "docs/log.md, 2026-11-25, sweeps of the learning rate"
_BESIDE: Final = "docs/log.md, 2026-11-25, rates of LoRA, prompts and prefixes"
_SWEPT: Final = "docs/log.md, 2026-12-01, rates of LoRA, prompts and prefixes, swept"

PRIORS: Final = (
    Prior(task="classification", trained="full", width=384, rate=1e-4, source=_LOG),
    Prior(task="classification", trained="partial", width=384, rate=1e-4, source=_LOG),
    Prior(task="classification", trained="head", width=384, rate=2e-3, source=_LOG),
    Prior(task="classification", trained="probed head", width=384, rate=1e-4, source=_LOG),
    Prior(task="classification", trained="lora", width=384, rate=1e-3, source=_BESIDE),
    Prior(task="classification", trained="prompt", width=384, rate=1e-1, source=_SWEPT),
    Prior(task="classification", trained="prefix", width=384, rate=1e-3, source=_SWEPT),
    Prior(task="classification", trained="direct prefix", width=384, rate=3e-2, source=_SWEPT),
    Prior(task=WRITING, trained="full", width=576, rate=2e-4, source=_WRITERS),
    Prior(task=WRITING, trained="lora", width=576, rate=2e-3, source=_SWEPT),
    Prior(task=WRITING, trained="prompt", width=576, rate=1e-1, source=_SWEPT),
    Prior(task=WRITING, trained="prefix", width=576, rate=4.4e-4, source=_SWEPT),
    Prior(task=WRITING, trained="direct prefix", width=576, rate=1e-1, source=_SWEPT),
)


def prior_rate(*, task: str, trained: Trained, width: int, table: Sequence[Prior] = PRIORS) -> tuple[float, str]:
    """The rate for a model of `width`, and where it comes from, in words."""

    def of(task: str, trained: Trained) -> list[Prior]:
        return [line for line in table if (line.task, line.trained) == (task, trained)]

    whole = of(task, "full") if trained == "partial" else []
    lines = of(task, trained) or whole or of(USUAL, trained)
    borrowed = f"; that of {USUAL}, for none was measured for {task.replace('_', '-')}"
    if lines == whole:
        borrowed = f"; that of {_NAMES['full']}"
    borrowed = "" if lines == of(task, trained) else borrowed
    nearest = min(lines, key=lambda line: abs(math.log(line.width / width)))
    fall = FALLS[trained]
    if nearest.width == width or fall.power == 0:
        return nearest.rate, f"our prior for {_NAMES[trained]}, measured at a hidden size of {nearest.width}{borrowed}"
    rate = max(nearest.rate * (nearest.width / width) ** fall.power, min(fall.least, nearest.rate))
    scaled = f"measured at a hidden size of {nearest.width} and scaled to {width}{borrowed}"
    return min(rate, nearest.rate * MOST_UP), f"our prior for {_NAMES[trained]}, {scaled}"


def head_rate(body: float, *, trained: Trained, width: int, layer_decay: float = 1.0) -> Resolved[float]:
    """The head's peak rate beside the body's: where each layer has its own, the head is the layer above the body.

    Beside LoRA, a prompt or a prefix, whose tensors learn faster than weights do, a head learns as it does with full
    fine-tuning: at their rates it has its rows by heart before they have adapted anything (docs/log.md, 2026-11-30).
    """
    if layer_decay != 1:
        reason = f"{layer_decay:g} times the highest block's, as method.layer_decay says"
        return Resolved(float(f"{body * layer_decay:.6g}"), reason)
    faster, reason = _beside_full(trained, width), f"{HEAD_FACTOR:g} times the body's: the head is new"
    if faster != 1:
        reason = f"{HEAD_FACTOR:g} times what all weights would have: the head is new, and its matrices train whole"
    return Resolved(float(f"{body * HEAD_FACTOR / faster:.2e}"), reason)


def _beside_full(trained: Trained, width: int) -> float:
    """How many times faster it learns than all weights of a model of the same width would; 1 where weights move."""
    if trained not in BESIDE:
        return 1.0
    own, full = (prior_rate(task=USUAL, trained=one, width=width)[0] for one in (trained, "full"))
    return own / full


HEAD_FACTOR: Final = 3.0
USUAL: Final = "classification"
"""The task whose rates serve one that has no line of its own."""
MOST_UP: Final = 10.0
"""A small model's rate is at most this many times the nearest measured one's."""
BESIDE: Final = ("lora", "prompt", "prefix", "direct prefix")
"""What stands beside the pre-trained weights, which stay."""
_NAMES: Final = {
    "full": "full fine-tuning",
    "partial": "partial fine-tuning",
    "lora": "LoRA",
    "prompt": "prompt-tuning",
    "prefix": "prefix-tuning",
    "direct prefix": "prefix-tuning without its network",
    "head": "a head alone",
    "probed head": "a head alone that starts as a probe",
}
