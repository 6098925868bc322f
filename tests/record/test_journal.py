"""The record: what was written comes back equal, of every kind, and a crash costs at most the last line."""

from __future__ import annotations

import dataclasses
import json
from typing import get_args

import pytest

from affina.errors import RunError
from affina.record import lines
from affina.record.audited import Audited, Check, Cut, Encoded, Lengths, Suspect
from affina.record.figures import Measured
from affina.record.folder import RunFolder
from affina.record.guarding import BatchesSplit, Rewound, Skipped
from affina.record.journal import Journal, cut, read, read_known
from affina.record.payloads import (
    CellShare,
    Chosen,
    ClassRow,
    DataRead,
    Evaluated,
    Event,
    Finding,
    Finished,
    Payload,
    Sample,
    Scores,
    Started,
    Step,
)
from affina.record.risks import Figure, Probed
from affina.record.row_results import RowResults, WrittenTexts
from affina.record.searched import Held, Searched, Tried
from affina.record.starts import ModelLoaded, Predicted, RangeTested, Restarted

HARD = 'caffè "x"\n\u2028\\ 🦊'
SHARE = Measured(value=0.1 + 0.2, low=1e-300, high=0.5, n=3)
PAYLOADS: tuple[Payload, ...] = (
    Started(
        time="2026-01-02T03:04:05+00:00",
        versions={"torch": "2.13.0+cpu"},
        machine={"cores": 2, "device": "cpu", "processor": None, "virtual": True, "load": 0.1},
        asked={"seed": 1, "data": {"train": HARD, "group": None}, "method": {"layers": ["a", "b"]}},
        resolved={"seed": 1, "train": {"epochs": 5.0}},
    ),
    Started(time="", versions={}, machine={}, asked={}, resolved={}, resumed_at=7),
    Probed(
        risk="forgetting",
        probe=HARD,
        outcome="open",
        limit=0.05,
        figures=(Figure(metric="divergence", of="", found=SHARE),),
        notes=(HARD,),
        seconds=0.5,
    ),
    Probed(risk="bias", probe="", outcome="unmeasured", why=HARD),
    Tried(
        step=40,
        strength=None,
        metric="accuracy",
        score=SHARE,
        gain=SHARE,
        held=(Held(risk="bias", probe=HARD, budget=0.02, outcome="few", figure=None, why=HARD),),
        seconds=1.5,
    ),
    Searched(
        budgets={"bias": 0.02, "forgetting": 0.05},
        metric="loss",
        baseline=HARD,
        began=SHARE,
        exported=None,
        why=HARD,
        unseen=True,
        notes=(HARD, ""),
        candidates=3,
        seconds=2.5,
    ),
    Chosen(key="train.epochs", value=5.0, reason=HARD),
    Chosen(key="data.test", value="none", reason=""),
    Chosen(key="data.max_length", value=512, reason="long"),
    DataRead(
        files={HARD: "0f" * 32, "b.csv": "1e" * 32},
        columns={"text": HARD, "label": "label"},
        rows={"train": 10, "validation": 2, "test": 0},
        labels={"b": 4, "a": 6, HARD: 1},
        findings=(
            Finding(name="duplicates", count=3, meaning="twice", examples=("row 1", HARD), advice=HARD),
            Finding(name="empty", count=0, meaning=""),
        ),
    ),
    Audited(
        checks=(Check(name="duplicates", rows=3, of=10**7, how=HARD),),
        lengths=(
            Lengths(
                split="train", unit="tokens", rows=3, least=1, q05=1, q25=2, median=3, q75=4, q95=5, most=6, total=10**9
            ),
        ),
        cuts=(Cut(limit=512, rows=3, tokens=10, chosen=True),),
        encoded=(Encoded(where=HARD, tokens=("[CLS]", HARD), trained=(False, True), hidden=2, target=HARD),),
        suspects=(Suspect(where=HARD, label="a", likely=HARD, probability=0.1 + 0.2),),
    ),
    Audited(checks=()),
    Predicted(peak_memory_bytes=2**33, seconds_per_epoch=0.5, steps=9, memory_how=HARD, seconds_how="by rule"),
    ModelLoaded(reference=HARD, family="bert", parameters=22_713_216, trained=10, fingerprint="ab" * 32),
    Scores(
        who="tuned",
        split="test",
        metrics={
            "accuracy": Measured(value=0.1 + 0.2, low=1e-300, high=0.9999999999999999, n=3080),
            "loss": Measured(value=1e300, low=5e-324, high=1.7e308, n=1),
        },
        classes=(
            ClassRow(label=HARD, precision=SHARE, recall=Measured(value=1 / 3, low=0.0, high=1.0, n=3), f1=SHARE),
            ClassRow(label="b", precision=SHARE, recall=SHARE, f1=SHARE),
        ),
        confusion=((3, 0), (1, 2)),
        cells=(
            CellShare(true=0, predicted=0, share=Measured(value=1.0, low=1.0, high=1.0, n=3)),
            CellShare(true=1, predicted=0, share=SHARE),
        ),
    ),
    Scores(who="majority", split="validation", metrics={}),
    WrittenTexts(who="tuned", split="test", texts=("It is on its way.",)),
    RowResults(
        who="tuned",
        split="test",
        rows=("0f" * 4, "1e" * 4),
        values={"accuracy": (1.0, 0.0), "loss": (0.1 + 0.2, 5e-324)},
        expected=(1, 0),
        predicted=(1, 1),
    ),
    RowResults(who="tuned", split="test", rows=("0f" * 4,), values={}),
    RangeTested(
        rates=(1e-6, 1e-300),
        changes=(0.1 + 0.2, -1.5),
        smooth=(0.0, -0.1),
        fall=1e-300,
        rate=1 / 3,
        used=0.5,
        seconds=1.5,
    ),
    RangeTested(rates=(1e-6,), changes=(0.0,), smooth=(0.0,), fall=1e-6, rate=None, used=1.0, seconds=0.0),
    Restarted(step=25, seed=2**32 - 1, learning_rate=1 / 3, head_learning_rate=1.0, text=HARD),
    Skipped(step=1, what="the loss", value="nan", rows=(HARD, "b"), text=HARD),
    Rewound(step=9, to_step=0, cause=HARD, number=1, factor=0.2, text=HARD),
    BatchesSplit(step=1, parts=2, text=HARD),
    Step(
        step=1,
        of=10,
        epoch=0.1,
        loss=2.3025851249694824,
        learning_rate=1e-05,
        gradient_norm=-1.0,
        rows=32,
        tokens=512,
        seconds=0.125,
    ),
    Evaluated(step=5, epoch=0.5, metrics={"accuracy": 2 / 3, "loss": 0.1}, best=True),
    Event(step=0, name="head", text=HARD),
    Finished(
        steps=10,
        best_step=5,
        stopped="early stopping",
        seconds={"training": 1.5, "total": 2.0},
        rows_per_second=100.1,
        tokens_per_second=1e6,
        peak_memory_bytes=2**33,
        samples=(Sample(text=HARD, expected="a", predicted="b", probability=0.51),),
        worst=(Sample(text=HARD, expected="1.5", predicted="b", error=-0.1, where=HARD, hidden=10**7),),
    ),
    Finished(
        steps=0,
        best_step=0,
        stopped="end of the plan",
        seconds={},
        rows_per_second=0.0,
        tokens_per_second=0.0,
        peak_memory_bytes=0,
    ),
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "record.jsonl"


def write(path, *payloads, observers=()):
    with Journal(path, observers=observers) as writer:
        for payload in payloads:
            writer.append(payload)


def test_the_list_here_has_every_kind():
    assert {type(payload) for payload in PAYLOADS} == set(get_args(Payload))


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: type(payload).__name__)
def test_what_was_written_comes_back_equal(path, payload):
    write(path, payload)
    (back,) = read(path)
    assert back == payload
    assert type(back) is type(payload)


def test_tuples_come_back_as_tuples_at_every_depth(path):
    write(path, *PAYLOADS)

    def shape(value):
        if dataclasses.is_dataclass(value):
            return type(value), [shape(getattr(value, field.name)) for field in dataclasses.fields(value)]
        return (type(value), [shape(item) for item in value]) if isinstance(value, list | tuple) else type(value)

    assert [shape(payload) for payload in read(path)] == [shape(payload) for payload in PAYLOADS]


def test_every_line_is_one_json_object_that_names_its_kind(path):
    write(path, *PAYLOADS)
    lines = path.read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    assert [json.loads(line)["kind"] for line in lines] == [type(payload).__name__.lower() for payload in PAYLOADS]


def test_a_journal_goes_on_after_what_is_there(path):
    write(path, PAYLOADS[0])
    write(path, PAYLOADS[1])
    assert read(path) == list(PAYLOADS[:2])


def test_observers_see_each_record_after_it_was_written(path):
    seen = []
    write(path, *PAYLOADS, observers=[lambda payload: seen.append((payload, read(path)[-1]))])
    assert seen == [(payload, payload) for payload in PAYLOADS]


def test_a_record_cannot_be_changed_by_who_sees_it():
    for payload in PAYLOADS:
        field = dataclasses.fields(payload)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(payload, field, None)


@pytest.mark.parametrize("length", [1, 10, 40, -2])
def test_a_last_line_that_was_cut_off_is_left_out(path, length):
    write(path, *PAYLOADS[:3])
    whole = path.read_bytes()
    write(path, Event(step=1, name="last", text="café " * 10))
    line = path.read_bytes()[len(whole) :]
    path.write_bytes(whole + line[:length])
    assert read(path) == list(PAYLOADS[:3])
    known = read_known(path)
    assert known.records == PAYLOADS[:3]
    assert known.remarks == ("line 4 (the last): cut off in the middle; left out",)


def test_a_last_line_that_was_cut_inside_a_letter_is_left_out(path):
    write(path, *PAYLOADS[:3])
    whole = path.read_bytes()
    write(path, Event(step=1, name="last", text="è"))
    inside = path.read_bytes().index("è".encode(), len(whole)) + 1
    path.write_bytes(path.read_bytes()[:inside])
    assert read(path) == list(PAYLOADS[:3])


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b"5",
        b'"text"',
        b"{}",
        b'{"kind": "unheard"}',
        b'{"kind": "event"}',
        b'{"kind": "event", "step": 1, "name": "", "text": "", "more": 1}',
        b'{"kind": "scores", "who": "", "split": "", "metrics": 5}',
        b'{"kind": "dataread", "files": {}, "columns": {}, "rows": {}, "labels": {}, "findings": [5]}',
        b"\x00\x00\x00",
        b"\xff\xfe",
    ],
)
def test_a_damaged_line_in_the_middle_is_refused_with_its_number(path, line):
    write(path, *PAYLOADS[:2])
    whole = path.read_bytes()
    path.write_bytes(whole + line + b"\n" + whole)
    with pytest.raises(RunError) as caught:
        read(path)
    (problem,) = caught.value.problems
    assert problem.where == f"{path}, line 3"
    assert len(problem.found) > 3
    assert problem.fix


FOREIGN = {
    b'{"kind": "unheard", "x": 1}': "line 3 (unheard): its kind is not known to this version; left out",
    b'{"kind": "event", "step": 1}': "line 3 (event): name: field required; left out",
    b'{"kind": "event", "step": 1, "name": "", "text": "", "more": 1}': "not known here: more; that field was left out",
    b'{"kind": "scores", "who": "", "split": "", "metrics": {"a": 0.5}}': "line 3 (scores): metrics.a: ",
    b'{"kind": "scores", "who": "", "split": "", "metrics": {"a": {"value": 1, "low": 0, "high": 1, "n": 1, "s": 0}}'
    b"}": "not known here: metrics.a.s; that field was left out",
    b'{"kind": "dataread", "files": {}, "columns": {}, "rows": {}, "labels": {}, "findings": [5]}': "findings.0: ",
}


@pytest.mark.parametrize("line", FOREIGN)
def test_what_another_version_wrote_is_read_as_far_as_it_is_known_and_said(path, line):
    write(path, *PAYLOADS[:2])
    whole = path.read_bytes()
    path.write_bytes(whole + line + b"\n" + line + b"\n" + whole)
    found = read_known(path)
    (remark,) = found.remarks
    assert FOREIGN[line].removeprefix("line 3 (") in remark
    assert remark.startswith("line 3 and 1 more like it (")
    assert [record for record in found.records if record in PAYLOADS[:2]] == [*PAYLOADS[:2], *PAYLOADS[:2]]


def test_a_record_of_this_version_calls_for_no_remark(path):
    write(path, *PAYLOADS)
    assert read_known(path).records == PAYLOADS
    assert read_known(path).remarks == ()


def test_a_damaged_line_is_refused_by_the_lenient_reader_too(path):
    write(path, PAYLOADS[0])
    path.write_bytes(path.read_bytes() + b"{\n" + path.read_bytes())
    with pytest.raises(RunError, match="line 2") as caught:
        read_known(path)
    (problem,) = caught.value.problems
    assert problem.found == "a damaged line, which is no JSON object or not UTF-8"
    assert problem.fix.startswith("take the file from a copy if it is damaged")


def test_half_a_surrogate_pair_comes_back(path):
    odd = Event(step=1, name="text", text="\ud800 and \\ud800")
    write(path, odd)
    assert read(path) == [odd]


def test_a_missing_record_names_what_writes_one(path):
    with pytest.raises(RunError, match="affina train"):
        read(path)


def test_cut_forgets_what_came_after_a_position(path):
    with Journal(path) as writer:
        writer.append(PAYLOADS[0])
        position = writer.position()
        writer.append(PAYLOADS[1])
        assert writer.position() == path.stat().st_size > position
    cut(path, position=position)
    assert read(path) == [PAYLOADS[0]]
    write(path, PAYLOADS[2])
    assert read(path) == [PAYLOADS[0], PAYLOADS[2]]


def test_a_position_counts_what_an_earlier_journal_wrote(path):
    write(path, PAYLOADS[0])
    with Journal(path) as writer:
        assert writer.position() == path.stat().st_size


def test_the_kinds_are_the_names_of_the_types():
    assert {kind.__name__.lower(): kind for kind in get_args(Payload)} == lines.KINDS


def test_the_last_checkpoint_is_the_one_of_the_most_steps(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.last() is None
    for step in (9, 10, 100_000):
        folder.step(step).mkdir(parents=True)
    folder.best(3).mkdir()
    (folder.checkpoints / ".step-99999999.x.partial").mkdir()
    assert folder.last() == folder.step(100_000)


def test_all_of_a_run_is_inside_its_folder(tmp_path):
    folder = RunFolder(tmp_path)
    places = (folder.recipe, folder.journal, folder.checkpoints, folder.best(3), folder.model, folder.report)
    assert len({*places, folder.step(1)}) == 7
    assert all(place.is_relative_to(tmp_path) for place in places)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "broken",
    [
        {"values": {"accuracy": (1.0,)}},
        {"parts": {"micro_f1": ((1.0, 2.0), (1.0,))}},
        {"expected": (0, 1), "predicted": (0,)},
        {"expected": (0, 1), "predicted": (0, -1)},
    ],
)
def test_results_of_other_rows_are_no_record(broken):
    line = {"kind": "rowresults", "who": "tuned", "split": "test", "rows": ["a", "b"], "values": {}, **broken}
    found = lines.parse(json.dumps(line).encode())

    assert found.payload is None
    assert found.strange
