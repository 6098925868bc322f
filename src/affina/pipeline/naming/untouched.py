"""The untouched language model, asked for labels: what fine-tuning has to beat, by asking alone and with examples.

Owns how many rows are scored, with which shots, and the record of it. How labels are scored is `namer`'s; which model
it is, and whether there is memory for it, the kind of run's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from affina.data.drawing import drawn_places
from affina.data.rows import Row
from affina.evaluation.judging.base import Judge, Targets
from affina.models.base import Tells
from affina.pipeline.answering.scoring import write_scores
from affina.pipeline.answering.shown import Answered
from affina.pipeline.naming.namer import Namer, affordable, cost_of
from affina.pipeline.prepared import Prepared, report_split
from affina.recipe.base import AUTO
from affina.recipe.resolve import given_or
from affina.recipe.schema import Recipe
from affina.record.journal import Journal
from affina.record.payloads import Event
from affina.record.progress import Progress
from affina.tasks.asking import Asking
from affina.tasks.shots import draw_shots
from affina.training.stepping import BACKWARD
from affina.values import Resolved

ZERO_SHOT: Final = "label_scoring"
FEW_SHOT: Final = "label_scoring_few_shot"
SHOTS: Final = 4
EVENT: Final = "label scoring"
"""The name of what is told on the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Untouched:
    """What is asked of the untouched model.

    Attributes:
        places: of the rows that are asked, in the split that the report is about.
        shots: training rows that are shown before each question, once all is asked without.
        tokens: that are read for all of it, about.
    """

    places: tuple[int, ...]
    shots: tuple[Row, ...]
    tokens: int


def what_to_ask(
    recipe: Recipe,
    rows: Mapping[str, Sequence[Row]],
    asking: Asking,
    *,
    model: Tells,
    training_tokens: int,
    choices: dict[str, Resolved[Any]],
) -> Untouched:
    """The rows and the shots.

    Args:
        recipe: `evaluate.shots`, and the seed that draws rows and shots.
        rows: by split.
        asking: the words.
        model: its limit, and how it reads.
        training_tokens: of an epoch: to ask takes about as long as that to train on, at most.
        choices: gets what was decided.
    """
    apart = "an encoder-decoder is seldom made to go on from examples" if model.reads_apart else ""
    usual = Resolved(0 if apart else SHOTS, apart or "what the untouched model can do when it is shown examples")
    count = given_or(recipe.evaluate.shots, usual)
    shots = draw_shots(asking, rows["train"], count=count.value, seed=recipe.seed) if count.value else ()
    asked = rows[report_split(rows)]
    each = cost_of(model, asking, asked) + (cost_of(model, asking, asked, shots=shots) if shots else 0.0)
    most = affordable(training_tokens, share=1.0, each=each)
    chosen = drawn_places(len(asked), most=most, seed=recipe.rows_seed)
    tokens = round(each * len(chosen))
    epochs = tokens / (BACKWARD * training_tokens)
    took = f"{tokens:,} tokens are read for it, which takes about as long as {epochs:.2g} epochs of training"
    drawn = (
        "" if len(chosen) == len(asked) else f"drawn by the seed out of {len(asked):,}, so that it takes no longer; "
    )
    choices["evaluate.shots"] = count
    choices["evaluate (rows of label scoring)"] = Resolved(len(chosen), drawn + took)
    return Untouched(places=tuple(chosen), shots=shots, tokens=tokens)


@dataclass(frozen=True, slots=True)
class _Part:
    """Some rows of a split, as rows with answers of their own."""

    whole: Answered
    split: str
    places: tuple[int, ...]

    @property
    def judge(self) -> Judge:
        """Of all rows."""
        return self.whole.judge

    @property
    def rows(self) -> Mapping[str, Sequence[Row]]:
        """The chosen ones."""
        return {self.split: tuple(self.whole.rows[self.split][place] for place in self.places)}

    def targets(self, split: str) -> Targets:
        """Those of the chosen rows."""
        return self.whole.targets(split)[list(self.places)]


def measure_untouched(subject: Answered, run: Prepared, namer: Namer, asked: Untouched, journal: Journal) -> None:
    """Score and record the untouched model: asked as it is, and shown training rows first.

    Args:
        subject: rows, right answers and judge.
        run: which rows the report is about.
        namer: the model, on its device and in evaluation mode.
        asked: from `what_to_ask`.
        journal: gets the scores.
    """
    part = _Part(subject, run.report_split, asked.places)
    rows = part.rows[run.report_split]
    for who, shots in ((ZERO_SHOT, ()), (FEW_SHOT, asked.shots)):
        if who == FEW_SHOT and not shots:
            continue

        def told(text: str) -> None:
            journal.append(Event(step=0, name=EVENT, text=text))

        def going(done: int, what: str = f"rows, {who.replace('_', ' ')}") -> None:
            journal.show(Progress(what=what, done=done, of=len(rows)))

        found = namer.outputs(rows, shots=shots, notify=told, progress=going)
        write_scores(part, run, found, None, who=who, journal=journal)


def is_asked(recipe: Recipe) -> bool:
    """Whether the recipe itself says how many shots."""
    return recipe.evaluate.shots != AUTO
