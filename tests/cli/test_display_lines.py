"""Single lines of a run on the terminal: what is kept is not said of every evaluation, counts and nouns agree."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from affina.cli.display import Display
from affina.cli.tables import samples_table
from affina.record.audited import Audited, Cut, Lengths
from affina.record.guarding import BatchesSplit, Rewound, Skipped
from affina.record.payloads import DataRead, Evaluated, Event, Finding, Finished, Sample, Started
from affina.record.starts import Predicted, Restarted

SCORES = {"accuracy": 0.5, "macro_f1": 0.4, "loss": 1.0}


def shown(*records):
    out = io.StringIO()
    display = Display(Console(file=out, width=300))
    for record in records:
        display(record)
    return out.getvalue()


def end(**changes):
    return Finished(
        steps=1, best_step=1, stopped="end of the plan", seconds={"training": 2.0}, rows_per_second=1.0,
        tokens_per_second=1.0, peak_memory_bytes=2**20, **changes,
    )  # fmt: skip


@pytest.mark.parametrize(("best", "said"), [(True, False), (False, True)])
def test_only_an_evaluation_that_is_passed_over_is_marked(best, said):
    line = shown(Evaluated(step=1, epoch=1.0, metrics=SCORES, best=best))
    assert ("passed over" in line) is said
    assert "kept" not in line


def test_the_end_says_which_weights_are_kept_and_what_its_seconds_are_of():
    assert "1 step in 2 s (end of the plan; the weights after step 1 are kept)" in shown(end())
    again = Restarted(step=9, seed=1, learning_rate=1e-4, head_learning_rate=1e-3, text="stuck")
    assert "1 step in 2 s for both starts (" in shown(again, end())
    start = Started(time="", versions={}, machine={}, asked={}, resolved={}, resumed_at=7)
    assert "1 step in 2 s since step 7 (" in shown(start, end())


def test_what_the_guard_did_is_on_the_screen():
    skipped = Skipped(step=3, what="the loss", value="nan", rows=("a.csv, row 7",), text="the loss is nan")
    back = Rewound(step=9, to_step=0, cause="c", number=1, factor=0.2, text="back to the start")
    split = BatchesSplit(step=4, parts=2, text="memory ran out")
    said = shown(skipped, split, back)
    for line in ("step 3: the loss is nan", "step 4: memory ran out", "step 9: back to the start"):
        assert line in said


@pytest.mark.parametrize(("step", "said"), [(0, "few shot: cut off"), (7, "step 7: cut off")])
def test_what_belongs_to_no_step_is_said_under_its_name(step, said):
    line = shown(Event(step=step, name="few_shot", text="cut off"))
    assert said in line
    assert "step 0" not in line


def test_peaks_say_what_they_are_of():
    predicted = Predicted(
        peak_memory_bytes=400 * 2**20, seconds_per_epoch=1, steps=0, memory_how="", seconds_how="", interpreter_bytes=0
    )
    assert "peak memory 400 MiB, 1 s an epoch" in shown(predicted)
    assert "peak memory 700 MiB in all, 400 MiB of them the run's own, 1 s" in shown(
        replace(predicted, interpreter_bytes=300 * 2**20)
    )
    assert "the time is rough" in shown(predicted)
    assert "rough" not in shown(replace(predicted, steps=9))
    for own, said in ((None, "1 MiB\n"), (2**20, "1 MiB\n"), (0, "1 MiB in all, 0 MiB of them the run's own\n")):
        assert shown(end(memory_bytes=own)).endswith(f"peak memory {said}")


def test_a_long_text_takes_no_screen_of_its_own():
    out = io.StringIO()
    long = Sample(text="a word " * 40, hidden=10**7, expected="a", predicted="b", probability=0.9)
    Console(file=out, width=80).print(samples_table((long,)))
    assert len(out.getvalue().splitlines()) < 15
    assert "10,000,160 more" in " ".join(out.getvalue().replace("│", " ").split())


def test_one_is_singular():
    found = Finding(name="rare_labels", count=1, meaning="few")
    data = DataRead(files={}, columns={}, rows={"train": 1}, labels={"a": 1}, findings=(found,))
    assert "1 rare label: few" in shown(data)
    lengths = Lengths(
        split="train", unit="tokens", rows=9, least=1, q05=2, q25=3, median=4, q75=5, q95=6, most=7, total=40
    )
    cut = Cut(limit=5, rows=1, tokens=2, chosen=True)
    assert "cut: 1 row over 5" in shown(Audited(checks=(), lengths=(lengths,), cuts=(cut,)))
