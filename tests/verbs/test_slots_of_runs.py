"""Slot coverage in whole runs: in the record, the report, the samples, and when a finished run is measured again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from affina.record import journal
from affina.record.payloads import Chosen, Finished, Scores
from affina.record.row_results import RowResults
from affina.reporting.paired import paired
from workbench import Ended, affina, check_refused, files_under, tiny, write_csv, write_jsonl

SHORT = ("train.epochs=1", "evaluate.resamples=20", "generate.max_new_tokens=6", "generate.shots=1")
NAMES = ("slot_error", "slot_missed", "slot_invented", "slot_unjudged")
FOODS = ("Italian", "Chinese")


def slots_of(number: int) -> dict[str, str]:
    return {"name": f"Zizzi {number}", "food": FOODS[number % 2], "kids": "yes" if number % 3 else "no"}


def in_brackets(number: int) -> str:
    return ", ".join(f"{name}[{value}]" for name, value in slots_of(number).items())


def text_of(number: int) -> str:
    """The food is left out of every fourth text: a fault of the references."""
    return f"Zizzi {number}." if number % 4 == 0 else f"Zizzi {number}: {FOODS[number % 2]}."


def run_of(folder: Path, *words: str) -> Ended:
    write_csv(folder / "train.csv", [(in_brackets(k), text_of(k)) for k in range(16)], header="mr,ref")
    write_csv(folder / "test.csv", [(in_brackets(k), text_of(k)) for k in range(100, 108)], header="mr,ref")
    data = (folder / "train.csv", f"data.test={folder / 'test.csv'}", f"model={tiny('llama')}")
    ended = affina("train", *data, f"run={folder / 'run'}", *SHORT, *words)
    assert ended.status == 0, ended.err
    return ended


def records_of(folder: Path) -> tuple[dict[str, Scores], Finished, list[object]]:
    records = journal.read(folder / "run" / "record.jsonl")
    scores = {record.who: record for record in records if isinstance(record, Scores)}
    return scores, next(record for record in records if isinstance(record, Finished)), list(records)


def test_slots_are_counted_shown_and_counted_again(tmp_path: Path) -> None:
    ended = run_of(tmp_path)
    scores, finished, records = records_of(tmp_path)

    assert {who: [name in found.metrics for name in NAMES] for who, found in scores.items()} == {
        who: [True] * 4 for who in ("references", "zero_shot", "few_shot", "tuned")
    }
    assert scores["references"].metrics["slot_missed"].value == 2 / 16
    assert scores["tuned"].metrics["slot_unjudged"].value == 8 / 24
    [chosen] = [record for record in records if isinstance(record, Chosen) and record.key == "evaluate (slots)"]
    assert "not judged: " in chosen.reason
    assert "of kids" in chosen.reason
    for sample in (*finished.samples, *finished.worst):
        assert sample.slots.endswith(("not judged: kids[yes]", "not judged: kids[no]"))
        assert "missed: name[Zizzi 10" in sample.slots
    assert "attributes" in ended.out
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "<dt>attributes</dt>" in page
    assert "missed: name[Zizzi 10" in page
    assert "slots not judged" in page.lower()

    found = affina("evaluate", tmp_path / "run", tmp_path / "test.csv", "--json")
    metrics = json.loads(found.out)["metrics"]
    assert {name: metrics[name]["value"] for name in NAMES} == {
        name: pytest.approx(scores["tuned"].metrics[name].value) for name in NAMES
    }
    assert "slots: not judged: 8 of 24 slots, of kids (8)" in " ".join(found.err.split())
    assert "the references of these rows themselves count as 12.5% wrong" in " ".join(found.err.split())


def test_two_predictors_are_compared_by_their_slots_row_by_row(tmp_path: Path) -> None:
    run_of(tmp_path)
    scores, _, records = records_of(tmp_path)
    rows = {record.who: record for record in records if isinstance(record, RowResults)}

    for name in NAMES:
        found = paired(rows["tuned"], rows["zero_shot"], name)
        assert found is not None
        difference = scores["tuned"].metrics[name].value - scores["zero_shot"].metrics[name].value
        assert found.difference.value == pytest.approx(difference)


def test_objects_are_attributes_too(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", [{"input": slots_of(k), "output": text_of(k)} for k in range(16)])
    ended = affina("train", tmp_path / "train.jsonl", f"model={tiny('llama')}", f"run={tmp_path / 'run'}", *SHORT)

    assert ended.status == 0, ended.err
    scores, finished, _ = records_of(tmp_path)
    assert NAMES[0] in scores["tuned"].metrics
    assert finished.samples[0].text.startswith('{"name": "Zizzi')


def test_rows_and_runs_without_slots_are_said(tmp_path: Path) -> None:
    run_of(tmp_path)
    write_csv(tmp_path / "words.csv", [("just words", "x"), ("kids[no]", "y")], header="mr,ref")
    found = affina("evaluate", tmp_path / "run", tmp_path / "words.csv", "--json")
    assert "slot_error" not in json.loads(found.out)["metrics"]
    assert "no input of these rows is attributes with values that can be judged" in " ".join(found.err.split())

    (tmp_path / "run" / "slots.json").unlink()
    found = affina("evaluate", tmp_path / "run", tmp_path / "test.csv", "--json")
    assert "slot_error" not in json.loads(found.out)["metrics"]
    assert "slots are not counted" in found.err


def test_a_damaged_file_of_phrases_is_named_with_the_fix(tmp_path: Path) -> None:
    run_of(tmp_path)
    slots = tmp_path / "run" / "slots.json"
    slots.write_text(slots.read_text(encoding="utf-8")[:40], encoding="utf-8")
    before = files_under(tmp_path)
    for words in (("evaluate", tmp_path / "test.csv"), ("predict", "name[Zizzi 3]")):
        ended = affina(words[0], tmp_path / "run", words[1])
        check_refused(ended, tmp_path, before, says=("slots.json", "put the whole file back, or remove it"))


def test_other_inputs_have_no_slots(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", [(f"number {k}", f"it is {k}") for k in range(16)], header="input,output")
    ended = affina("train", tmp_path / "train.csv", f"model={tiny('llama')}", f"run={tmp_path / 'run'}", *SHORT)

    assert ended.status == 0, ended.err
    scores, finished, records = records_of(tmp_path)
    assert not set(NAMES) & scores["tuned"].metrics.keys()
    assert "references" not in scores
    assert all(not sample.slots for sample in finished.samples)
    assert not (tmp_path / "run" / "slots.json").exists()
    assert not [record for record in records if isinstance(record, Chosen) and record.key == "evaluate (slots)"]
