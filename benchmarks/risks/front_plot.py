"""One plot as a file of vector graphics: what was learned against what was forgotten, with the intervals of both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final

from affina.reporting.curves import nice_ticks

WIDTH: Final = 860
HEIGHT: Final = 560
LEFT, RIGHT, TOP, BOTTOM = 80, 250, 24, 60
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8a6d3b")
"""Okabe & Ito's, which people with any sight of colours tell apart."""
LINEAR: Final = 0.005
"""Up to so much forgotten the scale is about linear."""
TICKS: Final = (-0.2, -0.1, -0.05, -0.02, -0.01, -0.005, 0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
LETTER, LINE = 5.6, 11
"""Of the small letters: how wide one is, about, and how high a line."""
Point = tuple[str, str, list[float], list[float]]
"""Kind, name, forgotten and learned, each as value, low, high."""


def drawn(points: Sequence[Point]) -> str:
    """The plot as SVG; dots of a kind share a colour, and whiskers are their intervals."""
    kinds = {kind: COLOURS[place % len(COLOURS)] for place, kind in enumerate(dict.fromkeys(one[0] for one in points))}
    across = [value for _, _, forgotten, _ in points for value in forgotten]
    upwards = [value for _, _, _, learned in points for value in learned]

    least, most = _spread(min(across)), _spread(max(across))

    def x_at(value: float) -> float:
        return round(LEFT + (_spread(value) - least) / (most - least or 1) * (WIDTH - LEFT - RIGHT), 1)

    def y_at(value: float) -> float:
        return round(
            HEIGHT - BOTTOM - (value - min(upwards)) / (max(upwards) - min(upwards) or 1) * (HEIGHT - TOP - BOTTOM), 1
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-size="13"',
        ' font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for tick in (one for one in TICKS if min(across) <= one <= max(across)):
        parts.append(f'<path d="M{x_at(tick)} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        parts.append(f'<text x="{x_at(tick)}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{100 * tick:g}%</text>')
    for tick in nice_ticks(min(upwards), max(upwards), count=6):
        parts.append(f'<path d="M{LEFT} {y_at(tick)}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y_at(tick) + 4}" text-anchor="end">{tick:g}</text>')
    taken = [(x_at(forgotten[0]), y_at(learned[0])) for _, _, forgotten, learned in points]
    for kind, name, forgotten, learned in points:
        x, y = x_at(forgotten[0]), y_at(learned[0])
        whiskers = f"M{x_at(forgotten[1])} {y}H{x_at(forgotten[2])}M{x} {y_at(learned[1])}V{y_at(learned[2])}"
        parts.append(f'<path d="{whiskers}" stroke="{kinds[kind]}" opacity="0.5"/>')
        parts.append(f'<circle cx="{x}" cy="{y}" r="4" fill="{kinds[kind]}"><title>{escape(name)}</title></circle>')
        beside = escape(name.removeprefix(kind).strip())
        left, down = _free(x, y, beside, taken)
        parts.append(f'<text x="{left}" y="{down}" font-size="10" fill="#555">{beside}</text>')
    for place, (kind, colour) in enumerate(kinds.items()):
        y = TOP + 14 + 20 * place
        parts.append(f'<circle cx="{WIDTH - RIGHT + 18}" cy="{y - 4}" r="5" fill="{colour}"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 30}" y="{y}">{escape(kind)}</text>')
    note = "beside a dot: learning rate, or strength"
    y = TOP + 24 + 20 * len(kinds)
    parts.append(f'<text x="{WIDTH - RIGHT + 14}" y="{y}" font-size="11" fill="#555">{note}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    forgot = "forgotten: rise of the loss on WikiText-2 (linear around 0, logarithmic beyond)"
    parts.append(f'<text x="{middle}" y="{HEIGHT - 14}" text-anchor="middle">{forgot}</text>')
    learned_text = "learned: nats a token on held-out answers"
    parts.append(f'<text transform="translate(22 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">{learned_text}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _spread(forgotten: float) -> float:
    return math.asinh(forgotten / LINEAR)


def _free(x: float, y: float, words: str, taken: list[tuple[float, float]]) -> tuple[float, float]:
    """Where the words stand beside a dot without standing on others, as far as there is room; noted as taken."""
    wide = LETTER * len(words)
    places = [
        (left, y + down)
        for down in (-5, 9, -16, 20, -27, 31)
        for left in (x + 7, x - 7 - wide)
        if LEFT < left < WIDTH - RIGHT + 20
    ]

    def crowd(place: tuple[float, float]) -> int:
        left, base = place
        return sum(
            left - LETTER < other < left + wide + LETTER and base - LINE < height < base + 2 for other, height in taken
        )

    best = min(places, key=crowd)
    taken += [(best[0] + LETTER * letter, best[1] - LINE / 3) for letter in range(0, len(words) + 1, 2)]
    return round(best[0], 1), round(best[1], 1)
