"""StereoSet's JSON (Nadeem et al. 2021): the intrasentence items, three sentences that fill in one context each.

What cannot be an item is refused, as the published scorer does where a context has no BLANK. A sentence that is no
filling of its context as that stands is counted and said: contexts are written by hand, and a slip in one leaves the
sentences comparable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from affina.data.json_problems import unusable
from affina.data.table import excerpt
from affina.errors import DataError, Problem
from affina.risks.given_items import Item
from affina.risks.item_texts import different, sentences, unfit_row

BLANK: Final = "BLANK"
"""What stands for the word in a context."""
LABELS: Final = ("stereotype", "anti-stereotype", "unrelated")
"""Of an item's sentences, in the order of its texts."""
_ONE_EACH: Final = f"one sentence for each gold_label: {', '.join(LABELS)}"


def clusters_of(document: Mapping[str, Any]) -> Sequence[Any]:
    """The intrasentence items as they stand in the JSON; none where it is of another form."""
    parts = document.get("data")
    clusters = parts.get("intrasentence") if isinstance(parts, dict) else None
    return clusters if isinstance(clusters, list) else ()


def read_clusters(path: str, clusters: Sequence[Any]) -> list[Item]:
    """The items.

    Args:
        path: of the file, for messages.
        clusters: of its JSON.

    Raises:
        DataError: one problem for each that cannot be used.
    """
    found, problems = list[Item](), list[Problem]()
    for number, cluster in enumerate(clusters, start=1):
        try:
            found.append(_item(f"{path}, intrasentence item {number}", cluster))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(*problems)
    return found


def told_unlike(items: Sequence[Item]) -> str:
    """How many items have a sentence that is no filling of their context; empty where none has."""
    unlike = [item for item in items if not all(_fills(item.blank, text) for text in item.texts)]
    if not unlike:
        return ""
    has = "item has" if len(unlike) == 1 else "items have"
    return f"{len(unlike):,} {has} a sentence that does not fill in the context's {BLANK}, such as {unlike[0].where}"


def _item(where: str, cluster: Any) -> Item:
    if not isinstance(cluster, dict):
        raise _refused(where, "an object with target, context and sentences", unusable(cluster))
    target, context = (_text(where, cluster, key) for key in ("target", "context"))
    if BLANK not in context:
        raise _refused(where, f"in context {BLANK}, for the word that its sentences fill in", excerpt(context))
    texts = different(where, sentences(where, _sentences(where, cluster)))
    return Item(texts=texts, where=where, blank=context, group=target)


def _sentences(where: str, cluster: Mapping[str, Any]) -> tuple[str, ...]:
    """In the order of `LABELS`."""
    held = cluster.get("sentences")
    if not isinstance(held, list):
        raise _refused(where, f"in sentences a list: {_ONE_EACH}", _found(cluster, "sentences"))
    by_label = dict[str, str]()
    for number, one in enumerate(held, start=1):
        place = f"{where}, sentence {number}"
        if not isinstance(one, dict):
            raise _refused(place, "an object with sentence and gold_label", unusable(one))
        label = _text(place, one, "gold_label")
        if label not in LABELS or label in by_label:
            raise _refused(place, _ONE_EACH, f"a second {label}" if label in by_label else excerpt(label))
        by_label[label] = _text(place, one, "sentence")
    if absent := [label for label in LABELS if label not in by_label]:
        raise _refused(where, _ONE_EACH, f"none for {' and '.join(absent)}")
    return tuple(by_label[label] for label in LABELS)


def _text(where: str, held: Mapping[str, Any], key: str) -> str:
    value = held.get(key)
    if not isinstance(value, str) or not value.strip():
        raise _refused(where, f"a text in {key}", _found(held, key))
    return value.strip()


def _found(held: Mapping[str, Any], key: str) -> str:
    if key not in held:
        return f"no key {key}"
    if held[key] is None:
        return "null"
    return "an empty text" if isinstance(held[key], str) else unusable(held[key])


def _fills(context: str, text: str) -> bool:
    """Whether a text is a context with something for the blank, whatever its case, punctuation and blanks."""
    before, after = (_letters(part) for part in context.split(BLANK, 1))
    whole = _letters(text)
    return len(whole) > len(before) + len(after) and whole.startswith(before) and whole.endswith(after)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _refused(where: str, expected: str, found: str) -> DataError:
    return DataError(unfit_row(where, expected, found, fix="correct that item, or remove it"))
