"""Which regularisers a recipe asks for, of the model and the method that it has; what they cannot act on is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from torch import Tensor, nn

from affina.errors import Problem, RecipeError
from affina.methods.base import Attached
from affina.models.base import Pretrained
from affina.models.language import LanguageModel
from affina.models.settings import dropout_rates
from affina.models.virtual_tokens import reader
from affina.pipeline.beforehand import pre_trained
from affina.pipeline.prepared import Prepared
from affina.pipeline.replayed import bytes_of_texts
from affina.recipe.base import AUTO
from affina.recipe.holding_specs import RecAdamSpec, ReplaySpec
from affina.recipe.method_specs import LoraSpec
from affina.recipe.resolve import GIVEN
from affina.recipe.schema import Method, TrainSpec
from affina.training.recalling import Recall
from affina.training.regularisers import EmbeddingNoise, Mixout, PullToStart, Regulariser
from affina.training.replay import Replay
from affina.values import Resolved

DECAY: Final = "train.weight_decay"


def told_of_regularisers(
    train: TrainSpec, model: Pretrained, method: Method, attached: Attached
) -> dict[str, Resolved[Any]]:
    """What they change of other keys.

    Raises:
        RecipeError: one of them could not do anything, by its key.
    """
    _check(train, model, method, attached)
    keys = holding_keys(train)
    if not keys:
        return {}
    told = f"of what is new in the task; {' and '.join(keys)} in its place elsewhere"
    return {DECAY: Resolved(train.weight_decay, told)}


def holding_keys(train: TrainSpec) -> list[str]:
    """What pulls the pre-trained weights to where they began, in the place of their decay to zero."""
    given = {"train.l2_sp": train.l2_sp, "train.ewc": train.ewc, "train.rec_adam": train.rec_adam}
    return [key for key, value in given.items() if value]


def _check(train: TrainSpec, model: Pretrained, method: Method, attached: Attached) -> None:
    for key, given in (("l2_sp", train.l2_sp), ("mixout", train.mixout), ("ewc", train.ewc)):
        if given and not pre_trained(attached):
            raise RecipeError(_nothing_to_hold(key, f"{given:g}", method))
    if train.rec_adam is not None and not pre_trained(attached):
        raise RecipeError(_nothing_to_hold("rec_adam", "given", method))
    if train.ewc:
        _check_ewc(train, model)
    if train.r_drop and not _has_dropout(train, model, method):
        raise RecipeError(
            Problem(
                where="recipe key train.r_drop",
                expected="a model with dropout, which two passes draw apart",
                found=f"a {model.module.config.model_type} model that trains without any, with method {method.name}",
                fix="leave train.r_drop out, or let the method have dropout (method={name: lora, dropout: 0.1})",
            )
        )
    if train.neftune and train.pack not in (False, AUTO):
        raise RecipeError(
            Problem(
                where="recipe key train.neftune",
                expected="a text a line, by whose length the noise is measured",
                found=f"train.pack={str(train.pack).lower()} beside it",
                fix="leave one of the two out",
            )
        )


def _check_ewc(train: TrainSpec, model: Pretrained) -> None:
    where = "recipe key train.ewc"
    if not isinstance(model, LanguageModel):
        expected = "a model that writes: what matters is told by the likelihood of what it says by itself"
        found = f"a {model.module.config.model_type} model with a head, whose states have no likelihood"
        fix = "write train.l2_sp, or train.replay=true, in its place"
        raise RecipeError(Problem(where=where, expected=expected, found=found, fix=fix))
    if train.replay is not None and train.replay.file is not None and not model.reads_apart:
        found = f"train.replay.file={train.replay.file} beside it, which the model did not write"
        fix = "leave one of the two out"
        raise RecipeError(Problem(where=where, expected="texts that the model itself draws", found=found, fix=fix))


def recall_of(prepared: Prepared, *, total: int) -> Recall | None:
    """RecAdam of a run of so many steps; None where the recipe does not ask for it."""
    spec = prepared.recipe.train.rec_adam
    if spec is None:
        return None
    weights = pre_trained(prepared.attached)
    annealing = annealing_of(spec, total=total)
    t0, k = annealing["train.rec_adam.t0"].value, annealing["train.rec_adam.k"].value
    return Recall(weights, _as_they_came(prepared.attached, weights), k=k, t0=t0, pull=spec.pull)


def annealing_of(spec: RecAdamSpec, *, total: int) -> dict[str, Resolved[Any]]:
    """When RecAdam lets the weights go, by recipe key."""
    quarter = Resolved(max(1, total // 4), f"a quarter of {total:,} steps; the authors took 100 to 1,000")
    t0 = quarter if spec.t0 == AUTO else Resolved(spec.t0, GIVEN)
    usual = Resolved(10 / t0.value, "10 / t0: Adam's steps are a half at t0, and nearly whole at 1.5 times it")
    return {"train.rec_adam.t0": t0, "train.rec_adam.k": usual if spec.k == AUTO else Resolved(spec.k, GIVEN)}


def regularisers_of(prepared: Prepared) -> tuple[Regulariser, ...]:
    """Those of a run, each with what it acts on; the pre-trained weights are read again where one needs them."""
    return tuple(_regularisers(prepared))


def held_bytes(prepared: Prepared) -> int:
    """What they hold beside the run: weights as they came, for mixout the mixed ones with their draws, and texts."""
    train = prepared.recipe.train
    own = _bytes(pre_trained(prepared.attached))
    pulled = own if holding_keys(train) else 0
    mixed = _bytes(_mixed(prepared)) if train.mixout else 0
    fisher = own if train.ewc else 0
    return max(pulled, mixed) + 2 * mixed + fisher + bytes_of_texts(prepared)


def _regularisers(prepared: Prepared) -> Iterator[Regulariser]:
    train, model = prepared.recipe.train, prepared.model
    if train.l2_sp or train.mixout or train.ewc:
        weights, mixed = pre_trained(prepared.attached), _mixed(prepared)
        start = _as_they_came(prepared.attached, weights if train.l2_sp or train.ewc else mixed)
        if train.l2_sp:
            yield PullToStart(weights, start, strength=train.l2_sp)
        if train.ewc:
            if prepared.before.fisher is None:
                raise ValueError("what matters is measured before a run's regularisers are made")
            yield PullToStart(weights, start, strength=train.ewc, importance=prepared.before.fisher)
        if train.mixout:
            yield Mixout(mixed, start, rate=train.mixout)
    if train.neftune:
        padding = model.tokenizer.pad_token_id
        yield EmbeddingNoise(reader(model.module).get_input_embeddings(), padding=padding, strength=train.neftune)
    if train.replay is not None:
        yield _replay(prepared, train.replay)


def _replay(prepared: Prepared, spec: ReplaySpec) -> Replay:
    if prepared.before.held is None:
        raise ValueError("the texts to replay are read before a run's regularisers are made")
    return Replay(
        prepared.before.held,
        prepared.attached,
        prepared.model.module,
        share=spec.share,
        strength=spec.strength,
        budget=prepared.hyper.batch_tokens.value,
    )


def _mixed(prepared: Prepared) -> dict[str, nn.Parameter]:
    """The matrices among them, but for embeddings, of which a step reads few rows."""
    part_of = prepared.model.anatomy.part_of
    weights = pre_trained(prepared.attached).items()
    return {name: weight for name, weight in weights if weight.ndim > 1 and part_of(name) != "embeddings"}


def _as_they_came(attached: Attached, names: Collection[str]) -> dict[str, Tensor]:
    with attached.as_it_came():
        return {name: tensor for name, tensor in attached.state_dict().items() if name in names}


def _bytes(weights: Mapping[str, Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in weights.values())


def _has_dropout(train: TrainSpec, model: Pretrained, method: Method) -> bool:
    rates = dropout_rates(model.module.config)  # the checkpoint's, whatever it trains with
    of_model = any(rates.values()) if train.dropout == AUTO else bool(train.dropout and rates)
    return of_model or (isinstance(method, LoraSpec) and method.dropout > 0)


def _nothing_to_hold(key: str, given: str, method: Method) -> Problem:
    return Problem(
        where=f"recipe key train.{key}",
        expected="a method that trains the pre-trained weights themselves",
        found=f"{given}, with method {method.name}, under which they stand still",
        fix=f"leave train.{key} out, or write "
        + ("method.blocks=1 or more" if method.name == "partial" else "method=full or method=partial"),
    )
