"""The templates' surroundings: where they are, what they may call, and that nothing of the user's gets through raw.

On a page every value is made visible, bounded and escaped (`texts`), whatever a template does with it. A card is
Markdown: there every value is escaped for that. This module knows no run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sized
from functools import cache
from pathlib import Path, PurePath
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from affina.reporting import formats, texts
from affina.reporting.markdown import escaped

TEMPLATES: Final = Path(__file__).parent / "templates"


@cache
def html() -> Environment:
    """For pages."""
    return _environment(autoescape=True, finalize=texts.clean)


@cache
def markdown() -> Environment:
    """For cards."""
    return _environment(autoescape=False, finalize=escaped)


def _environment(*, autoescape: bool, finalize: Callable[[Any], Any]) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=autoescape,  # noqa: S701 - a card is no HTML; its values are escaped as Markdown
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for write_as in (
        formats.brief,
        formats.name,
        formats.capital,
        formats.counted,
        formats.percent,
        formats.share,
        formats.number,
        formats.duration,
        formats.mebibytes,
        formats.plain,
        formats.sized,
        texts.shortened,
        basename,
        basename_if,
        breakable,
        counted_of,
        in_address,
        moment,
        named,
    ):
        environment.filters[write_as.__name__] = write_as
    for call in (
        formats.called,
        formats.chance,
        formats.difference,
        formats.ends,
        formats.interval,
        formats.metric,
    ):
        environment.globals[call.__name__] = call
    return environment


def basename(path: str) -> str:
    """A file's name without its folders."""
    return PurePath(path).name or path


def basename_if(value: str, key: str) -> str:
    """The value of a recipe key without the folders of this machine, where the key names a file."""
    return basename(value) if key.startswith(("data.", "model", "run")) else value


def breakable(key: str) -> Markup:
    """A key or a label that may be broken behind its dots and underscores, where a column is narrow."""
    parts = filter(None, re.split(r"([._])", texts.visible(texts.shortened(key))))
    return Markup("").join(escape(part) + Markup("<wbr>") * (part in "._") for part in parts)


def counted_of(items: Sized, plural: str) -> str:
    """`12 rows` for so many items."""
    return formats.counted(len(items), plural)


def moment(time: str) -> str:
    """A time as records have it, `2025-01-02T03:04:05+00:00`, without the letter and the seconds."""
    date, letter, clock = time.partition("T")
    zone = " UTC" if clock.endswith(("+00:00", "Z")) else ""
    return f"{date} {clock[:5]}{zone}" if letter else time


def in_address(path: str) -> str:
    """A path within a folder as part of a page's address."""
    return quote(path)


def named(pairs: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Pairs with the reader's word for each key."""
    return [(formats.name(key), value) for key, value in pairs]
