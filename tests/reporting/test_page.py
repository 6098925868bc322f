"""The page of any run is whole, says what the record says, escapes the user's data and loads nothing."""

import re
from html.parser import HTMLParser

import pytest
from report_records import NASTY, finished, scores, unfinished

from affina.errors import RunError
from affina.record.journal import Journal
from affina.record.payloads import Step
from affina.reporting import page

TEN = tuple(f"intent_{number}" for number in range(10))
VOID = {"meta", "br", "wbr", "link", "img", "hr", "input"}


INLINE = {"code", "th", "td", "span", "strong"}


class Outline(HTMLParser):
    """Checks that every tag is closed in order, and keeps what the tests ask about."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag not in {"code", "strong"}:
            self.words.append(" ")

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)
            if self.open[-1:] != [] and self.open[-1] not in INLINE:
                self.words.append(" ")

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


EVERY_KIND = {
    "finished": finished(TEN),
    "unfinished": unfinished(TEN),
    "empty": [],
    "just started": unfinished(TEN)[:1],
    "no step": unfinished(TEN)[:9],
    "one step": unfinished(TEN)[:11],
    "77 classes": finished(tuple(f"class {number}" for number in range(77))),
    "hostile": finished((NASTY, "b"), text=NASTY),
}


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_well_formed_and_alone(kind):
    html = page.render(EVERY_KIND[kind], title="run")
    outline = Outline(html)
    assert not re.search(r"https?:|//[a-z]|url\(|@import", html)
    assert {"script", "link", "img", "iframe", "object"}.isdisjoint(tag for tag, _ in outline.tags)
    assert not any(name in attributes for _, attributes in outline.tags for name in ("src", "onclick", "onload"))
    names = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(names) == len(set(names))
    for _, attributes in outline.tags:
        for reference in (attributes.get("aria-labelledby") or "").split():
            assert reference in names
        if (attributes.get("href") or "").startswith("#"):
            assert attributes["href"][1:] in names


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_tables_and_drawings_can_be_read_aloud(kind):
    outline = Outline(page.render(EVERY_KIND[kind], title="run"))
    assert len(outline.named("table")) == len(outline.named("caption"))
    assert all("scope" in heading for heading in outline.named("th"))
    drawings = [drawing for drawing in outline.named("svg") if "aria-hidden" not in drawing]
    assert len(outline.named("desc")) == len(drawings)
    assert all(drawing["role"] == "img" for drawing in drawings)
    assert len(outline.named("h1")) == 1


def test_what_the_record_says_is_there():
    text = Outline(page.render(finished(TEN), title="my run")).text
    for part in (
        "my run", "92.0% (89.0-95.0)", "83.0% (80.0-86.0)", "Better: accuracy is 9.0 points above",
        "1 min 12 s", "1,347 MiB", "95% bootstrap", "train.learning_rate", "0.0002", "tickets.csv",
        "measured for this model and method", "ab" * 32, "duplicates", "the same text twice", "file.csv, row 4", "360",
        "most frequent mistakes",
        "Confusion matrix", "intent_9", "where is my parcel", "97.0%", "the loss scale was halved",
        "affina train 'runs/my run/recipe.yaml'", "2.13.0", "22,713,216", "marks step 40, whose weights are kept",
    ):  # fmt: skip
        assert part in text, part
    assert "not finished" not in text


def test_the_figures_of_classes_and_mistakes_have_intervals():
    text = Outline(page.render(finished(TEN), title="run")).text
    for part in ("50.0% (45.0-55.0)", "90.0% (86.0-94.0)", "80.0% (74.0-86.0)"):  # F1, precision, recall of a class
        assert part in text, part
    assert re.search(r"intent_\d 3 \d+\.\d% \(\d+\.\d-\d+\.\d\)", text)  # a pair with its share of the true label


def test_the_charts_with_their_lines():
    html = page.render(finished(TEN), title="run")
    assert re.findall(r'<h3 id="chart-\d">(.*?)</h3>', html) == [
        "Loss",
        "Validation accuracy",
        "Validation calibration error",
        "Learning rate",
        "Gradient norm, before clipping",
        "Learning-rate range test, before the training",
    ]
    assert html.count("<polyline") == 8


def test_skipped_steps_have_no_gradient_norm():
    skipped = [
        Step(
            step=n, of=2, epoch=0.1, loss=1.0, learning_rate=1e-3, gradient_norm=-1.0, rows=1, tokens=1, seconds=1.0
        )
        for n in (1, 2)
    ]  # fmt: skip
    assert "Gradient norm" not in page.render(skipped, title="run")


def test_unfinished_says_so_and_how_to_go_on():
    text = Outline(page.render(unfinished(TEN), title="run")).text
    assert "This run is not finished" in text
    assert "after step 60 of 60" in text
    assert "give the same command again" in text
    assert "The tuned model was not measured yet" in text
    assert "83.0%" in text


def test_user_text_is_shown_not_run():
    labels = (NASTY, "b")
    html = page.render(finished(labels, text=NASTY), title=NASTY)
    assert "<script" not in html
    assert html.count("</style>") == 1
    outline = Outline(html)
    # Column name, finding, sample, title (twice), and the label in its tables.
    assert outline.text.count("<script>alert('x')</script> & \"quoted\"") >= 8


def test_many_classes_are_drawn_and_the_page_stays_small():
    labels = tuple(f"class {number}" for number in range(77))
    html = page.render(finished(labels), title="run")
    outline = Outline(html)
    assert "Confusion matrix of 77 classes" in outline.text
    assert "Confusion matrix, the 12 of 77 labels with the most mistakes" in outline.text
    assert "The other 57 labels" in outline.text
    assert all(label in outline.text for label in labels)
    filled = sum(1 for row in scores("tuned", 0.9, labels=labels).confusion for count in row if count)
    assert html.count('width="7.5"') == filled
    assert len(html) < 1_000_000


def test_validation_rows_are_called_optimistic():
    records = [scores("tuned", 0.9, labels=TEN, split="validation")]
    assert "figure is optimistic" in Outline(page.render(records, title="run")).text
    assert "figure is optimistic" not in Outline(page.render(finished(TEN), title="run")).text


def test_long_runs_are_thinned_and_say_so():
    html = page.render(finished(TEN, count=3000), title="run")
    assert "means of neighbouring steps" in html
    assert max(len(path.split()) for path in re.findall(r'points="(.*?)"', html)) <= 400
    assert "means of neighbouring steps" not in page.render(finished(TEN, count=100), title="run")


def test_write_reads_the_record_on_disk(tmp_path):
    folder = tmp_path / "the run"
    with Journal(folder / "record.jsonl") as journal:
        for record in finished(TEN):
            journal.append(record)
    path = page.write(folder)
    assert path == folder / "report.html"
    assert path.read_text(encoding="utf-8") == page.render(finished(TEN), title="the run")
    assert sorted(file.name for file in folder.iterdir()) == ["card.md", "record.jsonl", "report.html", "report.json"]


def test_write_without_a_record_writes_nothing(tmp_path):
    with pytest.raises(RunError, match=r"record\.jsonl"):
        page.write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_audit_stands_under_the_data():
    outline = Outline(page.render(finished(TEN, text="parcel"), title="run"))
    for part in (
        "What to do: parcel",
        "1,777",
        "the limit of this run",
        "and 5 more",
        "the tokens that are trained on are marked",
        "Label of the whole text: parcel",
        "98.7%",
        "200,000 1,000,000 parcel",
    ):
        assert part in outline.text, part
    assert len(outline.named("mark")) == 1
    without = [line for line in finished(TEN) if type(line).__name__ != "Audited"]
    assert "How long the texts are" not in page.render(without, title="run")
