"""Verb: predict. Labels and probabilities for one text or for the rows of a file."""

from __future__ import annotations

import json
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
from affina.record.files import write_text
from affina.verbs.runs import OpenRun, open_run

_SUFFIXES: Final = frozenset({".cvs", ".txt", ".xlsx", ".xls", ".ods", ".zip"})
"""What the names of files end in that are no data files, or not to be read."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one row.

    Attributes:
        text: the row's text.
        label: the most probable label.
        probabilities: every label to its probability.
    """

    text: str
    label: str
    probabilities: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """One plain object, as a line of `predictions.jsonl` holds it."""
        return {"text": self.text, "label": self.label, "probabilities": self.probabilities}


def predict(
    run: str | PathLike[str],
    texts: str | PathLike[str] | Sequence[str],
    *,
    out: str | PathLike[str] | None = None,
    device: str = "auto",
    notify: Callable[[str], None] = lambda _: None,
) -> list[Prediction]:
    """Say which label each text has, with the probability of every label.

    Args:
        run: the run folder.
        texts: a data file or another source of rows, one text, or several.
        out: a file to write the predictions to, one JSON object a line.
        device: auto, cpu, cuda or mps.
        notify: told of texts that were cut.

    Raises:
        RunError: the run has no model.
        DataError: the file cannot be used.
        InputError: a text is blank or lacks its second one, or `out` cannot be a file.
    """
    if out is not None:
        _check_out(Path(out), texts)
    opened = open_run(fspath(run), device=device)
    rows = _rows(opened, texts)
    found = [
        Prediction(
            text=row.fields["text"],
            label=opened.task.labels[int(shares.argmax())],
            probabilities={label: float(share) for label, share in zip(opened.task.labels, shares, strict=True)},
        )
        for row, shares in zip(rows, opened.predict(rows, notify=notify), strict=True)
    ]
    if out is not None:
        lines = (json.dumps(prediction.as_json(), ensure_ascii=False) for prediction in found)
        write_text(Path(out), "".join(f"{line}\n" for line in lines))
    return found


def _rows(opened: OpenRun, texts: str | PathLike[str] | Sequence[str]) -> Sequence[Row]:
    """The rows of a file, or made of texts given directly."""
    if isinstance(texts, PathLike) or (isinstance(texts, str) and is_place(texts)):
        return _rows_at(fspath(texts), opened)
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
    if isinstance(texts, str) and _looks_like_a_file(texts):
        return _rows_at(texts, opened)  # which says that it is not there
    given = [texts] if isinstance(texts, str) else list(texts)
    for number, text in enumerate(given, start=1):
        if is_blank(text):
            raise InputError(
                Problem(
                    where=f"text {number}",
                    expected="a text to classify",
                    found="nothing but blanks",
                    fix="give a text, or the path of a data file",
                )
            )
    return [Row({"text": text}, "the command line", number, number) for number, text in enumerate(given, start=1)]


def _rows_at(address: str, opened: OpenRun) -> Sequence[Row]:
    return read_texts(one_set(locate(address)), opened.data.columns, labelled=False)


def _check_out(out: Path, texts: str | PathLike[str] | Sequence[str]) -> None:
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
