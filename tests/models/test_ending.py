"""Where a written text ends: words stop the writing without changing a text, and the model's own end tokens count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from affina.models.ending import end_tokens, end_with, until_words
from affina.models.language import LanguageModel, load_language_model
from affina.models.source import locate
from affina.models.writing import HowToWrite, Written, write
from tiny_models import APART, make_apart, make_tiny

ASKED = ("my card is lost", "why was I charged a fee for this transfer", "no", "the machine kept my card")
HOWS = {
    "greedy": HowToWrite(most_tokens=24),
    "drawn": HowToWrite(most_tokens=24, temperature=1.0, seed=3),
    "beams": HowToWrite(most_tokens=24, beams=3),
}


@pytest.fixture(params=["llama", "gpt2", "t5"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> LanguageModel:
    make = make_apart if request.param in APART else make_tiny
    made = load_language_model(locate(str(make(request.param, tmp_path / request.param))))
    # tiny random models write halves of characters and one token again and again: only some tokens are left to them
    tokens = {made.tokenizer.decode([token]): token for token in range(len(made.tokenizer))}
    kept = {token for text, token in tokens.items() if text.isascii() and text.strip().isalpha()}
    others = [[token] for token in range(len(made.tokenizer)) if token not in kept]
    made.module.generation_config.bad_words_ids = others
    return made


def prompts(model: LanguageModel) -> list[list[int]]:
    return [model.tokenizer(text)["input_ids"] for text in ASKED]


def cut_afterwards(whole: Written, words: str) -> tuple[str, bool]:
    """By hand: what is left of a text that was written to its end."""
    stripped = whole.text.lstrip()
    return (stripped.split(words)[0], True) if words and words in stripped else (whole.text, whole.ended)


@pytest.mark.parametrize("how", HOWS)
def test_a_text_that_is_stopped_is_the_one_that_is_cut_afterwards(model: LanguageModel, how: str) -> None:
    wholes = write(model, prompts(model), HOWS[how])
    words = [whole.text.lstrip()[4:6] for whole in wholes[:3]] + [""]
    found = write(model, prompts(model), HOWS[how], until=words)

    assert [(one.text, one.ended) for one in found] == [
        cut_afterwards(whole, end) for whole, end in zip(wholes, words, strict=True)
    ]
    assert any(one.text != whole.text for one, whole in zip(found, wholes, strict=True))
    assert found[3] == wholes[3]


def test_nothing_is_written_once_all_texts_have_ended(model: LanguageModel) -> None:
    wholes = write(model, prompts(model), HOWS["greedy"])
    steps = []
    model.module.register_forward_hook(lambda *_: steps.append(1))
    words = [whole.text.lstrip()[:2] for whole in wholes]
    found = write(model, prompts(model), HOWS["greedy"], until=words)

    assert 0 < len(steps) < 12
    assert [one.tokens for one in found] == [
        next(
            count
            for count in range(1, 25)
            if until_words(write(model, [asked], replace(HOWS["greedy"], most_tokens=count))[0].text, end) is not None
        )
        for asked, end in zip(prompts(model), words, strict=True)
    ]


def test_words_that_never_come_change_nothing(model: LanguageModel) -> None:
    asked = prompts(model)

    assert write(model, asked, HOWS["greedy"], until=["@@@@@"] * 4) == write(model, asked, HOWS["greedy"])


def test_a_token_that_the_generation_settings_name_ends_a_text(model: LanguageModel) -> None:
    [whole] = write(model, prompts(model)[:1], HOWS["greedy"])
    asked = model.tokenizer(ASKED[0], return_tensors="pt", return_token_type_ids=False)
    made = model.module.generate(**asked, max_new_tokens=24, do_sample=False)[0].tolist()
    token = made[1 if model.reads_apart else asked["input_ids"].shape[1] :][3]
    before = end_tokens(model)

    assert end_with(model.module, token)
    assert not end_with(model.module, token)
    assert end_tokens(model) == sorted({*before, token})
    [found] = write(model, prompts(model)[:1], HOWS["greedy"])
    assert found.ended
    assert found.tokens <= whole.tokens
    assert whole.text.startswith(found.text)
    assert found.text != whole.text


@pytest.mark.parametrize(
    ("text", "words", "kept"),
    [("\n\nyes\n\nno", "\n\n", "yes"), ("yes", "\n\n", None), ("yes\n\n", "\n\n", "yes"), ("yes\n\n", "", None)],
)
def test_what_stands_before_the_words(text: str, words: str, kept: str | None) -> None:
    assert until_words(text, words) == kept
