"""The second half of a run: baselines, training, evaluation, and what is written to the run folder."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

import numpy as np
import torch
from torch import Tensor

from affina.data.batching import plan_epoch
from affina.data.loading import data_read
from affina.errors import NonFiniteError
from affina.evaluation import metrics
from affina.evaluation.baselines import majority
from affina.evaluation.predictions import probabilities, run_over
from affina.evaluation.probing import Prober, targets
from affina.models.heads import head_logits, hidden_states
from affina.models.saving import save_classifier
from affina.models.source import fingerprint
from affina.pipeline.folders import Place
from affina.pipeline.prepare import Prepared
from affina.pipeline.resolved import resolved_recipe
from affina.recipe.load import dump_recipe
from affina.recipe.resolve import warmup_steps
from affina.recipe.schema import EarlyStoppingSpec
from affina.record.files import whole_folder, write_text
from affina.record.folder import RunFolder
from affina.record.journal import Journal, Observer, cut
from affina.record.payloads import Chosen, Event, Finished, ModelLoaded, Sample, Scores, Started
from affina.report import page
from affina.runtime import machine
from affina.tasks.base import Batch, Example
from affina.training import checkpoint, schedule
from affina.training.loop import Control, Loop, Outcome, Work
from affina.training.optimizer import Optimizer, Rates
from affina.training.plan import Plan
from affina.training.precision import Precision
from affina.training.stopping import EarlyStopping

EVALUATION_FACTOR: Final = 2
"""An evaluation batch may be this many times a training batch: no gradients are kept."""
SAMPLES: Final = 8
LONGEST_SAMPLE: Final = 300
"""Characters of a text shown in the report."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: where everything is.
        scores: the tuned model's on the rows that the report is about.
        baselines: the same of what it had to beat, by name.
    """

    folder: RunFolder
    scores: Scores
    baselines: Mapping[str, Scores]


@dataclass(slots=True)
class _Clock:
    """Seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to `name`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def execute(prepared: Prepared, place: Place, *, observers: Sequence[Observer], prepared_in: float) -> RunResult:
    """Train, measure and write everything.

    Args:
        prepared: from `prepare`.
        place: the run folder, and the checkpoint to go on from.
        observers: shown every record as it is written.
        prepared_in: seconds that `prepare` took, for the record.

    Raises:
        NonFiniteError: training left the range of numbers; the best model so far is exported.
        Interrupted: the user stopped the run; it can go on.
    """
    clock = _Clock({"preparation": prepared_in})
    resumed = checkpoint.load(place.resume) if place.resume else None
    if resumed:
        cut(place.folder.journal, position=resumed[0].journal)
    write_text(place.folder.recipe, dump_recipe(resolved_recipe(prepared)))
    with Journal(place.folder.journal, observers=observers) as journal:
        journal.append(_started(prepared, resumed_at=resumed[0].step if resumed else None))
        if not resumed:
            _describe(prepared, journal)
            with clock.stage("baselines"):
                _before_training(prepared, journal)
        loop = _build_loop(prepared, place.folder, journal)
        if resumed:
            loop.resume(resumed)
        try:
            with clock.stage("training"):
                outcome = loop.run()
        except NonFiniteError:
            if place.folder.best.exists():
                _export(prepared, place.folder)
            raise
        with clock.stage("evaluation"):
            scores, samples = _after_training(prepared, place.folder)
        journal.append(scores)
        journal.append(_finished(outcome, clock, samples))
    page.write(place.folder.path)
    return RunResult(place.folder, scores, place.baselines())


def _started(prepared: Prepared, *, resumed_at: int | None) -> Started:
    return Started(
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=machine.versions(),
        machine=machine.facts(prepared.device),
        asked=prepared.recipe.model_dump(mode="json"),
        resumed_at=resumed_at,
    )


def _describe(prepared: Prepared, journal: Journal) -> None:
    """Write down the data, the model and every choice, before anything is trained."""
    classifier = prepared.classifier
    parameters = list(classifier.module.parameters())
    read = data_read(prepared.loaded)
    rows = {split: len(examples) for split, examples in prepared.examples.items()}
    journal.append(replace(read, rows=rows, findings=prepared.findings))
    journal.append(
        ModelLoaded(
            reference=classifier.source.reference,
            family=classifier.module.config.model_type,
            parameters=sum(parameter.numel() for parameter in parameters),
            trained=sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
            fingerprint=fingerprint(classifier.source.folder),
        )
    )
    for key, resolved in prepared.choices.items():
        journal.append(Chosen(key=key, value=resolved.value, reason=resolved.reason))


def _before_training(prepared: Prepared, journal: Journal) -> None:
    """Measure the baselines on the untouched model, and start a new head."""
    prober = Prober(
        module=prepared.classifier.module,
        anatomy=prepared.classifier.anatomy,
        task=prepared.task,
        classes=len(prepared.task.labels),
        budget=_evaluation_budget(prepared),
        device=prepared.device,
    )
    prepared.attached.eval()
    train, split = prepared.examples["train"], prepared.report_split
    judged = prepared.examples[split]
    if prepared.recipe.evaluate.baselines:
        classes = len(prepared.task.labels)
        journal.append(_score(prepared, majority(targets(train), classes=classes, rows=len(judged)), who="majority"))
        probe = prober.baseline(train, prepared.examples["validation"])
        journal.append(_score(prepared, probe.predict(prober.features(judged)), who="linear_probe"))
    if prepared.classifier.new_parameters:
        started = prober.start_head(train)
        reason = "a logistic regression on its own features" if started else "as transformers draws it"
        journal.append(Event(step=0, name="head", text=f"the new head starts as {reason}"))


def _build_loop(prepared: Prepared, folder: RunFolder, journal: Journal) -> Loop[Batch]:
    train, hyper, recipe = prepared.recipe.train, prepared.hyper, prepared.recipe
    lengths = [len(example.ids) for example in prepared.examples["train"]]
    plan = Plan(
        planner=lambda epoch: plan_epoch(lengths, budget=hyper.batch_tokens.value, seed=recipe.seed, epoch=epoch),
        accumulate=train.accumulate,
        epochs=hyper.epochs.value,
        max_steps=train.max_steps,
        evaluations=hyper.per_epoch.value,
    )
    rates = Rates(body=hyper.learning_rate.value, head=hyper.head_learning_rate.value, weight_decay=train.weight_decay)
    stopping = train.early_stopping
    return Loop(
        work=_work(prepared),
        plan=plan,
        attached=prepared.attached,
        optimizer=Optimizer(prepared.attached.parameter_groups(), rates),
        schedule=schedule.build(
            hyper.schedule.value,
            total=plan.total_steps,
            warmup=warmup_steps(hyper.warmup.value, plan.total_steps),
        ),
        precision=Precision(prepared.precision, prepared.device),
        stopping=EarlyStopping(
            higher_is_better=metrics.HIGHER_IS_BETTER[hyper.metric.value],
            patience=stopping.patience if isinstance(stopping, EarlyStoppingSpec) else None,
            min_delta=stopping.min_delta if isinstance(stopping, EarlyStoppingSpec) else 0.0,
        ),
        control=Control(
            clip=train.clip,
            metric=hyper.metric.value,
            checkpoint_every=train.checkpoint_every if isinstance(train.checkpoint_every, int) else None,
            keep=train.keep,
        ),
        folder=folder,
        journal=journal,
    )


def _work(prepared: Prepared) -> Work[Batch]:
    """Task, model and data as the functions that the loop calls."""
    module, task, examples = prepared.classifier.module, prepared.task, prepared.examples
    train, rows = examples["train"], prepared.rows["train"]
    validation = _sample(examples["validation"], prepared.hyper.evaluation_rows.value)

    def loss(batch: Batch) -> Tensor:
        hidden = hidden_states(module, batch.inputs)
        return task.loss(hidden, partial(head_logits, module, inputs=batch.inputs), batch)[0]

    def evaluate() -> dict[str, float]:
        return metrics.quick(_predict(prepared, validation), targets(validation))

    return Work(
        batch=lambda places: _to(prepared.device, task.collate([train[place] for place in places], rows=places)),
        weight=task.weight,
        loss=loss,
        evaluate=evaluate,
        where=lambda place: rows[place].where,
    )


def _after_training(prepared: Prepared, folder: RunFolder) -> tuple[Scores, tuple[Sample, ...]]:
    """Export the best weights and measure them on the rows that the report is about."""
    _export(prepared, folder)
    found = _predict(prepared, prepared.examples[prepared.report_split])
    return _score(prepared, found, who="tuned"), _samples(prepared, found)


def _export(prepared: Prepared, folder: RunFolder) -> None:
    prepared.attached.load_state_dict(checkpoint.load_best(folder))
    prepared.attached.eval()
    with whole_folder(folder.model) as path:
        save_classifier(
            prepared.classifier.module, prepared.classifier.tokenizer, path, max_length=prepared.task.max_length
        )


def _predict(prepared: Prepared, examples: Sequence[Example]) -> np.ndarray:
    """Probabilities [rows, classes] of the model as it is, in float32 whatever the training's precision."""
    module = prepared.classifier.module

    def forward(batch: Batch) -> Tensor:
        inputs = _to(prepared.device, batch).inputs
        return head_logits(module, hidden_states(module, inputs), inputs)

    return probabilities(run_over(examples, forward, task=prepared.task, budget=_evaluation_budget(prepared)))


def _score(prepared: Prepared, found: np.ndarray, *, who: str) -> Scores:
    split, spec = prepared.report_split, prepared.recipe.evaluate
    return metrics.score(
        found,
        targets(prepared.examples[split]),
        prepared.task.labels,
        who=who,
        split=split,
        resamples=spec.resamples,
        confidence=spec.confidence,
        seed=prepared.recipe.seed,
    )


def _samples(prepared: Prepared, found: np.ndarray) -> tuple[Sample, ...]:
    """A few of the report's rows, the wrong ones first where there are any."""
    rows, labels = prepared.rows[prepared.report_split], prepared.task.labels
    right = found.argmax(axis=1) == np.asarray(targets(prepared.examples[prepared.report_split]))
    order = np.random.default_rng(prepared.recipe.seed).permutation(len(rows))
    wrong = [place for place in order if not right[place]][: SAMPLES // 2]
    chosen = wrong + [place for place in order if right[place]][: SAMPLES - len(wrong)]
    return tuple(
        Sample(
            text=" / ".join(rows[place].fields[role] for role in ("text", "text_pair") if role in rows[place].fields)[
                :LONGEST_SAMPLE
            ],
            expected=rows[place].fields["label"],
            predicted=labels[int(found[place].argmax())],
            probability=float(found[place].max()),
        )
        for place in chosen
    )


def _finished(outcome: Outcome, clock: _Clock, samples: tuple[Sample, ...]) -> Finished:
    seconds = {name: round(value, 2) for name, value in clock.seconds.items()}
    return Finished(
        steps=outcome.steps,
        best_step=outcome.best_step,
        stopped=outcome.stopped,
        seconds=seconds | {"total": round(sum(clock.seconds.values()), 2)},
        rows_per_second=round(outcome.rows / outcome.seconds, 1),
        tokens_per_second=round(outcome.tokens / outcome.seconds, 1),
        peak_memory_bytes=machine.peak_memory_bytes(),
        samples=samples,
    )


def _sample(examples: Sequence[Example], count: int) -> list[Example]:
    """`count` of the examples, the same ones at every evaluation."""
    order = np.random.default_rng(0).permutation(len(examples))[:count]
    return [examples[place] for place in sorted(order)]


def _evaluation_budget(prepared: Prepared) -> int:
    return EVALUATION_FACTOR * prepared.hyper.batch_tokens.value


def _to(device: torch.device, batch: Batch) -> Batch:
    if device.type == "cpu":
        return batch
    inputs = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.inputs.items()}
    return replace(batch, inputs=inputs, targets=batch.targets.to(device, non_blocking=True))
