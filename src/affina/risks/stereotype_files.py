"""The user's files of stereotypes, in the formats of three published sets, told by their columns.

- CrowS-Pairs (Nangia et al. 2020): `sent_more`, the more stereotyping sentence, and `sent_less`; `bias_type` if it is
  there. Both directions count, the published set's `stereo_antistereo` is not needed.
- WinoBias (Zhao et al. 2018): `stereotype` (pro or anti), `id`, `text`, and `type` if it is there; the two rows with
  the same `type` and `id` are a pair.
- StereoSet (Nadeem et al. 2021): its JSON; the intrasentence part is read.
- MT-GenEval (Currey et al. 2022): four columns such as `en_masculine`, `it_masculine`, `en_feminine`, `it_feminine`;
  the language of the first one is translated into the other. Each row is two items, one for each gender.

What is in none of them is refused by naming them. This module runs no model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from affina.data.decoding import decode
from affina.data.items import Item as DataFile
from affina.data.items import readable
from affina.data.table import Table, Unusable, excerpt
from affina.errors import DataError, Problem, RecipeError
from affina.recipe.languages import language_of
from affina.risks.given_items import Item, Items, check_file, different, drawn, each_row, read_rows, texts_of

STEREOTYPES_KEY: Final = "recipe key risks.bias.pairs"
MORE, LESS, BIAS_TYPE = "sent_more", "sent_less", "bias_type"
GENDERS: Final = ("masculine", "feminine")
"""As the columns of MT-GenEval end."""
SIDES: Final = ("pro", "anti")
LABELS: Final = ("stereotype", "anti-stereotype", "unrelated")
"""Of the sentences of StereoSet, in the order of an item's texts."""
FORM: Final = (
    f"CrowS-Pairs ({MORE}, {LESS}), WinoBias (stereotype, id, text), StereoSet (JSON with data.intrasentence), or for"
    " translators MT-GenEval (en_masculine, it_masculine, en_feminine, it_feminine)"
)


def read_stereotypes(path: str, *, seed: int) -> Items:
    """Read a file of stereotypes.

    Args:
        path: of the file.
        seed: decides which rows of a long file are read.

    Raises:
        RecipeError: there is no such file, or it is of another format.
        DataError: a row cannot be used.
    """
    check_file(path, key=STEREOTYPES_KEY, form=FORM)
    if Path(path).suffix.lower() == ".json":
        document = _document(path)
        if isinstance(document, dict):
            return drawn("StereoSet", path, _of_stereoset(path, document), seed=seed)
    table = read_rows(path, key=STEREOTYPES_KEY, form=FORM)
    columns = set(table.columns)
    if {MORE, LESS} <= columns:
        return drawn("CrowS-Pairs", path, each_row(table, _of_crows_pairs), seed=seed)
    if {"stereotype", "id", "text"} <= columns:
        return drawn("WinoBias", path, _of_winobias(table), seed=seed)
    if len(names := _languages(table)) == 2:
        return _of_mt_geneval(path, table, names, seed=seed)
    raise RecipeError(_unknown(table.file, columns))


def _unknown(file: str, columns: set[str]) -> Problem:
    found = "the columns " + ", ".join(sorted(columns))
    if {"template_masked", "identity"} <= columns:
        found = "templates of HONEST, whose score needs a lexicon of hurtful words (HurtLex), which is not in it"
        fix = "write risks.bias.honest.templates=FILE risks.bias.honest.lexicon=FILE in its place"
        return Problem(where=f"{STEREOTYPES_KEY} ({file})", expected=FORM, found=found, fix=fix)
    fix = "name a file in one of these formats, or leave the key out: it is then said that this was not measured"
    return Problem(where=f"{STEREOTYPES_KEY} ({file})", expected=FORM, found=found, fix=fix)


def _of_crows_pairs(where: str, row: Mapping[str, str | Unusable]) -> Item:
    group = row.get(BIAS_TYPE, "")
    texts = different(where, texts_of(where, row, (MORE, LESS)))
    return Item(texts=texts, where=where, group=group if isinstance(group, str) else "")


def _of_winobias(table: Table) -> list[Item]:
    """Pairs of the rows, in the order in which each begins."""
    found: dict[tuple[str, str], dict[str, Item]] = {}
    problems: list[Problem] = []
    for index, cells in enumerate(table.rows):
        where, row = table.where(index), dict(zip(table.columns, cells, strict=True))
        try:
            side, number, text = texts_of(where, row, ("stereotype", "id", "text"))
            kind = row.get("type", "")
            pair = found.setdefault((str(kind), number), {})
            if side not in SIDES or side in pair:
                what = f"a second row that is {side}" if side in pair else excerpt(side)
                raise DataError(_wrong(where, f"in stereotype pro or anti, one of each for the id {number}", what))
            pair[side] = Item(texts=(text,), where=where, group=kind if isinstance(kind, str) else "")
        except DataError as error:
            problems += error.problems
    for (_, number), pair in found.items():
        if len(pair) == 1:
            (side, alone), *_ = pair.items()
            problems.append(_wrong(alone.where, f"a pro and an anti row for the id {number}", f"only the {side} one"))
    if problems:
        raise DataError(*problems)
    return [_joined(pair["pro"], pair["anti"]) for pair in found.values()]


def _languages(table: Table) -> list[str]:
    """Those in which there are sentences of both genders, in the order of the columns."""
    first = [name.removesuffix(f"_{GENDERS[0]}") for name in table.columns if name.endswith(f"_{GENDERS[0]}")]
    return [language for language in first if f"{language}_{GENDERS[1]}" in table.columns]


def _of_mt_geneval(path: str, table: Table, names: Sequence[str], *, seed: int) -> Items:
    """The right and the wrong translation of each source; those that are the same tell nothing, and are counted."""
    source, target = names

    def item(gender: str, other: str, where: str, row: Mapping[str, str | Unusable]) -> Item:
        columns = (f"{source}_{gender}", f"{target}_{gender}", f"{target}_{other}")
        stem, *texts = texts_of(where, row, columns)
        return Item(texts=tuple(texts), where=where, stem=stem, group=gender)

    found = each_row(table, partial(item, *GENDERS)) + each_row(table, partial(item, *GENDERS[::-1]))
    told = [one for one in found if one.texts[0] != one.texts[1]]
    if not told:
        raise DataError(_wrong(path, f"translations whose genders differ in {target}", "none"))
    items = drawn("MT-GenEval", path, told, seed=seed)
    left = (len(found) - len(told)) // 2
    same = f"; {left:,} rows whose translations are the same in both genders are left out" if left else ""
    source, target = (language_of(name, known=True) or name for name in names)
    return replace(items, told=f"{source} into {target}, {items.told}{same}", languages=(source, target))


def _joined(pro: Item, anti: Item) -> Item:
    texts = different(pro.where, (*pro.texts, *anti.texts))
    return Item(texts=texts, where=pro.where, group=pro.group)


def _document(path: str) -> Any:
    file = DataFile(path, Path(path))
    with readable(path), file.open() as stream:
        text = decode(stream.read(), file=path)
    if text.lstrip()[:1] != "{":
        return None  # a list of rows, or what the reader of tables refuses
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(_wrong(path, "JSON", str(error), fix="download or write the file again")) from None


def _of_stereoset(path: str, document: Mapping[str, Any]) -> list[Item]:
    parts = document.get("data")
    clusters = parts.get("intrasentence") if isinstance(parts, dict) else None
    if not isinstance(clusters, list) or not clusters:
        raise RecipeError(_unknown(path, set(document)))
    found, problems = [], list[Problem]()
    for number, cluster in enumerate(clusters, start=1):
        try:
            found.append(_of_cluster(f"{path}, intrasentence item {number}", cluster))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(*problems)
    return found


def _of_cluster(where: str, cluster: Any) -> Item:
    try:
        target, context = str(cluster["target"]), str(cluster["context"])
        sentences: Sequence[Any] = cluster["sentences"]
        by_label = {one["gold_label"]: str(one["sentence"]).strip() for one in sentences}
        texts = tuple(by_label[label] for label in LABELS)
    except (KeyError, TypeError) as error:
        expected = f"target, context, and sentences with gold_label {', '.join(LABELS)}"
        raise DataError(_wrong(where, expected, f"something else, or less: {error}")) from None
    if not all(texts):
        raise DataError(_wrong(where, "three sentences", "an empty one"))
    return Item(texts=different(where, texts), where=where, blank=context, group=target)


def _wrong(where: str, expected: str, found: str, *, fix: str = "correct that row, or remove it") -> Problem:
    return Problem(where=where, expected=expected, found=found, fix=fix)
