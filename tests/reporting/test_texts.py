"""The user's text on a page and in a card: nothing hides, nothing breaks, nothing is read as markup or endless."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markupsafe import Markup

from affina.reporting.environment import basename, breakable, moment
from affina.reporting.markdown import escaped, fenced
from affina.reporting.texts import LONGEST, clean, one_line, shortened, visible

HOSTILE = (
    "<script>alert(1)</script>",
    "[a](javascript:alert(1))",
    "![a](x.png)",
    "# a heading",
    "- a list",
    "1. a list",
    "a | b",
    "`code` and ``more``",
    "*bold* _em_ __strong__ ~~gone~~",
    "&lt;b&gt; &amp;",
    "<https://example.org>",
    "a\n\n---\n\nb",
    "line\r\n> quote",
    "\\*not\\*",
    "    indented",
    "== a",
    "+ plus",
    "a@b.example",
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b", "a␀b"),
        ("\x1b[31mred", "␛[31mred"),
        ("\x7f", "␡"),
        ("abc\u202etxt.exe", "abc<U+202E>txt.exe"),
        ("\ud800", "<U+D800>"),
        ("\ufeffa", "<U+FEFF>a"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("שלום 漢字 🦊", "שלום 漢字 🦊"),
    ],
)
def test_what_hides_is_shown_and_what_is_text_stays(text, shown):
    assert visible(text) == clean(text) == shown


@given(st.text(st.characters(codec=None)))
def test_every_text_can_be_written_as_utf_8(text):
    assert visible(clean(text).encode().decode()) == clean(text)
    assert one_line(text) == " ".join(one_line(text).split())


def test_a_text_of_ten_megabytes_is_cut_and_says_how_much_is_missing():
    found = clean("x" * 10_000_000)
    assert len(found) < LONGEST + 50
    assert found.endswith(f"({10_000_000 - LONGEST:,} more characters)")
    assert shortened("abc", 2, hidden=7) == "ab … (8 more characters)"
    assert shortened("abc", 3) == "abc"


def test_what_is_no_text_of_the_user_is_left_alone():
    assert clean(Markup("<b>")) == "<b>"
    assert clean(5) == 5
    assert clean(None) is None


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_a_text_as_it_is(text):
    html = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(escaped(text))
    assert html.startswith("<p>")
    assert html.endswith("</p>\n")
    assert html.count("<") == 2, html
    shown = html.removeprefix("<p>").removesuffix("</p>\n")
    for entity, letter in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        shown = shown.replace(entity, letter)
    assert shown == one_line(text)


@given(st.text(max_size=40))
def test_no_text_becomes_markup(text):
    html = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(escaped(text) or "x")
    assert html.count("<") == 2, html


@given(st.text(max_size=40))
def test_a_cell_of_a_table_stays_one_cell(text):
    html = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(
        f"| a | b |\n| - | - |\n| {escaped(text)} | c |"
    )
    assert html.count("<td>") == 2
    assert "<td>c</td>" in html


def test_a_fence_is_longer_than_any_in_it():
    block = fenced(["a ```` b", "c"], "sh")
    assert block.splitlines() == ["`````sh", "a ```` b", "c", "`````"]
    assert escaped(block) is block


def test_small_words():
    assert basename("/home/someone/a.csv") == "a.csv"
    assert basename("") == ""
    assert moment("2025-01-02T03:04:05+00:00") == "2025-01-02 03:04 UTC"
    assert moment("yesterday") == "yesterday"
    assert breakable("a.b_<c>") == "a.<wbr>b_<wbr>&lt;c&gt;"
