"""Rows of a batch that begin alike are read as one line: the same loss and gradients as one by one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from affina.data.batching import plan_epoch
from affina.evaluation.perplexity import statistics
from affina.methods.full import attach
from affina.models import segments
from affina.models.language import LanguageModel, load_language_model
from affina.models.source import locate
from affina.recipe.weight_specs import FullSpec
from affina.tasks.beginnings import LEAST, OneLine, choose_one_line, worth_sharing
from affina.tasks.lessons import Passage, Reading
from affina.tasks.token_loss import IGNORED
from affina.values import Resolved
from losses_of_lines import loss_and_gradient
from tiny_models import make_tiny

READ_SO = ("gpt2", "llama", "qwen2", "gpt_neox", "gemma3_text", "mistral", "opt", "biogpt")
NOT_READ_SO = ("gemma2", "bloom", "mpt", "rwkv", "openai-gpt")
PARTLY_FLOAT32 = dict.fromkeys(("llama", "qwen2", "mistral", "gemma3_text"), 1e-7)
"""Their norms are float32 whatever the weights are."""
COMMON = 12


def load(family: str, folder: Path) -> LanguageModel:
    made = load_language_model(locate(str(make_tiny(family, folder))), dropout=0.0)
    return replace(made, module=made.module.double())


@pytest.fixture(params=READ_SO)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> LanguageModel:
    made = load(request.param, tmp_path)
    assert chosen(made).value is not None
    return made


def passages_of(*sizes: int, common: int = COMMON, learned_from: int = COMMON + 2) -> list[Passage]:
    chance = torch.Generator().manual_seed(1)
    beginning = torch.randint(0, 60, (common,), generator=chance).tolist()
    found = []
    for number, size in enumerate(sizes):
        own = [60 + number, *torch.randint(0, 60, (size - 1,), generator=chance).tolist()]
        ids = (*beginning, *own)
        found.append(Passage(ids, tuple(place >= learned_from for place in range(len(ids)))))
    return found


def chosen(model: LanguageModel) -> Resolved[OneLine | None]:
    attached = attach(model.module, model.anatomy, FullSpec(), base_tensors=dict)
    return choose_one_line(model, attached, longest=30)


def assert_same(model: LanguageModel, passages: list[Passage]) -> None:
    reading = Reading(model)
    alone = [reading.collate([passage], rows=[place]) for place, passage in enumerate(passages)]
    expected, wanted = loss_and_gradient(model, alone)
    found, made = loss_and_gradient(model, [OneLine().collate(passages, rows=range(len(passages)))])
    close = PARTLY_FLOAT32.get(model.module.config.model_type, 1e-9)

    assert found == pytest.approx(expected, rel=close)
    assert float((made - wanted).norm() / wanted.norm()) < close


@pytest.mark.parametrize("sizes", [(9, 3, 14, 9), (5, 5), (18,)])
def test_loss_and_gradient_are_those_of_the_rows_one_by_one(model: LanguageModel, sizes: tuple[int, ...]) -> None:
    assert_same(model, passages_of(*sizes))


def test_so_they_are_where_nothing_is_common(model: LanguageModel) -> None:
    assert_same(model, passages_of(9, 3, 14, common=0, learned_from=2))


def test_and_where_blocks_are_run_again_in_the_backward_pass(model: LanguageModel) -> None:
    passages = passages_of(9, 3, 14)
    model.module.train()
    if not model.module.supports_gradient_checkpointing:
        pytest.skip("the family has none")
    model.module.activation_checkpointing_enable()
    assert_same(model, passages)


@pytest.mark.parametrize("family", ["mistral", "gemma3_text"])
def test_a_window_is_kept_over_the_beginning_too(family: str, tmp_path: Path) -> None:
    made = load(family, tmp_path)
    made.module.config.sliding_window = 5
    for block in made.module.modules():
        if vars(block).get("sliding_window") is not None:
            block.sliding_window = 5
    assert chosen(made).value is not None
    assert_same(made, passages_of(9, 3, 14))


def test_each_rows_loss_in_an_evaluation_is_that_of_padded_rows(model: LanguageModel) -> None:
    passages = passages_of(9, 3, 14, 9, 5)
    by = {
        reader: statistics(model, reader, passages, sizes=[1] * 5, budget=70) for reader in (Reading(model), OneLine())
    }
    padded, one_line = by.values()
    close = PARTLY_FLOAT32.get(model.module.config.model_type, 1e-9)
    assert one_line.nats.tolist() == pytest.approx(padded.nats.tolist(), rel=close)
    assert len(set(padded.nats.tolist())) == 5


def test_rows_do_not_see_each_other(model: LanguageModel) -> None:
    passages = passages_of(9, 3, 14)
    spans = OneLine().spans(passages)
    model.module.requires_grad_(False)
    before = model.states(OneLine().collate(passages, rows=range(3)).inputs)[0]
    other = replace(passages[1], ids=(*passages[1].ids[:-1], (passages[1].ids[-1] + 1) % 60))
    after = model.states(OneLine().collate([passages[0], other, passages[2]], rows=range(3)).inputs)[0]
    moved = [float((before[start:end] - after[start:end]).abs().max()) for _, start, end in spans]

    assert moved[1] > 1e-4
    assert max(moved[0], moved[2]) <= 1e-12


def test_without_segments_the_model_attends_as_it_did(tmp_path: Path) -> None:
    made, switched = load("llama", tmp_path), load("llama", tmp_path)
    assert chosen(switched).value is not None
    batch = Reading(made).collate(passages_of(9, 3), rows=[0, 1])
    torch.testing.assert_close(made.states(batch.inputs), switched.states(batch.inputs), rtol=0, atol=0)
    switched.module.save_pretrained(tmp_path / "saved")
    assert segments.NAME not in (tmp_path / "saved" / "config.json").read_text()


@pytest.mark.parametrize("family", NOT_READ_SO)
def test_a_model_that_does_not_obey_is_left_as_it_was_and_that_is_told(family: str, tmp_path: Path) -> None:
    made = load_language_model(locate(str(make_tiny(family, tmp_path))), dropout=0.0)
    name = made.module.config._attn_implementation
    found = chosen(made)
    assert found.value is None
    assert type(made.module).__name__ in found.reason
    assert made.module.config._attn_implementation == name


def test_the_trial_has_rows_with_a_common_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be wrong for a beginning alone is found out: here tails that do not see it."""
    made = load("llama", tmp_path)
    whole = segments._seen

    def blind(common: int, length: int, window: int | None, *, like: Tensor) -> Tensor:
        return whole(common, length, window, like=like) & (torch.arange(common + length) >= common)

    monkeypatch.setattr(segments, "_seen", blind)
    assert chosen(made).value is None


def test_what_a_line_looks_like() -> None:
    common = tuple(range(1, LEAST + 1))
    said = [(False,) * (LEAST + 1), (False,) * (LEAST + 2)]
    passages = [
        Passage((*common, 20, 21, 22), (*said[0], True, True)),
        Passage((*common, 30, 31, 32, 33), (*said[1], True, True)),
    ]
    batch = OneLine().collate(passages, rows=[7, 4])

    assert batch.inputs["input_ids"].tolist() == [[*common, 20, 21, 22, 30, 31, 32, 33]]
    assert batch.inputs["position_ids"].tolist() == [[*range(LEAST + 3), *range(LEAST, LEAST + 4)]]
    assert batch.inputs["segments"].tolist() == [[LEAST, LEAST + 3], [LEAST + 3, LEAST + 7]]
    none = [IGNORED] * LEAST
    assert batch.targets.tolist() == [[*none, 21, 22, IGNORED, IGNORED, 32, 33, IGNORED]]
    assert (batch.rows, batch.tokens) == ((7, 4), 2 * LEAST + 7)
    assert OneLine().shape(passages) == (2, (LEAST + 8) // 2, LEAST + 4)
    [layout] = batch.layouts
    tokens = torch.arange(float(batch.tokens))[:, None]
    spread = layout.spread(tokens)[0, :, 0].tolist()
    assert spread == [*range(LEAST + 3), *range(2 * LEAST + 3, 2 * LEAST + 7)]
    gathered = layout.gathered(torch.tensor(spread)[None, :, None])[:, 0].tolist()
    assert gathered == [*range(LEAST + 3), *range(LEAST), *range(2 * LEAST + 3, 2 * LEAST + 7)]


def test_the_beginning_ends_before_what_is_learned() -> None:
    passages = passages_of(5, 5, learned_from=10)
    assert OneLine().spans(passages)[0][1] == 9
    everything = [replace(passage, learned=(True,) * len(passage)) for passage in passages]
    assert OneLine().spans(everything)[0][1] == 0


def test_lines_pay_where_beginnings_are_long_beside_the_rest() -> None:
    def worth(passages: list[Passage]) -> Any:
        return worth_sharing(passages, [len(passage) for passage in passages], budget=400)

    long, none = worth(passages_of(*[20] * 50, common=60, learned_from=62)), worth(passages_of(*[80] * 50, common=0))
    assert long.value
    assert "6" in long.reason
    assert not none.value
    assert "less than 5%" in none.reason


def test_the_batches_are_those_of_padded_rows() -> None:
    lengths = [5, 6, 7, 30, 8]
    planned, expected = (way(lengths, budget=40, seed=1, epoch=2) for way in (OneLine().plan, plan_epoch))
    assert list(planned) == list(expected)
