"""Records of runs that never were, for the tests of the report."""

import math

from affina.record.audited import Audited, Check, Cut, Encoded, Lengths, Suspect
from affina.record.figures import Measured
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
from affina.record.row_results import RowResults
from affina.record.starts import ModelLoaded, RangeTested

NASTY = "<script>alert('x')</script> & \"quoted\" </svg></style>"


def measured(value: float, half: float = 0.03, n: int = 120) -> Measured:
    return Measured(value=value, low=value - half, high=value + half, n=n)


def cells(confusion: tuple[tuple[int, ...], ...]) -> tuple[CellShare, ...]:
    """The cells of a matrix that are not 0, each with an interval of a tenth to both sides."""
    return tuple(
        CellShare(true=true, predicted=predicted, share=measured(count / sum(counts), 0.1, n=sum(counts)))
        for true, counts in enumerate(confusion)
        for predicted, count in enumerate(counts)
        if count
    )


def scores(
    who: str, accuracy: float, *, labels: tuple[str, ...] = (), split: str = "test", half: float = 0.03
) -> Scores:
    size = len(labels)
    confusion = tuple(
        tuple(9 if row == column else (row + 2 * column) % 5 // 4 * 3 for column in range(size)) for row in range(size)
    )
    classes = tuple(
        ClassRow(
            label=label,
            precision=measured(0.9, 0.04),
            recall=measured(0.8, 0.06, n=12),
            f1=measured(0.5 + 0.4 * i / size, 0.05),
        )
        for i, label in enumerate(labels)
    )
    metrics = {
        "accuracy": measured(accuracy, half),
        "macro_f1": measured(accuracy - 0.02, half),
        "loss": measured(1.5 - accuracy, half),
        "calibration_error": measured(0.05, 0.01),
    }
    return Scores(who=who, split=split, metrics=metrics, classes=classes, confusion=confusion, cells=cells(confusion))


def row_results(who: str, accuracy: float, *, rows: int = 120, classes: int = 2, first: int = 0) -> RowResults:
    """Results of `rows` rows, of which the first ones are wrong; `first` shifts which rows these are."""
    right = [place >= rows - round(accuracy * rows) for place in range(rows)]
    expected = [place % classes for place in range(rows)]
    predicted = [truth if hit else (truth + 1) % classes for truth, hit in zip(expected, right, strict=True)]
    values = {"accuracy": tuple(map(float, right)), "loss": tuple(0.1 if hit else 2.0 for hit in right)}
    keys = tuple(f"{first + place:08x}" for place in range(rows))
    return RowResults(
        who=who, split="test", rows=keys, values=values, expected=tuple(expected), predicted=tuple(predicted)
    )


def range_tested() -> RangeTested:
    rates = tuple(1e-5 * 1.5**step for step in range(16))
    changes = tuple(-0.3 * math.exp(-((step - 9) ** 2) / 9) for step in range(16))
    return RangeTested(rates=rates, changes=changes, smooth=changes, fall=0.1, rate=1.2e-4, used=1e-4, seconds=2.0)


def steps(count: int) -> list[Payload]:
    lines: list[Payload] = []
    for step in range(1, count + 1):
        rate = 2e-4 * min(1.0, step / (0.1 * count)) * (1 - step / (count + 1))
        loss = 0.2 + 2.1 * math.exp(-3 * step / count) + 0.08 * math.sin(step * 1.7)
        norm = 3 + math.cos(step)
        lines.append(
            Step(
                step=step, of=count, epoch=step / 20, loss=loss, learning_rate=rate, gradient_norm=norm, rows=16,
                tokens=300,                seconds=step * 0.2,
            )
        )  # fmt: skip
        if step % 10 == 0:
            metrics = {"accuracy": 0.9 - math.exp(-4 * step / count), "loss": loss + 0.1, "calibration_error": 0.07}
            lines.append(Evaluated(step=step, epoch=step / 20, metrics=metrics, best=step % 20 == 0))
    return lines


def audited(text: str) -> Audited:
    return Audited(
        checks=(Check(name="near duplicates", rows=200_000, of=1_000_000, how=text),),
        lengths=(
            Lengths(
                split="train",
                unit="tokens",
                rows=9,
                least=1,
                q05=2,
                q25=3,
                median=4,
                q75=5,
                q95=6,
                most=1_777,
                total=40,
            ),
        ),
        cuts=(Cut(limit=128, rows=17, tokens=99, chosen=False), Cut(limit=512, rows=3, tokens=9, chosen=True)),
        encoded=(Encoded(where=text, tokens=("[CLS]", text), trained=(False, True), hidden=5, target=text),),
        suspects=(Suspect(where=text, label=text, likely=text, probability=0.987),),
        language="it",
    )


def unfinished(labels: tuple[str, ...], *, count: int = 60, text: str = "where is my parcel") -> list[Payload]:
    """A run up to its last step."""
    return [
        Started(
            time="2025-01-02T03:04:05+00:00",
            versions={"affina": "0.1.0", "torch": "2.13.0"},
            machine={"system": "Linux", "cores": 2, "memory_bytes": None},
            asked={"evaluate": {"confidence": 0.95}},
            resolved={},
        ),
        Chosen(key="method", value="full", reason="22.7 M parameters fit, and full fine-tuning was the most accurate"),
        Chosen(key="evaluate.metric", value="accuracy", reason="the classes are about equally frequent"),
        Chosen(key="train.learning_rate", value=0.0002, reason="measured for this model and method"),
        DataRead(
            files={"tickets.csv": "ab" * 32},
            columns={"text": text, "label": "intent"},
            rows={"train": 360, "validation": 40, "test": 120},
            labels=dict.fromkeys(labels, 36),
            findings=(
                Finding(
                    name="duplicates", count=3, meaning="the same text twice", examples=("file.csv, row 4", text),
                    advice=text,
                ),
            ),
        ),
        audited(text),
        ModelLoaded(
            reference="starter/encoder", family="bert", parameters=22_713_216, trained=22_713_216, fingerprint="f" * 16,
            hub_id="sentence-transformers/all-MiniLM-L6-v2", licence="apache-2.0", languages=("en",),
        ),
        scores("majority", 0.10, labels=labels),
        scores("linear_probe", 0.83, labels=labels),
        range_tested(),
        *steps(count),
        row_results("linear_probe", 0.83),
        Event(step=30, name="non-finite", text="a gradient overflowed and the loss scale was halved"),
    ]  # fmt: skip


def finished(labels: tuple[str, ...], *, count: int = 60, text: str = "where is my parcel") -> list[Payload]:
    """A whole run."""
    return [
        *unfinished(labels, count=count, text=text),
        scores("tuned", 0.92, labels=labels),
        row_results("tuned", 0.92),
        Finished(
            steps=count,
            best_step=count - 20,
            stopped="end of the plan",
            seconds={"data": 0.4, "training": 61.0, "total": 72.3},
            rows_per_second=88.2,
            tokens_per_second=1650.0,
            peak_memory_bytes=1_412_000_000,
            samples=(
                Sample(text=text, expected=labels[0], predicted=labels[0], probability=0.97),
                Sample(text="it never came", expected=labels[0], predicted=labels[1], probability=0.41),
            ),
            worst=(
                Sample(
                    text=text,
                    expected=labels[0],
                    predicted=labels[1],
                    probability=0.99,
                    where=f"{text}.csv, row 4",
                    hidden=10**7,
                ),
            ),
        ),
    ]
