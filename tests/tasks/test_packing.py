"""Packed texts are as if each were alone: losses, gradients, and what a token sees; what cannot be packed is told."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers.masking_utils
from torch import Tensor

from affina.data.batching import by_length, plan_epoch
from affina.models.language import LanguageModel, load_language_model
from affina.models.source import locate
from affina.tasks.lessons import Lesson, Passage, Reading
from affina.tasks.lines import Lines
from affina.tasks.packing import PackedLines, choose_packing
from affina.tasks.token_loss import IGNORED
from losses_of_lines import loss_and_gradient
from tiny_models import make_bart, make_tiny

BY_POSITIONS = ("gpt2", "llama", "qwen2", "gpt_neox", "gemma2", "gemma3_text", "mistral")
BY_MASK = ("opt", "biogpt")
NOT_AT_ALL = ("bloom", "mpt", "rwkv", "openai-gpt")
TEXTS = (
    "my card is lost",
    "why was I charged a fee for this transfer",
    "no",
    "the machine kept my card and gave me no cash",
    "where is it",
    "how long does a top up take",
)
IN_FLOAT32 = ("gemma2",)
"""Its softmax is float32 whatever its weights are; the others are compared in float64."""
PARTLY_FLOAT32 = {"gemma2": 1e-5, "gemma3_text": 1e-7}
"""Gemma 3's norms are float32."""


def load(family: str, folder: Path, **settings: Any) -> LanguageModel:
    made = load_language_model(locate(str(make_tiny(family, folder))), **settings)
    return made if family in IN_FLOAT32 else replace(made, module=made.module.double())


@pytest.fixture(params=(*BY_POSITIONS, *BY_MASK))
def model(request: pytest.FixtureRequest, tmp_path: Path) -> LanguageModel:
    return load(request.param, tmp_path, dropout=0.0)


def exactness(model: LanguageModel) -> float:
    return PARTLY_FLOAT32.get(model.module.config.model_type, 1e-9)


def packing_of(model: LanguageModel, row: int) -> PackedLines:
    found = choose_packing(model, longest=20, row=row).value
    assert found is not None
    return found


def passages_of(model: LanguageModel) -> list[Passage]:
    end = model.tokenizer.eos_token
    texts = [(text, f"{text}: yes {text}{end}") for text in TEXTS]
    return Reading(model).encode([Lesson(whole, ((len(text) + 1, len(whole)),)) for text, whole in texts])


def batches_of(model: LanguageModel, passages: list[Passage], how: str) -> list[Lines]:
    lengths = [len(passage) for passage in passages]
    collate: Any = Reading(model).collate
    if how == "alone":
        plan = [[place] for place in range(len(passages))]
    elif how == "padded":
        plan = [list(range(len(passages)))]
    elif how == "bucketed":
        plan = by_length(lengths, budget=70)
    else:
        packing = packing_of(model, 40 if how == "packed" else 1_000)
        plan, collate = packing.plan(lengths, budget=90, seed=0, epoch=0), packing.collate
        if how == "one row":
            plan = [list(range(len(passages)))]
    return [collate([passages[place] for place in places], rows=places) for places in plan]


@pytest.mark.parametrize("how", ["padded", "bucketed", "packed", "one row"])
def test_loss_and_gradient_of_rows_are_those_one_by_one(model: LanguageModel, how: str) -> None:
    passages = passages_of(model)
    expected, wanted = loss_and_gradient(model, batches_of(model, passages, "alone"))
    found, made = loss_and_gradient(model, batches_of(model, passages, how))

    assert found == pytest.approx(expected, rel=exactness(model))
    assert float((made - wanted).norm() / wanted.norm()) < exactness(model)


def test_the_same_under_gradient_checkpointing_in_training(model: LanguageModel) -> None:
    passages = passages_of(model)
    expected, wanted = loss_and_gradient(model, batches_of(model, passages, "alone"))
    batches = batches_of(model, passages, "packed")
    model.module.train()
    if not model.module.supports_gradient_checkpointing:
        pytest.skip("the family has none")
    model.module.activation_checkpointing_enable()
    assert model.module.is_activation_checkpointing
    found, made = loss_and_gradient(model, batches)

    assert found == pytest.approx(expected, rel=exactness(model))
    assert float((made - wanted).norm() / wanted.norm()) < exactness(model)


def test_no_passage_sees_another(model: LanguageModel) -> None:
    passages = passages_of(model)
    packing, places = packing_of(model, 1_000), range(len(passages))
    model.module.requires_grad_(False)
    lengths = [len(passage) for passage in passages]
    before = model.states(packing.collate(passages, rows=places).inputs).split(lengths, dim=1)
    other = Passage(tuple(reversed(passages[2].ids)), passages[2].learned)
    after = model.states(packing.collate([*passages[:2], other, *passages[3:]], rows=places).inputs)

    for place, (was, now) in enumerate(zip(before, after.split(lengths, dim=1), strict=True)):
        moved = float((was - now).abs().max())
        assert moved > 1e-3 if place == 2 else moved <= 1e-12


def test_the_way_is_found_by_a_trial(model: LanguageModel) -> None:
    found = choose_packing(model, longest=20)

    assert found.value is not None
    assert found.value.masked == (model.module.config.model_type in BY_MASK)
    assert type(model.module).__name__ in found.reason


@pytest.mark.parametrize("family", NOT_AT_ALL)
def test_a_model_that_lets_texts_see_each_other_is_not_packed_and_that_is_told(family: str, tmp_path: Path) -> None:
    made = load_language_model(locate(str(make_tiny(family, tmp_path))))
    found = choose_packing(made, longest=20)

    assert found.value is None
    assert found.reason == (
        f"rows are padded, not packed: in a trial a {type(made.module).__name__} did not keep texts in one row apart"
    )


def test_an_encoder_decoder_is_not_packed_and_that_is_told(tmp_path: Path) -> None:
    found = choose_packing(load_language_model(locate(str(make_bart(tmp_path)))), longest=20)

    assert found.value is None
    assert "encoder-decoder" in found.reason


def test_a_window_that_a_mask_does_not_keep_shows_at_the_longest_passage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = load("mistral", tmp_path)
    made.module.config.sliding_window = 12
    monkeypatch.setattr(transformers.masking_utils, "find_packed_sequence_indices", lambda _: None)

    within = choose_packing(made, longest=12).value
    assert within is not None
    assert within.masked
    assert choose_packing(made, longest=14).value is None


def test_a_model_that_one_token_leaks_through_is_not_packed(tmp_path: Path) -> None:
    made = load("llama", tmp_path)

    def leak(_module: Any, _inputs: Any, states: Tensor) -> Tensor:
        return states + 1e-3 * states.roll(1, dims=1) * (torch.arange(states.shape[1]) > 0)[None, :, None]

    made.module.model.norm.register_forward_hook(leak)

    assert choose_packing(made, longest=20).value is None


def test_what_a_row_looks_like() -> None:
    passages = [
        Passage((5, 6, 7), (False, True, True)),
        Passage((8,), (True,)),
        Passage((9, 4), (True, True)),
        Passage((3, 3, 3, 3, 3), (False, False, False, True, True)),
    ]
    batch = PackedLines(masked=True, row=6).collate(passages, rows=[7, 1, 4, 2])

    assert batch.inputs["input_ids"].tolist() == [[5, 6, 7, 8, 9, 4], [3, 3, 3, 3, 3, 0]]
    assert batch.inputs["position_ids"].tolist() == [[0, 1, 2, 0, 0, 1], [0, 1, 2, 3, 4, 0]]
    assert batch.targets.tolist() == [
        [6, 7, IGNORED, IGNORED, 4, IGNORED],
        [IGNORED, IGNORED, 3, 3, IGNORED, IGNORED],
    ]
    assert batch.inputs["attention_mask"][0, 0].int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 1, 1],
    ]
    assert batch.rows == (7, 1, 4, 2)
    assert batch.tokens == 11


def test_the_targets_are_those_of_the_padded_batch(model: LanguageModel) -> None:
    passages, places = passages_of(model), range(len(TEXTS))
    padded = Reading(model).collate(passages, rows=places).targets
    packed = packing_of(model, 40).collate(passages, rows=places).targets

    assert packed[packed != IGNORED].tolist() == padded[padded != IGNORED].tolist()
    assert int((packed != IGNORED).sum()) == sum(passage.targets for passage in passages)


@pytest.mark.parametrize("family", ["llama", "opt"])
def test_in_bfloat16_autocast_packed_is_close_to_padded(family: str, tmp_path: Path) -> None:
    made = load_language_model(locate(str(make_tiny(family, tmp_path))), dropout=0.0)
    padded, packed = (batches_of(made, passages_of(made), how) for how in ("padded", "packed"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected, _ = loss_and_gradient(made, padded)
        found, _ = loss_and_gradient(made, packed)

    assert found == pytest.approx(expected, rel=0.01)


def test_either_plan_has_the_same_interface() -> None:
    plan = partial(plan_epoch, [5, 6, 7], budget=20, seed=1, epoch=2)
    packed = partial(PackedLines(masked=False).plan, [5, 6, 7], budget=20, seed=1, epoch=2)

    assert sorted(chain(*plan())) == sorted(chain(*packed())) == [0, 1, 2]


@pytest.mark.slow
def test_the_starter_is_packed_by_its_positions_with_the_same_loss() -> None:
    made = load_language_model(locate("starter/decoder"))
    found = choose_packing(made, longest=20).value
    assert found == PackedLines(masked=False)
    made.module.requires_grad_(False)
    reading, passages = Reading(made), passages_of(made)
    losses = []
    for how in ("alone", "one row"):
        batches = batches_of(made, passages, how)
        losses.append(sum(reading.loss(made.states(batch.inputs), made.output, batch)[0].item() for batch in batches))

    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
