"""The files that the recipe's `risks` names: read and checked before anything is trained, and the probes of them.

What cannot be used is refused, with the recipe's key or the file's row. This module measures nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Final

from affina.errors import Problem, RecipeError
from affina.models.classifier import Classifier
from affina.models.language import LanguageModel
from affina.models.masked_head import load_masked_head
from affina.pipeline.prepared import Prepared, Subject
from affina.recipe.schema import Recipe
from affina.record.journal import Journal
from affina.record.progress import Progress
from affina.record.risks import Risk
from affina.risks import likelier, likelier_masked
from affina.risks.given import GivenFiles
from affina.risks.given_items import CHOICES_KEY, PAIRS_KEY, Items, read_choices, read_pairs
from affina.risks.given_texts import KEY, read_texts
from affina.risks.preferring import Judge, Look, Preferred, choices_lost, pairs_lost
from affina.risks.probe import Probe
from affina.risks.stereotype_files import STEREOTYPES_KEY, read_stereotypes
from affina.risks.stereotypes import judge_of

FORETELLS: Final = "a decoder that writes"
WRITES: Final = "a model that writes"
HOLDS: Final = "a decoder that writes, or an encoder"


def files_of(recipe: Recipe, subject: Subject) -> GivenFiles:
    """The files that the recipe names.

    Raises:
        InputError: one cannot be used, or not with this recipe or model.
    """
    forgetting, bias, model = recipe.risks.forgetting, recipe.risks.bias, subject.model
    apart = isinstance(model, LanguageModel) and model.reads_apart
    by_a_head = isinstance(model, Classifier)
    reads = "answers by a head" if by_a_head else "reads with an encoder"

    def named(path: str | None, key: str, expected: str, *, unfit: bool) -> str | None:
        if path is None or not (unfit or recipe.risks.measure == "never"):
            return path
        found, fix = "risks.measure=never beside it", "leave one of the two out"
        if recipe.risks.measure != "never":
            found = f"a model that {reads}, which foretells no text"
            fix = "leave it out; what such a model forgot is measured without a file"
        expected = f"{expected}, and is measured"
        raise RecipeError(Problem(where=f"{key} ({path})", expected=expected, found=found, fix=fix))

    def items(path: str | None, read: Callable[..., Items]) -> Items | None:
        if path is None:
            return None
        found = read(path, seed=recipe.rows_seed)
        if isinstance(model, LanguageModel):
            likelier.refuse_unreadable(model, found)
        elif isinstance(model, Classifier):
            likelier_masked.refuse_unreadable(model, found)
        return found

    texts = named(forgetting.texts, KEY, FORETELLS, unfit=apart or by_a_head)
    return GivenFiles(
        texts=None if texts is None else read_texts(texts, seed=recipe.rows_seed),
        pairs=items(named(forgetting.pairs, PAIRS_KEY, HOLDS, unfit=apart), read_pairs),
        choices=items(named(forgetting.choices, CHOICES_KEY, WRITES, unfit=by_a_head), read_choices),
        stereotypes=items(named(bias.pairs, STEREOTYPES_KEY, HOLDS, unfit=apart), read_stereotypes),
    )


def likelier_of(run: Prepared, journal: Journal) -> Iterator[Probe]:
    """The probes of the files whose texts are compared; they are read whatever it takes.

    Args:
        run: its model, and the files.
        journal: shown how far the reading is.
    """
    given, sampling, look = run.given, run.sampling, _looks_of(run, journal)
    how = likelier.HOW if isinstance(run.model, LanguageModel) else likelier_masked.HOW

    def probe(items: Items, judge: Judge, risk: Risk) -> Probe:
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
        return lambda items: likelier.looks_of(model, items, budget=budget, progress=going(items))
    if not isinstance(model, Classifier):
        raise TypeError(type(model))
    head = cache(partial(load_masked_head, model))
    return lambda items: likelier_masked.looks_of(model, items, head=head, budget=budget, progress=going(items))
