"""The untouched language model beside a classifier with a head: loaded for the baseline, and gone before the training.

Owns what it takes, and that it is left out where there is no memory for it or the checkpoint holds no such model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from affina.data.loading import Loaded
from affina.errors import ModelError
from affina.models.language import LanguageModel, load_language_model
from affina.models.reader import load_writer_reader
from affina.models.source import Source
from affina.pipeline.answering.shown import Answered
from affina.pipeline.baseline_cost import BaselineCost
from affina.pipeline.limits import Limited
from affina.pipeline.naming.namer import Namer
from affina.pipeline.naming.untouched import EVENT, Untouched, measure_untouched, what_to_ask
from affina.pipeline.prepared import Notify, Prepared
from affina.recipe.schema import Recipe
from affina.record.journal import Journal
from affina.record.payloads import Event
from affina.runtime import machine, randomness
from affina.runtime.heap import give_back
from affina.tasks.asking import Asking
from affina.tasks.label_scoring import BUDGET
from affina.tasks.token_loss import CHUNK
from affina.values import Resolved

CACHES: Final = 3
"""Copies of the prompts' keys and values while labels are read behind them."""
STATES: Final = 8
"""Tensors of the states' width that a forward pass holds at a time, the wider ones of its blocks counted as several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What is asked of which model.

    Attributes:
        source: of the model.
        labels: the names.
        limit: of a question with its label, in tokens.
        untouched: which rows and shots.
        weights: bytes of the model.
    """

    source: Source
    labels: tuple[str, ...]
    limit: int | None
    untouched: Untouched
    weights: int

    def cost(self, run: Prepared) -> BaselineCost:
        """Bytes that are held beside the classifier, and tokens."""
        size = self.weights + scoring_bytes(run.model.module)
        return BaselineCost(size=size, tokens=self.untouched.tokens, beside=True)

    def measure(self, subject: Answered, run: Prepared, journal: Journal) -> None:
        """Load the model, ask it, record what it says, and let it go; or say why not."""
        needed, free = self.cost(run).size, machine.free_memory(run.device)
        if free is not None and needed > free:
            _left_out(
                journal,
                f"about {needed / 2**20:,.0f} MiB are needed for it beside the run, {free / 2**20:,.0f} are free",
            )
            return
        with randomness.untouched():
            try:
                namer = self._load(run)
            except ModelError as error:
                _left_out(journal, f"{error.problems[0].found} (expected: {error.problems[0].expected})")
                return
            measure_untouched(subject, run, namer, self.untouched, journal)
        del namer
        give_back()

    def rehearse(self, subject: Answered, run: Prepared) -> None:
        """Load the model, and ask it for one row with the shots."""
        try:
            namer = self._load(run)
        except ModelError:
            return  # a run says so
        row = subject.rows[run.report_split][self.untouched.places[0]]
        namer.outputs([row], shots=self.untouched.shots)

    def _load(self, run: Prepared) -> Namer:
        model: LanguageModel = load_language_model(self.source)
        model.module.to(run.device).eval()
        return Namer(model=model, asking=Asking(model, self.labels, limit=self.limit), ended=False)


def beside(
    recipe: Recipe,
    loaded: Loaded,
    source: Source,
    limited: Limited,
    choices: dict[str, Resolved[Any]],
    *,
    notify: Notify,
) -> Beside | None:
    """What is asked of the untouched language model beside a run that trains a head on it; None where it cannot be.

    Args:
        recipe: as asked.
        loaded: the labels.
        source: of the model, which writes.
        limited: the rows, and the limit of their texts.
        choices: gets what was decided.
        notify: told of labels that the model cannot tell apart.
    """
    try:
        reader = load_writer_reader(source)
        words = Asking(reader, loaded.labels, limit=None)
    except ModelError as error:
        first = error.problems[0]
        notify(f"the untouched model is not asked for labels: {first.expected} were needed, there is {first.found}")
        return None
    limit = limited.limit + words.least
    asking = Asking(reader, loaded.labels, limit=min(limit, reader.max_length or limit))
    trained = sum(min(length, limited.limit) for length in limited.lengths["train"])
    asked = what_to_ask(recipe, limited.rows, asking, model=reader, training_tokens=trained, choices=choices)
    weights = sum(tensor.numel() * 4 for tensor in reader.module.parameters())
    return Beside(source=source, labels=tuple(loaded.labels), limit=asking.limit, untouched=asked, weights=weights)


def _left_out(journal: Journal, why: str) -> None:
    journal.append(Event(step=0, name=EVENT, text=f"the untouched model is not asked for labels: {why}"))


def scoring_bytes(module: Any) -> int:
    """What a batch of scored labels takes beside the weights, from the sizes: logits, states, and keys and values."""
    config = module.config.get_text_config()
    layers, width = int(config.num_hidden_layers), int(config.hidden_size)
    return 4 * (2 * CHUNK + BUDGET * width * (STATES + 2 * CACHES * layers))
