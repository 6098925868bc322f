"""How a translation model is told its languages: by codes in its vocabulary, by words before the text, or not at all.

Four ways are known: language codes that a tokenizer puts around its texts (mBART, NLLB, M2M100), a target code in
front of the source (multilingual Marian models), a sentence in front of it (T5), and nothing (models of one direction).
Which one a model has is read off its tokenizer and its configuration. This module translates nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from affina.errors import ModelError, Problem
from affina.recipe.languages import NAMES

_CODE: Final = re.compile(r"[a-z]{2}_[A-Z]{2}|[a-z]{3}_[A-Z][a-z]{3}|__\w+__")


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """From which language to which, as one model is told.

    Attributes:
        before: goes in front of every source text.
        source_code: the tokenizer's `src_lang`, or None.
        target_code: the tokenizer's `tgt_lang`, or None.
        first_token: the token that a translation has to begin with, or None.
        told: how the model is told, for the user; empty where it is not.
    """

    before: str = ""
    source_code: str | None = None
    target_code: str | None = None
    first_token: int | None = None
    told: str = ""


def name_of(language: str) -> str:
    """A language's English name, or what was given where it is not known by its code."""
    known = NAMES.get(language.lower())
    return known[1] if known else language


def direction(config: Any, tokenizer: Any, *, source: str, target: str, where: str) -> Direction:
    """How a model is told to translate from `source` to `target`.

    Args:
        config: the model's configuration.
        tokenizer: its tokenizer.
        source: an ISO 639-1 code, such as `en`.
        target: the same.
        where: what the user wrote as `model:`.

    Raises:
        ModelError: the model is told by codes, and has none for a language.
    """
    settings = dict(tokenizer.init_kwargs)
    tokens = set(tokenizer.all_special_tokens) | {str(token) for token in tokenizer.added_tokens_decoder.values()}
    if "src_lang" in settings:
        codes = [_code(language, tokens, where=where) for language in (source, target)]
        first = tokenizer.convert_tokens_to_ids(codes[1])
        told = f"the language codes {codes[0]} and {codes[1]}"
        return Direction(source_code=codes[0], target_code=codes[1], first_token=first, told=told)
    marks = [token for token in tokenizer.get_vocab() if re.fullmatch(r">>\w+<<", token)]
    if marks:
        mark = _mark(target, marks, where=where)
        return Direction(before=f"{mark} ", told=f"{mark} in front of every text")
    if config.model_type in ("t5", "mt5", "umt5"):
        return _in_words(config, source, target)
    return Direction()


def _code(language: str, tokens: set[str], *, where: str) -> str:
    """The token by which a tokenizer knows a language: `en_XX`, `eng_Latn`, `__en__` or `en`."""
    long = NAMES.get(language.lower(), (language, ""))[0]
    forms = (rf"{language}_[A-Z]{{2}}", rf"{long}_[A-Z][a-z]{{3}}", rf"__{language}__", re.escape(language))
    found = sorted(token for token in tokens if any(re.fullmatch(form, token) for form in forms))
    if not found:
        known = sorted(
            token for token in tokens if re.fullmatch(r"[a-z]{2}_[A-Z]{2}|[a-z]{3}_[A-Z][a-z]{3}|__\w+__", token)
        )
        raise _unknown(language, known, where)
    return found[0]


def _mark(language: str, marks: list[str], *, where: str) -> str:
    long = NAMES.get(language.lower(), (language, ""))[0]
    found = [mark for mark in (f">>{language}<<", f">>{long}<<") if mark in marks]
    if not found:
        raise _unknown(language, sorted(marks), where)
    return found[0]


def _unknown(language: str, known: list[str], where: str) -> ModelError:
    shown = ", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "")
    return ModelError(
        Problem(
            where=where,
            expected=f"a model that knows {name_of(language)} ({language})",
            found=f"one that knows {shown or 'none by a code'}",
            fix="choose a model that was trained on the language, or write the language as the model's code does",
        )
    )


def _in_words(config: Any, source: str, target: str) -> Direction:
    """T5's sentence; the checkpoint's own where it has one for the direction."""
    own = (config.to_dict().get("task_specific_params") or {}).get(f"translation_{source}_to_{target}", {})
    before = own.get("prefix", f"translate {name_of(source)} to {name_of(target)}: ")
    known = "" if own else "; the checkpoint does not say whether it knows the direction"
    return Direction(before=before, told=f"{before!r} in front of every text{known}")
