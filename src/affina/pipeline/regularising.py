"""Which regularisers a recipe asks for, of the model and the method that it has; what they cannot act on is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from torch import Tensor, nn

from affina.errors import Problem, RecipeError
from affina.methods.base import Attached
from affina.models.base import Pretrained
from affina.models.settings import dropout_rates
from affina.models.virtual_tokens import reader
from affina.pipeline.attaching import is_beside
from affina.pipeline.beforehand import bytes_of_texts
from affina.pipeline.prepared import Prepared
from affina.recipe.base import AUTO
from affina.recipe.holding_specs import ReplaySpec
from affina.recipe.method_specs import LoraSpec
from affina.recipe.schema import Method, TrainSpec
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
    if not train.l2_sp:
        return {}
    return {DECAY: Resolved(train.weight_decay, "of what is new in the task; train.l2_sp is in its place elsewhere")}


def _check(train: TrainSpec, model: Pretrained, method: Method, attached: Attached) -> None:
    for key in ("l2_sp", "mixout"):
        if getattr(train, key) and not _pre_trained(attached):
            raise RecipeError(_nothing_to_hold(key, getattr(train, key), method))
    if train.r_drop and not _has_dropout(train, model, method):
        raise RecipeError(
            Problem(
                where="recipe key train.r_drop",
                expected="a model with dropout, which two passes draw apart",
                found=f"a {model.module.config.model_type} model that trains without any, with method {method.name}",
                fix="leave train.r_drop out, or let the method have dropout (method={name: lora, dropout: 0.1})",
            )
        )
    if train.neftune and train.pack is True:
        raise RecipeError(
            Problem(
                where="recipe key train.neftune",
                expected="a text a line, by whose length the noise is measured",
                found="train.pack=true beside it",
                fix="leave one of the two out",
            )
        )


def regularisers_of(prepared: Prepared) -> tuple[Regulariser, ...]:
    """Those of a run, each with what it acts on; the pre-trained weights are read again where one needs them."""
    return tuple(_regularisers(prepared))


def held_bytes(prepared: Prepared) -> int:
    """What they hold beside the run: weights as they came, for mixout the mixed ones with their draws, and texts."""
    train = prepared.recipe.train
    pulled = _bytes(_pre_trained(prepared.attached)) if train.l2_sp else 0
    mixed = _bytes(_mixed(prepared)) if train.mixout else 0
    return max(pulled, mixed) + 2 * mixed + bytes_of_texts(prepared)


def _regularisers(prepared: Prepared) -> Iterator[Regulariser]:
    train, model = prepared.recipe.train, prepared.model
    if train.l2_sp or train.mixout:
        weights, mixed = _pre_trained(prepared.attached), _mixed(prepared)
        start = _as_they_came(prepared.attached, weights if train.l2_sp else mixed)
        if train.l2_sp:
            yield PullToStart(weights, start, strength=train.l2_sp)
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


def _pre_trained(attached: Attached) -> dict[str, nn.Parameter]:
    """What trains of the weights that the model came with."""
    if is_beside(attached):
        return {}
    groups = [group.parameters for group in attached.parameter_groups() if group.part == "body"]
    return {name: weight for group in groups for name, weight in group.items()}


def _mixed(prepared: Prepared) -> dict[str, nn.Parameter]:
    """The matrices among them, but for embeddings, of which a step reads few rows."""
    part_of = prepared.model.anatomy.part_of
    weights = _pre_trained(prepared.attached).items()
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


def _nothing_to_hold(key: str, given: float, method: Method) -> Problem:
    return Problem(
        where=f"recipe key train.{key}",
        expected="a method that trains the pre-trained weights themselves",
        found=f"{given:g}, with method {method.name}, under which they stand still",
        fix=f"leave train.{key} out, or write "
        + ("method.blocks=1 or more" if method.name == "partial" else "method=full or method=partial"),
    )
