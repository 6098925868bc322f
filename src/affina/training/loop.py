"""The training loop: one, for every task and every method.

In order, for each step: the window's micro-batches forward and backward, each weighted by the window's count so
that accumulation is exact; the raw loss and gradients checked for what is not a number; clipping; the learning rate
of this step; the optimizer. Then, where due: an evaluation (which may be the best so far, or the last), and a
checkpoint. A step that is not finite is skipped, and after too many of them, or where the loss runs away, training goes
on from the best weights at a lower rate (`guard`); the plan goes on with its next rows whatever happens, so that no
batch is met twice for that. Micro-batches that are too large for the memory are split.

The loop owns the order of things and when they happen. It gets `loss` and `evaluate` as functions and knows neither
task nor method nor metric; what it does is written to the journal, and observers cannot steer it.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, final

import torch

from affina.errors import Interrupted, NonFiniteError, Problem
from affina.methods.base import Attached, Freezable
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.record.payloads import Evaluated, Event, Step
from affina.runtime import exhausted, heap, randomness
from affina.training import checkpoint, mishaps
from affina.training.control import Control, Outcome
from affina.training.guard import Guard
from affina.training.interrupts import deferred
from affina.training.optimizer import Optimizer
from affina.training.plan import Plan, Window, split
from affina.training.precision import Precision
from affina.training.regularisers import Regulariser
from affina.training.schedule import Schedule
from affina.training.stages import Stage, stage_at
from affina.training.stepping import B, Gradients, Stepper, Work
from affina.training.stopping import EarlyStopping

LEAST_GAIN = 0.98
"""Of the loss of guessing: what lies above it may be noise."""
LARGEST = 2
"""Steps that hold the largest batches: an epoch begins with them (`data.batching`)."""
LEAST_LOSS_SCALE = 1.0
"""An fp16 run whose loss scale falls below this is not overflowing now and then: its gradients are not finite."""
WHOLE = 0.99
"""Epochs from which the seconds of one can be told: less holds an evaluation at its end that is not a share of it."""
UNFROZEN = "unfreezing"
"""The event of a stage that begins."""
STUCK = "stuck start"
"""Why a run ended that was no better than guessing at a quarter of its steps."""


@final
class Loop(Generic[B]):
    """One run over `plan`, from its start or from a checkpoint.

    Args:
        work: what is trained.
        plan: which rows in which step.
        attached: the model with its method.
        optimizer: moves what trains.
        schedule: the factor of the learning rate at each step.
        precision: how forward and backward compute.
        stopping: watches the metric.
        control: the rest of what steers.
        folder: where checkpoints go.
        journal: where records go.
        regularisers: what acts beside the loss.
        frozen_moved: called with the coming step where other tensors stand still from it on, or weights were put back.
    """

    def __init__(  # noqa: PLR0913 - assembled once, in pipeline.py; each argument is one concern
        self,
        *,
        work: Work[B],
        plan: Plan,
        attached: Attached,
        optimizer: Optimizer,
        schedule: Schedule,
        precision: Precision,
        stopping: EarlyStopping,
        control: Control,
        folder: RunFolder,
        journal: Journal,
        regularisers: Sequence[Regulariser] = (),
        frozen_moved: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.work, self.plan, self.attached, self.optimizer = work, plan, attached, optimizer
        self.schedule, self.precision, self.stopping, self.control = schedule, precision, stopping, control
        self.folder, self.journal = folder, journal
        self.regularisers, self._frozen_moved = regularisers, frozen_moved
        self.guard = Guard(on=control.guard)
        self.parts = control.parts
        self.step = 0
        self.rows = 0
        self.tokens = 0
        self.seconds = 0.0
        self._stage: Stage | None = None
        self._saved_at = time.monotonic()

    @property
    def stepper(self) -> Stepper[B]:
        """Makes the steps."""
        clip, acting = self.control.clip, self.regularisers
        return Stepper(self.work, self.optimizer, precision=self.precision, clip=clip, regularisers=acting)

    def run(self) -> Outcome:
        """Train to the end of the plan, or until early stopping, or to a quarter of it where that was in vain.

        Raises:
            NonFiniteError: the loss or a gradient is not a number, or runs away, and the guard is off or has
                done what it can; the best weights are on disk.
            Interrupted: the user asked to stop; a checkpoint is on disk.
        """
        self.attached.train()
        heap.give_back()  # what came before has left gaps
        kept_small = heap.Heap(largest=LARGEST)
        with deferred() as interrupted:
            if self.step == 0:
                self._evaluate()  # the start is a candidate too: training that only makes it worse is seen
            begun = (time.perf_counter(), time.process_time(), self.plan.epoch_after(self.step))
            while not self.is_over:
                self._train_step(self.plan.window(self.step))
                kept_small.settle()
                if self.plan.evaluates_after(self.step):
                    self._evaluate()
                if interrupted():
                    self._interrupt()
                if self._checkpoint_is_due() or self.is_over:
                    self.save()
        if self.step and not self.rows:
            raise self._ended("no step was finite: nothing was trained")
        epochs = max(self.plan.epoch_after(self.step) - begun[2], 1e-9)
        stopped = STUCK if self._is_stuck() else "early stopping" if self.stopping.is_over else "end of the plan"
        return Outcome(
            steps=self.step,
            best_step=self.stopping.best_step,
            stopped=stopped,
            improving=self.stopping.improving,
            falling=self.stopping.falling,
            start_loss=math.inf if self.stopping.start_loss is None else self.stopping.start_loss,
            kept_loss=self.stopping.best_loss,
            rewinds=self.guard.rewinds,
            rows=self.rows,
            tokens=self.tokens,
            seconds=self.seconds,
            epoch_seconds=(time.perf_counter() - begun[0]) / epochs if epochs > WHOLE else None,
            epoch_cpu_seconds=(time.process_time() - begun[1]) / epochs if epochs > WHOLE else None,
        )

    def _train_step(self, window: Window) -> None:
        self._enter_stage()
        started = time.perf_counter()
        stepper = self.stepper
        found = self._gradients(stepper, window)
        while self.optimizer.moves_whole:
            self.journal.append(mishaps.table_moves(self.step + 1, self.optimizer.moves_whole.pop()))
        if broken := self._broken(found):
            self._skip(*broken, found.batches)
            self.seconds += time.perf_counter() - started
            return
        scale = stepper.move(self.schedule(self.step) * self.guard.factor(self.step), step=self.step)
        if self.precision.scales and scale < LEAST_LOSS_SCALE:
            raise self._not_finite("the gradient in fp16, whatever the loss scale", found.norm, found.batches)
        self.step += 1
        self.rows += (rows := sum(len(batch.rows) for batch in found.batches))
        self.tokens += (tokens := sum(batch.tokens for batch in found.batches))
        self.seconds += time.perf_counter() - started
        self.journal.append(
            Step(
                step=self.step,
                of=self.plan.total_steps,
                epoch=round(self.plan.epoch_after(self.step), 4),
                loss=found.loss,
                learning_rate=self.optimizer.adamw.param_groups[0]["lr"],
                gradient_norm=found.norm if math.isfinite(found.norm) else -1.0,
                rows=rows,
                tokens=tokens,
                seconds=round(self.seconds, 3),
            )
        )
        if self.guard.on and (cause := self.guard.watch(found.loss, found.norm)) and not self._may_restart():
            self._rewind(cause)

    def _gradients(self, stepper: Stepper[B], window: Window) -> Gradients[B]:
        """A window's, its micro-batches in as many parts as the memory wants: a window's loss is a sum over counts."""
        while True:
            batches = split(window, self.parts)
            try:
                return stepper.gradients(batches)
            except Exception as error:
                if not exhausted.ran_out(error) or max(map(len, batches)) == 1:
                    raise
                said = exhausted.in_short(error)
            stepper.forget()  # the error, which holds what was computed, is gone by here
            _clear_up()
            self.parts *= 2
            self.journal.append(mishaps.batches_split(self.step + 1, self.parts, said))

    def _broken(self, found: Gradients[B]) -> tuple[str, float] | None:
        """What of a step's numbers is not finite, though it should be, and what it is."""
        if not math.isfinite(found.loss):
            return "the loss", found.loss
        if not math.isfinite(found.norm) and not self.precision.scales:
            return "the gradient's norm", found.norm
        return None

    def _skip(self, what: str, value: float, batches: list[B]) -> None:
        self.stepper.forget()
        if not self.guard.on:
            raise self._not_finite(what, value, batches)
        self.step += 1
        places = self._places(batches)
        self.journal.append(mishaps.skipped(self.step, what, value, places))
        if cause := self.guard.skip(self.step):
            self._rewind(cause, places)

    def _rewind(self, cause: str, places: Sequence[str] = ()) -> None:
        """Go on from the best weights, at a lower rate and with new moments.

        Raises:
            NonFiniteError: that was done too often.
        """
        if self.guard.is_spent or not self.guard.on:
            before = f", after {self.guard.rewinds} ways back" if self.guard.rewinds else ""
            raise self._ended(f"{cause}{before}", places)
        to_step = self.stopping.best_step
        self.optimizer.start_anew()  # first, so that the weights that are read do not lie beside the moments
        self.attached.load_state_dict(checkpoint.load_best(self.folder, step=to_step))
        self._frozen_moved(self.step)  # what stands still now may have moved since those weights
        self.attached.train()
        self.stopping.rewound()
        self.guard.rewound(self.step)
        self.journal.append(mishaps.rewound(self.step, self.guard, to_step=to_step, cause=cause))

    def _may_restart(self) -> bool:
        """Whether a start that fails will be given up for another, at a rate that is measured: better than a guess."""
        return self.control.floor is not None and self.plan.is_judged_later(self.step)

    def _enter_stage(self) -> None:
        """Let what the coming step's stage says train; what is frozen then has no gradient and no moments."""
        stage = stage_at(self.control.stages, self.step)
        if stage is None or stage is self._stage:
            return
        if not isinstance(self.attached, Freezable):
            raise TypeError("stages for a method that has none")
        self.attached.train_only(stage.names, quiet=stage.quiet)
        self._frozen_moved(self.step)
        self.attached.train()
        self.optimizer.release()
        self._stage = stage
        if stage.start == self.step:  # not a stage that a resumed run is in the middle of
            if self.step:
                self.guard.forget()
            self.journal.append(Event(step=self.step, name=UNFROZEN, text=stage.text))

    def _evaluate(self) -> None:
        try:
            self._check_weights()
            metrics = self._measured()
        except NonFiniteError as error:
            if self.step == 0 or not self.guard.on:
                raise
            self._rewind(f"the evaluation failed ({error.problems[0].found})")
            return
        if self.step == 0:
            self.guard.start(metrics.get("loss", math.nan))
        # a correlation is not defined while the model gives every text the same number: that agrees with nothing
        value = metrics.get(self.control.metric, 0.0)
        best = self.stopping.update(value, step=self.step, loss=metrics.get("loss", math.inf))
        if best:
            checkpoint.save_best(self.folder, self.attached.state_dict(), step=self.step)
        if self.step in self.control.snapshots:
            checkpoint.save_snapshot(self.folder, self.attached.state_dict(), step=self.step)
        epoch = round(self.plan.epoch_after(self.step), 4)
        self.journal.append(Evaluated(step=self.step, epoch=epoch, metrics=metrics, best=best))

    def _measured(self) -> dict[str, float]:
        """What the validation rows say now; of the start, what was known of it before."""
        if self.step == 0 and self.control.known is not None:
            return dict(self.control.known)
        self.attached.eval()
        try:
            with randomness.untouched():
                return dict(self.work.evaluate())
        finally:
            self.attached.train()

    def _is_stuck(self) -> bool:
        """Whether this is a quarter of the run, and the model no better than guessing.

        The loss has a say too: it falls before the metric moves where one class has most of the rows.
        """
        floor, latest = self.control.floor, self.stopping.latest
        early = self.stopping.is_over and 4 * self.step < self.plan.total_steps
        judged = early or self.plan.is_at_a_quarter(self.step)
        if floor is None or latest is None or not judged:
            return False
        if floor.names and self.stopping.falling:
            return False
        better = latest > floor.metric if self.stopping.higher_is_better else latest < floor.metric
        return not better and self.stopping.latest_loss > LEAST_GAIN * floor.loss

    @property
    def is_over(self) -> bool:
        """Whether there is no step left to make."""
        return self.step >= self.plan.total_steps or self.stopping.is_over or self._is_stuck()

    def _checkpoint_is_due(self) -> bool:
        if self.control.checkpoint_every is not None:
            return self.step % self.control.checkpoint_every == 0
        waited = time.monotonic() - self._saved_at
        return self.plan.evaluates_after(self.step) and waited >= self.control.checkpoint_seconds

    def _check_weights(self) -> None:
        for name, tensor in self.attached.state_dict().items():
            if not torch.isfinite(tensor).all():
                raise self._not_finite(f"the weight {name}", float(tensor[~torch.isfinite(tensor)][0]), [])

    def save(self) -> None:
        """Write a checkpoint of this moment; weights that are not finite are never written, but turned back from.

        Raises:
            NonFiniteError: there is no way back.
        """
        try:
            self._check_weights()
        except NonFiniteError as error:
            self._rewind(error.problems[0].found)
        trained = self.attached.state_dict()
        state = checkpoint.State(
            step=self.step,
            random=randomness.capture(),
            stopping=self.stopping.state(),
            precision=self.precision.state(),
            guard=self.guard.state(),
            parts=self.parts,
            record=self.journal.identity(),
            journal=self.journal.position(),
            seconds=self.seconds,
            rows=self.rows,
            tokens=self.tokens,
        )
        moments = self.optimizer.state_dict()
        checkpoint.save(self.folder, state, trained=trained, optimizer=moments, keep=self.control.keep)
        self._saved_at = time.monotonic()

    def resume(self, place: Path) -> None:
        """Go on from a checkpoint folder, as if the run had never stopped; nothing that was read is held on to.

        Raises:
            RunError: a file is missing or damaged.
        """
        state = checkpoint.load_state(place)
        self.attached.load_state_dict(checkpoint.load_trained(place))
        self.optimizer.load_state_dict(checkpoint.load_moments(place))
        self.precision.load_state(state.precision)
        self.stopping = EarlyStopping(**state.stopping)
        self.guard, self.parts = Guard.of(state.guard), max(state.parts, self.control.parts)
        self.step, self.seconds, self.rows, self.tokens = state.step, state.seconds, state.rows, state.tokens
        randomness.restore(state.random)

    def _interrupt(self) -> None:
        self.save()
        self.journal.append(Event(step=self.step, name="interrupted", text=f"stopped after step {self.step}"))
        raise Interrupted(
            Problem(
                where=str(self.folder.path),
                expected=f"{self.plan.total_steps} steps",
                found=f"stopped after step {self.step}; a checkpoint was written",
                fix="give the same command again to go on from there",
            )
        )

    def _not_finite(self, what: str, value: float, batches: list[B]) -> NonFiniteError:
        places = self._places(batches)
        self.journal.append(
            Event(
                step=self.step + 1,
                name="non-finite",
                text=f"{what} is {value}" + (f"; rows: {'; '.join(places)}" if places else ""),
            )
        )
        return self._ended(f"{what} is {value}", places)

    def _ended(self, found: str, places: Sequence[str] = ()) -> NonFiniteError:
        rate = max(group["peak"] for group in self.optimizer.adamw.param_groups)
        best_step = self.stopping.best_step
        return mishaps.ended(found, places, step=self.step, best_step=best_step, rate=rate * self.guard.lowered)

    def _places(self, batches: list[B]) -> list[str]:
        return [self.work.where(row) for batch in batches for row in batch.rows]


def _clear_up() -> None:
    """Give what is held and not in use back, before less is tried."""
    gc.collect()
    heap.give_back()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
