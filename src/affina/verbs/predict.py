"""Verb: predict. Labels with their probabilities, numbers, or texts, for one text or for the rows of a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final

from affina.data.formats import is_data
from affina.data.gathering import one_set
from affina.data.places import is_place, locate
from affina.data.reading import read_texts
from affina.data.rows import Row, is_blank
from affina.errors import InputError, Problem
from affina.evaluation.judging.base import Answer
from affina.record.files import write_text
from affina.record.measures import WRITING
from affina.record.strict import strict_json
from affina.runtime import products
from affina.verbs.runs import FinishedRun, OpenRun, open_run, read_run
from affina.verbs.writers import open_writer

Texts = str | PathLike[str] | Sequence[str]
_SUFFIXES: Final = frozenset({".cvs", ".txt", ".xlsx", ".xls", ".ods", ".zip"})
"""What the names of files end in that are no data files, or not to be read."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one row.

    Attributes:
        text: the row's text.
        answer: the label, the labels or the number, and the probabilities behind them.
    """

    text: str
    answer: Answer

    @property
    def label(self) -> str:
        """The most probable label; of several labels, or of a number, all in words."""
        return self.answer.shown

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that are given: one, any number, or none for a number."""
        return self.answer.labels if self.answer.labels is not None else tuple(filter(None, (self.answer.label,)))

    @property
    def value(self) -> float | None:
        """The number; None where the task has labels."""
        return self.answer.value

    @property
    def probabilities(self) -> dict[str, float]:
        """Every label to its probability."""
        return self.answer.probabilities or {}

    def as_json(self) -> dict[str, Any]:
        """One plain object, as a line of `predictions.jsonl` holds it.

        `{"text", "label", "probabilities"}` for one label a row, `{"text", "labels", "probabilities"}` for several,
        `{"text", "value"}` for a number, `{"text", "output"}` for a text.
        """
        answer = self.answer
        if answer.text is not None:
            return {"text": self.text, "output": answer.text}
        if answer.value is not None:
            return {"text": self.text, "value": answer.value}
        given = {"label": answer.label} if answer.labels is None else {"labels": list(answer.labels)}
        return {"text": self.text, **given, "probabilities": self.probabilities}


@products.scoped()
def predict(
    run: str | PathLike[str],
    texts: Texts,
    *,
    out: str | PathLike[str] | None = None,
    device: str = "auto",
    notify: Callable[[str], None] = lambda _: None,
) -> list[Prediction]:
    """Say which label or labels each text has, with the probability of every label, which number, or what is written.

    Args:
        run: the run folder.
        texts: a data file or another source of rows, one text, or several.
        out: a file to write the predictions to, one JSON object a line.
        device: auto, cpu, cuda or mps.
        notify: told of texts that were cut, of rows left out, of what of the record could not be read, and the recipe's
            own `notice`.

    Raises:
        RunError: the run has no model.
        DataError: the file cannot be used.
        InputError: a text is blank or lacks its second one, or `out` cannot be a file.
    """
    if out is not None:
        _check_out(Path(out), texts)
    finished = read_run(fspath(run), notify=notify)
    if finished.recipe.notice:
        notify(finished.recipe.notice)
    answered = _write(finished, texts, device, notify) if finished.data.task in WRITING else None
    found = _answer(finished, texts, device, notify) if answered is None else answered
    if out is not None:
        lines = (strict_json(prediction.as_json()) for prediction in found)
        write_text(Path(out), "".join(f"{line}\n" for line in lines))
    return found


def _answer(run: FinishedRun, texts: Texts, device: str, notify: Callable[[str], None]) -> list[Prediction]:
    """The labels, or the numbers."""
    opened = open_run(run, device=device)
    rows = _read(opened, _address(texts)) if _is_place(texts) else _alone(opened, texts)
    return [
        Prediction(row.fields["text"], opened.judge.answer(outputs, opened.thresholds))
        for row, outputs in zip(rows, opened.predict(rows, notify=notify), strict=True)
    ]


def _write(run: FinishedRun, texts: Texts, device: str, notify: Callable[[str], None]) -> list[Prediction]:
    """The texts that are written."""
    opened = open_writer(run, device=device)
    place = _is_place(texts)
    rows = opened.read(_address(texts), answered=False, notify=notify) if place else opened.rows(_given(texts))
    return [
        Prediction(row.fields["text"], Answer(said.text, text=said.text))
        for row, said in zip(rows, opened.writer.write(rows, notify=notify), strict=True)
    ]


def _read(opened: OpenRun, address: str) -> Sequence[Row]:
    return read_texts(one_set(locate(address)), opened.data.columns, labelled=False)


def _is_place(texts: Texts) -> bool:
    """Whether a file or another source of rows is named."""
    if isinstance(texts, PathLike) or not isinstance(texts, str):
        return isinstance(texts, PathLike)
    return is_place(texts) or _looks_like_a_file(texts)  # of the second is said that it is not there


def _address(texts: Texts) -> str:
    return fspath(texts) if isinstance(texts, PathLike) else str(texts)


def _alone(opened: OpenRun, texts: Texts) -> Sequence[Row]:
    """Rows made of texts given directly."""
    if "text_pair" in opened.data.columns:
        raise InputError(
            Problem(
                where=str(opened.folder.path),
                expected="pairs of texts, as the run was trained on",
                found="a text without its second one",
                fix=f"give a data file with the columns {opened.data.columns['text']} and "
                f"{opened.data.columns['text_pair']}",
            )
        )
    given = enumerate(_given(texts), start=1)
    return [Row({"text": text}, "the command line", number, number) for number, text in given]


def _given(texts: Texts) -> list[str]:
    """Texts given directly, none of them blank."""
    given = [texts] if isinstance(texts, str) else [str(text) for text in texts] if isinstance(texts, Sequence) else []
    for number, text in enumerate(given, start=1):
        if is_blank(text):
            raise InputError(
                Problem(
                    where=f"text {number}",
                    expected="a text",
                    found="nothing but blanks",
                    fix="give a text, or the path of a data file",
                )
            )
    return given


def _check_out(out: Path, texts: Texts) -> None:
    """Stop before the work where its result could not be written."""
    if out.is_dir():
        found, fix = "a folder", f"write --out {out}/predictions.jsonl"
    elif out.exists() and isinstance(texts, str | PathLike) and _is_same(out, fspath(texts)):
        found, fix = "the file with the texts themselves", "write another --out"
    else:
        return
    raise InputError(Problem(where=str(out), expected="a file for the predictions", found=found, fix=fix))


def _looks_like_a_file(text: str) -> bool:
    """Whether a text without blanks ends as the name of a data file does, so that it was hardly meant as a message."""
    return len(text.split()) == 1 and (is_data(text) or Path(text).suffix.lower() in _SUFFIXES)


def _is_same(out: Path, text: str) -> bool:
    """Whether a text is the path of the file; long texts and texts with odd characters are none."""
    try:
        return out.samefile(text)
    except (OSError, ValueError):
        return False
