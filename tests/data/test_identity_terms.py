"""Identity terms: the lists, the user's own, and texts with terms swapped."""

from collections import Counter

import pytest

from affina.data.identity.swapping import Swapper
from affina.data.identity.terms import Pair, plain, read_terms, terms_for
from affina.data.rows import Row
from affina.errors import RecipeError

ENGLISH, ITALIAN = (Swapper(terms_for(None, code).value) for code in ("en", "it"))


@pytest.mark.parametrize(
    ("text", "swapped"),
    [
        ("He said she left.", "She said he left."),
        ("HE paid; She did not", "SHE paid; He did not"),
        ("I saw her.", "I saw him."),
        ("I saw her yesterday", "I saw him yesterday"),
        ("her card, and his", "his card, and hers"),
        ("She gave her his card", "He gave him her card"),
        ("the card is hers, not his", "the card is his, not hers"),
        ("he's late, and James's wife isn't", "she's late, and Mary's husband isn't"),
        ("Mr Smith and MRS Jones", "Mrs Smith and MR Jones"),
        ("the shelter, a theme, mankind, Johnson", "the shelter, a theme, mankind, Johnson"),
        ("spider-man and a one-man show", "spider-man and a one-man show"),
        ("", ""),
    ],
)
def test_english_terms(text, swapped):
    assert ENGLISH.swap(text).text == swapped


@pytest.mark.parametrize(
    ("text", "swapped"),
    [
        ("L\u2019uomo e suo padre", "La donna e sua madre"),
        ("Il ragazzo parla con lei", "La ragazza parla con lui"),
        ("Il signor Rossi, e la signora", "La signora Rossi, e il signore"),
        ("Giulia, MARCO e il gatto", "Marco, GIULIA e il gatto"),
        ("un\n uomo", "una donna"),
    ],
)
def test_italian_terms(text, swapped):
    assert ITALIAN.swap(text).text == swapped


@pytest.mark.parametrize(
    "text",
    [
        "Burger King, Billie Jean King, a king size bed, drama queen, Queens",
        "host name of the server, the hosts, Duke University",
        "a male connector, Female  Plugs and a FEMALE HEADER",
        "threat actors on the Isle of Man; the man page, man in the middle",
        "St. John and Saint Mary, mother tongue, Brother printers, a sister company",
    ],
)
def test_english_words_that_are_mostly_something_else_stay(text):
    once = ENGLISH.swap(text)
    assert (once.text, once.sides) == (text, (0, 0))


def test_terms_beside_such_words_are_swapped():
    assert ENGLISH.swap("a male nurse, an actor, man").text == "a female nurse, an actress, woman"
    assert ENGLISH.swap("John wired the male plug").text == "Patricia wired the male plug"


def test_names_swapped_twice_are_the_text_again():
    text = "James met Patricia, and JOHN met mary; Linda's son is no Robert"
    once = ENGLISH.swap(text)
    assert once.sides == (4, 3)
    assert once.text != text
    assert ENGLISH.swap(once.text).text == text


@pytest.mark.parametrize("text", ["L\u0130NDA geldi", "h\u0131s", "K\u0131mberly"])
def test_letters_that_only_look_like_another_case_are_no_term(text):
    assert ENGLISH.swap(text).text == text
    assert ENGLISH.terms(Row({"text": text, "label": "a"}, "a.csv", 1, 2)) == (frozenset(), frozenset())


@pytest.mark.parametrize(
    ("text", "swapped"),
    [
        ("Mein Gro\u00dfvater", "Meine Gro\u00dfmutter"),
        ("mein grossvater", "meine gro\u00dfmutter"),
        ("MEIN GROSSVATER", "MEINE GROSSMUTTER"),
        ("GRO\u1e9eVATER", "GROSSMUTTER"),
        ("Meine Gro\u00dfmutter", "Mein Gro\u00dfvater"),
    ],
)
def test_terms_with_a_sharp_s(text, swapped):
    pairs = (
        Pair("de", "mein Gro\u00dfvater", "meine Gro\u00dfmutter"),
        Pair("de", "Gro\u00dfvater", "Gro\u00dfmutter"),
    )
    assert Swapper(pairs).swap(text).text == swapped


def test_letters_with_their_accents_apart():
    assert ITALIAN.swap("il papa\u0300, cosi\u0300").text == "la mamma, cosi\u0300", "the rest stays as it is"
    assert ITALIAN.swap("PAPA\u0300").text == "MAMMA"
    assert ITALIAN.swap("Mamma").text == "Pap\u00e0"
    assert ENGLISH.swap("he\u0301 and he").text == "he\u0301 and she", "another word"
    apart = Swapper([Pair("it", "papa\u0300", "mamma")])
    assert apart.swap("pap\u00e0").text == "mamma"


def test_what_went_by_a_rule_is_counted():
    assert ENGLISH.swap("her bag, his bag, he saw her").unsure == 3
    assert ENGLISH.swap("he and him").unsure == 0


def test_both_texts_of_a_pair_are_swapped_and_nothing_else():
    row = Row({"text": "he left", "text_pair": "with Mary", "label": "he", "people": "he"}, "a.csv", 3, 4)
    twin = ENGLISH.row(row)
    assert twin.fields == {"text": "she left", "text_pair": "with James", "label": "he", "people": "he"}
    assert twin.where == row.where
    bare = Row({"text": "it rains", "label": "he"}, "a.csv", 1, 2)
    assert ENGLISH.row(bare) is bare
    assert ENGLISH.rows([bare, row]) == ((row, twin),)


def test_the_lists_are_sound():
    english, italian = (terms_for(None, code).value for code in ("en", "it"))
    assert len(english) > 100
    assert len(italian) > 70, "a noun in all its forms is one"
    counts = Counter(plain(term) for pair in english for term in (pair.first, pair.second))
    assert {term for term, count in counts.items() if count > 1} == {"her", "his"}
    words = {plain(term) for pair in english for term in (pair.first, pair.second)}
    assert not words & {plain(term) for pair in italian for term in (pair.first, pair.second)}, "one meaning in both"


def test_the_rows_language_chooses_the_list_with_a_reason():
    assert {pair.language for pair in terms_for(None, "it").value} == {"it"}
    assert {pair.language for pair in terms_for(None, "").value} == {"en", "it"}
    assert "not clear" in terms_for(None, "").reason
    german = terms_for(None, "de")
    assert german.value == ()
    assert "German" in german.reason


@pytest.mark.parametrize(
    "text",
    ["Re: il mio ordine", "son contento", "sto male", "man mano", "men che meno", "Donna paid", "Andrea said it"],
)
def test_words_of_the_other_language_stay_where_the_language_is_not_clear(text):
    both = terms_for(None, "")
    assert Swapper(both.value).swap(text).text == text
    assert "another word in the other language" in both.reason
    assert ITALIAN.swap("Re: il mio ordine, di re").text == "Re: il mio ordine, di re"
    assert ITALIAN.swap("il re").text == "la regina"


def test_words_that_are_left_out_where_the_language_is_not_clear_are_of_the_lists():
    everything = {code: terms_for(None, code).value for code in ("en", "it")}
    kept = terms_for(None, "").value
    left_out = {code: {pair for pair in pairs if pair not in kept} for code, pairs in everything.items()}
    terms = {plain(term) for pair in left_out["en"] | left_out["it"] for term in (pair.first, pair.second)}
    assert {"son", "male", "man", "men", "nun", "donna", "ella", "andrea", "simone"} <= terms
    assert len(kept) > 150


def test_a_file_of_the_users(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("# mine\n\nen, Muslim, Christian\nGerman, ihr, sein, before\n", encoding="utf-8")
    assert read_terms(str(file)) == (Pair("en", "Muslim", "Christian"), Pair("de", "ihr", "sein", before=True))
    assert [pair.language for pair in terms_for(str(file), "de").value] == ["de"]
    everything = terms_for(str(file), "it")
    assert len(everything.value) == 2
    assert "Italian" in everything.reason


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("en, he", "a language, a term and its counterpart"),
        ("en, he, ", "a language, a term and its counterpart"),
        ("him, her, us", "the language 'him'"),
        ("en, he, He", "the same term twice"),
        ("en, he, she, often", "'often' behind the pair"),
        ("en, he, she\nen, he, they", "'he' with several: she, they"),
        ("en, he, she\nen, she, they, before", "'she' on both"),
        ("# nothing", "no pair"),
    ],
)
def test_what_is_no_pair_is_refused_by_file_and_row(tmp_path, line, says):
    file = tmp_path / "mine.txt"
    file.write_text(line, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        read_terms(str(file))
    problem = caught.value.problems[0]
    assert says in f"{problem.expected} {problem.found}"
    assert "mine.txt" in problem.where
    assert "risks.bias.terms" in problem.where
    if "\n" not in line and not line.startswith("#"):
        assert "row 1" in problem.where


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(RecipeError, match="No such file"):
        read_terms(str(tmp_path / "none.txt"))
