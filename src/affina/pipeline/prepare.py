"""The first half of a run: recipe, data, model, task and method, checked and decided. Nothing is written here."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch

from affina.data.loading import Loaded, load
from affina.data.mixing import seen_in, weights_of
from affina.data.rows import Row
from affina.evaluation.judging.base import Judge
from affina.methods import full, partial
from affina.methods.weights import TrainedWeights
from affina.models.base import base_tensors, width
from affina.models.classifier import Classifier, load_classifier
from affina.models.source import locate
from affina.pipeline.answers import answers_of, units_reason
from affina.pipeline.auditing import audit, with_label_errors, without_label_errors
from affina.pipeline.kinds import KINDS, SettledSpec, check_keys
from affina.pipeline.limits import Limited, within_limit
from affina.recipe.base import AUTO
from affina.recipe.resolve import Facts, Hyperparameters, resolve
from affina.recipe.schema import FullSpec, PartialSpec, Recipe
from affina.record.audited import Audited
from affina.record.payloads import Finding
from affina.runtime import machine, randomness
from affina.tasks.base import Example, Task
from affina.training import precision
from affina.training.precision import PrecisionName
from affina.values import Resolved

DEFAULT_MODEL: Final = "starter/encoder"
EMBEDDINGS_SHARE: Final = 0.3
"""With more of the weights in the embeddings than this, `auto` freezes them."""

Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Everything a run needs, decided.

    Attributes:
        recipe: as asked.
        loaded: the rows and what was noticed about them.
        rows: split to the rows that are used, after the length limit.
        examples: split to the same rows, encoded.
        classifier: model and tokenizer.
        attached: the model with its method.
        task: encodes, collates, computes the loss.
        judge: says what answers are worth.
        spec: the recipe's `task`, settled.
        weighted: whether the loss weighs the labels.
        hyper: what the loop runs with.
        method: the method, `auto` resolved.
        device: where the model is.
        precision: how it computes.
        draws: decides the order of the rows, dropout and a new head: the recipe's seed, unless a start was stuck.
        choices: recipe key to every value that was decided.
        findings: what the user should know about the rows.
        audited: what was looked at in them.
        notices: what the stages said on the way.
    """

    recipe: Recipe
    loaded: Loaded
    rows: dict[str, tuple[Row, ...]]
    examples: dict[str, list[Example]]
    classifier: Classifier
    attached: TrainedWeights
    task: Task
    judge: Judge
    spec: SettledSpec
    weighted: bool
    hyper: Hyperparameters
    method: FullSpec | PartialSpec
    device: torch.device
    precision: PrecisionName
    draws: int
    choices: dict[str, Resolved[Any]]
    findings: tuple[Finding, ...]
    audited: Audited
    notices: tuple[str, ...]

    @property
    def report_split(self) -> str:
        """The rows that the final figures are about: test where there are any."""
        return "test" if self.examples["test"] else "validation"


def prepare(recipe: Recipe, *, notify: Notify) -> Prepared:
    """Read and check everything that the recipe names, and decide what it left open.

    Args:
        recipe: as asked.
        notify: told of slow work, such as fetching a starter model.

    Raises:
        InputError: something that the user gave cannot be used.
    """
    notices: list[str] = []

    def told(text: str) -> None:
        notices.append(text)
        notify(text)

    randomness.seed_everything(recipe.seed)
    device = machine.choose_device(recipe.device)
    chosen_precision = precision.choose(recipe.train.precision, device)
    loaded = load(recipe.data, seed=recipe.seed, task=recipe.task)
    choices: dict[str, Resolved[Any]] = {"device": _device_reason(recipe, device), "train.precision": chosen_precision}
    choices |= loaded.choices
    check_keys(recipe, loaded.labelling, loaded.labels)
    classifier = _load_model(recipe, loaded, choices=choices, notify=told)
    limited = within_limit(recipe, loaded, classifier, choices)
    rows = limited.rows
    answers = answers_of(recipe, loaded, classifier, limited, choices)
    task, judge = answers.task, answers.judge
    classifier.module.to(device)
    audited, findings = _audit(recipe, loaded, limited, classifier, task, notify=told)
    examples = {split: task.encode(part) for split, part in rows.items()}
    method = _choose_method(recipe, classifier, choices)
    attached = attach(method, classifier)
    seen = _as_seen(examples, rows["train"], loaded, seed=recipe.seed)
    facts = _facts(seen, classifier, attached, method=method, task=loaded.labelling.name)
    hyper = resolve(recipe.train, recipe.evaluate, facts, metric=judge.watched(weighted=answers.weighted))
    return Prepared(
        recipe=recipe,
        loaded=loaded,
        rows=rows,
        examples=examples,
        classifier=classifier,
        attached=attached,
        task=task,
        judge=judge,
        spec=answers.spec,
        weighted=answers.weighted,
        hyper=hyper,
        method=method,
        device=device,
        precision=chosen_precision.value,
        draws=recipe.seed,
        choices=choices | hyper.by_key(),
        findings=findings,
        audited=audited,
        notices=tuple(notices),
    )


def _as_seen(
    examples: dict[str, list[Example]], rows: Sequence[Row], loaded: Loaded, *, seed: int
) -> dict[str, list[Example]]:
    """The examples with those of training as often as the first epoch has them."""
    seen = seen_in(weights_of(rows, loaded.weights), seed=seed, epoch=0)
    return {**examples, "train": [examples["train"][place] for place in seen]}


def _audit(
    recipe: Recipe, loaded: Loaded, limited: Limited, classifier: Classifier, task: Task, *, notify: Notify
) -> tuple[Audited, tuple[Finding, ...]]:
    found = audit(loaded, limited, classifier, task, seed=recipe.seed)
    if not recipe.data.check_labels:
        return found
    name, train = loaded.labelling.name, limited.rows["train"]
    if not KINDS[name].has_single_labels:
        notify(f"data.check_labels is not for the task {name}: probable label errors are not looked for")
        return without_label_errors(found, name, rows=len(train))
    return with_label_errors(found, train, task, classifier, seed=recipe.seed)


def _device_reason(recipe: Recipe, device: torch.device) -> Resolved[str]:
    return Resolved(device.type, "the first of cuda, mps, cpu here" if recipe.device == AUTO else "given in the recipe")


def _load_model(recipe: Recipe, loaded: Loaded, *, choices: dict[str, Resolved[Any]], notify: Notify) -> Classifier:
    """The model, and what its head counts in where it predicts a number."""
    if recipe.model == AUTO:
        choices["model"] = Resolved(DEFAULT_MODEL, "small, strong on short texts, and needs no hub")
    reference = DEFAULT_MODEL if recipe.model == AUTO else recipe.model
    dropout = None if recipe.train.dropout == AUTO else recipe.train.dropout
    head = KINDS[loaded.labelling.name].head(loaded.labels, loaded.labelling, loaded.splits.train)
    classifier = load_classifier(locate(reference, notify=notify), head, dropout=dropout, notify=notify)
    if head.problem == "regression":
        choices["task (units)"] = units_reason(classifier)
    return classifier


def _choose_method(recipe: Recipe, classifier: Classifier, choices: dict[str, Resolved[Any]]) -> FullSpec | PartialSpec:
    if not isinstance(recipe.method, str):
        return recipe.method
    sizes = Counter[str]()
    for name, parameter in classifier.module.named_parameters():
        sizes[classifier.anatomy.part_of(name)] += parameter.numel()
    share = sizes["embeddings"] / sizes.total()
    frozen = share > EMBEDDINGS_SHARE
    reason = f"the embeddings are {share:.0%} of the weights" + (
        "; they stay frozen, all blocks train" if frozen else ""
    )
    choices["method"] = Resolved("partial" if frozen else "full", reason)
    return PartialSpec() if frozen else FullSpec()


def attach(method: FullSpec | PartialSpec, classifier: Classifier) -> TrainedWeights:
    """The model with what `method` says trains, and nothing else."""
    read_base = functools.partial(base_tensors, classifier)
    if isinstance(method, PartialSpec):
        return partial.attach(classifier.module, classifier.anatomy, method, base_tensors=read_base)
    return full.attach(classifier.module, classifier.anatomy, base_tensors=read_base)


def _facts(
    examples: dict[str, list[Example]],
    classifier: Classifier,
    attached: TrainedWeights,
    *,
    method: FullSpec | PartialSpec,
    task: str,
) -> Facts:
    lengths = [len(example.ids) for example in examples["train"]]
    return Facts(
        task=task,
        rows=len(lengths),
        validation_rows=len(examples["validation"]),
        mean_length=sum(lengths) / len(lengths),
        longest=max(lengths),
        width=width(classifier),
        trained=method.name if any(group.part == "body" for group in attached.parameter_groups()) else "head",
    )
