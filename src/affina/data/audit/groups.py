"""Groups, such as the author of several texts, that stand in two splits' files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from affina.data.rows import Row
from affina.data.table import MOST_EXAMPLES
from affina.record.payloads import Finding


def find_shared_groups(rows: Sequence[Row], earlier: Iterable[Row], *, split: str, other: str) -> tuple[Finding, ...]:
    """Rows of one split's file whose group is also in the other's; nothing where a file has no groups.

    Args:
        rows: of the validation or test file.
        earlier: of the file they may share groups with.
        split: the name of the split of `rows`.
        other: the name of the split of `earlier`.
    """
    by_group: dict[str, Row] = {}
    for row in earlier:
        by_group.setdefault(row.fields.get("group", ""), row)
    shared: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        group = row.fields.get("group", "")
        if group and group in by_group:
            shared[group].append(row)
    if not shared:
        return ()
    examples = [f"{same[0].where}, as {by_group[group].where}" for group, same in shared.items()]
    meaning = (
        f"{split} rows of {len(shared)} group{'s' * (len(shared) > 1)} that the {other} rows also have; they flatter"
        f" the {split} figures"
    )
    finding = Finding(
        name=f"{split}_groups_in_{other}",
        count=sum(len(same) for same in shared.values()),
        meaning=meaning,
        advice="keep each group in one file",
        examples=tuple(examples[:MOST_EXAMPLES]),
    )
    return (finding,)
