"""Texts far beyond the limit cost what their beginning costs, and come to the tokens that the whole would."""

import pytest
from transformers import AutoTokenizer

from affina.data.rows import Row
from affina.tasks import texts
from tiny_models import make_tiny

WORDS = "my card has not arrived yet where is it "


@pytest.fixture(params=["bert", "gpt2", "roberta"])
def tokenizer(request, tmp_path):
    return AutoTokenizer.from_pretrained(make_tiny(request.param, tmp_path))


def rows(*given):
    return [Row({"text": text, **({"text_pair": pair} if pair else {})}, "a.csv", 1, 2) for text, pair in given]


@pytest.mark.parametrize(
    "given",
    [
        [(WORDS * 60, None), ("why was I charged", None)],
        [(" " * 3_000 + WORDS, None)],
        [(WORDS * 60, "why"), (WORDS, WORDS * 60), (WORDS * 50, WORDS * 60)],
    ],
)
def test_the_beginning_gives_the_tokens_of_the_whole(tokenizer, given, monkeypatch):
    short = texts.tokenize(tokenizer, rows(*given), [0] * len(given), max_length=16)
    monkeypatch.setattr(texts, "CHARACTERS_PER_TOKEN", 10**9)

    assert short == texts.tokenize(tokenizer, rows(*given), [0] * len(given), max_length=16)


def test_most_of_a_long_text_is_not_read(tokenizer, monkeypatch):
    seen = []

    def spy(given, **options):
        seen.append(max(len(text) for text in ([given] if isinstance(given, str) else given)))
        return tokenizer(given, **options)

    texts._encode(spy, [WORDS * 500, WORDS], 16)

    assert max(seen) <= texts.CHARACTERS_PER_TOKEN * 16
