"""A language that a tokenizer was not made for is seen, by what it does to the words; its own is left alone."""

from __future__ import annotations

import csv
import re
from collections import Counter

import pytest

from affina.data.rows import Row
from affina.evaluation.language import CODES, check_language, language_of, words_of
from affina.evaluation.passages import PASSAGES


class Pieces:
    """A stand-in for a tokenizer: whole words that it knows, and single letters of all others."""

    unk_token, eos_token, unk_token_id = "[UNK]", None, 7

    def __init__(self, *languages: str, letters: str | None = None) -> None:
        self.known = {word for language in languages for word in words_of(PASSAGES[language])}
        self.letters = letters

    def __call__(self, words, *, add_special_tokens):
        assert not add_special_tokens
        return {"input_ids": [self._ids(word.strip()) for word in words]}

    def _ids(self, word):
        if word in self.known:
            return [1]
        return [7 if self.letters is not None and letter not in self.letters else 2 for letter in word]


def rows_of(text):
    sentences = re.split(r"(?<=\.) ", text)
    return [Row({"text": sentence, "label": "a"}, "a.csv", n, n + 1) for n, sentence in enumerate(sentences, start=1)]


def check(tokenizer, text):
    return check_language(tokenizer, rows_of(text), model="some/model", seed=0)


@pytest.mark.parametrize("language", list(PASSAGES))
def test_each_language_is_strange_to_a_tokenizer_of_another(language):
    other = next(name for name in PASSAGES if name != language)
    (finding,), (checked,) = check(Pieces(other), PASSAGES[language])
    assert finding.name == "unfamiliar_language"
    assert f"looks like {language}" in finding.meaning
    assert "model=" in finding.advice
    assert f"those of {other}, which it cuts the least of 6 languages" in checked.how
    assert check(Pieces(language), PASSAGES[language])[0] == ()
    assert check(Pieces(*PASSAGES), PASSAGES[language])[0] == ()


def test_names_and_numbers_that_are_cut_small_do_not_make_a_language_strange():
    names = " ".join(f"Xq{letter}zzk{letter}brr Wh{letter}ommvv" for letter in "abcdefghijklmnopqrstuvwxyz")
    findings, (checked,) = check(Pieces("English"), f"{PASSAGES['English']} {names * 3}")
    assert findings == ()
    assert "those of English" in checked.how


def test_a_script_that_it_does_not_know():
    russian = "я хотел бы знать где моя посылка и когда она придёт домой сегодня вечером " * 5
    (finding,), _ = check(Pieces("English"), russian)
    assert "looks like" not in finding.meaning
    chinese = "我想知道我的包裹在哪里 什么时候到 谢谢你的帮助 " * 20
    assert check(Pieces("English", letters=chinese), chinese)[0] == ()  # one piece for each letter is as it should be
    (finding,), (checked,) = check(Pieces("English", letters="abc"), chinese)
    assert "100.0% of the words hold a piece that it does not know" in checked.how


def test_too_few_words_say_nothing():
    assert check(Pieces("English"), "ciao bella. come va") == ((), ())


def test_names_of_users_and_addresses_are_no_words():
    assert Counter(words_of("hi @user see https://x.org/y and #tag or a.b in C3PO")) == Counter(
        ["hi", "see", "and", "or", "in", "C", "PO"]
    )


CATALAN = (
    "El meu paquet encara no ha arribat i voldria saber on és. Ahir vaig trucar a la botiga però ningú no em va "
    "respondre. Em podeu dir quan arribarà? Fa dues setmanes que espero la resposta i començo a estar preocupat. "
    "Moltes gràcies per la vostra ajuda i bon dia a tothom. Si no el trobeu, vull que em torneu els diners."
)
DUTCH = (
    "Mijn pakket is nog niet aangekomen en ik wil graag weten waar het is. Gisteren heb ik de winkel gebeld maar "
    "niemand nam de telefoon op. Kunt u mij zeggen wanneer het komt? Ik wacht al twee weken op een antwoord en ik "
    "begin mij zorgen te maken. Hartelijk dank voor uw hulp. Als u het niet vindt wil ik mijn geld terug."
)


def test_the_language_of_the_rows_is_named_where_it_is_clear():
    for name, text in PASSAGES.items():
        assert language_of(rows_of(text), seed=0) == CODES[name]
    assert language_of(rows_of(CATALAN), seed=0) == ""
    assert language_of(rows_of(DUTCH), seed=0) == ""
    assert language_of(rows_of("ciao bella. come va"), seed=0) == ""
    assert language_of([], seed=0) == ""


@pytest.mark.parametrize("language", ["en", "it", "de", "fr", "es"])
def test_news_in_five_languages(data, language):
    with (data / "flores200" / "dev.csv").open(encoding="utf-8") as file:
        rows = [Row({"text": line[language]}, "dev.csv", n, n) for n, line in enumerate(csv.DictReader(file), start=1)]
    assert language_of(rows, seed=0) == language


def test_the_answers_are_looked_at_by_themselves():
    rows = [Row({"text": PASSAGES["English"], "label": PASSAGES["Italian"]}, "a.csv", 1, 2)]
    tokenizer = Pieces("English")

    read, _ = check_language(tokenizer, rows, model="this", seed=0)
    written, [check] = check_language(tokenizer, rows, model="this", seed=0, written=True)

    assert read == ()
    assert [finding.name for finding in written] == ["unfamiliar_language_of_answers"]
    assert check.name == "language of the answers"
