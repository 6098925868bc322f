"""The length limit of a run: how many tokens a row may have, and what that does to the rows.

How long a row is, says the kind of run: a text, or a prompt with its answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from affina.data.checks import noticed
from affina.data.loading import Loaded
from affina.data.rows import Row
from affina.errors import Problem, RecipeError
from affina.models.base import Reads
from affina.recipe.base import AUTO
from affina.recipe.method_specs import PrefixSpec, PromptSpec
from affina.recipe.schema import Recipe
from affina.record.payloads import Finding
from affina.tasks.texts import apply_limit
from affina.values import Resolved

LONGEST_BY_DEFAULT: Final = 512
"""Tokens: beyond this a text is cut unless the recipe asks for more, since attention grows with the square."""
MOST_CUT: Final = 0.5
"""Of the training rows: where virtual tokens cut more, they are refused."""
LONGEST_WITHOUT_LIMIT: Final = 1_000_000
"""Tokens: stands in for the limit of a model that has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """What the length limit comes to.

    Attributes:
        rows: split to the rows that are used.
        limit: in tokens, special tokens included.
        lengths: split to the length in tokens of each of its rows, those that are not used included.
        findings: what the limit did.
    """

    rows: dict[str, Sequence[Row]]
    limit: int
    lengths: dict[str, list[int]]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """How a kind of run counts tokens.

    Attributes:
        lengths: rows to the tokens of each, special tokens included, nothing cut.
        least: tokens that the shortest possible row has.
    """

    lengths: Callable[[Sequence[Row]], list[int]]
    least: int


def within_limit(
    recipe: Recipe, loaded: Loaded, reader: Reads, measure: Measure, choices: dict[str, Resolved[Any]]
) -> Limited:
    """The rows of each split that are used, the limit, and what it did to them.

    Rows of validation and test are never dropped, so that figures stay about all of them; they are cut and counted.

    Args:
        recipe: `data.max_length` and `data.too_long`.
        loaded: the rows.
        reader: the model's own limit.
        measure: counts their tokens.
        choices: gets the limit, where it was `auto`.

    Raises:
        RecipeError: a limit that the model does not have, or that leaves no room for a text; or virtual tokens that
            cut most rows.
        DataError: a text is too long where the recipe says `error`.
    """
    limit, most = limit_of(recipe, reader, least=measure.least)
    taken = _taken(recipe, reader) if limit == most else 0
    splits = {"train": loaded.splits.train, "validation": loaded.splits.validation, "test": loaded.splits.test}
    kept: dict[str, Sequence[Row]] = {}
    findings: list[Finding] = []
    measured: dict[str, list[int]] = {}
    for split, rows in splits.items():
        policy = "truncate" if recipe.data.too_long == "drop" and split != "train" else recipe.data.too_long
        measured[split] = measure.lengths(rows)
        if split == "train" and taken and recipe.data.max_length == AUTO:
            _refuse_lost(measured[split], limit, taken)
        kept[split], beyond = apply_limit(rows, measured[split], limit=limit, too_long=policy)
        findings += _too_long(split, policy, [rows[place].where for place in beyond.rows], beyond.tokens, limit, taken)
    if recipe.data.max_length == AUTO:
        longest = max(max(lengths, default=0) for lengths in measured.values())
        why = "the model's limit" if limit == most else "longer texts cost much time and memory"
        why = _left_of(limit, taken) if taken else why
        choices["data.max_length"] = Resolved(limit, f"{why}; the longest of all rows has {longest} tokens")
    return Limited(rows=kept, limit=limit, lengths=measured, findings=tuple(findings))


def limit_of(recipe: Recipe, reader: Reads, *, least: int) -> tuple[int, int]:
    """The limit in tokens, and the model's own.

    Raises:
        RecipeError: a limit that the model does not have, or that leaves no room for a text.
    """
    asked, most = recipe.data.max_length, reader.max_length or LONGEST_WITHOUT_LIMIT
    if isinstance(asked, str):
        return min(most, LONGEST_BY_DEFAULT), most
    if not least <= asked <= most:
        taken = _taken(recipe, reader)
        whose = f"the positions of {reader.source.reference}" if not taken else _left_of(most, taken)
        raise RecipeError(_impossible(asked, least, most, whose))
    return asked, most


def _taken(recipe: Recipe, reader: Reads) -> int:
    """Positions of the model's longest input that the method's virtual tokens have."""
    method = recipe.method
    return method.length if isinstance(method, PromptSpec | PrefixSpec) and reader.max_length is not None else 0


def _left_of(limit: int, taken: int) -> str:
    return f"what method.length={taken} leaves of the model's {limit + taken} positions"


def _refuse_lost(lengths: Sequence[int], limit: int, taken: int) -> None:
    """Stop where virtual tokens take the room of most rows.

    Raises:
        RecipeError: with how many there is room for.
    """
    whole = min(limit + taken, LONGEST_BY_DEFAULT)
    lost = [length for length in lengths if limit < length <= whole]
    if len(lost) <= MOST_CUT * len(lengths):
        return
    room = limit + taken - max(lost)
    fewer = f"method.length={room}, which leaves them whole, or " if room else ""
    raise RecipeError(
        Problem(
            where="recipe key method.length",
            expected="virtual tokens that leave room for the rows",
            found=f"{taken}, and of the model's {limit + taken} positions {limit} are left for a text:"
            f" {len(lost):,} of {len(lengths):,} training rows would be cut for that",
            fix=f"write {fewer}data.max_length={limit} to have them cut so",
        )
    )


def _impossible(asked: int, least: int, most: int, whose: str) -> Problem:
    return Problem(
        where="recipe key data.max_length",
        expected=f"from {least} (one token beside the special ones) to {most}, {whose}",
        found=str(asked),
        fix=f"write data.max_length={min(most, LONGEST_BY_DEFAULT)}, or leave it out",
    )


def _too_long(split: str, policy: str, places: Sequence[str], tokens: int, limit: int, taken: int) -> list[Finding]:
    done = f"dropped from {split}" if policy == "drop" else f"cut to {limit} tokens, {tokens:,} tokens lost"
    meaning = f"{split} rows longer than {limit} tokens are {done}"
    advice = "data.max_length and data.too_long change that"
    if taken:
        advice = f"{limit} tokens are {_left_of(limit, taken)}: fewer virtual tokens leave more"
    return list(noticed("too_long", places, split=split, meaning=meaning, advice=advice))
