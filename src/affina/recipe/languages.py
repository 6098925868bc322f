"""The languages by their codes, and the language that the name of a column says.

This module reads no text and identifies no language by its words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

NAMES: Final[Mapping[str, tuple[str, str]]] = {
    "ar": ("ara", "Arabic"),
    "bg": ("bul", "Bulgarian"),
    "ca": ("cat", "Catalan"),
    "cs": ("ces", "Czech"),
    "da": ("dan", "Danish"),
    "de": ("deu", "German"),
    "el": ("ell", "Greek"),
    "en": ("eng", "English"),
    "es": ("spa", "Spanish"),
    "et": ("est", "Estonian"),
    "fa": ("fas", "Persian"),
    "fi": ("fin", "Finnish"),
    "fr": ("fra", "French"),
    "he": ("heb", "Hebrew"),
    "hi": ("hin", "Hindi"),
    "hr": ("hrv", "Croatian"),
    "hu": ("hun", "Hungarian"),
    "id": ("ind", "Indonesian"),
    "it": ("ita", "Italian"),
    "ja": ("jpn", "Japanese"),
    "ko": ("kor", "Korean"),
    "lt": ("lit", "Lithuanian"),
    "lv": ("lvs", "Latvian"),
    "nl": ("nld", "Dutch"),
    "no": ("nob", "Norwegian"),
    "pl": ("pol", "Polish"),
    "pt": ("por", "Portuguese"),
    "ro": ("ron", "Romanian"),
    "ru": ("rus", "Russian"),
    "sk": ("slk", "Slovak"),
    "sl": ("slv", "Slovenian"),
    "sr": ("srp", "Serbian"),
    "sv": ("swe", "Swedish"),
    "th": ("tha", "Thai"),
    "tr": ("tur", "Turkish"),
    "uk": ("ukr", "Ukrainian"),
    "vi": ("vie", "Vietnamese"),
    "zh": ("zho", "Chinese"),
}
"""ISO 639-1 to ISO 639-3 and the English name."""
_CODES: Final = frozenset(
    re.findall(
        r"\w+",
        "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee "
        "el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is "
        "it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms "
        "mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk "
        "sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi "
        "yo za zh zu",
    )
)
"""All of ISO 639-1."""
_ALSO_WORDS: Final = frozenset({"am", "as", "do", "id", "is", "mr", "no", "or", "so", "to"})
"""Codes that columns are called which hold something else."""
_BESIDE: Final = frozenset(
    {"text", "texts", "sentence", "sent", "string", "src", "source", "tgt", "trg", "target", "translation", "lang"}
)
"""What stands beside a code in a column's name: `en_text`."""
_PLACES: Final = re.compile(r"[a-z]{2}|[a-z]{4}|\d{3}")
"""Regions and scripts, as in `en_us` and `eng_latn`."""


def code_of(word: str) -> str | None:
    """The ISO 639-1 code of a language that is written as `en`, `eng` or `English`."""
    word = word.strip().lower()
    if word in _CODES:
        return word
    return next((code for code, (long, name) in NAMES.items() if word in (long, name.lower())), None)


def language_of(column: str, *, known: bool = False) -> str | None:
    """The language that a column's name says: of `en`, `eng_Latn`, `en-US`, `en_text`, `text_en` or `English`, `en`.

    Args:
        column: its name.
        known: whether the column is known to hold texts of one language, so that `id` is Indonesian.
    """
    parts = [part for part in re.split(r"[\W_]+", column.lower()) if part]
    plain = [part for part in parts if part not in _BESIDE]
    if not plain or (len(plain) > 1 and (len(plain) > 2 or len(parts) > 2 or not _PLACES.fullmatch(plain[1]))):
        return None
    if plain[0] in _ALSO_WORDS and not known:
        return None
    if len(plain) == 2 and plain[1] in _CODES and plain[0] != plain[1] and not re.search(r"[-_][A-Z]{2}$", column):
        return None  # `en_de` is a pair of languages, `pt-BR` one with its region
    return code_of(plain[0])
