r"""Personal data that a text shows by its form: e-mail addresses, phone numbers, payment cards, IBANs.

What is found is counted and shown masked, never in full. A payment card has a known issuer's beginning and length and
passes the Luhn check (ISO/IEC 7812-1, annex B); an IBAN has its country's length and passes the check modulo 97 (ISO
13616-1, section 6). Names and addresses have no form and are not found here.

Every pattern is bounded, so that a text of ten million characters takes time in proportion to its length.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from affina.data.table import excerpt
from affina.record.row_results import MASKS

E_MAIL: Final = "email_addresses"
PHONE: Final = "phone_numbers"
CARD: Final = "payment_cards"
IBAN: Final = "bank_accounts"
KINDS: Final = {E_MAIL: "an e-mail address", PHONE: "a phone number", CARD: "a payment card", IBAN: "an IBAN"}

_GAP: Final = "[ \u00a0\u202f\u2009-]"
"""What may stand between the groups of a number, one at a time."""
_E_MAIL: Final = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![^\W_]|@|[-_]\w)")
_CARD: Final = re.compile(rf"(?<![\w-])(?<!\d\.)(?:\d{{4}}(?:\.\d{{4}}){{3}}|\d(?:{_GAP}?\d){{12,18}})")
_AFTER_CARD: Final = re.compile(
    rf"(?!\w|{_GAP}\d)|(?=(?i:cvc|cvv|exp))"
    rf"|{_GAP}(?:\d\d ?/ ?)?\d{{2,4}}(?!\w|{_GAP}\d)|{_GAP}\d\d/\d{{2,4}}{_GAP}\d{{3,4}}\b"
)
"""What may follow a card's number: its security code, the month when it ends, no digit."""
_CARD_LENGTHS: Final = range(19, 12, -1)
_CARD_BEGINNINGS: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d{2}|222[1-9]|22[3-9]\d|2[3-6]\d{2}|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|6(?:011|5\d{2}|4[4-9]\d)\d{12}|62\d{14,17}|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[689]\d)\d{11}"
)
"""Visa, Mastercard, American Express, Discover, UnionPay, JCB, Diners Club."""
_IBAN: Final = re.compile(r"(?:(?<![A-Za-z0-9])|(?<=IBAN)|(?<=Iban)|(?<=iban))[A-Za-z]{2}\d{2}")
_IBAN_LETTERS: Final = re.compile(rf"(?:{_GAP}|\.)?[A-Za-z0-9]")
_AFTER_IBAN: Final = re.compile(r"(?![A-Za-z0-9])|(?i:bic|swift)")
_IBAN_LENGTHS: Final = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FO GL NL",
        19: "MK SI",
        20: "AT BA EE KZ LT LU XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "PT ST",
        26: "IS TR",
        27: "FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU",
        31: "MT SC",
    }.items()
    for country in countries.split()
}
"""From the IBAN registry (SWIFT)."""
_PHONE: Final = re.compile(
    rf"(?<![\w+.#])(?<!\d-)(?:"
    rf"(?:(?:\+|00)?1[ \u00a0.-]?)?\(?[2-9]\d\d\)?(?:{_GAP}|\.)\d{{3}}(?:{_GAP}|\.)\d{{4}}"  # North America
    rf"|(?:\+|00)1[2-9]\d\d[2-9]\d{{6}}"
    rf"|(?<!\d[ -])(?:"
    rf"(?:\+|00)[2-9]\d{{0,2}}(?:[ \u00a0./-]?\(?\d{{1,5}}\)?){{2,6}}"  # with a country's code
    rf"|0[1-9](?:{_GAP}\d\d){{4}}|0[1-9](?:\.\d\d){{4}}|[67]\d\d(?:{_GAP}\d\d){{3}}"  # in pairs
    rf"|0[1-9]\d{{0,3}}(?: ?[/-] ?|[ \u00a0])\d{{3,4}}{_GAP}?\d{{3,4}}"  # with a trunk prefix and blanks
    rf"|(?:0[1-9]\d{{0,2}}|3[2-9]\d)[ \u00a0/]\d{{6,8}}"  # a code and the rest together
    rf"|\(0[1-9]\d{{0,3}}\) ?\d{{2,5}}(?:{_GAP}?\d{{2,4}}){{1,3}}|\([1-9]\d\) ?9?\d{{4}}-\d{{4}}"  # a code in brackets
    rf"|0[1-9]\d{_GAP}\d{{3}}(?:{_GAP}\d\d){{2}}"  # in threes and pairs
    rf"|0[1-9]\d{{8,9}}"  # with a trunk prefix, written together
    rf"))(?![\w+-]|\.\d|{_GAP}\d)"
)
_NOT_A_PHONE: Final = re.compile(r"[01]*|0?123456789?0?")
"""Digits that are a pattern."""
_DIGITS: Final = (9, 15)
"""Digits in a phone number: ITU-T E.164 allows 15; below 9, prices and years look the same."""

_MASKED_CHARACTERS: Final = 2_000
Span = tuple[int, int]


def personal_kinds(text: str) -> Iterator[tuple[str, str]]:
    """Each kind of personal data that a text shows, once, with its first occurrence masked."""
    if "@" in text and (match := _E_MAIL.search(text)):
        name, _, domain = match.group().partition("@")
        yield E_MAIL, f"{name[0]}...@{domain[0]}..."
    for kind, find in _NUMBERS.items() if _has_digits(text) else ():
        if spans := list(find(text)):
            start, end = spans[0]
            yield kind, f"{text[start : start + 2] if kind == IBAN else ''}...{text[end - 2 : end]}"
            text = _without(text, spans, " ")


def masked(text: str) -> str:
    """A text with personal data replaced by their kinds."""
    text = _E_MAIL.sub(_MASKS[E_MAIL], text) if "@" in text else text
    for kind, find in _NUMBERS.items() if _has_digits(text) else ():
        text = _without(text, list(find(text)), _MASKS[kind])
    return text


def masked_excerpt(text: str) -> str:
    """The start of a text for a message, personal data replaced by their kinds."""
    return excerpt(masked(text[:_MASKED_CHARACTERS]))


def _ibans(text: str) -> Iterator[Span]:
    """Where IBANs stand: as many letters and digits as their country's have, whatever comes behind."""
    end = 0
    for match in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(match.group()[:2].upper())
        if length is None or match.start() < end:
            continue
        place = _behind(text, match.end(), letters=length - len(match.group()))
        if place is not None and is_iban(text[match.start() : place]):
            end = place
            yield match.start(), end


def _behind(text: str, place: int, *, letters: int) -> int | None:
    """The place behind so many letters and digits, where no further one follows at once; None where there is none."""
    for _ in range(letters):
        letter = _IBAN_LETTERS.match(text, place)
        if letter is None:
            return None
        place = letter.end()
    return place if _AFTER_IBAN.match(text, place) else None


def _cards(text: str) -> Iterator[Span]:
    """Where the numbers of payment cards stand, the longest that is one."""
    for match in _CARD.finditer(text):
        digits = [match.start() + place for place, letter in enumerate(match.group()) if letter.isdigit()]
        for length in _CARD_LENGTHS:
            if length > len(digits):
                continue
            start, end = match.start(), digits[length - 1] + 1
            if is_card(text[start:end]) and _AFTER_CARD.match(text, end):
                yield start, end
                break


def _phones(text: str) -> Iterator[Span]:
    for match in _PHONE.finditer(text):
        digits = "".join(filter(str.isdigit, match.group()))
        if _DIGITS[0] <= len(digits) <= _DIGITS[1] and not _NOT_A_PHONE.fullmatch(digits):
            yield match.span()


_NUMBERS: Final[Mapping[str, Callable[[str], Iterator[Span]]]] = {IBAN: _ibans, CARD: _cards, PHONE: _phones}
"""In this order: a card's digits are no phone number's."""
_MASKS: Final = dict(zip((E_MAIL, IBAN, CARD, PHONE), MASKS, strict=True))


def _without(text: str, spans: Sequence[Span], name: str) -> str:
    parts, place = [], 0
    for start, end in spans:
        parts += [text[place:start], name]
        place = end
    return "".join([*parts, text[place:]])


def is_card(text: str) -> bool:
    """Whether digits, with blanks, hyphens or points between them, are the number of a payment card."""
    digits = re.sub(rf"{_GAP}|\.", "", text)
    return bool(_CARD_BEGINNINGS.fullmatch(digits)) and _luhn(digits)


def is_iban(text: str) -> bool:
    """Whether letters and digits, with blanks, hyphens or points between them, are an IBAN."""
    letters = re.sub(rf"{_GAP}|\.", "", text).upper()
    if _IBAN_LENGTHS.get(letters[:2]) != len(letters):
        return False
    return int("".join(str(int(letter, 36)) for letter in letters[4:] + letters[:4])) % 97 == 1


def _luhn(digits: str) -> bool:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(doubled) + sum(int(digit) for digit in digits[::-2])) % 10 == 0


_MANY_DIGITS: Final = re.compile(r"\d(?:[^\d\n]{0,3}\d){8}")


def _has_digits(text: str) -> bool:
    """Whether there are as many digits near each other as the shortest phone number has."""
    return _MANY_DIGITS.search(text) is not None
