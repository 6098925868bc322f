"""How far off the forecast of a run was, in one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from affina.record.payloads import Finished, Payload
from affina.record.starts import Predicted
from affina.reporting.formats import mebibytes


def how_far_off(records: Sequence[Payload]) -> str | None:
    """What was predicted beside what was measured; None where the run has not finished, or nothing was predicted."""
    predicted = next((record for record in records if isinstance(record, Predicted)), None)
    finished = next((record for record in reversed(records) if isinstance(record, Finished)), None)
    if predicted is None or finished is None:
        return None
    found = "; ".join(_figures(predicted, finished))
    how = (
        f"by {predicted.steps} rehearsed steps"
        if predicted.steps
        else "by the sizes alone, which is rough for the time"
    )
    return f"{found} (predicted {how})" if found else None


def _figures(predicted: Predicted, finished: Finished) -> Iterator[str]:
    if finished.memory_bytes:
        before, now = predicted.peak_memory_bytes, finished.memory_bytes
        below = finished.peak_memory_bytes - now
        above = f"above the {mebibytes(below)} of the interpreter: " if below else ""
        yield f"peak memory {above}{mebibytes(before)} predicted, {mebibytes(now)} measured ({before / now - 1:+.0%})"
    if finished.seconds_per_epoch:
        before_s, now_s = predicted.seconds_per_epoch, finished.seconds_per_epoch
        yield f"{before_s:,.1f} s an epoch predicted, {now_s:,.1f} s measured ({before_s / now_s - 1:+.0%})"
