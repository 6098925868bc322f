"""Check that an answer's end is learned: a model that never saw an end goes on writing.

It is looked for where the loss sees it, in the labels of batches as the loop makes them: of labels that stand side by
side (an answer, a turn of the assistant) the last one has to be a token that ends a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from affina.data.conversations import ASSISTANT, USER, Turn, parse
from affina.data.rows import Row
from affina.models.ending import end_tokens
from affina.pipeline.answering.subject import Answering
from affina.pipeline.naming.subject import ByName
from affina.pipeline.writing.subject import Writing
from affina.reporting.formats import counted
from affina.tasks.chat import ROLE
from affina.tasks.generation import GOES_ON
from affina.tasks.token_loss import IGNORED
from affina.tasks.turns import end_of_turn, prompt
from affina.training.stepping import Work
from affina.verifying import kinds
from affina.verifying.bench import Bench
from affina.verifying.guarantees import EXACT, Guarantee, absent, within

ENDS: Final = "ends"
LANGUAGE: Final = 2
"""An encoder-decoder may have the code of a language behind its end token."""


def ends(bench: Bench) -> Guarantee:
    """Every answer's end, in the labels of an epoch's batches."""
    run = bench.run
    subject = run.subject
    if isinstance(subject, Answering):
        return absent(ENDS, f"the task {subject.spec.name} writes no text that could end")
    own, rows = kinds.learns(subject), run.rows["train"]
    passages = own.passages["train"]
    wanted = [_ends_in(own, row, cut=passage.cut_learned) for row, passage in zip(rows, passages, strict=True)]
    if not sum(wanted):
        return absent(ENDS, "no row that is looked at has an end within data.max_length")
    stops = set(end_tokens(own.model))
    found, work = [0] * len(rows), own.work(run)
    for batch in kinds.planned(run):
        for place, count in _ended(own, work, batch, stops).items():
            found[place] = count
    missing = [place for place, count in enumerate(wanted) if found[place] < count]
    lost = sum(wanted[place] - found[place] for place in missing)
    what = "turn of the assistant" if _is_chat(own) else "answer"
    cut = sum(passage.cut_learned > 0 for passage in passages)
    tail = f"; the limit cuts the end of {counted(cut, 'rows')} off" if cut else ""
    name = own.model.tokenizer.decode(sorted(stops)[:1]) if len(stops) == 1 else "one of " + _named(own, stops)
    return within(
        ENDS,
        float(lost),
        EXACT,
        holds=f"the label behind every {what} ({sum(wanted)} in {counted(len(rows), 'rows')}) is the end, {name}{tail}",
        broken=f"{lost} of {sum(wanted)} ends are not learned: behind that {what} is no label that ends a text"
        f" ({name}), as in {rows[missing[0]].where if missing else ''}",
    )


def _named(own: Writing | ByName, stops: set[int]) -> str:
    return ", ".join(str(own.model.tokenizer.convert_ids_to_tokens(stop)) for stop in sorted(stops))


def _is_chat(own: Writing | ByName) -> bool:
    return own.spec.name == "chat" and not own.model.reads_apart


def _ends_in(own: Writing | ByName, row: Row, *, cut: int) -> int:
    """Ends that a row has to teach."""
    if cut or GOES_ON in row.fields:
        return 0
    if not _is_chat(own):
        return 1
    answers = sum(turn.role == ASSISTANT for turn in parse(row.fields[ROLE]))
    return answers if _ends_every_turn(own.model.tokenizer) else 1


def _ends_every_turn(tokenizer: Any) -> bool:
    """Whether the template ends each answer, or the last one alone (or none: then Affina ends that)."""
    talk = tuple(Turn(role, f"{role} {number}") for number in range(2) for role in (USER, ASSISTANT))
    text = prompt(tokenizer, talk, asked=False)
    first = text.partition("assistant 0")[2].partition("user 1")[0]
    return end_of_turn(tokenizer) in first


def _ended(own: Writing | ByName, work: Work[Any], batch: Sequence[int], stops: set[int]) -> dict[int, int]:
    """Row to the stretches of its labels in a batch that end with an end."""
    labels = work.batch(list(batch)).targets.tolist()
    behind = LANGUAGE if own.model.reads_apart else 1
    return {
        place: sum(
            any(token in stops for token in stretch[-behind:]) for stretch in _stretches(labels[line][start:end])
        )
        for place, line, start, end in _spans(own, batch, width=len(labels[0]))
    }


def _spans(own: Writing | ByName, batch: Sequence[int], *, width: int) -> Iterator[tuple[int, int, int, int]]:
    """Where in a batch each row is: its line, and the positions from and to in it."""
    if own.packing is None:
        yield from ((place, line, 0, width) for line, place in enumerate(batch))
        return
    spans = own.packing.spans([own.passages["train"][place] for place in batch])
    yield from ((place, *span) for place, span in zip(batch, spans, strict=True))


def _stretches(line: list[int]) -> list[list[int]]:
    """The labels that stand side by side."""
    return [list(part) for is_label, part in groupby(line, lambda token: token != IGNORED) if is_label]
