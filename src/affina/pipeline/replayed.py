"""The texts that a run holds its model to, or learns from which of its weights matter: which they are, and how many.

Texts that the model writes are kept with the run, so that a run that is resumed has the same ones. How often and how
strongly the model is held to them is `training.replay`'s, what is kept of the model is `beforehand`'s.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch

from affina.errors import Problem, RecipeError
from affina.models.base import width
from affina.models.classifier import Classifier
from affina.models.language import LanguageModel
from affina.models.output_layer import LinearOutput
from affina.pipeline.prepared import Prepared
from affina.recipe.holding_specs import ReplaySpec
from affina.record.files import write_text
from affina.record.folder import RunFolder
from affina.risks.given_texts import read_texts
from affina.risks.own_texts import LENGTH, lessons_of, own_texts
from affina.risks.sentences import replayed_sentences
from affina.tasks.lessons import Lesson, Passage, Reading
from affina.values import Resolved

KEY: Final = "train.replay"
FILE_KEY: Final = f"recipe key {KEY}.file"
LEAST_TEXTS: Final = 16
MOST_TEXTS: Final = 256
"""Texts that a model writes itself, at the least and at the most: it reads them again and again."""
OTHER_DRAWS: Final = 2**32
"""Added to the seed: no text is drawn with random numbers of the probe's, which are the seed itself and a few above."""
CHARACTERS: Final = 4
"""Of a token, about: of a file's texts before they are tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The texts of a run, as far as they are known before it starts.

    Attributes:
        count: how many.
        length: tokens of each, about.
        pieces: the texts; empty where the model writes them itself.
        told: what they are, in words.
    """

    count: int
    length: int
    pieces: tuple[str, ...]
    told: str


def texts_for(run: Prepared) -> Texts | None:
    """What is replayed, or what EWC looks at; None where the recipe asks for neither.

    Raises:
        InputError: the recipe's file cannot be used.
    """
    train = run.recipe.train
    if train.replay is None and not train.ewc:
        return None
    spec = train.replay or ReplaySpec()
    if spec.file is not None:
        given = read_texts(spec.file, seed=run.recipe.rows_seed, key=FILE_KEY)
        return _of_pieces(given.pieces, f"{len(given.pieces):,} pieces of {given.file}, {given.told}")
    if isinstance(run.model, LanguageModel) and not run.model.reads_apart:
        return Texts(count=_own_count(run, spec), length=LENGTH, pieces=(), told="texts that it writes itself")
    return _of_pieces(replayed_sentences(), "general English sentences, other ones than forgetting is measured on")


def _of_pieces(pieces: Sequence[str], told: str) -> Texts:
    length = sum(map(len, pieces)) // (CHARACTERS * len(pieces)) + 2
    return Texts(count=len(pieces), length=length, pieces=tuple(pieces), told=told)


def _own_count(run: Prepared, spec: ReplaySpec) -> int:
    """As many as the run has the time for to read once, within bounds."""
    train, lengths = run.recipe.train, run.subject.lengths["train"]
    tokens = run.hyper.epochs.value * sum(lengths)
    if train.max_steps is not None:
        tokens = min(tokens, train.max_steps * train.accumulate * run.hyper.batch_tokens.value)
    return min(max(math.ceil(spec.share * tokens / LENGTH), LEAST_TEXTS), MOST_TEXTS)


def told_of_texts(run: Prepared) -> dict[str, Resolved[Any]]:
    """What is replayed and how, with the reasons.

    Raises:
        InputError: nothing can be held on this model, or the file cannot be used.
    """
    spec, texts = run.recipe.train.replay, texts_for(run)
    if texts is None:
        return {}
    found: dict[str, Resolved[Any]] = {}
    if ewc := run.recipe.train.ewc:
        of = f"the Fisher information, of {texts.count:,} texts whose every token the model drew: no labels are needed"
        found["train.ewc"] = Resolved(ewc, f"{ewc:g} / 2 times each weight's squared distance times {of}")
    if spec is None:
        return found
    _check(run, spec)
    what = "KL(base || tuned) over the whole vocabulary, made again of kept states and not of the likeliest tokens"
    if isinstance(run.model, Classifier):
        what = "1 - cosine of a text's mean state to what it was: a head's answers say nothing of other texts"
    elif run.model.module.config.is_encoder_decoder:
        texts = replace(texts, told=f"what it writes for {texts.told}")
    else:
        texts = replace(texts, told=texts.told if texts.pieces else f"{texts.told}, other ones than the probe's")
    reason = f"{spec.share:g} of their tokens for each token of the rows; {spec.strength:g} times {what}"
    return found | {KEY: Resolved(f"{texts.count:,} texts: {texts.told}", reason)}


def _check(run: Prepared, spec: ReplaySpec) -> None:
    model, where = run.model, f"recipe key {KEY}"
    if not any(group.part == "body" for group in run.attached.parameter_groups()):
        found, fix = "a head that trains alone", f"leave {KEY} out, or write method.blocks=1 or more"
        raise RecipeError(Problem(where=where, expected="a method that changes the model", found=found, fix=fix))
    if isinstance(model, LanguageModel) and not isinstance(model.output, LinearOutput):
        found = f"a {type(model.module).__name__}, which makes its logits itself, for all tokens at once"
        expected = "a model whose output layer is a plain product, so that its distributions can be made again"
        raise RecipeError(Problem(where=where, expected=expected, found=found, fix=f"leave {KEY} out"))
    measured = run.recipe.risks.forgetting.texts
    if spec.file is not None and measured is not None and Path(spec.file).resolve() == Path(measured).resolve():
        found = f"{spec.file}, on which risks.forgetting.texts measures what was forgotten"
        fix = "divide it into two files: what is trained on says nothing of what was kept"
        raise RecipeError(Problem(where=FILE_KEY, expected="texts that nothing is measured on", found=found, fix=fix))


def bytes_of_texts(run: Prepared) -> int:
    """What is kept of the model for them, about."""
    texts = texts_for(run)
    if texts is None:
        return 0
    if run.recipe.train.replay is None:
        return 0
    model, size = run.model, int(run.model.module.dtype.itemsize)
    if not isinstance(model, LanguageModel):
        return texts.count * width(model) * size
    weight = model.output.weight if isinstance(model.output, LinearOutput) else None
    copied = weight.numel() * size if weight is not None and weight.requires_grad else 0
    return texts.count * texts.length * width(model) * size + copied


def stand_ins(run: Prepared, texts: Texts) -> list[Lesson]:
    """Texts of the same sizes that cost nothing to write."""
    pieces = texts.pieces or tuple(_stand_in(run, texts.length, number) for number in range(texts.count))
    return lessons_of(pieces, pieces if isinstance(run.model, LanguageModel) and run.model.reads_apart else None)


def _stand_in(run: Prepared, length: int, number: int) -> str:
    chance = torch.Generator().manual_seed(number)
    drawn = torch.randint(0, len(run.model.tokenizer), (length,), generator=chance).tolist()
    return str(run.model.tokenizer.decode(drawn, skip_special_tokens=True))


def lessons_in(folder: RunFolder, run: Prepared, texts: Texts, progress: Callable[[int, int], None]) -> list[Lesson]:
    """The texts of a run, written into its folder, or read where they are there already."""
    if not folder.replayed.exists():
        _write(folder.replayed, _lessons(run, texts, progress))
    return _read(folder.replayed)


def _lessons(run: Prepared, texts: Texts, progress: Callable[[int, int], None]) -> list[Lesson]:
    model = run.model
    if not isinstance(model, LanguageModel) or (texts.pieces and not model.reads_apart):
        return lessons_of(texts.pieces)
    reading = Reading(model, max_length=model.max_length)
    seed, count = run.recipe.seed + OTHER_DRAWS, texts.count
    return own_texts(model, reading, count=count, sources=texts.pieces, seed=seed, progress=progress)


def passages_of(model: LanguageModel, lessons: Sequence[Lesson]) -> list[Passage]:
    """Those texts of which there is something to foretell, as tokens.

    Raises:
        RecipeError: there is none.
    """
    reading = Reading(model, max_length=model.max_length)
    passages = [one for one in reading.encode([one for one in lessons if one.text]) if one.targets]
    if not passages:
        found = "none: every text that the untouched model writes is empty"
        fix = f"give texts of your own: {KEY}.file=FILE"
        raise RecipeError(Problem(where=f"recipe key {KEY}", expected="texts", found=found, fix=fix))
    return passages


def _write(file: Path, lessons: Sequence[Lesson]) -> None:
    write_text(file, "".join(f"{json.dumps([one.source, one.text], ensure_ascii=False)}\n" for one in lessons))


def _read(file: Path) -> list[Lesson]:
    pairs = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    sources = [source for source, _ in pairs]
    return lessons_of([text for _, text in pairs], None if None in sources else sources)
