"""Writing keeps keys and values in place and reads a common beginning once: the texts are those of plain generation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from affina.errors import NonFiniteError
from affina.models import growing_cache as growing_cache_module
from affina.models import shared_prompt, writing
from affina.models.ending import decoded
from affina.models.growing_cache import GrowingLayer, growing_cache
from affina.models.language import LanguageModel, load_language_model
from affina.models.shared_prompt import common_length, shared_beginning
from affina.models.source import locate
from affina.models.writing import HowToWrite, batches
from tiny_models import APART, make_apart, make_tiny

SHARED = 16
"""Tokens worth sharing here: tiny models have short contexts."""
ROOM = 8
PLAIN = ("llama", "gpt2", "bloom", "mpt")
"""Decoders that keep all keys and values."""
OTHER = ("gemma2", "mistral", "openai-gpt", "rwkv", "t5")
"""With windows, without a cache, with states, with an encoder beside it."""

WITH_BEAMS = tuple(family for family in (*PLAIN, *OTHER) if family != "rwkv")


@pytest.fixture(autouse=True)
def little_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_prompt, "WORTH_SHARING", SHARED)
    monkeypatch.setattr(growing_cache_module, "ROOM", ROOM)


def load(family: str, folder: Path) -> LanguageModel:
    """In float64, where attention can mask in it: only a fault can choose another token then."""
    model = load_language_model(locate(str((make_apart if family in APART else make_tiny)(family, folder))))
    if family in ("llama", "gpt2"):
        model.module.double()
    return model


def tokens(model: LanguageModel, rows: int, *, shared: int, seed: int = 0) -> list[list[int]]:
    """Prompts of several lengths that begin alike."""
    drawn = torch.Generator().manual_seed(seed)
    most = len(model.tokenizer)

    def some(count: int) -> list[int]:
        return torch.randint(10, most, (count,), generator=drawn).tolist()

    start = some(shared)
    return [start + some(3 + 2 * row) for row in range(rows)]


def plain(model: LanguageModel, prompt: list[int], how: HowToWrite) -> list[int]:
    """One prompt's tokens by transformers alone."""
    with torch.inference_mode():
        made = model.module.generate(
            input_ids=torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=how.most_tokens,
            do_sample=False,
            num_beams=how.beams,
            pad_token_id=model.tokenizer.pad_token_id,
            eos_token_id=writing.end_tokens(model),
        )
    return made[0, 1 if model.reads_apart else len(prompt) :].tolist()


@pytest.mark.parametrize("shared", [0, SHARED + 3])
@pytest.mark.parametrize(
    ("family", "beams"), [(family, 1) for family in (*PLAIN, *OTHER)] + [(family, 3) for family in WITH_BEAMS]
)
def test_texts_of_a_batch_are_those_of_plain_generation(family: str, shared: int, beams: int, tmp_path: Path) -> None:
    model = load(family, tmp_path)
    prompts = tokens(model, 4, shared=shared)
    how = HowToWrite(most_tokens=12, beams=beams)

    expected = [plain(model, prompt, how) for prompt in prompts]

    found = writing.write(model, prompts, how)
    assert [(one.tokens, one.text) for one in found] == [(len(known), decoded(model, known)) for known in expected]


@pytest.mark.parametrize("family", PLAIN)
def test_a_growing_cache_holds_what_transformers_own_does(family: str, tmp_path: Path) -> None:
    model = load(family, tmp_path)
    ids = torch.tensor(tokens(model, 1, shared=ROOM)).expand(3, -1)
    own, growing = DynamicCache(config=model.module.config), growing_cache(model.module)
    assert growing is not None

    for start, end in ((0, 5), (5, 6), (6, ROOM + 1), (ROOM + 1, ids.shape[1])):
        for cache in (own, growing):
            mask = torch.ones(len(ids), end, dtype=torch.long)
            with torch.no_grad():
                model.module(input_ids=ids[:, start:end], attention_mask=mask, past_key_values=cache)
        assert all(torch.equal(a.keys, b.keys) for a, b in zip(own.layers, growing.layers, strict=True))
        assert all(torch.equal(a.values, b.values) for a, b in zip(own.layers, growing.layers, strict=True))


@pytest.mark.parametrize("family", OTHER)
def test_other_caches_are_left_to_transformers(family: str, tmp_path: Path) -> None:
    assert growing_cache(load(family, tmp_path).module) is None


Step = tuple[str, Any]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("update"), st.integers(1, ROOM + 9)),
        st.tuples(st.just("crop"), st.integers(0, 3)),
        st.tuples(st.just("batch_repeat_interleave"), st.integers(1, 2)),
        st.tuples(st.just("reorder_cache"), st.integers(0, 9)),
    ),
    max_size=6,
)


@given(steps=STEPS)
def test_a_layer_does_what_transformers_layer_does(steps: list[Step]) -> None:
    own, growing = DynamicLayer(), GrowingLayer()
    rows, seen = 2, 0
    for name, number in [("update", 2), *steps]:
        if name == "update":
            keys, values = torch.randn(2, rows, 2, number, 3)
            made = [layer.update(keys, values) for layer in (own, growing)]
            assert all(torch.equal(a, b) for a, b in zip(*made, strict=True))
            seen += number
        elif name == "crop":
            for layer in (own, growing):
                layer.crop(-min(number, seen))
            seen -= min(number, seen)
        elif seen and name == "reorder_cache":
            order = torch.randint(0, rows, (rows,), generator=torch.Generator().manual_seed(number))
            own.reorder_cache(order)
            growing.reorder_cache(order)
        elif seen and rows * number < 9:
            own.batch_repeat_interleave(number)
            growing.batch_repeat_interleave(number)
            rows *= number
        assert own.get_seq_length() == growing.get_seq_length()
        if own.get_seq_length():
            assert torch.equal(own.keys, growing.keys)
            assert torch.equal(own.values, growing.values)


def test_a_token_is_written_where_there_is_room(tmp_path: Path) -> None:
    cache = growing_cache(load("llama", tmp_path).module)
    assert cache is not None
    [layer, *_] = cache.layers
    first, _ = layer.update(*torch.randn(2, 1, 2, 5, 4))
    kept = first.data_ptr()

    places = {layer.update(*torch.randn(2, 1, 2, 1, 4))[0].data_ptr() for _ in range(ROOM)}
    grown, _ = layer.update(*torch.randn(2, 1, 2, 1, 4))

    assert places == {kept}
    assert grown.data_ptr() != kept


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_common_beginning_is_read_once(family: str, tmp_path: Path) -> None:
    model = load(family, tmp_path)
    prompts = tokens(model, 4, shared=SHARED)
    read: list[tuple[int, ...]] = []
    model.module.register_forward_pre_hook(
        lambda _, __, named: read.append(tuple(named["input_ids"].shape)), with_kwargs=True
    )
    writing._generate(model, prompts, HowToWrite(most_tokens=2), [])

    assert read[:2] == [(1, SHARED), (4, len(prompts[-1]) - SHARED)]


def test_too_short_a_beginning_is_not_shared(tmp_path: Path) -> None:
    model = load("llama", tmp_path)

    for prompts in (tokens(model, 4, shared=SHARED - 1), tokens(model, 1, shared=SHARED + 9)):
        cache, length = shared_beginning(model, prompts, beams=1)
        assert length == 0
        assert cache is not None
        assert cache.get_seq_length() == 0


@given(rows=st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=5))
def test_a_common_beginning_leaves_each_row_a_token(rows: list[list[int]]) -> None:
    by_hand = 0
    while all(len(row) > by_hand + 1 for row in rows) and len({row[by_hand] for row in rows}) == 1:
        by_hand += 1

    assert common_length(rows) == by_hand


def test_a_batch_is_of_like_lengths_and_keeps_within_its_tokens(tmp_path: Path) -> None:
    lengths = [900, 40, 38, 20_000, 41, *[30] * 40]
    how = HowToWrite(most_tokens=100)

    found = list(batches(load("llama", tmp_path), lengths, how))

    assert found[:2] == [[3], [0, 4, 1, 2, *range(5, 17)]]
    assert sorted(place for batch in found for place in batch) == list(range(len(lengths)))
    for batch in found[1:]:
        assert len(batch) <= writing.TOGETHER
        assert len(batch) * (max(lengths[place] for place in batch) + 100) <= writing.TOKENS_TOGETHER


def test_beams_count_as_rows(tmp_path: Path) -> None:
    how = HowToWrite(most_tokens=2_000, beams=4)

    assert list(batches(load("llama", tmp_path), [48, 48, 48], how)) == [[0, 1], [2]]


@pytest.mark.parametrize(("family", "reads"), [("llama", False), ("gpt2", False), ("bloom", False), ("rwkv", True)])
def test_a_model_that_reads_padding_has_prompts_of_one_length_together(
    family: str, reads: bool, tmp_path: Path
) -> None:
    found = list(batches(load(family, tmp_path), [5, 4, 5, 4], HowToWrite(most_tokens=2)))

    assert found == ([[0, 2], [1, 3]] if reads else [[0, 2, 1, 3]])


@pytest.mark.parametrize("family", ["llama", "t5", "rwkv"])
@pytest.mark.parametrize("how", [{}, {"temperature": 0.7}, {"beams": 2}], ids=["greedy", "drawn", "beams"])
def test_a_model_that_gives_no_numbers_writes_nothing(family: str, how: dict[str, Any], tmp_path: Path) -> None:
    if family == "rwkv" and "beams" in how:
        pytest.skip("its states cannot be reordered")
    model = load(family, tmp_path)
    with torch.no_grad():
        model.module.get_output_embeddings().weight[3] = float("nan")
    with pytest.raises(NonFiniteError, match="for every token that it writes"):
        writing.write(model, tokens(model, 2, shared=2), HowToWrite(most_tokens=4, **how))
