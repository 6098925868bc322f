"""Damaged letters are found whatever was damaged, and sound text in any language is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affina.data.audit.damage import CONTROLS, MOJIBAKE, REPLACED, damage_of

SOUND = [
    "plain", "NÃO, Ângela! Às vezes", "café à la crème", "« sécurité\u00a0» et l'autorité\u00a0» afin", "Ça va? Où? Él",
    "ÀÉÎÕÜ", "5\u00a0€", "Ärger", "Привет", "你好", "🙂", "tab\tand\nline", "naïve coöperation", "â la carte",
]  # fmt: skip


@pytest.mark.parametrize("text", SOUND)
def test_sound_text_is_left_alone(text):
    assert damage_of(text) is None


@pytest.mark.parametrize(
    "text",
    ["caffè", "l\u2019été", "\u201cquoted\u201d", "5 €", "Größe", "Привет", "你好吗", "🙂 yes", "naïve \u2013 yes"],
)
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_utf_8_that_was_read_as_something_else(text, encoding):
    read = text.encode().decode(encoding, errors="ignore" if encoding == "cp1252" else "strict")
    if encoding == "cp1252" and len(text.encode().decode("latin-1")) != len(read):
        pytest.skip("a byte that Windows-1252 does not have")
    kind, shown = damage_of(read) or (None, "")
    assert kind == MOJIBAKE
    assert shown


def test_replaced_and_control_characters():
    assert damage_of("caff\ufffd") == (REPLACED, repr("caff\ufffd"))
    assert damage_of("that\x92s it") == (CONTROLS, repr("that\x92s it"))
    assert damage_of("bell\x07")[0] == CONTROLS


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=50))
def test_ascii_is_sound(text):
    assert damage_of(text) is None


@given(st.text(alphabet="àèìòùéáíóúâêîôûäëïöüçñßÀÈÉ abcdefg", max_size=50))
def test_letters_with_accents_are_sound(text):
    assert damage_of(text) is None
