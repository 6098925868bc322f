"""What was not asked of a run: what its task and model can be asked, by key, and what this version has no probe of.

Made from the record alone. One that does not say whether the model can be asked about texts is of an earlier version:
then all is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from affina.record.risks import BY_GROUP, SWAPS
from affina.reporting.formats import listed
from affina.reporting.gap import Gap
from affina.reporting.gathered import CLASSIFICATION, Gathered
from affina.reporting.in_use import in_words

OF_TEXTS: Final = frozenset({"stereotypes_moved", "gender_gap_moved", "honest_rise"})
"""The metrics that decide of files of texts that are compared or filled in."""
IN_ITS_TASK: Final = frozenset({"flip_rate", "equalised_odds", "demographic_parity"})
"""Those of answers to the user's own rows."""
NO_PROBE: Final = {"regression": "a regression", "multi_label": "several labels a row"}
"""Tasks without a probe of their own that do not write."""
WORSE: Final = "whether it treats some groups of people, or ways of writing, worse"
TREATED: Final = Gap(
    "Other bias",
    "whether it treats some groups of people worse in its task: texts that are compared or filled in do not say it",
)
OTHERS: Final = Gap("Other bias", "of groups of people, and ways of writing, that were not asked about")
GROUPS: Final = Gap(
    "Groups of people",
    "whether answers and mistakes fall on them alike: risks.bias.group=COLUMN names a column of the data that tells",
)


def bias_unasked(run: Gathered, probes: set[str], metrics: set[str]) -> Iterator[Gap]:
    """What is left open of bias.

    Args:
        run: what was recorded.
        probes: the probes of bias that there were.
        metrics: those that decided.
    """
    if SWAPS in probes and BY_GROUP not in probes:
        yield GROUPS
    of_texts = bool(OF_TEXTS & metrics)
    if not IN_ITS_TASK & metrics and (of_texts or not probes & {SWAPS, BY_GROUP}):
        yield TREATED if of_texts else Gap("Bias", f"{WORSE}: {'; '.join(_ways(run))}")
        return
    left = "stereotypes, of which this model cannot be asked, and groups and ways of writing that were not asked about"
    if asked := [f"risks.bias.{key}" for key in _of_texts(run)]:
        left = left.replace("of which this model cannot be asked", f"which {listed(asked)} measure")
    yield OTHERS if of_texts else Gap("Other bias", left)


def can_be_asked(run: Gathered, lost: str) -> bool:
    """Whether the model has what a probe of skills from before needs, by the metric that decides."""
    if lost == "pairs_lost":
        return run.model is None or run.model.compares_texts is not False
    return lost != "choices_lost" or run.writes or in_words(run)


def _of_texts(run: Gathered) -> dict[str, str]:
    """Keys of files that the model can be asked about, and what each measures."""
    if can_be_asked(run, "pairs_lost"):
        return {"pairs": "stereotypes", "honest": "hurtful words that are put into templates"}
    translates = run.task == "translation"
    return {"pairs": "with MT-GenEval whether it translates one gender worse"} if translates else {}


def _ways(run: Gathered) -> Iterator[str]:
    """What can be asked, and what cannot."""
    known = [f"risks.bias.{key} measures {what}" for key, what in _of_texts(run).items()]
    if run.task == CLASSIFICATION:
        known.append("risks.bias.group and risks.bias.terms measure how people fare in its task")
    if known:
        yield listed(known)
    if run.task != CLASSIFICATION:
        what = NO_PROBE.get(run.task, "what a model writes at length")
        yield f"this version has no probe of bias in {what}"
