"""The labelled rows of an earlier task that the recipe names: read before anything is trained, and their probe."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

from affina.errors import Problem, RecipeError
from affina.evaluation.intervals import Floats
from affina.models.classifier import Classifier
from affina.models.language import LanguageModel
from affina.pipeline.given_refused import refuse_beside_never
from affina.pipeline.naming.namer import Namer
from affina.pipeline.prepared import Prepared, Subject
from affina.recipe.schema import Recipe
from affina.record.journal import Journal
from affina.record.progress import Progress
from affina.risks.earlier import BY_PROBE, IN_WORDS, Answered, cross_fitted
from affina.risks.earlier_file import EARLIER_KEY, Earlier, read_earlier
from affina.risks.mean_states import mean_states, read_rows_of
from affina.risks.probe import Probe
from affina.tasks.asking import Asking

Progressing = Callable[[int], None]


def earlier_of(recipe: Recipe, subject: Subject) -> Earlier | None:
    """The rows; None where the recipe names none.

    Raises:
        InputError: they cannot be used, or the model cannot be asked for their labels.
    """
    spec, model = recipe.risks.forgetting, subject.model
    if spec.earlier is None:
        return None
    refuse_beside_never(recipe, f"{EARLIER_KEY} ({spec.earlier})")
    confidence = recipe.evaluate.confidence
    found = read_earlier(spec.earlier, seed=recipe.rows_seed, budget=spec.budget, confidence=confidence)
    if isinstance(model, LanguageModel):
        least = _asking(model, found).least
        if model.max_length is not None and least > model.max_length:
            raise RecipeError(
                Problem(
                    where=f"{EARLIER_KEY} ({spec.earlier})",
                    expected=f"labels that a model of {model.max_length:,} tokens can read behind a text",
                    found=f"one that would take {least:,} tokens with the shortest text",
                    fix="name the labels in fewer words",
                )
            )
    return found


def answered_of(run: Prepared, earlier: Earlier, journal: Journal) -> Probe:
    """The probe of a run's earlier rows, whatever it takes.

    Args:
        run: its model.
        earlier: the rows.
        journal: shown how far the answering is.
    """
    model, confidence = run.model, run.recipe.evaluate.confidence

    def going(done: int) -> None:
        journal.show(Progress(what=earlier.name, done=done, of=len(earlier.rows)))

    if isinstance(model, LanguageModel):
        return _in_words(model, earlier, going, confidence=confidence)
    if not isinstance(model, Classifier):
        raise TypeError(type(model))
    return _by_probe(model, earlier, going, budget=run.evaluation_budget, confidence=confidence)


def _in_words(model: LanguageModel, earlier: Earlier, going: Progressing, *, confidence: float) -> Answered:
    asking = _asking(model, earlier)
    # a name that another begins with is never less likely than that, unless its end counts
    ended = any(second.startswith(first) for first, second in permutations(earlier.labels, 2))

    def look() -> Floats:
        return Namer(model=model, asking=asking, ended=ended).outputs(earlier.rows, progress=going)

    cut = sum(asking.fitting(row) is not row for row in earlier.rows)
    return Answered(earlier, look, how=(IN_WORDS, *_told(cut)), confidence=confidence)


def _by_probe(model: Classifier, earlier: Earlier, going: Progressing, *, budget: int, confidence: float) -> Answered:
    examples = read_rows_of(model, earlier.rows)

    def look() -> Floats:
        features = mean_states(model, examples, budget=budget, progress=going)
        return cross_fitted(features, earlier.targets, labels=len(earlier.labels))

    cut = sum(len(one.ids) == model.max_length for one in examples)
    return Answered(earlier, look, how=(BY_PROBE, *_told(cut)), confidence=confidence)


def _asking(model: LanguageModel, earlier: Earlier) -> Asking:
    return Asking(model, earlier.labels, limit=model.max_length)


def _told(cut: int) -> tuple[str, ...]:
    return (f"{cut:,} texts are as long as the model can read, or were cut to it, alike for both",) if cut else ()
