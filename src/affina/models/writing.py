"""Texts that a model writes: generation in batches of like length, the same for the same seed.

Generation itself is transformers'. This module decides what is batched with what, where a text ends and which random
numbers a batch draws; it knows no task. A text ends with the tokenizer's end token, with one that the model's own
generation settings name (a chat model's end of a turn), or before words that the caller gives.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList, TextIteratorStreamer

from affina.models.ending import Until, begun, decoded, end_tokens, until_words
from affina.models.finite import FiniteOnly
from affina.models.language import LanguageModel
from affina.models.padding import reads_padding
from affina.models.shared_prompt import shared_beginning

TOGETHER: Final = 32
"""Prompts in a batch, at most: a matrix product of more rows does hardly more of them a second."""
TOKENS_TOGETHER: Final = 16 * 1024
"""Tokens that a batch keeps keys and values of, at most, padding included; a single text may have more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HowToWrite:
    """How tokens are chosen.

    Attributes:
        most_tokens: new tokens, at most.
        temperature: 0 takes the likeliest token (or beam); above it tokens are drawn.
        top_p: drawn from the likeliest tokens that have this probability together (Holtzman et al. 2020, section 3).
        beams: texts that are followed at once; 1 for none beside the first.
        seed: decides what is drawn.
    """

    most_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    beams: int = 1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Written:
    """A text with how it ended.

    Attributes:
        text: without special tokens.
        tokens: how many were written, the end token included.
        ended: the model ended it; else it was cut at the most tokens.
    """

    text: str
    tokens: int
    ended: bool


def write(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    how: HowToWrite,
    *,
    until: Sequence[str] = (),
    progress: Callable[[int], None] = lambda _: None,
) -> list[Written]:
    """A text for each prompt, in order.

    Args:
        model: in evaluation mode; left so.
        prompts: token ids; for an encoder-decoder what the encoder reads.
        how: how tokens are chosen.
        until: of each prompt the words before which its text ends, if they come; "" for none. A text is no longer
            written once they are there, and is the same as if it had been written on and cut there.
        progress: told how many texts are done.
    """
    found: dict[int, Written] = {}
    words, stops = until or [""] * len(prompts), end_tokens(model)
    for number, places in enumerate(batches(model, [len(prompt) for prompt in prompts], how)):
        batch = [prompts[place] for place in places]
        with torch.random.fork_rng(devices=_devices(model.module)):
            torch.manual_seed(how.seed + number)
            rows = _generate(model, batch, how, stops, until=Until(model, [words[place] for place in places]))
        texts = [read_back(model, row, stops) for row in rows]
        found |= {place: _cut(text, words[place]) for place, text in zip(places, texts, strict=True)}
        progress(len(found))
    return [found[place] for place in range(len(prompts))]


def stream(model: LanguageModel, prompt: Sequence[int], how: HowToWrite) -> Iterator[str]:
    """One text, piece by piece as it is written; with beams it comes whole.

    Args:
        model: in evaluation mode.
        prompt: token ids.
        how: how tokens are chosen.
    """
    if how.beams > 1:
        [whole] = write(model, [prompt], how)
        yield whole.text
        return
    stops = end_tokens(model)
    pieces = TextIteratorStreamer(
        model.tokenizer, skip_prompt=not model.reads_apart, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with torch.random.fork_rng(devices=_devices(model.module)):
                torch.manual_seed(how.seed)
                _generate(model, [prompt], how, stops, streamer=pieces)
        except BaseException as error:
            failed.append(error)
            pieces.end()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield from pieces
    thread.join()
    if failed:
        raise failed[0]


def batches(model: LanguageModel, lengths: Sequence[int], how: HowToWrite) -> Iterator[list[int]]:
    """Places in order of length, the longest first, so that what does not fit shows at once.

    Args:
        model: in evaluation mode; where it reads padding, a batch is of one length.
        lengths: of the prompts, in tokens.
        how: how texts are written: what they keep beside the prompt.
    """
    order = sorted(range(len(lengths)), key=lambda place: (-lengths[place], place))
    alike = len(set(lengths)) > 1 and reads_padding(model)
    while order:
        longest = lengths[order[0]]
        together = max(1, min(TOGETHER, TOKENS_TOGETHER // (how.beams * (longest + how.most_tokens))))
        batch = [place for place in order[:together] if not alike or lengths[place] == longest]
        yield batch
        order = order[len(batch) :]


def _generate(
    model: LanguageModel,
    batch: Sequence[Sequence[int]],
    how: HowToWrite,
    stops: list[int],
    *,
    streamer: TextIteratorStreamer | None = None,
    until: Until | None = None,
) -> list[list[int]]:
    cache, shared = shared_beginning(model, batch, beams=how.beams)
    ids, mask = _padded(batch, model.tokenizer.pad_token_id, shared=shared, on_the_left=not model.reads_apart)
    device = next(model.module.parameters()).device
    # a beam search takes a stopped text for a finished one and would weigh it against the others
    watched = until if until is not None and until.is_asked and how.beams == 1 else None
    with torch.inference_mode():
        made: Tensor = model.module.generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            **({} if cache is None else {"past_key_values": cache}),
            generation_config=_configuration(model, how, stops),
            logits_processor=LogitsProcessorList([FiniteOnly(model.source)]),
            stopping_criteria=None if watched is None else StoppingCriteriaList([watched]),
            streamer=streamer,
        )
    rows: list[list[int]] = [row[begun(model, ids.shape[1]) :].tolist() for row in made]
    return rows if watched is None else [row[:length] for row, length in zip(rows, watched.lengths, strict=True)]


def _padded(batch: Sequence[Sequence[int]], pad: int, *, shared: int, on_the_left: bool) -> tuple[Tensor, Tensor]:
    """A decoder goes on at the end of its row, so that padding stands behind what all rows share."""
    longest = max(map(len, batch))
    ids, mask = list[list[int]](), list[list[int]]()
    for prompt in batch:
        gap, before = longest - len(prompt), shared if on_the_left else len(prompt)
        ids.append([*prompt[:before], *[pad] * gap, *prompt[before:]])
        mask.append([1] * before + [0] * gap + [1] * (len(prompt) - before))
    return torch.tensor(ids), torch.tensor(mask)


def _configuration(model: LanguageModel, how: HowToWrite, stops: list[int]) -> GenerationConfig:
    """Affina's own settings alone: a checkpoint's sampling settings would decide quietly."""
    drawn: dict[str, Any] = {"temperature": how.temperature, "top_p": how.top_p, "top_k": 0} if how.temperature else {}
    own = model.module.generation_config
    return GenerationConfig(
        max_new_tokens=how.most_tokens,
        do_sample=bool(how.temperature),
        num_beams=how.beams,
        eos_token_id=stops,
        pad_token_id=model.tokenizer.pad_token_id,
        bos_token_id=own.bos_token_id,
        decoder_start_token_id=own.decoder_start_token_id,
        forced_bos_token_id=own.forced_bos_token_id,
        bad_words_ids=own.bad_words_ids,
        use_cache=True,
        **drawn,
    )


def read_back(model: LanguageModel, row: Sequence[int], stops: Sequence[int]) -> Written:
    """Tokens as the text that they are written as, up to the first of `stops`."""
    end = next((place for place, token in enumerate(row) if token in stops), None)
    kept = row if end is None else row[:end]
    return Written(decoded(model, kept), len(kept) + (end is not None), end is not None)


def _cut(written: Written, words: str) -> Written:
    kept = until_words(written.text, words)
    return written if kept is None else replace(written, text=kept, ended=True)


def _devices(module: Any) -> list[torch.device]:
    device = next(module.parameters()).device
    return [device] if device.type == "cuda" else []


def begin_with(module: Any, token: int) -> None:
    """Have every text of an encoder-decoder begin with a token: the code of its language."""
    module.generation_config.forced_bos_token_id = token


def search_with(module: Any, beams: int) -> None:
    """Have whoever loads the model search with so many beams where he says nothing else, as the run did."""
    module.generation_config.num_beams = beams
