"""The first half of a run: recipe, data, model, task and method, checked and decided. Nothing is written here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from affina.data.labelling.written import Written
from affina.data.loading import Loaded, load
from affina.data.mixing import are_plain, seen_in, weights_of
from affina.errors import Problem, RecipeError
from affina.methods.base import Attached
from affina.models.base import Pretrained, width
from affina.models.language import LanguageModel
from affina.models.source import Source
from affina.models.starters import DECODER, ENCODER
from affina.pipeline.answering.prepare import prepare as prepare_answering
from affina.pipeline.attaching import begin_method, told_of
from affina.pipeline.beginning import begin
from affina.pipeline.budgets import told_of_search
from affina.pipeline.choosing_method import check_beside, choose_method
from affina.pipeline.computing import choose_computing
from affina.pipeline.evening import check_evening, told_of_pairing
from affina.pipeline.folders import begun_with
from affina.pipeline.given_files import files_of
from affina.pipeline.identity import Looked, terms_of, with_people, with_swapped
from affina.pipeline.keeping import with_kept
from affina.pipeline.looking_up import with_looked_up
from affina.pipeline.naming.forms import FORM, WORDS, asked_form, form_of, is_a_choice
from affina.pipeline.naming.prepare import prepare as prepare_naming
from affina.pipeline.prepared import Notify, Prepared, Subject
from affina.pipeline.rates import HEAD_RATE
from affina.pipeline.regularising import told_of_regularisers
from affina.pipeline.replayed import told_of_texts
from affina.pipeline.running_again import begin_running_again
from affina.pipeline.staging import Turns, told_of_rates, turns_of
from affina.pipeline.training import laid_out, told_of_steps
from affina.pipeline.treating import doubts_of_groups
from affina.pipeline.unkept_budgets import checked_budgets
from affina.pipeline.writing.planted import refuse_without_texts
from affina.pipeline.writing.prepare import prepare as prepare_writing
from affina.recipe.base import AUTO
from affina.recipe.resolve import Facts, Hyperparameters, resolve, trained_by
from affina.recipe.schema import Method, Recipe
from affina.record.starts import QUANTIZE
from affina.runtime import randomness
from affina.runtime.four_bits import bitsandbytes
from affina.training.optimizer import KEY as EIGHT_BITS
from affina.values import Resolved

FOUR_BITS: Final = "given in the recipe; the untouched model is measured so, too"


def prepare(recipe: Recipe, *, notify: Notify, share: float = 1.0) -> Prepared:
    """Read and check everything that the recipe names, and decide what it left open.

    Args:
        recipe: as asked.
        notify: told of slow work, such as fetching a starter model.
        share: of the epochs and steps that the recipe comes to; a round of a comparison has less than all.

    Raises:
        InputError: something that the user gave cannot be used.
    """
    notices: list[str] = []

    def told(text: str) -> None:
        notices.append(text)
        notify(text)

    randomness.seed_everything(recipe.seed)
    choices: dict[str, Resolved[Any]] = {}
    device, precision = choose_computing(recipe, choices)
    loaded = load(recipe.data, seed=recipe.rows_seed, task=recipe.task, people=recipe.risks.bias.group)
    refuse_without_texts(recipe, task=loaded.labelling.name, writes=loaded.labelling.writes)
    choices |= loaded.choices | _optimizer(recipe)
    terms = terms_of(recipe, loaded, choices)
    as_read, loaded = loaded, with_swapped(recipe, loaded, terms, choices)
    source, begun = _begin(recipe, loaded, choices, told)
    words = not loaded.labelling.writes and in_words(recipe, loaded, source, choices)
    subject, looked = _subject_of(begun, loaded, source, choices, words=words, notify=told)
    audited, findings = with_people(looked, as_read, terms, recipe)
    chosen = choose_method(begun, subject, choices, begun=partial(begun_with, recipe, "method"))
    method, attached = _attached(chosen, subject)
    choices |= told_of(method, attached, subject, recipe, precision=precision)
    choices |= begin_running_again(recipe, subject.model, attached)
    turns = turns_of(method, attached, subject.model.anatomy)
    choices |= told_of_rates(turns) | told_of_regularisers(recipe.train, subject.model, method, attached)
    facts = _with_turns(_facts(subject, loaded, attached, method=method, seed=recipe.seed), turns)
    recipe, hyper = _decided(recipe, facts, subject.watched, share=share)
    begun_in = partial(begun_with, recipe, "train", "pack")
    subject, arranged = subject.arranged(recipe, attached, budget=hyper.batch_tokens.value, begun=begun_in)
    prepared = Prepared(
        recipe=recipe,
        loaded=loaded,
        subject=subject,
        attached=attached,
        hyper=hyper,
        method=method,
        device=device,
        precision=precision,
        draws=recipe.seed,
        choices=choices | _of_use(hyper.by_key(), subject) | arranged | told_of_search(recipe),
        findings=findings,
        audited=audited,
        notices=(),
        given=files_of(recipe, subject, told),
        terms=terms,
    )
    prepared = _with_steps(prepared, told)
    return checked_budgets(replace(prepared, notices=tuple(notices)))


def _attached(chosen: Method, subject: Subject) -> tuple[Method, Attached]:
    """The method as it is on the model; one by which nothing trains is refused."""
    method, attached = begin_method(chosen, subject)
    if not attached.state_dict():
        raise RecipeError(_nothing_trains(subject.model))
    return method, attached


def _optimizer(recipe: Recipe) -> dict[str, Resolved[Any]]:
    """What is said of another optimizer than usual.

    Raises:
        RecipeError: its library is not installed.
    """
    if recipe.train.optimizer == "adamw":
        return {}
    bitsandbytes(EIGHT_BITS)
    return {EIGHT_BITS: Resolved(recipe.train.optimizer, "given in the recipe; approximate: moments are rounded")}


def _with_steps(prepared: Prepared, notify: Notify) -> Prepared:
    """The run with what hangs on its steps decided: turns of layers, a warm-up, what is run once for each row."""
    steps = laid_out(prepared)
    of_steps, doubts = told_of_steps(prepared, steps)
    for text in (*doubts, *doubts_of_groups(prepared)):
        notify(text)
    choices = prepared.choices | told_of_texts(prepared) | of_steps
    choices |= told_of_pairing(prepared.recipe, prepared.rows["train"], prepared.terms)
    prepared = replace(prepared, choices=choices)
    begun = partial(begun_with, prepared.recipe, "train", "cache")
    return with_looked_up(with_kept(prepared, begun=begun, steps=steps))


def _subject_of(
    recipe: Recipe,
    loaded: Loaded,
    source: Source,
    choices: dict[str, Resolved[Any]],
    *,
    words: bool,
    notify: Notify,
) -> tuple[Subject, Looked]:
    """The subject, and what was looked at in its rows; `words`: labels are learned in words."""
    check_evening(recipe, loaded, by_head=not (words or loaded.labelling.writes))
    if isinstance(loaded.labelling, Written):
        return prepare_writing(recipe, loaded, loaded.labelling, source, choices, notify=notify)
    if words:
        return prepare_naming(recipe, loaded, source, choices, notify=notify)
    return prepare_answering(recipe, loaded, source, choices, notify=notify)


def _decided(recipe: Recipe, facts: Facts, watched: Resolved[str], *, share: float) -> tuple[Recipe, Hyperparameters]:
    """The recipe of that share of the run, and what it left open."""
    hyper = resolve(recipe.train, recipe.evaluate, facts, metric=watched)
    if share == 1:
        return recipe, hyper
    most, epochs = recipe.train.max_steps, hyper.epochs.value * share
    steps = None if most is None else max(1, round(most * share))
    train = recipe.train.model_copy(update={"epochs": epochs, "max_steps": steps})
    return recipe.model_copy(update={"train": train}), resolve(train, recipe.evaluate, facts, metric=watched)


def _with_turns(facts: Facts, turns: Turns | None) -> Facts:
    if turns is None:
        return facts
    return replace(facts, layer_decay=turns.spec.layer_decay, unfrozen_after=turns.epochs)


def _nothing_trains(model: Pretrained) -> Problem:
    return Problem(
        where="recipe key method.blocks",
        expected=f"at least 1 of {len(model.anatomy.blocks)} blocks, of a model that has no head to train alone",
        found="0, so that no weight would train",
        fix="write method={name: partial, blocks: 1}, or leave method out",
    )


def in_words(recipe: Recipe, loaded: Loaded, source: Source, choices: dict[str, Resolved[Any]]) -> bool:
    """Whether labels are learned in words; which form that is, is a choice where there is one."""
    form = form_of(recipe, loaded, source)
    if form is not None and is_a_choice(form, source):
        choices[FORM] = form
    return form is not None and form.value == WORDS


def _of_use(chosen: Mapping[str, Resolved[Any]], subject: Subject) -> dict[str, Resolved[Any]]:
    """Without the rate of a head where there is none."""
    return {key: value for key, value in chosen.items() if subject.outputs or key != HEAD_RATE}


def _begin(recipe: Recipe, loaded: Loaded, choices: dict[str, Resolved[Any]], notify: Notify) -> tuple[Source, Recipe]:
    usual = default_model(loaded, recipe)
    if recipe.model == AUTO:
        choices["model"] = usual
    source, begun = begin(recipe, usual.value if recipe.model == AUTO else recipe.model, choices, notify=notify)
    if not recipe.packs:
        return source, begun
    check_beside(begun.method)
    choices[QUANTIZE] = Resolved(recipe.quantize, FOUR_BITS)
    return replace(source, packed=True), begun


def default_model(loaded: Loaded, recipe: Recipe) -> Resolved[str]:
    """The model where the recipe names none."""
    if loaded.labelling.writes or asked_form(recipe) == WORDS:
        return Resolved(DECODER.name, "small enough for a laptop, writes English, and needs no hub")
    return Resolved(ENCODER.name, "small, strong on short texts, and needs no hub")


def _facts(
    subject: Subject,
    loaded: Loaded,
    attached: Attached,
    *,
    method: Method,
    seed: int,
) -> Facts:
    lengths = _as_seen(subject, loaded, seed=seed)
    return Facts(
        task=subject.spec.name,
        rows=len(lengths),
        validation_rows=len(subject.rows["validation"]),
        mean_length=sum(lengths) / len(lengths),
        longest=max(lengths),
        width=width(subject.model),
        trained=trained_by(method) if any(group.part == "body" for group in attached.parameter_groups()) else "head",
        writes=isinstance(subject.model, LanguageModel),
        affordable=subject.affordable,
    )


def _as_seen(subject: Subject, loaded: Loaded, *, seed: int) -> Sequence[int]:
    """The training rows' lengths, each as often as the first epoch has the row."""
    lengths = subject.lengths["train"]
    if are_plain(loaded.weights):
        return lengths
    return [lengths[place] for place in seen_in(weights_of(subject.rows["train"], loaded.weights), seed=seed, epoch=0)]
