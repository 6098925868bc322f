"""Why a head that trains alone may be worth less than a linear probe on the same model: it sees less of a text."""

from __future__ import annotations

from collections.abc import Mapping

from affina.pipeline.prepared import Prepared
from affina.pipeline.rates import is_head_alone
from affina.record.measures import direction
from affina.record.payloads import Scores
from affina.record.row_results import RowResults
from affina.reporting.formats import interval, name
from affina.reporting.verdict import pair_of, settled, telling


def sees_less(
    prepared: Prepared, scores: Mapping[str, Scores], rows: Mapping[str, RowResults]
) -> tuple[str, str] | None:
    """The cause and what to try, where a head alone reads one position and the probe, of all, is surely better.

    Few pre-trainings make the first position stand for a text; where no block trains, none learns to.

    Args:
        prepared: the run.
        scores: of every predictor, by name.
        rows: row by row, where that was recorded.
    """
    if not is_head_alone(prepared) or not prepared.model.anatomy.first_alone:
        return None
    tuned = scores["tuned"]
    key = telling(tuned.metrics, prepared.hyper.metric.value)
    reached, way = tuned.metrics[key], direction(key)
    apart = ("tuned", prepared.subject.guess_name)
    others = {who: one.metrics[key] for who, one in scores.items() if who not in apart and key in one.metrics}
    probe = max(others, key=lambda who: way * others[who].value, default=None)
    if probe is None or way * (reached.value - others[probe].value) >= 0:
        return None
    if not settled(reached, others[probe], pair_of(rows, probe, key, confidence=prepared.recipe.evaluate.confidence)):
        return None
    return (
        "the head trains alone and reads the first position, which need not stand for a text in a pre-trained model; "
        f"the {name(probe)} reads the mean of all, with {name(key)} {interval(key, others[probe])}",
        "method=full, or method=partial with method.blocks=2, so that this position learns to",
    )
