"""A finished run's model against its own record: asked again, it answers as the record says that it did.

Rows that answer by a head, or by a label's name, are compared by each row's result; texts are written once more. It is
measured with what the run ships, opened as every other verb opens it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from affina.data.drawing import drawn_places
from affina.data.rows import Row
from affina.models.quiet import Notify
from affina.models.writing import batches
from affina.pipeline.prepared import Prepared
from affina.pipeline.writing import shown
from affina.pipeline.writing.measuring import most_rows
from affina.record.measures import WRITING
from affina.record.row_results import RowResults, WrittenTexts
from affina.reporting.formats import counted
from affina.reporting.gathered import gather
from affina.runtime import products
from affina.verbs.runs import FinishedRun, open_run
from affina.verbs.writers import OpenWriter, open_writer
from affina.verifying.guarantees import EXACT, Guarantee, absent, within

RECORDED: Final = "recorded"
TUNED: Final = "tuned"
ROWS: Final = 64
"""Rows that are asked again, at most."""
CLOSE: Final = 1e-4
"""Of the largest result in the record, which keeps six digits of each."""


@products.scoped()
def as_recorded(run: FinishedRun, prepared: Prepared, *, device: str, notify: Notify) -> Guarantee:
    """Ask the shipped model for some rows of the report again.

    Args:
        run: what it left.
        prepared: the same recipe, prepared once more: its rows.
        device: auto, cpu, cuda or mps.
        notify: told of slow work.

    Raises:
        ModelError: what is shipped cannot be opened.
    """
    if changed := [file for file, digest in run.data.files.items() if prepared.loaded.files.get(file) != digest]:
        return absent(RECORDED, f"{changed[0]} is not the file any more that the run was trained and measured with")
    rows, gathered = prepared.rows[prepared.report_split], gather(run.records)
    found = gathered.rows.get(TUNED)
    if found is None:
        return absent(RECORDED, "the run's record has no results row by row")
    if run.data.task in WRITING:
        writer = open_writer(run, device=device, notify=notify)
        return _of_losses(writer, rows, found) if writer.writer.alone else _of_texts(writer, rows, gathered.texts)
    return _of_answers(run, rows, found, device=device, notify=notify)


def _of_answers(
    run: FinishedRun, rows: Sequence[Row], recorded: RowResults, *, device: str, notify: Notify
) -> Guarantee:
    opened = open_run(run, device=device)
    places = drawn_places(len(rows), most=ROWS, seed=run.recipe.seed)
    some = [rows[place] for place in places]
    outputs = opened.predict(some, notify=notify)
    by_row = opened.judge.by_row(outputs, opened.answering.targets(some), opened.thresholds)
    columns = [(recorded.values[name], found) for name, found in by_row.values.items() if name in recorded.values]
    columns += [
        pair
        for name, parts in by_row.parts.items()
        if name in recorded.parts
        for pair in zip(recorded.parts[name], parts, strict=True)
    ]
    figure = max((_off(known, found.tolist(), places) for known, found in columns), default=float("nan"))
    other = 0
    if by_row.predicted is not None:
        other = sum(recorded.predicted[place] != said for place, said in zip(places, by_row.predicted, strict=True))
    if other:
        figure = max(figure, 1.0)
    what = _asked(len(places), "rows", recorded.split)
    return within(
        RECORDED,
        figure,
        CLOSE,
        holds=f"{what} answers as the record says",
        broken=f"{what} does not answer as the record says" + (f": {other} other labels" if other else ""),
    )


def _off(known: Sequence[float], found: Sequence[float], places: Sequence[int]) -> float:
    """The largest difference over the largest result of all rows."""
    largest = max(map(abs, known)) or 1.0
    return max(abs(known[place] - one) for place, one in zip(places, found, strict=True)) / largest


def _of_losses(writer: OpenWriter, rows: Sequence[Row], recorded: RowResults) -> Guarantee:
    """The losses of texts alone."""
    places = drawn_places(len(rows), most=ROWS, seed=writer.run.recipe.seed)
    taught = writer.writer.taught([rows[place] for place in places])
    found = writer.writer.losses(taught, budget=max(map(len, taught.passages)))
    figure = _off(recorded.parts["loss"][0], found.nats.tolist(), places)
    what = _asked(len(places), "rows", recorded.split)
    return within(
        RECORDED,
        figure,
        CLOSE,
        holds=f"{what} has the losses that the record says",
        broken=f"{what} has other losses than the record says",
    )


def _of_texts(writer: OpenWriter, rows: Sequence[Row], texts: Mapping[str, WrittenTexts]) -> Guarantee:
    """Texts, written in a batch that the run wrote together, so that nothing but the model can change them."""
    known, recipe = texts.get(TUNED), writer.run.recipe
    if known is None:
        return absent(RECORDED, "the run wrote no texts")
    if writer.writer.how.temperature:
        return absent(RECORDED, "texts are drawn at random (generate.temperature): they are not the same twice")
    wanted = writer.writer.to_write(rows, most=most_rows(recipe.generate.rows), seed=recipe.rows_seed)
    lengths = [len(one.ids) for one in writer.writer.ask(wanted.rows)]
    *_, last = batches(writer.writer.model, lengths, writer.writer.how)
    again = writer.writer.write([wanted.rows[place] for place in last])
    said = shown.texts(again, who=TUNED, split=known.split).texts
    other = sum(text != known.texts[place] for place, text in zip(last, said, strict=True))
    what = _asked(len(last), "texts", known.split)
    return within(
        RECORDED,
        float(other),
        EXACT,
        holds=f"{what} writes what the record says, letter by letter",
        broken=f"{what} writes {other} of them in other words than the record says",
    )


def _asked(count: int, things: str, split: str) -> str:
    """What was looked at, as a sentence begins."""
    return f"asked again for {counted(count, things)} of {split}, what the run ships"
