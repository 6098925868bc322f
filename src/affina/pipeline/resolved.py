"""The recipe with every `auto` replaced by what it came to: the file that runs the same thing again."""

from __future__ import annotations

from typing import Literal

from affina.pipeline.prepared import Prepared
from affina.recipe.holding_specs import RecAdamSpec
from affina.recipe.schema import EarlyStoppingSpec, Recipe


def resolved_recipe(prepared: Prepared) -> Recipe:
    """The recipe as asked, with the values that were decided in the place of `auto`.

    `run` stays as it was asked, so that running it again takes a new folder.
    """
    recipe, hyper = prepared.recipe, prepared.hyper
    value = {key: resolved.value for key, resolved in prepared.choices.items()}
    held_out = {key: value.get(f"data.{key}", getattr(recipe.data, key)) for key in ("validation", "test")}
    return recipe.model_copy(
        update={
            "model": prepared.model.source.reference,
            "task": prepared.subject.spec,
            "method": prepared.method,
            "device": prepared.device.type,
            "products": prepared.choices["products"].value,
            "data": recipe.data.model_copy(
                update={
                    **prepared.subject.data_keys(prepared.loaded),
                    **held_out,
                    "max_length": prepared.subject.max_length,
                    "seed": recipe.rows_seed,
                }
            ),
            "train": recipe.train.model_copy(
                update={
                    "epochs": hyper.epochs.value,
                    "learning_rate": hyper.learning_rate.value,
                    "head_learning_rate": (
                        hyper.head_learning_rate.value if prepared.subject.outputs else recipe.train.head_learning_rate
                    ),
                    "batch_tokens": hyper.batch_tokens.value,
                    "pack": value.get("train.pack", recipe.train.pack),
                    "cache": value.get("train.cache", recipe.train.cache),
                    "head_start": value.get("train.head_start", recipe.train.head_start),
                    "schedule": hyper.schedule.value,
                    "warmup": hyper.warmup.value,
                    "precision": prepared.precision,
                    "early_stopping": _early_stopping(prepared),
                    "rec_adam": _rec_adam(prepared),
                }
            ),
            "generate": recipe.generate.model_copy(
                update={
                    key: value[f"generate.{key}"]
                    for key in ("max_new_tokens", "beams", "shots")
                    if f"generate.{key}" in value
                }
            ),
            "export": recipe.export.model_copy(update={"merge": value.get("export.merge", recipe.export.merge)}),
            "evaluate": recipe.evaluate.model_copy(
                update={
                    "metric": hyper.metric.value,
                    "per_epoch": hyper.per_epoch.value,
                    "rows": hyper.evaluation_rows.value,
                    "shots": value.get("evaluate.shots", recipe.evaluate.shots),
                }
            ),
        }
    )


def _rec_adam(prepared: Prepared) -> RecAdamSpec | None:
    spec, choices = prepared.recipe.train.rec_adam, prepared.choices
    if spec is None:
        return None
    return spec.model_copy(update={key: choices[f"train.rec_adam.{key}"].value for key in ("t0", "k")})


def _early_stopping(prepared: Prepared) -> EarlyStoppingSpec | Literal[False]:
    spec, patience = prepared.recipe.train.early_stopping, prepared.hyper.patience
    if spec is False or patience is None:
        return False
    return spec.model_copy(update={"patience": patience.value})
