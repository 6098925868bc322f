"""One line of a record, from JSON to its payload: checked against the types, whatever wrote it.

Two faults are told apart. A damaged line is no JSON object with a kind. A foreign one is whole, and written by another
version: its kind is unknown, it lacks a field, or it has one that is not known here. Owns neither the file nor what is
done about a fault.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Container
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, get_args

from pydantic import TypeAdapter, ValidationError

from affina.record import payloads
from affina.record.payloads import Payload

KINDS: Final[dict[str, type[Payload]]] = {kind.__name__.lower(): kind for kind in get_args(payloads.Payload)}


@dataclass(frozen=True, slots=True)
class Line:
    """What a line came to.

    Attributes:
        kind: as the line names it.
        payload: what it holds; None where this version cannot read it.
        strange: what this version does not know or misses in it; empty for a line as it writes them itself.
    """

    kind: str
    payload: Payload | None
    strange: str


def parse(line: bytes) -> Line:
    """Read one line.

    Raises:
        ValueError: it is damaged: no JSON object, or one without a kind.
    """
    try:
        data = json.loads(line.decode())
    except RecursionError as error:
        raise ValueError("brackets nested too deeply") from error
    except ValueError as error:
        raise ValueError("a damaged line, which is no JSON object or not UTF-8") from error
    if not isinstance(data, dict):
        raise ValueError(f"no JSON object: {type(data).__name__}")
    if not isinstance(kind := data.pop("kind", None), str):
        raise ValueError("no kind of record is named")
    if kind not in KINDS:
        return Line(kind, None, "its kind is not known to this version")
    try:
        payload: Payload = _adapter(kind).validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the record"
        return Line(kind, None, f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}")
    more = _unknown(data, payload)
    return Line(kind, payload, f"not known here: {more}" if more else "")


@cache
def _adapter(kind: str) -> TypeAdapter[Payload]:
    return TypeAdapter(KINDS[kind])


def _unknown(given: Any, kept: Any) -> str:
    """The first field of `given` that its type has not taken over into `kept`, with its path; empty where all were."""
    if isinstance(given, dict):
        of_type = dataclasses.is_dataclass(kept)
        known: Container[str] = {field.name for field in dataclasses.fields(kept)} if of_type else kept
        for name, value in given.items():
            if name not in known:
                return str(name)
            if not isinstance(value, dict | list):
                continue
            if deeper := _unknown(value, getattr(kept, name) if of_type else kept[name]):
                return f"{name}.{deeper}"
    elif isinstance(given, list):
        return next((deeper for item, other in zip(given, kept, strict=True) if (deeper := _unknown(item, other))), "")
    return ""
