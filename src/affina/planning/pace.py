"""How long a run takes, from how fast its parts are: the same sum for measured speeds and for speeds by rule.

Owns what an epoch, and what comes before and after all epochs, is made of.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from affina.evaluation.baselines import MOST_ROWS, STRENGTHS
from affina.models.language import LanguageModel
from affina.pipeline.prepared import Prepared
from affina.pipeline.rates import steps_of_test
from affina.pipeline.replayed import texts_for
from affina.pipeline.staging import all_train_from
from affina.pipeline.training import judged_places, turns_in
from affina.planning.activations import Shape
from affina.planning.costs import (
    Costs,
    above,
    batches_of,
    costs_of,
    costs_on_the_whole,
    evaluation_cost,
    operations_per_second,
    without_known,
)
from affina.planning.estimate import moved_bytes, trained_bytes, weight_bytes
from affina.planning.forecast import Time
from affina.planning.rehearsal import Rehearsed
from affina.recipe.schema import TrainSpec
from affina.risks.own_texts import WRITTEN
from affina.training.control import CHECKPOINT_SECONDS
from affina.training.optimizer import MOMENTS
from affina.training.plan import Plan
from affina.training.stepping import BACKWARD
from affina.training.stopping import CLEARLY_WORSE

MEASURED: Final = (0.65, 1.35)
"""Of what a rehearsal says: the least and the most that an epoch took."""
BY_RULE: Final = (0.3, 3.0)
"""The same of an estimate from the sizes."""
WRITTEN_PER_SECOND: Final = 300e6
"""Bytes, where no write was timed."""
MOVED_PER_SECOND: Final = 3e9
"""Bytes of weights that AdamW moves, where no step was timed."""
BATCH_SECONDS: Final = 0.003
"""Of Python and kernels' starts, for each block of a micro-batch, forward and backward."""
FIT_PER_SECOND: Final = 2e9
"""Floating point operations of a probe's fit."""
ITERATIONS_OF_A_FIT: Final = 60
"""That L-BFGS usually takes."""
EFFICIENCY: Final = 0.7
"""Share of a plain matrix product's speed that a whole step reaches; 0.6 to 1.6 were seen (docs/log.md)."""
STEP_OF_TEST: Final = 5 / 3
"""Of a range test, in steps of training: two forward passes come with it."""
SCORED_LENGTH: Final = 64
"""Tokens that are read together, on the whole, where labels are scored or texts are written."""
PAGE_SECONDS: Final = 1.0
"""Intervals, samples and the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast the parts of a run are.

    Attributes:
        gradients: seconds for an operation (`costs`) of a training step.
        batch: seconds of a micro-batch on top of that.
        move: seconds of the optimizer in a step.
        evaluation: seconds for an operation of an evaluation.
        fit: seconds of one probe.
        best: seconds to write the best weights.
        checkpoint: seconds to write a checkpoint.
        model: seconds to export the model.
        processor: processor seconds in one second of a step; None if not measured.
        how: where this is from.
    """

    gradients: float
    batch: float
    move: float
    evaluation: float
    fit: float
    best: float
    checkpoint: float
    model: float
    processor: float | None
    how: str


def pace_by_rule(prepared: Prepared) -> Pace:
    """From the speed of one matrix product here and now, and figures by rule for the rest."""
    second = 1 / (EFFICIENCY * operations_per_second(prepared))
    trained, moved, weights = trained_bytes(prepared), moved_bytes(prepared), weight_bytes(prepared.model.module)
    rows = min(MOST_ROWS, len(prepared.rows["train"]))
    width = prepared.model.module.config.get_text_config().hidden_size
    operations = 8.0 * rows * width * prepared.subject.outputs * ITERATIONS_OF_A_FIT
    return Pace(
        gradients=second * (_passes(prepared.recipe.train) + _replayed(prepared)),
        batch=BATCH_SECONDS * (1 + len(prepared.model.anatomy.blocks)),
        move=moved / MOVED_PER_SECOND,
        evaluation=second,
        fit=operations / FIT_PER_SECOND,
        best=trained / WRITTEN_PER_SECOND,
        checkpoint=(trained + MOMENTS[prepared.recipe.train.optimizer] * moved) / WRITTEN_PER_SECOND,
        model=weights / WRITTEN_PER_SECOND,
        processor=None,
        how="rough: from the sizes and the speed of a matrix product; no step was run",
    )


def pace_of(prepared: Prepared, seen: Rehearsed) -> Pace:
    """From a rehearsal."""
    rule = pace_by_rule(prepared)
    seconds = {name: written for name, (_, written) in seen.writes.items()}
    timed = round(seen.moves.cost)
    return Pace(
        gradients=seen.gradients.rate,
        batch=0.0,  # it is in the batches that were timed
        move=seen.moves.rate,
        evaluation=seen.evaluations.rate,
        fit=seen.fits.rate * ITERATIONS_OF_A_FIT,
        best=seconds.get("best", rule.best),
        checkpoint=seconds.get("checkpoint", rule.checkpoint),
        model=seconds.get("model", rule.model),
        processor=(seen.gradients.processor + seen.moves.processor) / (seen.gradients.wall + seen.moves.wall),
        how=f"from {timed} timed steps, drawn evenly by their cost, and {len(seen.writes) or 'no'} timed writes",
    )


def time_of(prepared: Prepared, pace: Pace, plan: Plan, *, prepared_in: float) -> Time:
    """What an epoch takes, and what comes around.

    Args:
        prepared: the run.
        pace: how fast it is.
        plan: its steps.
        prepared_in: seconds that the preparation took.
    """
    epoch, whole = batches_of(prepared), costs_on_the_whole(prepared, plan)
    costs = without_known(prepared, whole)
    per_epoch_evaluations = prepared.hyper.per_epoch.value
    gradients = sum(map(costs.step, epoch.shapes)) * pace.gradients + len(epoch.places) * pace.batch
    steps = gradients + plan.steps_per_epoch * costs.moved * pace.move
    evaluation = _forward(prepared, costs, pace, _judged(prepared))
    most = plan.epoch_after(plan.total_steps)
    checkpoints = max(1 / max(most, 1e-9), min(per_epoch_evaluations, steps / CHECKPOINT_SECONDS))
    writes = pace.best * per_epoch_evaluations + pace.checkpoint * checkpoints
    per_epoch = steps + evaluation * per_epoch_evaluations + writes
    low, high = BY_RULE if pace.processor is None else MEASURED
    tested = steps_of_test(prepared, plan) * STEP_OF_TEST * steps / plan.steps_per_epoch
    return Time(
        per_epoch=per_epoch,
        least=low * per_epoch,
        most=high * per_epoch,
        steps=steps,
        evaluations=evaluation * per_epoch_evaluations,
        writes=writes,
        cpu_per_epoch=None if pace.processor is None else per_epoch * pace.processor,
        epochs=(min(_fewest(prepared, plan), most), most),
        before=prepared_in
        + evaluation
        + _baselines(prepared, whole.untouched(), pace)
        + _beforehand(prepared, whole.untouched(), pace)
        + tested
        + _keeping(prepared, pace),
        after=pace.model + PAGE_SECONDS + _report(prepared, whole, pace),
        how=pace.how,
    )


def _passes(train: TrainSpec) -> int:
    """How often a row is read in a step, at most."""
    return (2 if train.r_drop else 1) * (2 if train.logit_pairing else 1)


def _replayed(prepared: Prepared) -> float:
    """Texts beside a step's rows, as a share of what the rows cost."""
    spec = prepared.recipe.train.replay
    return 0.0 if spec is None else spec.share


def _beforehand(prepared: Prepared, costs: Costs, pace: Pace) -> float:
    """Seconds in which the texts to replay are written, where the model does that, and read once."""
    texts = texts_for(prepared)
    if texts is None:
        return 0.0
    writes = isinstance(prepared.model, LanguageModel) and (prepared.model.reads_apart or not texts.pieces)
    once = costs.forward(Shape(texts.count, texts.length)) * pace.evaluation
    train = prepared.recipe.train
    return once * ((WRITTEN if writes else 0) + (train.replay is not None) + (BACKWARD if train.ewc else 0))


def _fewest(prepared: Prepared, plan: Plan) -> float:
    """Epochs after which early stopping can end a run at the earliest."""
    if (patience := prepared.hyper.patience) is None:
        return math.inf
    since = plan.epoch_after(all_train_from(turns_in(prepared), plan))
    return since + min(patience.value, 1 + CLEARLY_WORSE) / prepared.hyper.per_epoch.value


def _forward(prepared: Prepared, costs: Costs, pace: Pace, lengths: Sequence[int], *, most: int | None = None) -> float:
    """Seconds of a pass over rows of these lengths, or over so many of them."""
    share = 1.0 if most is None else min(1.0, most / max(1, len(lengths)))
    return evaluation_cost(prepared, costs, lengths) * share * pace.evaluation if lengths else 0.0


def _keeping(prepared: Prepared, pace: Pace) -> float:
    """To run the frozen blocks once over the rows, and to write what they give."""
    if prepared.kept is None:
        return 0.0
    whole, seconds = costs_of(prepared), 0.0
    for stretch in prepared.kept.stretches:
        before, left = prepared.kept.before(stretch), above(prepared, whole, stretch.cut)
        run = above(prepared, whole, before.cut) if before else whole
        seconds += stretch.bytes / WRITTEN_PER_SECOND
        for split, shelves in stretch.shelves.items():
            lengths = [prepared.subject.lengths[split][row] for row in shelves[0].rows]
            seconds += _forward(prepared, run, pace, lengths) - _forward(prepared, left, pace, lengths)
    return seconds


def _judged(prepared: Prepared) -> list[int]:
    """The lengths of the rows that choose the checkpoint."""
    lengths = prepared.subject.lengths["validation"]
    return [lengths[place] for place in judged_places(prepared)]


def _report(prepared: Prepared, costs: Costs, pace: Pace) -> float:
    """To read the rows of the report, and to write its texts."""
    lengths = prepared.subject.lengths[prepared.report_split]
    beyond = prepared.subject.report_work(prepared) - sum(lengths)
    return _forward(prepared, costs, pace, lengths) + _asking(beyond, costs, pace)


def _asking(tokens: float, costs: Costs, pace: Pace) -> float:
    """Seconds in which a language model reads so many tokens, of rows of a usual length."""
    rows = round(tokens / SCORED_LENGTH)
    return costs.forward(Shape(rows, SCORED_LENGTH)) * pace.evaluation if rows else 0.0


def _baselines(prepared: Prepared, costs: Costs, pace: Pace) -> float:
    """The linear probe, the untouched model asked for labels or texts, and the probe that starts a head."""
    splits = (prepared.subject.lengths["train"], prepared.subject.lengths["validation"])
    features = sum(_forward(prepared, costs, pace, part, most=MOST_ROWS) for part in splits)
    seconds = 0.0
    if prepared.recipe.evaluate.baselines and prepared.subject.outputs:
        reported = prepared.subject.lengths[prepared.report_split]
        seconds += features + _forward(prepared, costs, pace, reported) + len(STRENGTHS) * pace.fit
    if prepared.recipe.evaluate.baselines and (cost := prepared.subject.baseline_cost(prepared)):
        seconds += _asking(cost.tokens, costs, pace)
    if prepared.subject.has_new_head and prepared.recipe.train.head_start != "random":
        seconds += features + pace.fit
    return seconds
