"""How numbers are written in the report: one function a kind of figure, so that a page agrees with itself.

This module reads no records and knows no page.
"""

from __future__ import annotations

import math
from typing import Any, Final

from affina.record.figures import Measured
from affina.record.measures import MEASURES, SHARES, title

NOT_A_NUMBER: Final = "not a number"
NOT_DEFINED: Final = "not defined"
"""Of a metric on rows that cannot tell it."""
NOT_MEASURED: Final = "not measured"
NAMES: Final = {
    "tuned": "tuned model",
    "references": "references themselves",
    "zero_shot": "untouched model, zero-shot",
    "few_shot": "untouched model, few-shot",
    "label_scoring": "untouched model, zero-shot label scoring",
    "label_scoring_few_shot": "untouched model, few-shot label scoring",
    "majority": "most frequent label",
    "most_frequent_set": "most frequent set of labels",
    "mean": "mean of the training rows",
    "linear_probe": "linear probe on the frozen model",
    "ridge_probe": "ridge probe on the frozen model",
}
"""What the record's names are called in a sentence; metrics have theirs in `record.measures`."""
SINGULARS: Final = {
    "duplicates": "duplicate",
    "labels": "label",
    "rows": "row",
    "groups": "group",
    "pairs": "pair",
    "terms": "term",
    "commas": "comma",
    "spellings": "spelling",
    "addresses": "address",
    "numbers": "number",
    "cards": "card",
    "accounts": "account",
    "characters": "character",
    "marks": "mark",
    "texts": "text",
    "errors": "error",
    "tokens": "token",
    "steps": "step",
    "epochs": "epoch",
    "passages": "passage",
    "answers": "answer",
    "conversations": "conversation",
    "classes": "class",
    "baselines": "baseline",
    "mistakes": "mistake",
    "candidates": "candidate",
    "differences": "difference",
}


def name(key: str) -> str:
    """The reader's word for a metric, a predictor or a stage."""
    return NAMES.get(key) or title(key)


def brief(who: str) -> str:
    """A predictor's name in a heading: `linear probe`."""
    return name(who).partition(" on ")[0]


def the(key: str) -> str:
    """A predictor's name with its article, but for what has a shorter one: `the majority class`."""
    return "the majority class" if key == "majority" else f"the {name(key)}"


def capital(text: str) -> str:
    """`text` with its first letter in upper case and the rest as it is."""
    return text[:1].upper() + text[1:]


def called(count: float, plural: str) -> str:
    """A name of many, for `count` of them: `rare_labels` is `rare label` where there is one."""
    words = plural.replace("_", " ").split(" ")
    if count == 1:
        first = next((place for place, word in enumerate(words) if word in SINGULARS), None)
        if first is not None:
            words[first] = SINGULARS[words[first]]
    return " ".join(words)


def counted(count: float, plural: str) -> str:
    """`1 row`, `2 rows`, `10,003 rows`."""
    return f"{number(count)} {called(count, plural)}"


def listed(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def percent(share: float) -> str:
    """A share of 1 as `92.8%`."""
    return f"{100 * share:.1f}%" if math.isfinite(share) else NOT_A_NUMBER


def round_percent(share: float) -> str:
    """A share as a percentage without a decimal that is zero: `80%` on an axis, `62.5%`."""
    return percent(share).replace(".0%", "%")


def number(value: float) -> str:
    """A count with its thousands apart, or three significant digits: `10,003`, `0.0312`, `1.5e-4`."""
    if not math.isfinite(value):
        return NOT_A_NUMBER
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}" if abs(value) < 1e15 else f"{value:.2e}"
    if abs(value) >= 0.001:
        return f"{value:.3g}"
    digits, power = f"{value:.2e}".split("e")
    return f"{float(digits):g}e{int(power)}"


def metric(key: str, value: float) -> str:
    """A metric's value: a percentage where it is a share, otherwise a number with the metric's decimals."""
    if key in SHARES or not math.isfinite(value):
        return percent(value)
    return _decimals(key, value)


def budget(risk: str, value: float, key: str = "") -> str:
    """A budget as a recipe has it, `0.5%` or for bias `2 points`; of a metric that is no share, the metric's too."""
    own = "" if not key or key in SHARES else f" ({metric(key, value)})"
    return f"{100 * value:.6g}{' points' if risk == 'bias' else '%'}{own}"


def share(measured: Measured) -> str:
    """A share with its interval: `92.8% (91.9-93.6)`."""
    return interval("accuracy", measured)


def interval(key: str, measured: Measured) -> str:
    """A metric with its interval: `92.8% (91.9-93.6)`, `0.312 (0.290-0.334)`."""
    low, high = metric(key, measured.low).removesuffix("%"), metric(key, measured.high).removesuffix("%")
    dash = " to " if low.startswith("-") or not math.isfinite(measured.low + measured.high) else "-"
    return f"{metric(key, measured.value)} ({low}{dash}{high})"


def difference(key: str, value: float) -> str:
    """A difference between two values of a metric: `+9.0 points` of a share, `-0.120` otherwise."""
    if not math.isfinite(value):
        return NOT_A_NUMBER
    return f"{_signed(key, value)} points" if key in SHARES else _signed(key, value)


def gap(key: str, value: float) -> str:
    """The size of a difference, without its sign: `9.0 points`."""
    return difference(key, abs(value)).removeprefix("+")


def ends(key: str, measured: Measured) -> str:
    """The interval of a difference: `+6.1 to +12.0`."""
    return f"{_signed(key, measured.low)} to {_signed(key, measured.high)}"


def _signed(key: str, value: float) -> str:
    if key in SHARES:
        written = f"{100 * value:+.1f}"
        return written if float(written) else written[1:]
    return f"{'+' if value > 0 else ''}{_decimals(key, value)}"


def _decimals(key: str, value: float) -> str:
    """A number with its metric's decimals, or three significant digits where those would be none, or far too many."""
    places = MEASURES[key].decimals if key in MEASURES else 3
    return f"{value:.{places}f}" if not value or 0.5 * 10**-places <= abs(value) < 1e6 else f"{value:.3g}"


def chance(p: float) -> str:
    """A p-value: `0.032`, `below 0.001`."""
    return "below 0.001" if p < 0.001 else f"{p:.3f}"


def duration(seconds: float) -> str:
    """Seconds as `0.4 s`, `1 min 12 s` or `2 h 5 min`."""
    if not math.isfinite(seconds):
        return NOT_A_NUMBER
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60:,} h {minutes % 60} min"


def mebibytes(size: float) -> str:
    """Bytes as `1,177 MiB`: on the page, on the terminal and in messages alike."""
    return f"{size / 2**20:,.0f} MiB"


def sized(size: float) -> str:
    """Bytes of a file, which may be few: `87 MiB`, `412 KiB`."""
    return mebibytes(size) if size >= 10 * 2**20 else f"{size / 2**10:,.0f} KiB"


def plain(value: Any) -> str:
    """A value of the recipe as the reader would write it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {plain(item)}" for key, item in value.items()) or "none"
    return str(value)
