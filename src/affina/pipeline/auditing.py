"""The part of the audit that needs a model: lengths in tokens, what limits cut, the language, the first encoded row.

Probable label errors, on request, alone need more of it than its tokenizer. What is found without a model is in
`data/audit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from affina.data.audit.lengths import describe_lengths
from affina.data.audit.personal import personal_kinds
from affina.data.labelling.base import Labelling
from affina.data.loading import Loaded
from affina.data.rows import Row
from affina.evaluation.judging.classes import ClassJudge
from affina.evaluation.label_errors import MOST_ROWS, find_label_errors
from affina.evaluation.language import check_language
from affina.evaluation.probing import Prober
from affina.models.classifier import Classifier
from affina.models.reader import Reads
from affina.pipeline.limits import Limited
from affina.record.audited import Audited, Check, Cut, Encoded
from affina.record.payloads import Finding
from affina.tasks.base import Task

LIMITS: Final = (32, 64, 128, 256, 512, 1024)
"""Tokens: what each would cut is shown, up to the first that cuts nothing."""
SHOWN_TOKENS: Final = 48
BATCH_TOKENS: Final = 4_096
"""Padding included, while features for label errors are computed."""
_ROWS_TRIED: Final = 100
"""Rows among which one without personal data is looked for, to be shown."""


def audit(
    loaded: Loaded, limited: Limited, reader: Reads, task: Task, *, seed: int
) -> tuple[Audited, tuple[Finding, ...]]:
    """All that was looked at, and every finding of the data stage, of the limit and of the language.

    Args:
        loaded: the rows, and what the data stage looked at.
        limited: their lengths, and what the limit does.
        reader: the model's tokenizer.
        task: encodes a row.
        seed: decides samples.
    """
    lengths = [
        length
        for split, values in limited.lengths.items()
        for length in describe_lengths(values, split=split, unit="tokens")
    ]
    model = reader.source.reference
    strange, language = check_language(reader.tokenizer, loaded.splits.train, model=model, seed=seed)
    audited = Audited(
        checks=loaded.checks + language,
        lengths=(*loaded.lengths, *lengths),
        cuts=_cuts(limited),
        encoded=_first_encoded(limited.rows["train"], task, loaded.labelling),
    )
    return audited, loaded.findings + limited.findings + strange


def _cuts(limited: Limited) -> tuple[Cut, ...]:
    lengths = np.array([length for values in limited.lengths.values() for length in values], dtype=np.int64)
    longest = int(lengths.max(initial=0))
    below = [limit for limit in LIMITS if limit < longest]
    tried = sorted({*below, limited.limit})
    return tuple(
        Cut(
            limit=limit,
            rows=int((lengths > limit).sum()),
            tokens=int((lengths - limit).clip(min=0).sum()),
            chosen=limit == limited.limit,
        )
        for limit in tried
    )


def _first_encoded(rows: Sequence[Row], task: Task, labelling: Labelling) -> tuple[Encoded, ...]:
    """The first row in which no personal data is seen, as the model reads it."""
    clean = (row for row in rows[:_ROWS_TRIED] if not any(any(personal_kinds(text)) for text in row.texts))
    row = next(clean, None)
    if row is None:
        return ()
    [example] = task.encode([row])
    tokens = tuple(_written(task.tokenizer, token) for token in example.ids[:SHOWN_TOKENS])
    encoded = Encoded(
        where=row.where,
        tokens=tokens,
        trained=(False,) * len(tokens),  # the one target of a text is its label
        hidden=len(example.ids) - len(tokens),
        target=labelling.shown(row.fields["label"]),
    )
    return (encoded,)


def _written(tokenizer: Any, token: int) -> str:
    """A token as a reader would write it; by its name where it is part of a letter alone."""
    text = str(tokenizer.decode([token])).strip()
    return str(tokenizer.convert_ids_to_tokens(token)) if not text or "\ufffd" in text else text


def with_label_errors(
    found: tuple[Audited, tuple[Finding, ...]],
    rows: Sequence[Row],
    task: Task,
    classifier: Classifier,
    *,
    seed: int,
) -> tuple[Audited, tuple[Finding, ...]]:
    """An audit with the probable label errors of the training rows added.

    Args:
        found: from `audit`.
        rows: of the training split.
        task: encodes them.
        classifier: the frozen model, on its device.
        seed: decides the sample and the folds.
    """
    audited, findings = found
    places = np.sort(np.random.default_rng(seed).permutation(len(rows))[:MOST_ROWS]).tolist()
    chosen = [rows[place] for place in places]
    examples = task.encode(chosen)
    prober = Prober(
        module=classifier.module,
        anatomy=classifier.anatomy,
        task=task,
        judge=ClassJudge(task.labels),
        budget=max(BATCH_TOKENS, *(len(example.ids) for example in examples)),
        device=classifier.module.device,
    )
    features = prober.features(examples)
    more, check, listed = find_label_errors(features, chosen, task.labels, of=len(rows), seed=seed)
    return replace(audited, checks=(*audited.checks, check), suspects=listed), findings + more


def without_label_errors(
    found: tuple[Audited, tuple[Finding, ...]], name: str, *, rows: int
) -> tuple[Audited, tuple[Finding, ...]]:
    """An audit that says that probable label errors were asked for, and cannot be looked for in this task."""
    audited, findings = found
    how = f"not for the task {name}: confident learning doubts labels of which each row has one"
    return replace(audited, checks=(*audited.checks, Check(name="label errors", rows=0, of=rows, how=how))), findings
