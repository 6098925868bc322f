"""The files that the recipe's `risks` names: read and checked before anything is trained, and the probes of them.

What cannot be used is refused, with the recipe's key or the file's row. This module measures nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from typing import Final

from affina.errors import ModelError, Problem, RecipeError
from affina.models.classifier import Classifier
from affina.models.language import LanguageModel
from affina.models.masked_head import load_masked_head
from affina.pipeline.budgets import budgets_of
from affina.pipeline.given_earlier import answered_of, earlier_of
from affina.pipeline.given_refused import HOLDS, refuse_beside_never, unfit
from affina.pipeline.given_templates import hurtful_of, templates_of
from affina.pipeline.prepared import Notify, Prepared, Subject
from affina.pipeline.writing.subject import Writing
from affina.recipe.schema import Recipe
from affina.recipe.task_specs import TranslationSpec
from affina.record.figures import LEAST_ROWS
from affina.record.journal import Journal
from affina.record.progress import Progress
from affina.record.risks import Probed, Risk
from affina.risks import likelier, likelier_masked
from affina.risks.allowance import Allowance
from affina.risks.given import GivenFiles
from affina.risks.given_items import CHOICES_KEY, PAIRS_KEY, Items, Kind, read_choices, read_pairs
from affina.risks.given_texts import KEY, read_texts
from affina.risks.honest_files import TEMPLATES_KEY
from affina.risks.preferring import Judge, Look, Preferred, choices_lost, pairs_lost
from affina.risks.probe import Probe
from affina.risks.stereotype_files import STEREOTYPES_KEY, read_stereotypes
from affina.risks.stereotypes import judge_of
from affina.tasks.lessons import Teacher

FORETELLS: Final = "a decoder that writes"
WRITES: Final = "a model that writes"
TRANSLATES: Final = "a model that learns to translate (task=translation)"


def files_of(recipe: Recipe, subject: Subject, notify: Notify) -> GivenFiles:
    """The files that the recipe names.

    Args:
        recipe: as asked.
        subject: its model is what is to be asked.
        notify: told of files that this model cannot be asked about, for want of a head.

    Raises:
        InputError: one cannot be used, or not with this recipe or model.
    """
    forgetting, seed = recipe.risks.forgetting, recipe.rows_seed

    def items(path: str | None, key: str, read: Callable[..., Items]) -> Items | None:
        if path is None:
            return None
        where = f"{key} ({path})"
        refuse_beside_never(recipe, where)
        found = read(path, seed=seed)
        _refuse_unfit(subject, where, found)
        if isinstance(subject.model, LanguageModel):
            likelier.refuse_unreadable(subject.model, found, teacher=_teacher(subject, found.kind))
        elif isinstance(subject.model, Classifier):
            likelier_masked.refuse_unreadable(subject.model, found)
        if found.notice:
            notify(f"{where}: {found.notice}")
        return found

    if forgetting.texts is not None:
        refuse_beside_never(recipe, f"{KEY} ({forgetting.texts})")
        if not isinstance(subject.model, LanguageModel) or subject.model.reads_apart:
            raise RecipeError(unfit(subject, f"{KEY} ({forgetting.texts})", FORETELLS))
    given = GivenFiles(
        texts=None if forgetting.texts is None else read_texts(forgetting.texts, seed=seed),
        pairs=items(forgetting.pairs, PAIRS_KEY, read_pairs),
        choices=items(forgetting.choices, CHOICES_KEY, read_choices),
        earlier=earlier_of(recipe, subject),
        stereotypes=items(recipe.risks.bias.pairs, STEREOTYPES_KEY, read_stereotypes),
        honest=templates_of(recipe, subject),
    )
    if isinstance(subject.model, Classifier) and (lacking := _headless(subject.model, given)):
        notify(f"{lacking}; what they would show is not measured")
        return replace(given, unscored=lacking)
    return given


def _headless(model: Classifier, given: GivenFiles) -> str:
    """Why the files that an encoder scores by its masked-language head cannot be scored; empty where they can."""
    named = {PAIRS_KEY: given.pairs, STEREOTYPES_KEY: given.stereotypes, TEMPLATES_KEY: given.honest}
    keys = [key for key, asked in named.items() if asked is not None]
    if not keys:
        return ""
    try:
        load_masked_head(model)
    except ModelError as error:
        first = error.problems[0]
        asked = " and ".join(key.removeprefix("recipe key ") for key in keys)
        there = f"needed is {first.expected}, and there is {first.found}"
        return f"of {asked} this model cannot be asked: {there} ({first.fix})"
    return ""


def _refuse_unfit(subject: Subject, where: str, items: Items) -> None:
    """Stop at a model that cannot be asked for such items."""
    model, kind, spec = subject.model, items.kind, subject.spec
    if kind == "multiple choice":
        fits, expected = isinstance(model, LanguageModel), WRITES
    elif kind == "MT-GenEval":
        fits, expected = _teacher(subject, kind) is not None, TRANSLATES
    else:
        fits, expected = not (isinstance(model, LanguageModel) and model.reads_apart), HOLDS
    if not fits:
        raise RecipeError(unfit(subject, where, expected))
    if items.languages is not None and isinstance(spec, TranslationSpec):
        _refuse_other_way(spec, where, items.languages)


def _refuse_other_way(spec: TranslationSpec, where: str, languages: tuple[str, str]) -> None:
    """Stop at sentences that would be translated another way than the run learns to."""
    if languages != (spec.source_language, spec.target_language):
        found = f"from {languages[0]} to {languages[1]}, by the order of its columns"
        expected = f"sentences that are translated from {spec.source_language} to {spec.target_language}"
        fix = f"write the columns of {spec.source_language} before those of {spec.target_language}"
        raise RecipeError(Problem(where=where, expected=expected, found=found, fix=fix))


def _teacher(subject: Subject, kind: Kind) -> Teacher | None:
    """What puts items into the words of a translator's task; other items are texts of their own."""
    if kind != "MT-GenEval" or not isinstance(subject, Writing) or subject.spec.name != "translation":
        return None
    return subject.writer.teacher


def every_probe(run: Prepared, allowance: Allowance, journal: Journal) -> list[Probe | Probed]:
    """All probes of a run, or why one is left out: its subject's, and those of the files."""
    found = [*run.subject.probes(run, allowance, journal), *likelier_of(run, journal)]
    if run.given.earlier is not None:
        found.append(answered_of(run, run.given.earlier, journal))
    if run.given.honest is not None:
        found.append(hurtful_of(run, run.given.honest, journal))
    return found


def likelier_of(run: Prepared, journal: Journal) -> Iterator[Probe | Probed]:
    """The probes of the files whose texts are compared, or why one is left out; they are read whatever it takes.

    Args:
        run: its model, and the files.
        journal: shown how far the reading is.
    """
    given, sampling, look = run.given, run.sampling, _looks_of(run, journal)
    budgets = budgets_of(run.recipe)
    how = likelier.HOW if isinstance(run.model, LanguageModel) else likelier_masked.HOW

    def probe(items: Items, judge: Judge, risk: Risk) -> Probe | Probed:
        few = f"{len(items.items)} items, where {LEAST_ROWS} or more settle anything"
        if why := given.unscored or (few if len(items.items) < LEAST_ROWS and risk in budgets else ""):
            return Probed(risk=risk, probe=items.name, outcome="unmeasured", why=why)
        return Preferred(items, look(items), how=how[items.kind], judge=judge, risk=risk)

    if given.pairs is not None:
        yield probe(given.pairs, partial(pairs_lost, sampling=sampling), "forgetting")
    if given.choices is not None:
        yield probe(given.choices, partial(choices_lost, sampling=sampling), "forgetting")
    if given.stereotypes is not None:
        yield probe(given.stereotypes, judge_of(given.stereotypes.kind, sampling=sampling), "bias")


def _looks_of(run: Prepared, journal: Journal) -> Callable[[Items], Look]:
    """What scores a file by the run's model; a masked-language head is read once, when it is first asked."""
    model, budget = run.model, run.evaluation_budget

    def going(items: Items) -> Callable[[int, int], None]:
        return lambda done, of: journal.show(Progress(what=items.name, done=done, of=of))

    if isinstance(model, LanguageModel):
        return lambda items: likelier.looks_of(
            model, items, teacher=_teacher(run.subject, items.kind), budget=budget, progress=going(items)
        )
    if not isinstance(model, Classifier):
        raise TypeError(type(model))
    head = cache(partial(load_masked_head, model))
    return lambda items: likelier_masked.looks_of(model, items, head=head, budget=budget, progress=going(items))
