"""The audit in order: what is looked for in the files and in the splits, and what was found, in the words of a finding.

It holds the order and the sentences about what a row shows by itself; each look has its own module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from affina.data.audit.balance import find_absent_labels
from affina.data.audit.damage import CONTROLS, MOJIBAKE, REPLACED
from affina.data.audit.groups import find_shared_groups
from affina.data.audit.lengths import text_lengths
from affina.data.audit.near import find_near
from affina.data.audit.personal import KINDS
from affina.data.audit.repeats import What, find_repeats, find_shared
from affina.data.audit.scan import Scan, together
from affina.data.labelling.base import Labelling, count_labels
from affina.data.rows import Row
from affina.record.audited import Check, Lengths
from affina.record.payloads import Finding

_PERSONAL_ADVICE: Final = (
    "a tuned model can give them away: remove or replace them unless you may use them and the task needs them"
)
_RESAVED: Final = "the text was saved in a wrong encoding at some time; get it from its source again as UTF-8"
_SHOWN: Final = {
    **{kind: (f"rows in which something has the form of {name}", _PERSONAL_ADVICE) for kind, name in KINDS.items()},
    MOJIBAKE: ("rows with letters such as Ã© for é, as of UTF-8 that was read as Latin-1", _RESAVED),
    REPLACED: ("rows with U+FFFD, which stands where a letter was lost", _RESAVED),
    CONTROLS: (
        "rows with control characters; U+0080 to U+009F are mostly quotes and dashes of Windows-1252, read as Latin-1",
        _RESAVED,
    ),
    "missing_marks": (
        "these read like a missing value that another program wrote, and count as ordinary text",
        "remove such rows",
    ),
}
"""What a row shows by itself: what it means, and what to do."""


def look_at_files(
    scans: Sequence[Scan], rows: Mapping[str, Sequence[Row]], labelling: Labelling
) -> tuple[Finding, ...]:
    """What stands in the files, before any row is held out.

    Args:
        scans: of each file, that of the training rows first.
        rows: the same files' rows, by split; empty where they were streamed.
        labelling: what labels mean.
    """
    findings: list[Finding] = []
    what = _predicted(labelling)
    for number, scanned in enumerate(scans):
        findings += find_repeats(scanned, what=what)
        for earlier in scans[:number]:
            findings += find_shared(scanned, earlier, what=what)
            mine, theirs = rows.get(scanned.split, ()), rows.get(earlier.split, ())
            findings += find_shared_groups(mine, theirs, split=scanned.split, other=earlier.split)
    findings += labelling.find_uneven(count_labels(labelling, scans[0].counts()), rows=len(scans[0]))
    for kind, (meaning, advice) in _SHOWN.items():
        if (tally := together(scans, kind)).count:
            examples = tuple(tally.examples)
            findings.append(Finding(name=kind, count=tally.count, meaning=meaning, advice=advice, examples=examples))
    return tuple(findings)


def look_at_splits(
    splits: Mapping[str, Sequence[Row]],
    labels: Sequence[str],
    labelling: Labelling,
    *,
    seed: int,
    of: int | None = None,
) -> tuple[tuple[Finding, ...], Check, tuple[Lengths, ...]]:
    """What stands in the rows as they will be used: near duplicates, labels that a split lacks, lengths.

    Args:
        splits: name to rows, in the order train, validation, test.
        labels: all that training has.
        labelling: what labels mean.
        seed: decides the samples.
        of: how many rows there are, where `splits` is a sample already.
    """
    near, check = find_near(splits, seed=seed, of=of, what=_predicted(labelling))
    absent = [
        finding
        for name, part in splits.items()
        if name != "train"
        for finding in find_absent_labels(part, labels, split=name, labels_of=labelling.labels_of)
    ]
    lengths = [
        length for name, part in splits.items() for length in text_lengths(part, split=name, written=labelling.writes)
    ]
    return (*near, *absent), check, tuple(lengths)


def _predicted(labelling: Labelling) -> What:
    if labelling.writes:
        return "answer"
    return "number" if labelling.name == "regression" else "label"


def file_checks(scans: Sequence[Scan]) -> tuple[Check, ...]:
    """What `look_at_files` looked for, for the reader who finds nothing."""
    total = sum(map(len, scans))
    looks = {
        "duplicates": "texts letter by letter, outer blanks aside, within each file and between the files",
        "labels": "rows of each label; labels that differ in case or blanks; the same text with different labels or"
        " numbers",
        "personal data": "forms of e-mail addresses, phone numbers, payment cards (Luhn check) and IBANs (check modulo"
        " 97); names and postal addresses have no form and are not found",
        "encoding": "UTF-8 read as Latin-1 or Windows-1252, U+FFFD, control characters, marks of missing values",
    }
    if scans[0].written:
        looks = {"answers" if name == "labels" else name: how for name, how in looks.items()}
        looks["answers"] = "inputs with several answers"
    return tuple(Check(name=name, rows=total, of=total, how=how) for name, how in looks.items())
