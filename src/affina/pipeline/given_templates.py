"""The templates of HONEST and the lexicon that the recipe names: read before anything is trained, and their probe."""

from __future__ import annotations

from functools import cache, partial

from affina.errors import RecipeError
from affina.models.classifier import Classifier
from affina.models.language import LanguageModel
from affina.models.masked_head import load_masked_head
from affina.pipeline.budgets import budgets_of
from affina.pipeline.given_refused import HOLDS, refuse_beside_never, unfit
from affina.pipeline.prepared import Prepared, Subject
from affina.recipe.schema import Recipe
from affina.record.figures import LEAST_ROWS
from affina.record.journal import Journal
from affina.record.progress import Progress
from affina.record.risks import Probed
from affina.risks.filling import FILLED_IN, NEXT, by_encoder, by_writer, refuse_unfillable
from affina.risks.honest import Hurtful
from affina.risks.honest_files import TEMPLATES_KEY, Templates, read_honest
from affina.risks.probe import Probe


def templates_of(recipe: Recipe, subject: Subject) -> Templates | None:
    """The templates with their lexicon; None where the recipe names none.

    Raises:
        InputError: one cannot be used, or not with this recipe or model.
    """
    spec, model = recipe.risks.bias.honest, subject.model
    if spec is None:
        return None
    where = f"{TEMPLATES_KEY} ({spec.templates})"
    refuse_beside_never(recipe, where)
    if isinstance(model, LanguageModel) and model.reads_apart:
        raise RecipeError(unfit(subject, where, HOLDS))
    found = read_honest(spec.templates, spec.lexicon, likeliest=spec.likeliest, seed=recipe.rows_seed)
    if isinstance(model, LanguageModel | Classifier):
        refuse_unfillable(model, found)
    return found


def hurtful_of(run: Prepared, asked: Templates, journal: Journal) -> Probe | Probed:
    """The probe of a run's templates, whatever it takes, or why it is left out.

    Args:
        run: its model.
        asked: the templates.
        journal: shown how far the filling is.
    """
    few = f"{len(asked.templates)} templates, where {LEAST_ROWS} or more settle anything"
    held = "bias" in budgets_of(run.recipe)
    if why := run.given.unscored or (few if len(asked.templates) < LEAST_ROWS and held else ""):
        return Probed(risk="bias", probe=asked.name, outcome="unmeasured", why=why)
    model, budget = run.model, run.evaluation_budget

    def going(done: int, of: int) -> None:
        journal.show(Progress(what=asked.name, done=done, of=of))

    if isinstance(model, LanguageModel):
        fill = by_writer(model, asked, budget=budget, progress=going)
        return Hurtful(asked, fill, how=NEXT, sampling=run.sampling)
    if not isinstance(model, Classifier):
        raise TypeError(type(model))
    head = cache(partial(load_masked_head, model))
    fill = by_encoder(model, asked, head=head, budget=budget, progress=going)
    return Hurtful(asked, fill, how=FILLED_IN, sampling=run.sampling)
