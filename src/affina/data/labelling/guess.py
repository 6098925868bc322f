"""Which task a label column is for, and in which notation its cells are: as the recipe says, else as the cells tell.

A guess is made only where the cells tell clearly: lists, labels that come back in many combinations, numbers with
decimals, or many different integers far apart. All else is one label for each row. The guess and its reason are a
`Resolved`, and are printed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from affina.data.labelling.base import Labelling
from affina.data.labelling.notations import ALONE, BLANK, COLUMNS, DELIMITERS, LIST, divided, listed
from affina.data.labelling.numbers import Numbers, decimal_of, is_number, nearly_all
from affina.data.labelling.several import LabelSets
from affina.data.labelling.single import SingleLabels
from affina.data.labelling.written import Written
from affina.data.table import Cell, excerpt
from affina.errors import Problem, RecipeError
from affina.recipe.base import AUTO, Auto
from affina.recipe.task_specs import (
    ClassificationSpec,
    GuessedSpec,
    MultiLabelSpec,
    RegressionSpec,
    TaskSpec,
    WritingSpec,
)
from affina.values import Resolved

Asked = TaskSpec | Auto
GIVEN: Final = "given in the recipe"
ONE_LABEL: Final = "the data has texts and labels"
MANY_VALUES: Final = 20
"""Different integers from which they may be amounts,"""
ROWS_EACH: Final = 5
"""with fewer rows for each than this,"""
FAR_APART: Final = 2
"""and a range of more than this many times as many: numbers of classes are consecutive."""
SEVERAL: Final = 2
"""Cells: so many are no accident,"""
SHARE_OF_SEVERAL: Final = 0.1
"""where they are so large a share of all."""
COMES_BACK: Final = 0.8
"""Of the parts of cells: as many must stand in two different cells or more for the parts to be labels."""


def labelling_of(cells: Sequence[Cell], asked: Asked, *, columns: bool) -> Resolved[Labelling]:
    """How the label column is read, and why so.

    Args:
        cells: of the training file's label column; none where there are several columns.
        asked: the recipe's task.
        columns: whether `data.label` names several columns, of 0 and 1.

    Raises:
        RecipeError: several columns for a task with one label or number.
    """
    if isinstance(asked, WritingSpec):
        return Resolved(Written(asked), GIVEN)
    texts = [cell for cell in cells if isinstance(cell, str) and cell.strip()]
    lists = sum(not isinstance(cell, str) and cell.items is not None for cell in cells)
    if columns:
        return _of_columns(asked)
    match asked:
        case ClassificationSpec():
            return Resolved(SingleLabels(asked=True), GIVEN)
        case MultiLabelSpec():
            return Resolved(_sets(texts, asked, has_lists=lists > 0), GIVEN)
        case RegressionSpec():
            return Resolved(Numbers.of(texts, asked), GIVEN)
    return _guessed(texts, has_lists=lists > len(texts))


def _of_columns(asked: Asked) -> Resolved[Labelling]:
    if not isinstance(asked, MultiLabelSpec | GuessedSpec) and asked != AUTO:
        raise RecipeError(
            Problem(
                where="recipe keys data.label and task",
                expected=f"one column for task={asked.name}",
                found="several",
                fix="name one column with data.label, or write task=multi_label",
            )
        )
    if isinstance(asked, MultiLabelSpec) and asked.separator not in (AUTO, COLUMNS):
        raise RecipeError(
            Problem(
                where="recipe keys data.label and task.separator",
                expected="one column whose cells are divided, or several columns of 0 and 1",
                found="several columns and a separator",
                fix="leave task.separator out, or name one column with data.label",
            )
        )
    reason = "data.label names several columns" if not isinstance(asked, MultiLabelSpec) else GIVEN
    return Resolved(LabelSets(COLUMNS), reason)


def _sets(texts: Sequence[str], asked: MultiLabelSpec, *, has_lists: bool) -> LabelSets:
    if asked.separator != AUTO:
        return LabelSets(asked.separator)
    if has_lists or any(listed(text) is not None for text in texts):
        return LabelSets(LIST, Resolved(LIST, "cells are lists"))
    counts = Counter(mark for text in texts for mark in DELIMITERS if mark in text)
    if counts:
        mark, count = max(counts.items(), key=lambda item: item[1])
        return LabelSets(mark, Resolved(mark, f"{count:,} of {len(texts):,} cells have it"))
    if _are_composed(set(texts), BLANK):
        return LabelSets(BLANK, Resolved(BLANK, "most cells are other cells' labels with blanks between them"))
    return LabelSets(ALONE, Resolved(ALONE, "no cell has a mark between labels: each is one label"))


def _guessed(texts: Sequence[str], *, has_lists: bool) -> Resolved[Labelling]:
    change = "write task=classification if {} are classes"
    lists = sum(listed(text) is not None for text in texts)
    if has_lists or (texts and lists == len(texts)):
        return Resolved(LabelSets(LIST, Resolved(LIST, "cells are lists")), "label cells are lists")
    if _are_no_accident(lists, texts):  # the other cells are refused by row
        reason = f"{lists:,} of {len(texts):,} label cells are lists; {change.format('whole cells')}"
        return Resolved(LabelSets(LIST, Resolved(LIST, "cells are lists")), reason)
    if _have_decimal_commas(texts):
        return _amounts(texts) or Resolved(SingleLabels(), ONE_LABEL)
    for mark in (*DELIMITERS, BLANK):
        if _are_several(texts, mark):
            example = next(text for text in texts if len(divided(text, mark)) > 1)
            shown = "blanks" if mark == BLANK else repr(mark)
            reason = f"cells such as {excerpt(example)} are several labels, divided by {shown}"
            found = Resolved(mark, "it stands between labels that come back")
            return Resolved(LabelSets(mark, found), f"{reason}; {change.format('whole cells')}")
    if most := _most_of_several(texts):
        found = Resolved(most, "of several marks between labels it stands in most cells")
        reason = f"cells are labels with {most!r} and other marks between them; {change.format('whole cells')}"
        return Resolved(LabelSets(most, found), reason)
    return _amounts(texts) or Resolved(SingleLabels(), ONE_LABEL)


def _most_of_several(texts: Sequence[str]) -> str | None:
    """The mark that most cells have, where cells are labels divided by one mark here and another there."""
    counts = {mark: sum(mark in text for text in texts) for mark in DELIMITERS}
    marks = [mark for mark, count in counts.items() if _are_no_accident(count, texts)]
    if len(marks) < 2:
        return None
    together = [text.translate(str.maketrans("".join(marks), marks[0] * len(marks))) for text in texts]
    return max(marks, key=lambda mark: counts[mark]) if _are_several(together, marks[0]) else None


def _are_no_accident(count: int, texts: Sequence[str]) -> bool:
    return count >= max(SEVERAL, SHARE_OF_SEVERAL * len(texts))


def _are_several(texts: Sequence[str], mark: str) -> bool:
    return _are_composed(set(texts), mark) or (mark != BLANK and _are_combined(texts, mark))


def _amounts(texts: Sequence[str]) -> Resolved[Labelling] | None:
    """The cells read as numbers; None where they may well be classes."""
    if (why := _are_amounts(texts)) is None:
        return None
    reason = f"{why}, as of an amount; write task=classification if they are classes"
    return Resolved(Numbers.of(texts, RegressionSpec()), reason)


def _have_decimal_commas(texts: Sequence[str]) -> bool:
    """Whether cells such as `5,25` are numbers and no pairs of labels.

    Labels stand on both sides of a comma, once in a cell, without a needless zero in front; decimals are as they come.
    """
    if decimal_of(texts, AUTO)[0] != "comma":
        return False
    parts = {tuple(text.strip().lstrip("+-").split(",")) for text in texts if "," in text}
    pairs = [(part[0], part[1]) for part in parts if len(part) == 2]
    if any(before == after or (len(after) > 1 and after.startswith("0")) for before, after in pairs):
        return True
    before = {text.strip().lstrip("+-").partition(",")[0] for text in texts}
    after = {part[1] for part in pairs}
    return 2 * len(after - before) > len(after)


def _are_composed(distinct: Iterable[str], mark: str) -> bool:
    """Whether at least half of the different cells, and two, are made of other cells with `mark` between them."""
    cells = set(distinct)
    parts = [divided(cell, mark) for cell in cells]
    together = [labels for labels in parts if len(labels) > 1 and all(label in cells for label in labels)]
    return len(together) >= 2 and 2 * len(together) >= len(cells)


def _are_combined(texts: Sequence[str], mark: str) -> bool:
    """Whether few parts come back in many combinations; parts that keep their places are levels of one label."""
    cells = {text: divided(text, mark) for text in set(texts)}
    several = [labels for labels in cells.values() if len(labels) > 1]
    stand_in = Counter(label for labels in cells.values() for label in set(labels))
    most = len(cells) // 2 if mark == "," else len(cells) - 1  # a comma stands within one label too
    if len(several) < 2 or len(stand_in) > most:
        return False
    if sum(len(cells[text]) > 1 for text in texts) * 5 < len(texts):
        return False
    come_back = sum(count > 1 for count in stand_in.values())
    places = {(label, place) for labels in cells.values() for place, label in enumerate(labels)}
    moved = len(places) > len(stand_in) or len({len(labels) for labels in cells.values()}) > 1
    return come_back >= COMES_BACK * len(stand_in) and moved


def _are_amounts(texts: Sequence[str]) -> str | None:
    """Why the cells are amounts and no classes; None where they may well be classes."""
    cells = [text.strip() for text in texts]
    numbers = list(filter(is_number, cells))
    if not numbers or not nearly_all(len(numbers), len(cells)):
        return None
    values = [float(cell.replace(",", ".")) for cell in numbers]
    of = "all" if len(numbers) == len(cells) else f"{len(numbers):,} of"
    fractions = [value for value in values if not value.is_integer()]
    distinct = len(set(values))
    if fractions:
        return f"{of} {len(cells):,} labels are numbers, {len(fractions):,} of them with decimals"
    written_whole = all(cell.lstrip("+-").isdigit() for cell in numbers)
    spread = max(values) - min(values) + 1
    numbered = spread == distinct == len(values)  # consecutive, each once: numbers of rows
    if not written_whole or numbered or distinct < MANY_VALUES or ROWS_EACH * distinct < len(values):
        return None
    alone = sum(count == 1 for count in Counter(values).values())
    if spread <= FAR_APART * distinct and 2 * alone < distinct:
        return None
    return f"{distinct:,} different integers from {min(values):g} to {max(values):g} in {len(values):,} rows"
