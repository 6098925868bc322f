"""The case in which a term was found, given to its counterpart."""

from __future__ import annotations

from unicodedata import normalize


def in_case(partner: str, found: str, written: str) -> str:
    """The counterpart in the case in which a term was found.

    Args:
        partner: the counterpart.
        found: the term as the text has it.
        written: as its list has it.
    """
    found, written = normalize("NFC", found), normalize("NFC", written)
    if found == written:
        return partner
    if found.isupper():
        return partner.upper()
    if found[0].isupper():
        return partner[0].upper() + partner[1:]
    return partner.lower() if found.islower() else partner
