"""The probes of what a model that writes forgot: its own texts, and those that the user gave."""

from __future__ import annotations

from affina.models.language import LanguageModel
from affina.pipeline.prepared import Prepared
from affina.record.figures import LEAST_ROWS
from affina.record.journal import Journal
from affina.record.progress import Progress
from affina.record.risks import Probed
from affina.risks.allowance import Allowance
from affina.risks.foretelling import ANSWERS, MOST_TEXTS, OWN, READ, GivenTexts, OwnTexts
from affina.risks.own_texts import LENGTH, WRITTEN
from affina.risks.probe import Probe


def forgetting_of(model: LanguageModel, run: Prepared, allowance: Allowance, journal: Journal) -> list[Probe | Probed]:
    """The probes, or why one is left out; the user's own texts are read whatever that takes.

    Args:
        model: the run's.
        run: its recipe's part, and what is to be read.
        allowance: how much may be.
        journal: shown how far the writing is.
    """

    def going(done: int, of: int) -> None:
        journal.show(Progress(what="texts, untouched model", done=done, of=of))

    each = LENGTH * (WRITTEN + READ)
    found: list[Probe | Probed] = []
    name = ANSWERS if model.reads_apart else OWN
    refused = allowance.refused("forgetting", name, each=each, least=LEAST_ROWS)
    if refused is not None:
        found.append(refused)
    else:
        count = allowance.rows("forgetting", each=each, most=MOST_TEXTS)
        own = OwnTexts(model, count=count, sampling=run.sampling, budget=run.evaluation_budget, progress=going)
        found.append(own)
    if run.given.texts is not None:
        found.append(GivenTexts(model, run.given.texts, sampling=run.sampling, budget=run.evaluation_budget))
    return found
