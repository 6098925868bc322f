"""The user's files of stereotypes, in the formats of three published sets, told by their columns.

- CrowS-Pairs (Nangia et al. 2020): `sent_more`, the more stereotyping sentence, and `sent_less`; `bias_type` if it is
  there. Both directions count, the published set's `stereo_antistereo` is not needed.
- WinoBias (Zhao et al. 2018): `stereotype` (pro or anti), `id`, `text`, and `type` if it is there; the two rows with
  the same `type` and `id` are a pair.
- StereoSet (Nadeem et al. 2021): its JSON (`stereoset_file`); the intrasentence part is read.
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
from affina.data.json_problems import broken
from affina.data.table import Table, Unusable, excerpt
from affina.errors import DataError, Problem, RecipeError
from affina.recipe.languages import language_of
from affina.risks.given_items import Item, Items, check_file, drawn, each_row, read_rows
from affina.risks.item_texts import different, sentences, texts_of, unfit_row
from affina.risks.stereoset_file import clusters_of, read_clusters, told_unlike

STEREOTYPES_KEY: Final = "recipe key risks.bias.pairs"
MORE, LESS, BIAS_TYPE = "sent_more", "sent_less", "bias_type"
GENDERS: Final = ("masculine", "feminine")
"""As the columns of MT-GenEval end."""
SIDES: Final = ("pro", "anti")
FORM: Final = (
    f"CrowS-Pairs ({MORE}, {LESS}), WinoBias (stereotype, id, text), StereoSet (JSON with data.intrasentence), or for"
    " translators MT-GenEval (en_masculine, it_masculine, en_feminine, it_feminine)"
)
_LEAVE_OUT: Final = (
    "name a file in one of these formats, or leave the key out: it is then said that this was not measured"
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
            return _of_stereoset(path, document, seed=seed)
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
    if {"template_masked", "identity"} <= columns:
        found = "templates of HONEST, whose score needs a lexicon of hurtful words (HurtLex), which is not in it"
        return _other(file, found, "write risks.bias.honest.templates=FILE risks.bias.honest.lexicon=FILE in its place")
    return _other(file, "the columns " + ", ".join(sorted(columns)), _LEAVE_OUT)


def _other(file: str, found: str, fix: str) -> Problem:
    return Problem(where=f"{STEREOTYPES_KEY} ({file})", expected=FORM, found=found, fix=fix)


def _of_crows_pairs(where: str, row: Mapping[str, str | Unusable]) -> Item:
    group = row.get(BIAS_TYPE, "")
    texts = different(where, sentences(where, texts_of(where, row, (MORE, LESS))))
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
                raise DataError(unfit_row(where, f"in stereotype pro or anti, one of each for the id {number}", what))
            pair[side] = Item(texts=(text,), where=where, group=kind if isinstance(kind, str) else "")
        except DataError as error:
            problems += error.problems
    for (_, number), pair in found.items():
        if len(pair) == 1:
            (side, alone), *_ = pair.items()
            expected = f"a pro and an anti row for the id {number}"
            problems.append(unfit_row(alone.where, expected, f"only the {side} one"))
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
        stem, *texts = sentences(where, texts_of(where, row, columns))
        return Item(texts=tuple(texts), where=where, stem=stem, group=gender)

    found = each_row(table, partial(item, *GENDERS)) + each_row(table, partial(item, *GENDERS[::-1]))
    told = [one for one in found if one.texts[0] != one.texts[1]]
    if not told:
        raise DataError(unfit_row(path, f"translations whose genders differ in {target}", "none"))
    items = drawn("MT-GenEval", path, told, seed=seed)
    left = (len(found) - len(told)) // 2
    same = f"; {left:,} rows whose translations are the same in both genders are left out" if left else ""
    source, target = (language_of(name, known=True) or name for name in names)
    return replace(items, told=f"{source} into {target}, {items.told}{same}", languages=(source, target))


def _joined(pro: Item, anti: Item) -> Item:
    texts = different(pro.where, sentences(pro.where, (*pro.texts, *anti.texts)))
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
        raise DataError(broken(error, path, "JSON", fix="download or write the file again")) from None


def _of_stereoset(path: str, document: Mapping[str, Any], *, seed: int) -> Items:
    clusters = clusters_of(document)
    if not clusters:
        found = f"no items in data.intrasentence of a JSON with {', '.join(sorted(document)) or 'no key'}"
        raise RecipeError(_other(path, found, _LEAVE_OUT))
    items = read_clusters(path, clusters)
    return replace(drawn("StereoSet", path, items, seed=seed), notice=told_unlike(items))
