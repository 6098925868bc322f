"""The pages in a headless Chromium: quiet, alone, whole, accessible, and within the window at every size and scheme.

With AFFINA_SCREENSHOTS set to a folder, the pages are also drawn into it, to be looked at.
"""

import itertools
import os
import zlib
from pathlib import Path

import pytest
from browser import DESKTOP, PHONE, launched, opened, violations
from comparisons_on_paper import comparison, crowded, empty, halved
from report_records import NASTY, finished, unfinished
from search_records import FOUND, with_search
from test_comparison import NAMES, run
from test_odd_records import regression

from affina.record.journal import Reading
from affina.reporting import candidates_page, comparison_page, page
from workbench import affina, tiny, write_jsonl

pytestmark = pytest.mark.slow

TEN = tuple(f"intent_{number}" for number in range(10))
PAIRS = tuple((1e7 + place % 40 / 8, 1e7 + (place % 40 + place % 7 - 3) / 8) for place in range(400))
ARABIC = "مرحبا بالعالم, 漢字 🦊"
VIEWS = list(itertools.product((DESKTOP, PHONE), ("light", "dark")))
PAGES = {
    "finished": lambda: page.render(
        with_search(FOUND, finished(TEN, text="where is my parcel? It was to come on Monday")), title="tickets"
    ),
    "unfinished": lambda: page.render(unfinished(TEN), title="tickets"),
    "empty": lambda: page.render([], title="tickets"),
    "77 labels": lambda: page.render(finished(tuple(f"a label {place}" for place in range(77))), title="tickets"),
    "500 labels": lambda: page.render(finished(tuple(f"label {place}" for place in range(500))), title="tickets"),
    "hostile": lambda: page.render(finished((NASTY, "b"), text=NASTY), title=NASTY, remarks=[NASTY]),
    "long words": lambda: page.render(finished(("W" * 10_000, "b"), text="W" * 10_000_000), title="W" * 200),
    "right to left": lambda: page.render(finished((ARABIC, "b"), text=ARABIC), title=ARABIC),
    "regression": lambda: page.render(regression(PAIRS), title="ratings"),
    "two runs": lambda: comparison_page.render(
        Reading(tuple(run(0.85)), ()), Reading(tuple(run(0.92)), ()), names=NAMES
    )[0],
    "two that differ": lambda: comparison_page.render(
        Reading(tuple(run(0.85)), (NASTY,)), Reading((), ()), names=(NASTY, "B")
    )[0],
    **{
        f"candidates, {name}": lambda make=make: candidates_page.render(make(), title="tickets", folder="runs/tickets")
        for name, make in {
            "finished": comparison,
            "hostile": lambda: comparison(text=NASTY),
            "halved": halved,
            "just begun": empty,
            "crowded": crowded,
        }.items()
    },
}

SHORT = ("train.max_steps=2", "evaluate.resamples=20")
BRIEF = ("generate.max_new_tokens=8", "generate.rows=6")
PLACES = [(f"name: Inn {n % 30} | area: {'river' if n % 2 else 'centre'}", f"Inn {n % 30}, {NASTY}") for n in range(60)]
SEVERAL = [
    (f"{NASTY} text {n}", "|".join(name for place, name in enumerate("abc") if n >> place & 1)) for n in range(64)
]
RUNS = {
    "a chat": (
        "llama",
        [(f"where is {n}? {ARABIC}", f"it is {NASTY} {n}") for n in range(40)],
        "question,answer",
        *BRIEF,
    ),
    "attributes": ("gpt2", PLACES, "input,output", "task=generation", *BRIEF),
    "several labels": ("bert", SEVERAL, "text,labels", "task=multi_label"),
}
"""Pages of whole runs, of kinds that no record on paper has."""
COPIED = """() => {
    const all = document.createRange();
    all.selectNode(document.querySelector('#scores-caption').closest('table'));
    getSelection().removeAllRanges();
    getSelection().addRange(all);
    return getSelection().toString();
}"""
"""What the clipboard gets as text when a table is marked and copied."""
OVERLAPS = """() => [...document.querySelectorAll('figure svg[role=img]')].flatMap(svg => {
    const boxes = [...svg.querySelectorAll('text')].map(one => [one.textContent, one.getBoundingClientRect()]);
    return boxes.flatMap(([a, p], i) => boxes.slice(i + 1).filter(([b, q]) =>
        p.left < q.right && q.left < p.right && p.top < q.bottom - 1 && q.top < p.bottom - 1
    ).map(([b]) => a + ' / ' + b));
})"""
"""The pairs of letterings in a drawing that touch each other."""


@pytest.fixture(scope="module")
def chromium():
    with launched() as browser:
        yield browser


def of_a_run(folder, family, rows, header, *words):
    """The page of a whole, short run."""
    names = header.split(",")
    write_jsonl(folder / "rows.jsonl", [dict(zip(names, row, strict=True)) for row in rows])
    ended = affina("train", folder / "rows.jsonl", f"model={tiny(family)}", f"run={folder / 'run'}", *SHORT, *words)
    assert ended.status == 0, ended.err
    return (folder / "run" / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name, make in PAGES.items():
        (folder / f"{name}.html").write_text(make(), encoding="utf-8")
    for name, given in RUNS.items():
        (folder / f"{name}.html").write_text(of_a_run(tmp_path_factory.mktemp("run"), *given), encoding="utf-8")
    return folder


def shot(watched, name, size, scheme):
    if folder := os.environ.get("AFFINA_SCREENSHOTS"):
        watched.page.screenshot(path=Path(folder) / f"{name}-{size[0]}-{scheme}.png", full_page=True)


@pytest.mark.parametrize("name", [*PAGES, *RUNS])
@pytest.mark.parametrize(("size", "scheme"), VIEWS, ids=str)
def test_a_page_is_quiet_alone_and_fits_the_window(chromium, files, name, size, scheme):
    path = files / f"{name}.html"
    with opened(chromium, path, size=size, scheme=scheme) as watched:
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= size[0]
        colour = watched.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (colour == "rgb(255, 255, 255)") == (scheme == "light")
        shot(watched, name, size, scheme)
    assert watched.said == []
    assert watched.requests == [path.as_uri()]


@pytest.mark.parametrize(
    "name", [*(name for name in PAGES if "labels" not in name), *RUNS]
)  # axe takes a minute for those
@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=str)
def test_a_page_has_no_serious_barrier(chromium, files, name, size, scheme):
    with opened(chromium, files / f"{name}.html", size=size, scheme=scheme) as watched:
        assert violations(watched.page) == []


def test_every_section_is_there_and_the_links_lead_to_it(chromium, files):
    with opened(chromium, files / "finished.html") as watched:
        sections = [anchor for anchor, _ in page.SECTIONS if anchor != "fit"]  # a page of labels has none
        for anchor in sections:
            assert watched.page.locator(f"section #{anchor}").count() == 1, anchor
            assert watched.page.locator(f"nav a[href='#{anchor}']").count() == 1, anchor
        headings = watched.page.locator("h2").all_inner_texts()
        assert len(headings) == len(sections)
        for drawn in ("Loss", "Validation accuracy", "Learning rate", "Gradient norm", "Learning-rate range test"):
            assert watched.page.locator(f"figure:has(h3:text('{drawn}')) svg polyline").count() >= 1, drawn


def red_at(shown, x, y):
    """How red a pixel of the window is, from 0 to 255."""
    png = shown.screenshot(clip={"x": int(x), "y": int(y), "width": 1, "height": 1})
    packed, at = b"", 8
    while at < len(png):
        size, kind = int.from_bytes(png[at : at + 4]), png[at + 4 : at + 8]
        packed += png[at + 8 : at + 8 + size] if kind == b"IDAT" else b""
        at += 12 + size
    return zlib.decompress(packed)[1]


SHADES = """() => {
    const table = [...document.querySelectorAll('.scroll')].find(one => one.scrollWidth > one.clientWidth + 20);
    table.id = 'wide';
    table.scrollIntoView({block: 'end'});
    const box = table.getBoundingClientRect();
    return [box.x, box.y, box.width, box.height];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_table_that_goes_on_beside_the_window_shows_it(chromium, files, scheme):
    """A shade at the edge where there is more, and none at the other, until the table is moved."""
    with opened(chromium, files / "finished.html", size=PHONE, scheme=scheme) as watched:
        x, y, width, height = watched.page.evaluate(SHADES)

        def shades():
            left, right, ground = (red_at(watched.page, at, y + height - 3) for at in (x + 1, x + width - 2, 4))
            return abs(left - ground) > 40, abs(right - ground) > 40

        assert shades() == (False, True)
        watched.page.evaluate("document.querySelector('#wide').scrollLeft = 10000")
        watched.page.wait_for_timeout(200)
        assert shades()[1] is False


def test_the_answers_are_on_the_first_screen(chromium, files):
    for size in (DESKTOP, PHONE):
        with opened(chromium, files / "finished.html", size=size) as watched:
            box = watched.page.locator(".answers").bounding_box()
            assert box["y"] + box["height"] <= size[1]
            for question in ("Is it better?", "By how much?", "How sure is that?", "What did it cost?"):
                assert watched.page.locator(f".answers dt:text-is('{question}')").is_visible()


def test_a_table_is_copied_as_cells(chromium, files):
    with opened(chromium, files / "finished.html") as watched:
        text = watched.page.evaluate(COPIED)
        lines = [line.split("\t") for line in text.splitlines() if "\t" in line]
        assert [len(line) for line in lines] == [4] * 6
        assert lines[1] == ["accuracy", "92.0% (89.0-95.0)", "10.0% (7.0-13.0)", "83.0% (80.0-86.0)"]


def test_nothing_of_the_user_becomes_an_element(chromium, files):
    with opened(chromium, files / "hostile.html") as watched:
        assert watched.page.locator("script, link, img, iframe, object, form, [onload], [onclick]").count() == 0
        assert watched.page.locator("h1").inner_text() == NASTY


@pytest.mark.parametrize("name", ["finished", "candidates, finished", "candidates, halved"])
def test_axis_names_and_ticks_do_not_overlap(chromium, files, name):
    for size in (DESKTOP, PHONE):
        with opened(chromium, files / f"{name}.html", size=size) as watched:
            assert watched.page.evaluate(OVERLAPS) == []


def test_the_drawings_of_a_comparison_have_a_point_for_each_candidate(chromium, files):
    with opened(chromium, files / "candidates, finished.html") as watched:
        assert watched.page.locator("figure.trade-off").count() == 4
        for figure in watched.page.locator("figure.trade-off").all():
            assert figure.locator("circle.candidate").count() == 5
            assert figure.locator("polyline.front").count() == 1
