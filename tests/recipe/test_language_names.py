"""The language that a column's name says."""

from __future__ import annotations

import pytest

from affina.recipe.languages import NAMES, code_of, language_of


@pytest.mark.parametrize(
    ("column", "language"),
    [
        ("en", "en"),
        ("EN", "en"),
        ("eng", "en"),
        ("English", "en"),
        ("eng_Latn", "en"),
        ("en_XX", "en"),
        ("pt-BR", "pt"),
        ("zh_CN", "zh"),
        ("de_text", "de"),
        ("sentence_it", "it"),
        ("source_en", "en"),
        ("tgt.fr", "fr"),
        ("sw", "sw"),
        ("id", None),
        ("no", None),
        ("is", None),
        ("to", None),
        ("mr", None),
        ("text", None),
        ("source", None),
        ("en_de", None),
        ("en_masculine", None),
        ("label_en_text", None),
        ("xx", None),
        ("", None),
    ],
)
def test_a_columns_name_may_say_its_language(column, language):
    assert language_of(column) == language


def test_a_column_of_texts_may_be_called_by_a_code_that_is_a_word():
    assert [language_of(name, known=True) for name in ("id", "no", "text", "mr")] == ["id", "no", None, "mr"]


def test_every_language_of_the_table_is_known_by_its_code_and_its_name():
    for code, (long, name) in NAMES.items():
        assert code_of(code) == code_of(long) == code_of(name) == code
