"""What a model that writes forgot: how much worse it foretells texts that it foretold before, in bits for each byte.

The texts are what the model as it came writes by itself, which needs no data of anybody (an encoder-decoder: what it
writes for the general sentences of `sentences`), or a file of the user's. On its own texts the divergence of the two
models is measured too: KL(base || tuned), the mean over the tokens. A method that was not trained changes nothing, and
every figure is then exactly 0, but for prompts and prefixes, which move a model before their first step.

Owns these two probes. How texts are written is `own_texts`'s, what losses are `tasks.token_loss`'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affina.data.batching import by_length
from affina.evaluation import perplexity
from affina.evaluation.baselines import Floats
from affina.evaluation.judging.base import Sampling
from affina.evaluation.predictions import check_finite
from affina.models.language import LanguageModel
from affina.models.output_layer import LinearOutput
from affina.record.risks import DIFFERENCE, TUNED, UNTOUCHED, Figure, Risk
from affina.risks.given_texts import Given
from affina.risks.own_texts import lessons_of, longest_text, own_texts
from affina.risks.probe import Found, outcome_of, with_intervals
from affina.risks.sentences import sentences
from affina.tasks.divergence import divergences, kept
from affina.tasks.lessons import Lesson, Passage, Reading
from affina.tasks.target_text import target_bytes
from affina.tasks.token_loss import IGNORED, token_losses

LIMIT: Final = 0.05
"""By how large a share the bits may rise: by convention."""
RISE: Final = "foretelling_rise"
BITS: Final = "bits_per_byte"
DIVERGENCE: Final = "divergence"
MOST_TEXTS: Final = 48
CERTAIN: Final = "the untouched model foretells all of these texts with certainty: of no bits there is no rise"
READ: Final = 3.0
"""Passes over a written text: both models, and their output layers once more."""
OWN: Final = "texts that the untouched model writes by itself"
ANSWERS: Final = "texts that the untouched model writes for general sentences"


@final
class OwnTexts:
    """What the untouched model writes, foretold by it and by the tuned one: a `Probe`.

    Args:
        model: the run's, on its device.
        count: texts, at most.
        sampling: how the intervals are drawn; its seed decides the texts too.
        budget: tokens of a batch, padding included, at most.
        progress: told how many texts are written, and of how many.
    """

    risk: Risk = "forgetting"
    needs_base = True

    def __init__(
        self, model: LanguageModel, *, count: int, sampling: Sampling, budget: int, progress: Callable[[int, int], None]
    ) -> None:
        self.name = ANSWERS if model.reads_apart else OWN
        self._model, self._count, self._sampling, self._budget = model, count, sampling, budget
        self._progress = progress
        self._reading = Reading(model, max_length=model.max_length)
        self._texts = _Texts((), ())
        self._base: list[_Batch] = []
        self._output: LinearOutput | None = None

    def before(self) -> None:
        """Write the texts, and read them."""
        self._texts = _texts_of(self._model, self._reading, self._write())
        self._base = self._look()
        self._output = kept(self._model.output) if isinstance(self._model.output, LinearOutput) else None

    def after(self) -> Found:
        """Read them again."""
        if not self._texts.passages:
            return Found(outcome="unmeasured", why="the untouched model writes nothing by itself")
        tuned = self._look()
        moved = None if self._output is None else self._moved(tuned, self._output)
        before, after = (_summed(found, self._texts) for found in (self._base, tuned))
        found = rise(before, after, self._sampling, moved=moved)
        longest = longest_text(self._model, self._reading)
        notes = [f"{len(self._texts.passages):,} texts of up to {longest:,} tokens, drawn at temperature 1"]
        if moved is None:
            notes.append("this model makes its logits for all tokens at once: their divergence is not measured")
        return replace(found, notes=tuple(notes))

    def _write(self) -> list[Lesson]:
        return own_texts(
            self._model,
            self._reading,
            count=self._count,
            sources=sentences(),
            seed=self._sampling.seed,
            progress=self._progress,
        )

    @torch.inference_mode()
    def _look(self) -> list[_Batch]:
        """The states and losses of the model as it is."""
        found, passages = [], self._texts.passages
        for places in by_length([len(passage) for passage in passages], budget=self._budget):
            lines = self._reading.collate([passages[place] for place in places], rows=places)
            lines = lines.to(self._model.module.device)
            has_target = lines.targets != IGNORED
            states, targets = self._model.states(lines.inputs)[has_target], lines.targets[has_target]
            nats = token_losses(states, targets, self._model.output)
            rows = np.asarray(places)[has_target.nonzero()[:, 0].cpu().numpy()]
            found.append(_Batch(rows, nats.double().cpu().numpy(), states if self._keeps_states() else None))
        return found

    def _keeps_states(self) -> bool:
        return isinstance(self._model.output, LinearOutput)

    def _moved(self, tuned: Sequence[_Batch], base: LinearOutput) -> Floats:
        """The divergence of each text, summed over its tokens."""
        output, found = self._model.output, np.zeros(len(self._texts.passages))
        for first, second in zip(self._base, tuned, strict=True):
            if first.states is not None and second.states is not None and isinstance(output, LinearOutput):
                nats = divergences((first.states, base), (second.states, output)).double().cpu().numpy()
                found += np.bincount(first.rows, nats, minlength=len(found))
        return found


@final
class GivenTexts:
    """The user's own texts, foretold by the untouched model and by the tuned one: a `Probe`.

    Args:
        model: the run's, on its device.
        given: the texts.
        sampling: how the intervals are drawn.
        budget: tokens of a batch, padding included, at most.
    """

    risk: Risk = "forgetting"
    needs_base = True

    def __init__(self, model: LanguageModel, given: Given, *, sampling: Sampling, budget: int) -> None:
        self.name = f"texts of {given.file}"
        self._model, self._given, self._sampling, self._budget = model, given, sampling, budget
        self._reading = Reading(model, max_length=model.max_length)
        self._texts = _texts_of(model, self._reading, lessons_of(given.pieces))
        self._base: perplexity.Statistics | None = None

    def before(self) -> None:
        """Read them."""
        self._base = self._look() if self._texts.passages else None

    def after(self) -> Found:
        """Read them again."""
        if self._base is None:
            return Found(outcome="unmeasured", why="no token of them can be foretold")
        found = rise(self._base, self._look(), self._sampling)
        return replace(found, notes=(f"{len(self._texts.passages):,} pieces of the file, {self._given.told}",))

    def _look(self) -> perplexity.Statistics:
        return perplexity.statistics(
            self._model, self._reading, self._texts.passages, sizes=self._texts.sizes, budget=self._budget
        )


def rise(
    before: perplexity.Statistics, after: perplexity.Statistics, sampling: Sampling, *, moved: Floats | None = None
) -> Found:
    """How much worse texts are foretold, with intervals over the texts.

    Args:
        before: of the untouched model.
        after: of the tuned one, on the same texts.
        sampling: how the intervals are drawn.
        moved: of each text, the divergence summed over its tokens.

    Raises:
        NonFiniteError: a loss or a divergence is no number.
    """
    for given in (before.nats, after.nats, *(() if moved is None else (moved,))):
        check_finite(given[:, None], None)
    if not before.nats.sum() > 0:
        return Found(outcome="unmeasured", why=CERTAIN)

    def measure(weights: Floats) -> Floats:
        size = weights @ before.bytes * math.log(2)
        base, tuned = weights @ before.nats / size, weights @ after.nats / size
        share = (tuned - base) / base if base > 0 else np.nan
        found = [share, base, tuned, tuned - base]
        return np.asarray(found if moved is None else [*found, weights @ moved / (weights @ before.tokens)])

    figures = with_intervals(measure, len(before.nats), sampling)
    metrics = (RISE, BITS, BITS, BITS, DIVERGENCE)
    of = ("", UNTOUCHED, TUNED, DIFFERENCE, "")
    return Found(
        outcome=outcome_of(figures[0], LIMIT),
        limit=LIMIT,
        figures=tuple(
            Figure(metric=metric, of=side, found=found)
            for metric, side, found in zip(metrics, of, figures, strict=False)
        ),
    )


@dataclass(frozen=True, slots=True)
class _Texts:
    """Texts of which there is something to foretell, as tokens, and their bytes."""

    passages: Sequence[Passage]
    sizes: Sequence[int]


def _texts_of(model: LanguageModel, reading: Reading, lessons: Sequence[Lesson]) -> _Texts:
    lessons = [lesson for lesson in lessons if lesson.text]
    passages = reading.encode(lessons)
    sizes = target_bytes(model, lessons, passages)
    told = [place for place, passage in enumerate(passages) if passage.targets and sizes[place]]
    return _Texts([passages[place] for place in told], [sizes[place] for place in told])


@dataclass(frozen=True, slots=True)
class _Batch:
    """What a model makes of some texts, token by token: the text's place, its loss, and the state that foretells it."""

    rows: NDArray[np.int64]
    nats: Floats
    states: Tensor | None


def _summed(found: Sequence[_Batch], texts: _Texts) -> perplexity.Statistics:
    nats = np.zeros(len(texts.passages))
    for batch in found:
        nats += np.bincount(batch.rows, batch.nats, minlength=len(nats))
    tokens = np.asarray([passage.targets for passage in texts.passages], dtype=np.float64)
    return perplexity.Statistics(nats, tokens, np.asarray(texts.sizes, dtype=np.float64))
