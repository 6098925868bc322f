r"""Personal data that a text shows by its form: e-mail addresses, phone numbers, payment cards, IBANs.

What is found is counted and shown masked, never in full. A payment card has a known issuer's beginning and length and
passes the Luhn check (ISO/IEC 7812-1, annex B); an IBAN has its country's length and passes the check modulo 97 (ISO
13616-1, section 6). Names and addresses have no form and are not found here.

Every pattern is bounded, so that a text of ten million characters takes time in proportion to its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from affina.data.table import excerpt

E_MAIL: Final = "email_addresses"
PHONE: Final = "phone_numbers"
CARD: Final = "payment_cards"
IBAN: Final = "bank_accounts"
KINDS: Final = {E_MAIL: "an e-mail address", PHONE: "a phone number", CARD: "a payment card", IBAN: "an IBAN"}

_E_MAIL: Final = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w@-])")
_CARD: Final = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
_CARD_BEGINNINGS: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d{2}|222[1-9]|22[3-9]\d|2[3-6]\d{2}|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|6(?:011|5\d{2}|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[689]\d)\d{11}"
)
"""Visa, Mastercard, American Express, Discover, JCB, Diners Club."""
_IBAN: Final = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?![A-Za-z0-9])")
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
    r"(?<![\w+.])(?<!\d[ -])(?:"
    r"(?:\+|00)[1-9]\d{0,2}(?:[ ./-]?\(?\d{1,5}\)?){2,6}"  # with a country's code
    r"|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}"  # North America
    r"|0[1-9]\d{1,3}[ /-]\d{3,4}[ -]?\d{3,4}"  # with a trunk prefix and blanks
    r"|0[1-9]\d{8,9}"  # with a trunk prefix, written together
    r")(?![\w+-]|\.\d)"
)
_DIGITS: Final = (9, 15)
"""Digits in a phone number: ITU-T E.164 allows 15; below 9, prices and years look the same."""

_MASKED_CHARACTERS: Final = 2_000


def personal_kinds(text: str) -> Iterator[tuple[str, str]]:
    """Each kind of personal data that a text shows, once, with its first occurrence masked."""
    if "@" in text and (match := _E_MAIL.search(text)):
        name, _, domain = match.group().partition("@")
        yield E_MAIL, f"{name[0]}...@{domain[0]}..."
    if not _has_digits(text):
        return
    if match := next((match for match in _IBAN.finditer(text) if is_iban(match.group())), None):
        yield IBAN, f"{match.group()[:2]}...{match.group()[-2:]}"
        text = _IBAN.sub(" ", text)
    if match := next((match for match in _CARD.finditer(text) if is_card(match.group())), None):
        yield CARD, f"...{match.group()[-2:]}"
        text = _CARD.sub(" ", text)
    phones = (match.group() for match in _PHONE.finditer(text))
    if found := next((phone for phone in phones if _DIGITS[0] <= sum(map(str.isdigit, phone)) <= _DIGITS[1]), None):
        yield PHONE, f"...{found[-2:]}"


def masked_excerpt(text: str) -> str:
    """The start of a text for a message, personal data replaced by their kinds."""
    start = text[:_MASKED_CHARACTERS]
    start = _E_MAIL.sub("[e-mail]", start)
    start = _IBAN.sub(lambda match: "[IBAN]" if is_iban(match.group()) else match.group(), start)
    start = _CARD.sub(lambda match: "[card]" if is_card(match.group()) else match.group(), start)
    return excerpt(_PHONE.sub("[phone]", start))


def is_card(text: str) -> bool:
    """Whether digits, with blanks or hyphens between them, are the number of a payment card."""
    digits = re.sub(r"[ -]", "", text)
    return bool(_CARD_BEGINNINGS.fullmatch(digits)) and _luhn(digits)


def is_iban(text: str) -> bool:
    """Whether letters and digits, with blanks between them, are an IBAN."""
    letters = text.replace(" ", "")
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
