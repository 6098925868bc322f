"""Italian nouns swapped with what stands in front of them: every noun with every word that agrees, and what stays."""

from itertools import product
from pathlib import Path

import pytest

from affina.data.identity import terms
from affina.data.identity.agreement import in_front_of, words_in_front
from affina.data.identity.swapping import Swapper
from affina.data.identity.terms import Pair, terms_for
from affina.data.rows import Row

PAIRS = terms_for(None, "it").value
SWAPPER = Swapper(PAIRS)
NOUNS = [pair for pair in PAIRS if pair.noun is not None and not pair.before]
BY_HAND = {
    "il": "il del al dal nel sul un questo quel nessun",
    "lo": "lo dello allo dallo nello sullo uno questo quello nessuno",
    "l'm": "l' dell' all' dall' nell' sull' un quest' quell' nessun",
    "la": "la della alla dalla nella sulla una questa quella nessuna",
    "l'f": "l' dell' all' dall' nell' sull' un' quest' quell' nessun'",
    "i": "i dei ai dai nei sui - questi quei -",
    "gli": "gli degli agli dagli negli sugli - questi quegli -",
    "le": "le delle alle dalle nelle sulle - queste quelle -",
}
POSSESSIVES = ("mio mia miei mie", "tuo tua tuoi tue", "suo sua suoi sue", "nostro nostra nostri nostre",
               "vostro vostra vostri vostre", "loro loro loro loro")  # fmt: skip


def joined(*words):
    return "".join(word if word.endswith("'") else f"{word} " for word in words).strip()


def columns_of(pair):
    return ["l'" + mark if article == "l'" else article for article, mark in zip(pair.noun.articles, "mf", strict=True)]


def forms():
    """Texts of a man and of a woman: every noun, behind each word, possessive, and both, as written out above."""
    for pair in NOUNS:
        man, woman = columns_of(pair)
        plural = man in ("i", "gli")
        bare = [("", "")] if pair.noun.alone else []
        for one, other in bare + list(zip(BY_HAND[man].split(), BY_HAND[woman].split(), strict=True)):
            if "-" not in (one, other):
                yield joined(one, pair.first), joined(other, pair.second)
        fronts = zip(*(BY_HAND[name].split() for name in (("i", "le") if plural else ("il", "la"))), strict=True)
        for (one, other), possessive in product([("", ""), *fronts], POSSESSIVES):
            his, hers = possessive.split()[2:] if plural else possessive.split()[:2]
            if "-" not in (one, other) and (one or his != "loro" or pair.noun.alone):
                yield joined(one, his, pair.first), joined(other, hers, pair.second)


def test_every_noun_behind_every_article_preposition_and_possessive():
    every = list(forms())
    assert len(every) > 2000
    for man, woman in every:
        for text, swapped in [(man, woman), (woman, man)]:
            assert SWAPPER.swap(text).text == swapped
            assert SWAPPER.swap(text.upper()).text == swapped.upper()
            sentence = f"Ieri, {text} va"
            assert SWAPPER.swap(SWAPPER.swap(sentence).text).text == sentence
            begins = text[0].upper() + text[1:]
            assert SWAPPER.swap(begins).text == swapped[0].upper() + swapped[1:]


def in_front(word, form, column):
    """A word that agrees as it stands in front of a noun of a column: with an article where it needs one."""
    if word.kind == "before":
        return form, BY_HAND[column].split()[0]
    return (BY_HAND[in_front_of(form, column)].split()[0], form) if word.kind == "behind" else (form,)


def test_every_word_that_agrees_comes_back_in_its_first_form():
    count = 0
    for pair, word in product(NOUNS, words_in_front()):
        for noun, column in zip((pair.first, pair.second), columns_of(pair), strict=True):
            first, *others = word.forms.get(column, ("",))
            if first and (word.tells or pair.noun.alone):
                text = joined(*in_front(word, first, column), noun)
                once = SWAPPER.swap(text)
                assert sum(once.sides) == 1
                assert SWAPPER.swap(once.text).text == text
                assert [SWAPPER.swap(joined(other, noun)).text for other in others] == [once.text] * len(others)
                count += 1
    assert count > 3000


@pytest.mark.parametrize("pair", NOUNS, ids=lambda pair: pair.first)
def test_a_nouns_article_is_the_one_that_its_sound_asks_for(pair):
    for noun, column in zip((pair.first, pair.second), columns_of(pair), strict=True):
        assert column == in_front_of(noun, column)


@pytest.mark.parametrize(
    ("text", "swapped"),
    [
        ("tutti i miei due figli", "tutte le mie due figlie"),
        ("entrambe quelle ragazze", "entrambi quei ragazzi"),
        ("un altro ragazzo e l\u2019altra attrice", "un'altra ragazza e l\u2019altro attore"),
        ("lo stesso zio, gli stessi figli", "la stessa zia, le stesse figlie"),
        ("un bell'uomo e una bella donna", "una bella donna e un bell'uomo"),
        ("il suo ex marito", "la sua ex moglie"),
        ("nel mio nuovo bambino", "nella mia nuova bambina"),
        ("è proprio suo padre, senz'altro suo padre", "è proprio sua madre, senz'altro sua madre"),
        ("di nuovo mio padre, e il proprio padre", "di nuovo mia madre, e la propria madre"),
        ("le signore, il signore, signore", "i signori, la signora, signore"),
        ("le infermiere, l'infermiere, infermiere", "gli infermieri, l'infermiera, infermiera"),
        ("la signora Rossi, la signora dice", "il signor Rossi, il signore dice"),
        ("Buongiorno, signora. Dottoressa Neri", "Buongiorno, signora. Dottor Neri"),
        ("Col Padre, coi figli", "Con la Madre, con le figlie"),
        ("questo uomo, una attrice", "questa donna, un attore"),
        ("MIO padre, I ragazzi, L'uomo, L'UOMO", "MIA madre, Le ragazze, La donna, LA DONNA"),
        ("nell' uomo, del\npadre", "nella donna, della madre"),
        ("la ragazzo, sei mia madre", "la ragazza, sei mio padre"),
        ("gentil'uomo, 'uomo', bell'attrice", "gentil'uomo, 'donna', bell'attore"),
        ("Re: il mio ordine, di re, loro signore, del re", "Re: il mio ordine, di re, loro signore, della regina"),
    ],
)
def test_words_in_front_of_nouns(text, swapped):
    assert SWAPPER.swap(text).text == swapped


@pytest.mark.parametrize(
    "text",
    [
        "Le scrivo, Lei può venire con Lei",
        "Lei è arrivata.",
        "Ringrazio Lei e LEI; Ella è pregata",
        "mamma mia, la scheda madre",
        "piazza San Marco e Sant\u2019Antonio, Santa  Maria",
        "due connettori femmina",
    ],
)
def test_what_says_of_nobody_who_they_are_stays(text):
    once = SWAPPER.swap(text)
    assert (once.text, once.sides) == (text, (0, 0))
    assert SWAPPER.terms(Row({"text": text, "label": "a"}, "a.csv", 1, 2)) == (frozenset(), frozenset())


def test_lei_in_small_letters_is_she_and_marco_alone_a_name():
    assert SWAPPER.swap("Lui parla con lei, Marco no").text == "Lei parla con lui, Giulia no"


def test_a_noun_is_one_term_whatever_stands_in_front():
    row = Row({"text": "nel ragazzo, delle signore, la regina, Marco", "label": "a"}, "a.csv", 1, 2)
    assert SWAPPER.terms(row) == ({"ragazzo", "marco"}, {"le signore", "la regina"})
    assert SWAPPER.written("le signore") == "le signore"
    assert ("il re", "la regina") in SWAPPER.pairs


def test_a_noun_that_is_a_name_in_english_needs_a_word_in_front_where_the_language_is_not_clear():
    both = Swapper(terms_for(None, "").value)
    assert both.swap("Donna paid dell'uomo").text == "Donna paid della donna"
    assert both.swap("la donna").text == "l'uomo"


def test_pairs_of_a_file_take_nothing_with_them(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("it, lui, lei\nit, ragazzo, ragazza\nit, il ragazzo, la ragazza\n", encoding="utf-8")
    own = terms_for(str(file), "it").value
    assert own == (Pair("it", "lui", "lei"), Pair("it", "ragazzo", "ragazza"), Pair("it", "il ragazzo", "la ragazza"))
    assert Swapper(own).swap("Lei, il ragazzo, nel ragazzo").text == "Lui, la ragazza, nel ragazza"
    assert Swapper((Pair("it", "'ndrina", "clan"),)).swap("\u2019ndrina").text == "clan"


def test_every_kept_phrase_has_a_term():
    for code in ("it", "en"):
        kept = [phrase for pair in terms_for(None, code).value for phrase in pair.kept]
        lines = Path(terms.__file__).with_name("kept_phrases.txt").read_text(encoding="utf-8").splitlines()
        for line in lines:
            language, *parts = line.split(", ")
            if language == code:
                for words in product(*(part.split("/") for part in parts)):
                    assert " ".join(words).replace("' ", "'") in kept
