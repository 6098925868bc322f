"""What a run writes down of how it starts: its model, what it will need, its range test, a start that was given up.

The types are frozen plain data, like all of `payloads`, which has them in its union. This module computes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STARTER: Final = "starter/"
"""What the names of the models begin with that Affina brings itself."""
QUANTIZE: Final = "quantize"
"""The key of how the matrices beside which a method trains are kept; chosen where they are in four bits."""
ASKED: Final = "generate (asked)"
"""The key of a choice: what the model is asked for `a text` or `a question`: a text, or turns with role and content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLoaded:
    """The base model and what of it is trained."""

    reference: str
    """What the run began with, as `model:` names it."""
    family: str
    parameters: int
    trained: int
    fingerprint: str
    hub_id: str | None = None
    """Its name on the model hub, where that is known; of a run, that of the model it began with."""
    licence: str | None = None
    languages: tuple[str, ...] = ()
    """Codes such as en, where the model's own card says them."""
    reads_apart: bool = False
    """An encoder reads and a decoder writes."""
    base: str | None = None
    """The model that an adapter stands beside, where `reference` is one that training goes on from."""
    compares_texts: bool | None = None
    """Whether it can be asked which of two texts it holds likelier: a decoder that writes, or an encoder that seems to
    have its masked-language head. None in records that do not say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """What was said of the run before it started; `Finished` has what it came to."""

    peak_memory_bytes: int
    """As `Finished.memory_bytes` counts it."""
    seconds_per_epoch: float
    steps: int
    """How many steps were rehearsed for it; 0 where it is from the sizes alone."""
    memory_how: str
    seconds_how: str
    interpreter_bytes: int = 0
    """What the process held before the run, which `peak_memory_bytes` is above; 0 on another device than a CPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeTested:
    """What the learning-rate range test saw, step by step, and what was made of it."""

    rates: tuple[float, ...]
    """The body's rate at each step; the head's is as many times higher as in training."""
    changes: tuple[float, ...]
    """The loss before the step, in nats and without dropout, minus that of the untouched weights on the same rows."""
    smooth: tuple[float, ...]
    """The running mean of `changes`."""
    fall: float
    """What `smooth` was looked at for, in nats."""
    rate: float | None
    """The rate that it speaks for; None where the curve does not fall so far."""
    used: float
    """The rate that was settled on."""
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """A stuck start was given up: what follows is trained from the base model again, with other draws and rates."""

    step: int
    """Steps that were trained in vain."""
    seed: int
    """Decides the new head, the order of the rows and dropout."""
    learning_rate: float
    head_learning_rate: float
    text: str
