"""A prepared run's forecast, put together: from its sizes alone, or with what a rehearsal saw in their place."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Final

from affina.methods.base import trained_count
from affina.models.packed import numbers_in
from affina.pipeline.attaching import is_beside
from affina.pipeline.budgets import snapshot_steps
from affina.pipeline.prepared import Prepared
from affina.pipeline.resolved import resolved_recipe
from affina.pipeline.same_run import hash_of
from affina.pipeline.staging import LAYER_DECAY, UNFREEZING
from affina.pipeline.training import plan_of
from affina.planning.activations import Activations, look
from affina.planning.estimate import memory_of, moved_bytes, trained_bytes, weight_bytes
from affina.planning.forecast import Disk, Forecast, Memory, Time
from affina.planning.pace import pace_by_rule, pace_of, time_of
from affina.planning.rehearsal import Rehearsed
from affina.recipe.method_specs import LoraSpec
from affina.recipe.weight_specs import FullSpec, PartialSpec
from affina.record.payloads import MERGED
from affina.runtime import memory
from affina.training.control import CHECKPOINT_SECONDS
from affina.training.optimizer import MOMENTS
from affina.training.plan import Plan

LEAST: Final = 0.8
"""Of a rehearsed peak: the least that the run's was,"""
MOST: Final = 1.2
"""and the most."""
DRIFT: Final = 0.04
"""Of what the rehearsed steps added: what a whole epoch of batches of all sizes adds to it, in the heap's gaps."""
FLOOR: Final = 16 * 2**20
"""Bytes on top, of stages that go over more rows than were rehearsed."""
STATE_BYTES: Final = 20_000
TOKENIZER_BYTES: Final = 2_000_000
RECORD_BYTES: Final = 250_000
"""Of the record and the report, beside a line for each step."""
STEP_BYTES: Final = 420
"""Of the record and the report, for each step."""


def foresee(
    prepared: Prepared, *, interpreter: int, prepared_in: float, held: int | None = None
) -> tuple[Forecast, Activations]:
    """The forecast from the sizes; it takes a fraction of a second.

    Args:
        prepared: the run, its model loaded and nothing else done.
        interpreter: bytes that this process held after its imports.
        prepared_in: seconds that the preparation took.
        held: bytes that the process held then, where it may hold more by now.
    """
    held = memory.resident() if held is None else held
    activations, plan = look(prepared), plan_of(prepared)
    found = memory_of(prepared, activations, plan, held=held, interpreter=interpreter)
    time = time_of(prepared, pace_by_rule(prepared), plan, prepared_in=prepared_in)
    forecast = Forecast(
        key=key_of(prepared),
        model=prepared.model.source.reference,
        family=prepared.model.module.config.model_type,
        method=described(prepared),
        device=prepared.device.type,
        precision=prepared.precision,
        parameters=numbers_in(prepared.model.module),
        trained=trained_count(prepared.attached),
        rows={split: len(rows) for split, rows in prepared.rows.items()},
        batch_tokens=prepared.hyper.batch_tokens.value,
        parts=prepared.parts,
        longest=max(prepared.subject.lengths["train"]),
        steps_per_epoch=plan.steps_per_epoch,
        memory=found,
        time=time,
        disk=_disk(prepared, time, plan, _sizes_by_rule(prepared)),
    )
    return forecast, activations


def rehearsed(forecast: Forecast, prepared: Prepared, seen: Rehearsed) -> Forecast:
    """The forecast with what a rehearsal saw in the place of what the sizes say."""
    plan = plan_of(prepared)
    time = time_of(prepared, pace_of(prepared, seen), plan, prepared_in=_prepared_in(forecast, prepared, plan))
    time = replace(time, again=seen.again)
    sizes = _sizes_by_rule(prepared) | {name: size for name, (size, _) in seen.writes.items()}
    return replace(
        forecast,
        memory=_memory(forecast.memory, prepared, seen),
        time=time,
        disk=_disk(prepared, time, plan, sizes),
        steps=seen.steps,
    )


def described(prepared: Prepared) -> str:
    """The method in a few words."""
    spec = prepared.method
    if isinstance(spec, FullSpec):
        order = [
            f"{key.removeprefix('method.')} {prepared.choices[key].value}: {prepared.choices[key].reason}"
            for key in (LAYER_DECAY, UNFREEZING)
            if key in prepared.choices
        ]
        return f"full ({'; '.join(order)})" if order else "full"
    if isinstance(spec, LoraSpec):
        return f"lora (rank {spec.rank}, {', '.join(spec.targets)})"
    if not isinstance(spec, PartialSpec):
        return f"{spec.name} ({spec.length} positions)"
    what = f"layers {', '.join(spec.layers)}" if spec.layers else f"{spec.blocks} blocks, embeddings {spec.embeddings}"
    return f"partial ({what})"


def key_of(prepared: Prepared) -> str:
    """The same for the same recipe, data, model, device, threads and versions, whatever the run's folder."""
    recipe = resolved_recipe(prepared).model_dump(mode="json", exclude={"run": True, "train": {"too_large"}})
    return hash_of(prepared, recipe, prepared.parts)


def _prepared_in(forecast: Forecast, prepared: Prepared, plan: Plan) -> float:
    """What the preparation took, by the forecast from the sizes."""
    around = time_of(prepared, pace_by_rule(prepared), plan, prepared_in=0.0).before
    return max(0.0, forecast.time.before - around)


def _memory(estimate: Memory, prepared: Prepared, seen: Rehearsed) -> Memory:
    stages = dict(seen.stages)
    below = 0
    if prepared.device.type == "cpu":
        below = estimate.interpreter
        drift = round(DRIFT * max(0, stages["training"] - stages["evaluation"])) + FLOOR
        stages = {name: held if name == "loading" else held + drift for name, held in stages.items()}
    stages = {name: max(0, held - below) for name, held in stages.items()}
    peak = max(stages.values())
    return replace(
        estimate,
        peak=peak,
        least=round(LEAST * peak),
        most=round(MOST * peak),
        stages=stages,
        how=f"from {seen.steps} rehearsed steps, the largest batches among them",
    )


def _sizes_by_rule(prepared: Prepared) -> dict[str, int]:
    trained, weights = trained_bytes(prepared), weight_bytes(prepared.model.module)
    adapter = trained + TOKENIZER_BYTES if is_beside(prepared.attached) else 0
    merged = 0 if adapter and not prepared.choices[MERGED].value else weights + TOKENIZER_BYTES
    moments = MOMENTS[prepared.recipe.train.optimizer] * moved_bytes(prepared)
    checkpoint = round(trained + moments) + STATE_BYTES
    return {"best": trained, "checkpoint": checkpoint, "model": adapter + merged}


def _disk(prepared: Prepared, time: Time, plan: Plan, sizes: dict[str, int]) -> Disk:
    train = prepared.recipe.train
    spaced = max(time.per_epoch / prepared.hyper.per_epoch.value, 1e-6)
    """Seconds between evaluations, each of which may leave the best weights until the next checkpoint."""
    evaluations = 1 + round(prepared.hyper.per_epoch.value * time.epochs[1])
    waiting = min(evaluations, 2 + int(CHECKPOINT_SECONDS / spaced))
    if isinstance(train.checkpoint_every, int):
        between = max(1, plan.steps_per_epoch // prepared.hyper.per_epoch.value)
        waiting = min(evaluations, 2 + train.checkpoint_every // between)
    snapshots = len(snapshot_steps(prepared, plan)) * sizes["best"]
    kept = train.keep * sizes["checkpoint"] + sizes["best"] + snapshots
    record = RECORD_BYTES + STEP_BYTES * plan.total_steps
    states = 0 if prepared.kept is None else prepared.kept.bytes
    most = (train.keep + 1) * sizes["checkpoint"] + waiting * sizes["best"] + snapshots + states
    return Disk(
        checkpoints=kept,
        model=sizes["model"],
        record=record,
        peak=max(most, kept + sizes["model"]) + record,
        least=sizes["checkpoint"] + sizes["best"] + max(sizes["model"], states) + RECORD_BYTES,
        states=states,
        cached=sum(file.stat().st_size for file in prepared.model.source.folder.rglob("*") if file.is_file()),
    )


def plain(forecast: Forecast) -> dict[str, object]:
    """As JSON data."""
    return dataclasses.asdict(forecast)
