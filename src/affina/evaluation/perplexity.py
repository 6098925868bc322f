"""How well a model foretells texts: loss and perplexity per token, and bits per byte, with intervals over the rows.

The perplexity of a token depends on how a tokenizer cuts; bits per byte of the text that is foretold do not, so that
models with different tokenizers can be compared (Gao et al. 2020, 3.1). All are ratios of sums over rows, and a row's
share in them is a handful of numbers: a resample is a weighted sum, and two models are compared row by row
(`reporting.paired`). The end token is foretold too: it counts as a token, and has no byte.

This module decides nothing about what is a target (the tasks do).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from affina.data.batching import by_length
from affina.evaluation.intervals import Floats, bootstrap
from affina.evaluation.predictions import Where, check_finite
from affina.models.language import LanguageModel
from affina.record.figures import Measured
from affina.tasks.lessons import Collates, Passage
from affina.tasks.lines import Lines
from affina.tasks.token_loss import token_losses

NAMES: Final = ("loss", "perplexity", "bits_per_byte")
"""Nats per token; e to the power of that; and bits per UTF-8 byte of the text that is foretold."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """What each row contributes, [rows] each.

    Attributes:
        nats: the sum of its tokens' losses.
        tokens: how many of them have a target.
        bytes: UTF-8 bytes of their text.
    """

    nats: Floats
    tokens: Floats
    bytes: Floats


@torch.inference_mode()
def statistics(  # noqa: PLR0913 - all named at the call
    model: LanguageModel,
    reading: Collates,
    passages: Sequence[Passage],
    *,
    sizes: Sequence[int],
    budget: int,
    progress: Callable[[int], None] = lambda _: None,
    around: Callable[[Lines], AbstractContextManager[None]] = lambda _: nullcontext(),
) -> Statistics:
    """What `measure` needs, row by row.

    Args:
        model: in evaluation mode.
        reading: makes its batches.
        passages: from `Reading.encode`.
        sizes: UTF-8 bytes of each one's text with a target, from `tasks.target_text`.
        budget: tokens of a batch, padding included, at most.
        progress: told how many rows are done.
        around: what is on while a batch is run, whose rows are places in `passages`.
    """
    nats, done = np.zeros(len(passages)), 0
    for places in by_length([len(passage) for passage in passages], budget=budget):
        batch = reading.collate([passages[place] for place in places], rows=places).to(model.module.device)
        with around(batch):
            states = model.states(batch.inputs)
        losses = token_losses(states, batch.targets, model.output)
        nats[places] = batch.summed(losses).cpu().numpy()
        done += len(places)
        progress(done)
    tokens = np.asarray([passage.targets for passage in passages], dtype=np.float64)
    return Statistics(nats, tokens, np.asarray(sizes, dtype=np.float64))


def told(rows: Statistics, where: Where | None = None) -> Statistics:
    """The same, where every row has a loss.

    Args:
        rows: of a model.
        where: names the row at a place, for the error.

    Raises:
        NonFiniteError: the model gave something else for a row.
    """
    check_finite(rows.nats[:, None], where)
    return rows


def measure(rows: Statistics, weights: Floats) -> Floats:
    """The metrics where row i counts `weights[i]` times, in the order of `NAMES`; not a number without any target."""
    nats, tokens, sizes = (weights @ part for part in (rows.nats, rows.tokens, rows.bytes))
    loss = nats / tokens if tokens else np.nan
    return np.asarray([loss, np.exp(loss), nats / np.log(2) / sizes if sizes else np.nan])


def score(rows: Statistics, *, resamples: int, confidence: float, seed: int) -> dict[str, Measured]:
    """Each metric with its interval; one that the rows cannot tell, without a byte or a target, is left out."""
    count = len(rows.nats)
    found = bootstrap(
        lambda weights: measure(rows, weights), count, resamples=resamples, confidence=confidence, seed=seed
    )
    told = np.isfinite(measure(rows, np.ones(count)))
    return {
        name: Measured(value=float(value), low=float(low), high=float(high), n=count)
        for name, value, low, high, is_told in zip(NAMES, *found, told, strict=True)
        if is_told
    }


def parts(rows: Statistics) -> dict[str, tuple[tuple[float, ...], ...]]:
    """For each metric each row's share in the two sums whose ratio it is made of (`RowResults.parts`)."""
    nats, tokens, sizes = (tuple(part.tolist()) for part in (rows.nats, rows.tokens, rows.bytes))
    return {"loss": (nats, tokens), "perplexity": (nats, tokens), "bits_per_byte": (nats, sizes)}
