"""The model card: front matter that the hub reads, figures that agree with the record, nothing of this machine."""

from dataclasses import replace

import pytest
import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from report_records import NASTY, finished, measured, scores, unfinished

from affina.record.audited import Audited
from affina.record.journal import Journal
from affina.record.payloads import ADAPTER, PEFT, Chosen, DataRead, Scores
from affina.record.starts import ModelLoaded
from affina.reporting import card, page

TEN = tuple(f"intent_{number}" for number in range(10))


def front(text):
    assert text.startswith("---\n")
    return yaml.safe_load(text.split("\n---\n", 1)[0])


def changed(records, kind, **fields):
    return [replace(line, **fields) if isinstance(line, kind) else line for line in records]


def test_the_hub_reads_it():
    text = card.render(finished(TEN), title="my run")
    read = ModelCard(text)
    assert read.data.license == "apache-2.0"
    assert read.data.language == ["it"], "of the rows; the base model's is en"
    assert read.data.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert read.data.library_name == "transformers"
    assert read.data.pipeline_tag == "text-classification"
    figures = {result.metric_type: result.metric_value for result in read.data.eval_results}
    assert figures == {"accuracy": 0.92, "f1": 0.9, "loss": 0.58, "calibration_error": 0.05}
    assert {result.dataset_split for result in read.data.eval_results} == {"test"}
    assert read.data.model_name == "my run"


def test_the_text_says_what_the_record_says():
    text = card.render(finished(TEN), title="my run")
    for part in (
        "# my run", "92.0% (89.0-95.0)", "83.0% (80.0-86.0)", "Better: accuracy is 9.0 points above",
        "360 rows for training", "intent_9", "Forgetting", "## What was not measured", "1 min 12 s",
        "train.learning_rate: 0.0002", "3 duplicates",
    ):  # fmt: skip
        assert part in text, part


def test_the_rows_behind_the_figures_are_those_of_the_table():
    records = finished(TEN)
    (data,) = (line for line in records if isinstance(line, DataRead))
    assert "40 for choosing the weights, 120 for the figures above." in card.render(records, title="run")
    for test in (0, 120):
        untested = changed(records, DataRead, rows=data.rows | {"test": test})
        text = card.render(changed(untested, Scores, split="validation"), title="run")
        assert "40 for choosing the weights and for the figures above" in text
        assert ("there is no test split" in text) is (test == 0)
        assert "0 for the figures above" not in text.replace("120 for", "")
        alone = [line for line in untested if not isinstance(line, Scores)]
        assert "for the figures above" not in card.render(alone, title="run")


def test_what_is_not_known_is_left_out():
    unknown = changed(
        finished(TEN), ModelLoaded, hub_id=None, licence=None, languages=(), reference="/home/me/models/mine"
    )
    unknown = changed(unknown, Audited, language="")
    text = card.render(unknown, title="run")
    assert {"license", "base_model", "language"} & set(front(text)) == set()
    assert "mine, fine-tuned" in text
    assert "/home/me" not in text


def test_no_row_and_no_folder_of_this_machine_is_in_it():
    records = changed(
        finished(TEN, text="a private sentence"), DataRead, files={"/home/me/secret/tickets.csv": "ab" * 32}
    )
    text = card.render(records, title="run")
    assert "a private sentence" not in text
    assert "/home/me" not in text
    assert "tickets.csv" in text


@pytest.mark.parametrize(
    "title", [NASTY, "a: b\n- c", "'", '"', "---", "\x00", "#", "&a *b !!python/object", "漢字 🦊"]
)
def test_hostile_names_are_text_in_yaml_and_in_markdown(title):
    records = changed(finished((title, "b"), text=title), ModelLoaded, hub_id=title, licence=title, languages=(title,))
    text = card.render(records, title=title)
    found = front(text)
    shown = " ".join(page.environment.texts.visible(title).split())[: card.LONGEST_NAME]
    assert found["model-index"][0]["name"] == found["license"] == found["base_model"] == shown
    html = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text.split("\n---\n", 1)[1])
    assert "<script" not in html
    assert "<h1>" in html
    assert html.count("<h1>") == 1
    assert html.count("<table>") == 1
    assert "<a " not in html


def test_a_figure_that_is_no_number_is_not_given_to_the_hub():
    broken = changed(finished(TEN), Scores, metrics={"accuracy": measured(float("nan")), "loss": measured(0.5)})
    text = card.render(broken, title="run")
    assert [figure["type"] for figure in front(text)["model-index"][0]["results"][0]["metrics"]] == ["loss"]
    assert "not a number" in text


@pytest.mark.parametrize(
    "records", [[], unfinished(TEN), unfinished(TEN)[:1], [scores("tuned", 0.9, split="validation")]]
)
def test_a_run_on_its_way_has_a_card_too(records):
    text = card.render(records, title="run")
    assert front(text)["library_name"] == "transformers"
    assert "# run" in text
    assert "The run is not finished" in text


def test_it_ships_with_the_model(tmp_path):
    with Journal(tmp_path / "record.jsonl") as journal:
        for record in finished(TEN):
            journal.append(record)
    page.write(tmp_path)
    assert not (tmp_path / "model").exists()
    (tmp_path / "model").mkdir()
    page.write(tmp_path)
    assert (tmp_path / "model" / "README.md").read_text() == (tmp_path / "card.md").read_text()


def test_the_adapter_of_a_starter_loads_without_the_hub_too():
    beside = Chosen(key=ADAPTER, value=PEFT, reason="trained beside the model")
    text = card.render([*finished(TEN), beside], title="run")
    assert "starter/encoder (sentence-transformers/all-MiniLM-L6-v2), fine-tuned" in text.replace("\\", "")
    assert 'locate("starter/encoder").folder' in text
    assert 'base_model = "sentence-transformers/all-MiniLM-L6-v2"' in text


@pytest.mark.parametrize(
    ("reference", "base", "named"),
    [
        ("runs/x", None, None),
        ("/home/me/models/mine", None, None),
        ("a/b", None, "a/b"),
        ("runs/x", "a/b", "a/b"),
        ("runs/x", "/home/me/models/mine", None),
        ("runs/x", "starter/encoder", "a/b"),
    ],
)
def test_an_adapter_names_a_base_on_the_hub_only_where_it_has_exactly_its_weights(reference, base, named):
    """A run's model, and a folder's, was made from `a/b`: an adapter that stands beside it is none of `a/b`."""
    records = changed(finished(TEN), ModelLoaded, reference=reference, base=base, hub_id="a/b")
    text = card.render([*records, Chosen(key=ADAPTER, value=PEFT, reason="trained beside")], title="run")
    assert front(text).get("base_model") == named
    assert f'base_model = "{named or "THE_BASE_MODEL"}"' in text
    assert "/home/me" not in text
    assert front(card.render(records, title="run"))["base_model"] == "a/b", "a whole model says what it was made from"
    if base is not None:
        assert "the adapter x of " in text
