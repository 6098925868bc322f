"""Checks of the arithmetic: that batches, padding, packing and accumulation change nothing but the order of sums.

All of them look at the model as the short training left it, without dropout, in float32 or in float64. The reference is
always a row by itself, or the model's own forward pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import torch

from affina.pipeline.answering.subject import Answering
from affina.pipeline.arranging import PACK
from affina.pipeline.prepared import Prepared
from affina.reporting.formats import counted
from affina.training.plan import Window
from affina.verifying import kinds
from affina.verifying.bench import Bench
from affina.verifying.guarantees import Guarantee, absent, failed, within
from affina.verifying.measuring import distance, gradients, off, precisely, taken, trained_tensors

ACCUMULATION: Final = "accumulation"
BATCHES: Final = "batches"
PACKING: Final = "packing"
APART: Final = "apart"
LOSS: Final = "own forward"


def arithmetic(bench: Bench) -> Iterator[Guarantee]:
    """All of them."""
    with precisely(bench.run, double=bench.double):
        bench.run.attached.eval()
        yield accumulation(bench)
        yield in_batches(bench)
        yield packed(bench)
        yield apart(bench)
        yield own_forward(bench)


def accumulation(bench: Bench) -> Guarantee:
    """Gradients of a window in one micro-batch and in several of unequal sizes."""
    places = _in_one_batch(bench)
    several = _in_several(places)
    whole, parts = gradients(bench.run, [places]), gradients(bench.run, several)
    what = f"the gradients of {len(places)} rows in {len(several)} micro-batches of unequal sizes"
    return within(
        ACCUMULATION,
        distance(whole, parts),
        bench.close,
        holds=f"{what} are those of one large batch",
        broken=f"{what} are not those of one large batch",
    )


def _in_one_batch(bench: Bench) -> list[int]:
    """The shorter rows, as many as one batch of the user's size has room for; two at least."""
    order = bench.shortest
    room = bench.run.hyper.batch_tokens.value * 2
    count = max(
        count for count in range(1, len(order) + 1) if count <= 2 or count * bench.lengths[order[count - 1]] <= room
    )
    return order[:count]


def _in_several(places: Sequence[int]) -> Window:
    """One row, some rows, the rest."""
    middle = 1 + (len(places) - 1) // 3
    return [list(part) for part in (places[:1], places[1:middle], places[middle:]) if part]


def in_batches(bench: Bench) -> Guarantee:
    """The summed losses of batches of like length, padded, and of their rows one at a time."""
    run = kinds.padded(bench.run)
    batches = _met(bench, kinds.planned(run))
    figure, rows = _against_single(run, run, batches), len(bench.places)
    what = f"{rows} rows in {counted(len(batches), 'batches')} of like length, padded to the longest: each batch's loss"
    return within(
        BATCHES,
        figure,
        bench.close,
        holds=f"{what} is the sum of its rows' losses, one at a time",
        broken=f"{what} is not the sum of its rows' losses, one at a time",
    )


def _met(bench: Bench, batches: Sequence[list[int]]) -> Sequence[list[int]]:
    """The batches; the two shortest rows in one where the user's batches have one row each."""
    if max(map(len, batches)) > 1:
        return batches
    second, first = bench.shortest[1::-1]
    return [[second, first], *(batch for batch in batches if batch[0] not in (first, second))]


def packed(bench: Bench) -> Guarantee:
    """The same of rows that share a line."""
    run = bench.run
    if not kinds.is_packed(run):
        return absent(PACKING, _why_not_packed(run))
    batches = kinds.planned(run)
    what = f"{len(bench.places)} rows {kinds.packed_how(run)}: each batch's loss"
    return within(
        PACKING,
        _against_single(run, kinds.padded(run), batches),
        bench.close,
        holds=f"{what} is the sum of its rows' losses, each alone",
        broken=f"{what} is not the sum of its rows' losses, each alone",
    )


def _why_not_packed(run: Prepared) -> str:
    if isinstance(run.subject, Answering):
        return "only models that write are packed: here every row has a line of its own"
    said = run.choices.get(PACK)
    return "this run packs no rows" + (f": {said.reason}" if said is not None else "")


@torch.no_grad()
def _against_single(run: Prepared, single: Prepared, batches: Sequence[list[int]]) -> float:
    """The largest difference, relative, between a batch's loss and the sum of its rows' own."""
    together, alone = run.subject.work(run), single.subject.work(single)
    pairs = [
        (float(together.loss(together.batch(batch))), sum(float(alone.loss(alone.batch([place]))) for place in batch))
        for batch in batches
    ]
    return max(abs(found - expected) / max(abs(expected), torch.finfo(torch.float32).tiny) for found, expected in pairs)


def apart(bench: Bench) -> Guarantee:
    """What the model makes of the others when one row of a batch, or of a line, is another."""
    found = [_moved(run, bench) for run in _forms(bench.run)]
    others, own, rows = max(one[0] for one in found), min(one[1] for one in found), found[0][2]
    where = "a batch or a packed line" if len(found) > 1 else "a batch"
    if own <= bench.close:  # nothing that is changed is seen: the others' standing still says nothing
        return failed(APART, f"changing one row of {where} does not even change what the model makes of that row")
    return within(
        APART,
        others,
        bench.close,
        holds=f"changing one row of {where} leaves what the model makes of the other {rows} as it is",
        broken=f"changing one row of {where} changes what the model makes of the others: rows see each other",
    )


def _forms(run: Prepared) -> tuple[Prepared, ...]:
    return (kinds.padded(run), run) if kinds.is_packed(run) else (run,)


def _moved(run: Prepared, bench: Bench) -> tuple[float, float, int]:
    """How far the other rows of a batch move, how far the changed one does, and how many others there are."""
    batch = max(_met(bench, kinds.planned(run)), key=len)
    before, after = kinds.apart(run, batch), kinds.apart(kinds.altered(run, batch[0]), batch)
    largest = max(float(one.abs().max()) for one in before)
    moved = [float((one - other).abs().max()) / largest for one, other in zip(before, after, strict=True)]
    return max(moved[1:]), moved[0], len(batch) - 1


def own_forward(bench: Bench) -> Guarantee:
    """The loss where a target is, in chunks, against the whole forward pass of the model; of a head, its logits."""
    run, places = bench.run, bench.looked
    if isinstance(run.subject, Answering):
        with torch.no_grad():
            figure = off(kinds.logits(run, places), kinds.own_logits(run, places))
        what = f"the logits of {counted(len(places), 'rows')}, computed only as far as the head reads,"
        return _as_own(figure, bench, what)
    lines = kinds.padded(run)
    work = lines.subject.work(lines)
    tensors = trained_tensors(run)
    ours = work.loss(work.batch(places))
    ours.backward()  # type: ignore[no-untyped-call]
    found = taken(tensors)
    theirs = kinds.own_loss(run, places)
    theirs.backward()  # type: ignore[no-untyped-call]
    figure = max(off(ours[None], theirs[None]), distance(taken(tensors), found))
    what = f"loss and gradients of {counted(len(places), 'rows')}, computed in chunks and only where a target is,"
    return _as_own(figure, bench, what)


def _as_own(figure: float, bench: Bench, what: str) -> Guarantee:
    return within(
        LOSS,
        figure,
        bench.close,
        holds=f"{what} are those of the model's own whole forward pass",
        broken=f"{what} are not those of the model's own whole forward pass",
    )
