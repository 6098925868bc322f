"""How numbers are written in the report: one function a kind of figure, so that a page agrees with itself.

This module reads no records and knows no page.
"""

from __future__ import annotations

import math
from typing import Any, Final

from affina.record.measures import SHARES, title
from affina.record.payloads import Measured

NAMES: Final = {
    "tuned": "tuned model",
    "majority": "most frequent label",
    "most_frequent_set": "most frequent set of labels",
    "mean": "mean of the training rows",
    "linear_probe": "linear probe on the frozen model",
    "ridge_probe": "ridge probe on the frozen model",
}
"""What the record's names are called in a sentence; a name that is not here is written without its underscores."""


def name(key: str) -> str:
    """The reader's word for a metric, a predictor or a stage."""
    return NAMES.get(key) or title(key)


def the(key: str) -> str:
    """The same with its article, but for what has a shorter one: `the majority class`."""
    return "the majority class" if key == "majority" else f"the {name(key)}"


def capital(text: str) -> str:
    """`text` with its first letter in upper case and the rest as it is."""
    return text[:1].upper() + text[1:]


def percent(share: float) -> str:
    """A share of 1 as `92.8%`."""
    return f"{100 * share:.1f}%" if math.isfinite(share) else "not a number"


def round_percent(share: float) -> str:
    """A share as a percentage without a decimal that is zero: `80%` on an axis, `62.5%`."""
    return percent(share).replace(".0%", "%")


def number(value: float) -> str:
    """A count with its thousands apart, or three significant digits: `10,003`, `0.0312`, `1.5e-4`."""
    if not math.isfinite(value):
        return "not a number"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 0.001:
        return f"{value:.3g}"
    digits, power = f"{value:.2e}".split("e")
    return f"{float(digits):g}e{int(power)}"


def metric(key: str, value: float) -> str:
    """A metric's value: a percentage where it is a share, otherwise a number with three decimals."""
    return percent(value) if key in SHARES else f"{value:.3f}"


def share(measured: Measured) -> str:
    """A share with its interval: `92.8% (91.9-93.6)`."""
    low, high = percent(measured.low), percent(measured.high)
    return f"{percent(measured.value)} ({low.removesuffix('%')}-{high.removesuffix('%')})"


def interval(key: str, measured: Measured) -> str:
    """A metric with its interval: `92.8% (91.9-93.6)`, `0.312 (0.290-0.334)`."""
    if key in SHARES:
        return share(measured)
    return f"{measured.value:.3f} ({measured.low:.3f}-{measured.high:.3f})"


def duration(seconds: float) -> str:
    """Seconds as `0.4 s`, `1 min 12 s` or `2 h 5 min`."""
    if not math.isfinite(seconds):
        return "not a number"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def memory(size: float) -> str:
    """Bytes as `812 MB` or `1.4 GB`; a megabyte is a million bytes."""
    return f"{size / 1e9:.1f} GB" if size >= 999.5e6 else f"{size / 1e6:.0f} MB"


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
