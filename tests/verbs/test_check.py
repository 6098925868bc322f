"""The verb `check`: it finds what was planted, says it in words and in JSON, trains nothing and writes nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from unittest import mock

import pytest

import affina as package
import affina.verbs.check as verb
from affina.data import streaming, taking
from affina.errors import ModelError, Problem
from affina.record import journal
from affina.record.audited import Audited
from affina.record.payloads import DataRead
from workbench import affina, files_under, sample_rows, tiny, write_csv

NASTY = "<script>alert('x')</script> [bold]not bold[/bold] & more"
MAIL = "jane.doe@example.com"
WORDS = [
    "parcel",
    "invoice",
    "balcony",
    "garden",
    "window",
    "engine",
    "pencil",
    "winter",
    "coffee",
    "bottle",
    "mirror",
    "ladder",
]


def different(count=60):
    """Texts that share no more than a word or two, with three labels."""
    return [
        (" ".join(WORDS[number * step % len(WORDS)] + str(number) for step in (1, 5, 7, 11)), "abc"[number % 3])
        for number in range(count)
    ]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def check(*words):
    ended = affina("check", *words, f"model={tiny()}", "--json")
    assert ended.status == 0, ended.err
    return json.loads(ended.out)


def found(result):
    return {finding["name"]: finding["count"] for finding in result["findings"]}


LANGUAGE = "unfamiliar_language"
"""The tiny model's tokenizer knows hardly any word."""


def test_clean_data_is_left_alone():
    write_csv(Path("clean.csv"), different())
    before = files_under(Path())
    result = check("clean.csv")
    assert set(found(result)) <= {LANGUAGE}
    assert files_under(Path()) == before
    assert result["rows"] == {"train": 51, "validation": 9, "test": 0}
    assert [one["name"] for one in result["checks"]][:5] == [
        "duplicates", "labels", "personal data", "encoding", "near duplicates",
    ]  # fmt: skip
    assert {(line["split"], line["unit"]) for line in result["lengths"]} == {
        (split, unit) for split in ("train", "validation") for unit in ("characters", "words", "tokens")
    }
    assert result["chosen"]["data.text"]["value"] == "text"


def test_what_was_planted_is_found():
    clean = different()
    train = [*clean, clean[3], clean[4], (clean[5][0], "a"), (clean[6][0].upper() + "!", clean[6][1])]
    train += [(f"write to {MAIL} today", "a"), ("pay with 4111 1111 1111 1111", "b"), ("caf\u00c3\u00a9 closed", "c")]
    write_csv(Path("train.csv"), train)
    write_csv(
        Path("test.csv"), [clean[7], ("anything else " * 2, "b"), (clean[8][0] + " ?!", clean[8][1]), ("new", "c")]
    )
    expected = {
        "duplicates": 2, "conflicting_labels": 2, "test_rows_in_train": 1, "email_addresses": 1, "payment_cards": 1,
        "mojibake": 1,
    }  # fmt: skip
    result = check("train.csv", "data.test=test.csv", "data.validation=0.2")
    counts = found(result)
    assert {name: counts.get(name) for name in expected} == expected
    near = {name: count for name, count in counts.items() if "near" in name}
    assert sum(near.values()) == 2
    assert all(finding["advice"] for finding in result["findings"])
    assert MAIL not in json.dumps(result)
    assert "4111 1111" not in json.dumps(result)


def test_what_is_printed_fits_a_terminal_and_says_what_to_do():
    clean = different()
    write_csv(Path("train.csv"), [*clean, clean[0], (NASTY, NASTY), (NASTY + " too", NASTY)])
    ended = affina("check", "train.csv", f"model={tiny()}")
    assert ended.status == 0, ended.err
    assert "1 duplicate\n" in ended.out
    assert "-> remove them if they are slips, or write data.drop_duplicates=true" in " ".join(ended.out.split())
    assert "<script>alert" in ended.out
    assert "[bold]not bold[/bold]" in " ".join(ended.out.split())
    assert "As the model reads train.csv, row " in ended.out
    assert re.search(r"trained:  [abc]  \(the label of the whole text\)", ended.out)
    assert max(map(len, ended.out.splitlines())) <= 80
    assert "\x1b" not in ended.out


def test_the_row_that_is_shown_has_no_personal_data():
    write_csv(Path("train.csv"), [(f"from {MAIL}", "a"), *different()])
    [encoded] = check("train.csv")["encoded"]
    assert encoded["where"] == "train.csv, row 2 (line 3)"
    assert encoded["target"] == "a"
    assert len(encoded["tokens"]) == len(encoded["trained"])


def test_limits_say_what_they_cut():
    write_csv(Path("train.csv"), [*different(), ("word " * 200, "a"), ("word " * 90, "b")])
    result = check("train.csv", "data.max_length=48", "data.test=none")
    cuts = {cut["limit"]: cut for cut in result["cuts"]}
    assert [cut for cut in cuts if cuts[cut]["chosen"]] == [48]
    assert cuts[48]["rows"] >= 2
    assert cuts[32]["rows"] >= cuts[48]["rows"]
    assert cuts[32]["tokens"] - cuts[48]["tokens"] >= 2 * 16
    assert found(result).keys() & {"too_long", "too_long_in_validation"}


def test_rows_are_left_out_when_asked():
    clean = different()
    write_csv(Path("train.csv"), [*clean, clean[3]])
    result = check("train.csv", "data.drop_duplicates=true")
    assert found(result)["dropped_duplicates"] == 1
    assert "duplicates" not in found(result)
    assert sum(result["rows"].values()) == 60


def test_label_errors_are_looked_for_on_request_alone():
    write_csv(Path("train.csv"), sample_rows())
    names = [one["name"] for one in check("train.csv")["checks"]]
    assert "label errors" not in names
    result = check("train.csv", "--labels")
    assert "label errors" in [one["name"] for one in result["checks"]]
    assert check("train.csv", "data.check_labels=true")["suspects"] == result["suspects"]


def test_a_run_records_the_same_audit():
    rows = [*different(), different()[0]]
    write_csv(Path("train.csv"), rows)
    alone = check("train.csv")
    words = ("train.max_steps=1", "evaluate.resamples=10", "data.check_labels=true")
    ended = affina("train", "train.csv", f"model={tiny()}", *words)
    assert ended.status == 0, ended.err
    records = journal.read(Path("runs/train/record.jsonl"))
    data = next(record for record in records if isinstance(record, DataRead))
    audited = next(record for record in records if isinstance(record, Audited))
    recorded = {finding.name: finding.count for finding in data.findings}
    assert {**found(alone), **recorded} == recorded
    assert [line.median for line in audited.lengths] == [line["median"] for line in alone["lengths"]]
    assert "label errors" in {one.name for one in audited.checks}
    page = Path("runs/train/report.html").read_text(encoding="utf-8")
    for part in ("How long the texts are", "A row as the model reads it", "What to do:", "What was looked for"):
        assert part in page
    assert "-> remove them if they are slips" in ended.out


def test_a_large_file_is_gone_over_without_being_held(monkeypatch):
    write_csv(Path("train.csv"), [*different(), different()[0]])
    held = check("train.csv", "data.validation=0.2", "data.test=none")
    monkeypatch.setattr(taking, "LARGE_BYTES", 100)
    monkeypatch.setattr(streaming, "_sample_size", lambda _: 20)
    ended = affina("check", "train.csv", f"model={tiny()}", "--json")
    assert ended.status == 0, ended.err
    said = " ".join(ended.err.split())
    assert "those of a sample of 20 rows; the rest of the audit is of all 61" in said
    assert "no row is held out or left out" in said
    result = json.loads(ended.out)
    assert result["rows"] == {"train": 61, "validation": 0, "test": 0}
    assert found(result)["duplicates"] == found(held)["duplicates"] == 1
    assert sum(result["labels"].values()) == 61


def test_special_tokens_in_texts_are_told():
    rows = different()
    write_csv(Path("train.csv"), [*rows[:-2], ("my card [SEP] is late", "a"), ("[MASK] is late [SEP]", "b")])
    assert found(check("train.csv"))["special_tokens_in_texts"] == 2
    write_csv(Path("train.csv"), rows)
    assert "special_tokens_in_texts" not in found(check("train.csv"))


def test_errors_are_those_of_every_verb():
    Path("bad.csv").write_text("text,label\nx,a\ny,b,c\n")
    ended = affina("check", "bad.csv")
    assert ended.status == 2
    assert "bad.csv, row 2 (line 3)" in ended.err
    ended = affina("check", "bad.csv", "data.drop_duplicate=true")
    assert ended.status == 2
    assert "write data.drop_duplicates" in ended.err


def test_the_function_is_the_verb():
    write_csv(Path("train.csv"), different())
    checked = package.check("train.csv", [f"model={tiny()}"])
    assert isinstance(checked, package.Checked)
    assert checked.data.rows["train"] == 51


def test_without_the_usual_model_the_rest_of_the_audit_is_made(monkeypatch):
    refused = ModelError(Problem(where="model", expected="a wheel", found="no network here", fix="connect"))
    monkeypatch.setattr(verb, "with_adapter", mock.Mock(side_effect=refused))
    write_csv(Path("train.csv"), [*different(), different()[0]])
    ended = affina("check", "train.csv", "--json")
    assert ended.status == 0, ended.err
    assert "left out, which need a model: no network here" in " ".join(ended.err.split())
    result = json.loads(ended.out)
    assert found(result)["duplicates"] == 1
    assert {line["unit"] for line in result["lengths"]} == {"characters", "words"}
    assert affina("check", "train.csv").status == 0
    for words in (["--labels"], ["model=some/model"]):
        ended = affina("check", "train.csv", *words)
        assert ended.status == 2
        assert "no network here" in ended.err
