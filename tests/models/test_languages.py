"""How models are told their languages, read off tokenizers of the known kinds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from affina.errors import ModelError
from affina.models.languages import direction, name_of


def speaks(*special: str, vocabulary: tuple[str, ...] = (), src_lang: bool = False) -> Any:
    return SimpleNamespace(
        init_kwargs={"src_lang": None} if src_lang else {},
        all_special_tokens=list(special),
        added_tokens_decoder={},
        get_vocab=lambda: {token: place for place, token in enumerate((*special, *vocabulary))},
        convert_tokens_to_ids=(*special, *vocabulary).index,
    )


def config(kind: str, **settings: Any) -> Any:
    return SimpleNamespace(model_type=kind, to_dict=lambda: settings)


def find(kind: str, tokenizer: Any, target: str = "fr", **settings: Any) -> Any:
    return direction(config(kind, **settings), tokenizer, source="en", target=target, where="model: x")


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (("en_XX", "fr_XX", "de_DE"), ("en_XX", "fr_XX")),
        (("eng_Latn", "fra_Latn", "deu_Latn"), ("eng_Latn", "fra_Latn")),
        (("__en__", "__fr__", "__de__"), ("__en__", "__fr__")),
    ],
)
def test_a_tokenizer_with_language_codes_gets_them(codes: tuple[str, ...], expected: tuple[str, str]) -> None:
    found = find("m2m_100", speaks(*codes, src_lang=True))

    assert (found.source_code, found.target_code) == expected
    assert found.first_token == 1
    assert not found.before


def test_a_marian_model_of_many_targets_gets_its_mark() -> None:
    assert find("marian", speaks(vocabulary=(">>fra<<", ">>deu<<"))).before == ">>fra<< "


def test_a_marian_model_of_one_direction_is_told_nothing() -> None:
    found = find("marian", speaks(vocabulary=("a", "b")))

    assert not found.before
    assert found.first_token is None


def test_t5_is_told_in_words_its_own_where_it_has_them() -> None:
    own = {"translation_en_to_fr": {"prefix": "translate English to French: "}}

    assert find("t5", speaks(), task_specific_params=own).before == "translate English to French: "
    assert "does not say" not in find("t5", speaks(), task_specific_params=own).told
    assert find("t5", speaks(), "it").before == "translate English to Italian: "
    assert "does not say" in find("t5", speaks(), "it").told


@pytest.mark.parametrize(
    "tokenizer", [speaks("en_XX", "de_DE", src_lang=True), speaks(vocabulary=(">>deu<<", ">>spa<<"))]
)
def test_a_language_that_the_model_does_not_know_is_said(tokenizer: Any) -> None:
    with pytest.raises(ModelError, match=r"knows French \(fr\)"):
        find("mbart", tokenizer)


def test_a_language_without_a_name_keeps_its_code() -> None:
    assert name_of("xx") == "xx"
    assert name_of("IT") == "Italian"
