"""Which tokens are learned, and that a row's loss does not depend on what lies beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from affina.data.conversations import Turn
from affina.models.language import LanguageModel, load_language_model
from affina.models.source import locate
from affina.models.writing import HowToWrite, write
from affina.tasks.lessons import Lesson, Passage, Question, Reading
from affina.tasks.token_loss import IGNORED
from affina.tasks.turns import DEFAULT_TEMPLATE, prompt, render
from tiny_models import APART, make_apart, make_tiny

DECODERS = ("gpt2", "llama", "qwen2", "gpt_neox", "opt")
TEXTS = ("my card is lost", "why was I charged a fee for this transfer", "no", "the machine kept my card")


@pytest.fixture(params=(*DECODERS, *APART))
def model(request: pytest.FixtureRequest, tmp_path: Path) -> LanguageModel:
    make = make_apart if request.param in APART else make_tiny
    folder = make(request.param, tmp_path)
    made = load_language_model(locate(str(folder)))
    made.module.double()
    return made


def lessons(model: LanguageModel) -> list[Lesson]:
    end = model.tokenizer.eos_token
    if model.reads_apart:
        return [Lesson(f"yes {text}", (), source=text) for text in TEXTS]
    return [Lesson(f"{text}: yes {text}{end}", ((len(text) + 1, 2 * len(text) + 6 + len(end)),)) for text in TEXTS]


def loss(model: LanguageModel, reading: Reading, passages: list[Passage]) -> tuple[float, float]:
    batch = reading.collate(passages, rows=range(len(passages)))
    summed, count = reading.loss(model.states(batch.inputs), model.output, batch)
    return summed.item(), count


def test_the_loss_of_rows_is_the_same_one_by_one_and_side_by_side(model: LanguageModel) -> None:
    reading = Reading(model)
    passages = reading.encode(lessons(model))
    alone = [loss(model, reading, [passage]) for passage in passages]
    together = loss(model, reading, passages)

    assert together[0] == pytest.approx(sum(found for found, _ in alone), rel=1e-9)
    assert together[1] == sum(count for _, count in alone) == sum(passage.targets for passage in passages)


def test_it_is_what_the_model_itself_says_of_the_labels(model: LanguageModel) -> None:
    reading = Reading(model)
    batch = reading.collate(reading.encode(lessons(model)), rows=range(len(TEXTS)))
    logits = model.module(**batch.inputs, use_cache=False).logits
    plain = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED, reduction="sum"
    )

    assert reading.loss(model.states(batch.inputs), model.output, batch)[0].item() == pytest.approx(
        plain.item(), rel=1e-9
    )


@pytest.mark.parametrize("family", DECODERS)
def test_the_answer_and_its_end_token_are_learned_even_where_it_pads(family: str, tmp_path: Path) -> None:
    made = load_language_model(locate(str(make_tiny(family, tmp_path))))
    made.tokenizer.chat_template = DEFAULT_TEMPLATE
    rendered = render(made.tokenizer, (Turn("user", TEXTS[0]), Turn("assistant", TEXTS[1])))
    passage = Reading(made).encode([Lesson(rendered.text, rendered.answers)])[0]
    learned = [token for token, is_learned in zip(passage.ids, passage.learned, strict=True) if is_learned]

    assert made.tokenizer.pad_token_id == made.tokenizer.eos_token_id
    assert learned[-1] == made.tokenizer.eos_token_id
    assert made.tokenizer.decode(learned[:-1]).strip() == TEXTS[1]
    asked = Reading(made).ask(Question(prompt(made.tokenizer, (Turn("user", TEXTS[0]),))))
    assert passage.ids[: len(asked)] == asked
    assert not any(passage.learned[: len(asked)])


def test_a_text_that_is_no_templates_begins_as_the_tokenizer_begins_it(model: LanguageModel) -> None:
    if model.reads_apart:
        pytest.skip("an encoder-decoder has no text with both sides")
    model.tokenizer.bos_token = model.tokenizer.eos_token
    own = model.tokenizer("yes")["input_ids"]
    passage = Reading(model).encode([Lesson("yes", ((0, 3),), plain=True)])[0]

    assert list(passage.ids) == own


def test_what_is_beyond_the_limit_is_cut_and_counted(model: LanguageModel) -> None:
    whole = Reading(model).encode(lessons(model))
    short = Reading(model, max_length=5).encode(lessons(model))

    for before, after in zip(whole, short, strict=True):
        assert after.ids == before.ids[:5]
        assert after.source == before.source[:5]
        assert after.cut == max(0, len(before.ids) - 5) + max(0, len(before.source) - 5)
        assert after.cut_learned == sum(before.learned[5:])


def test_a_prompt_that_alone_fills_the_limit_leaves_nothing_to_learn(tmp_path: Path) -> None:
    made = load_language_model(locate(str(make_tiny("llama", tmp_path))))
    passage = Reading(made, max_length=2).encode([Lesson("my card is lost: yes", ((17, 20),))])[0]

    assert passage.targets == 0
    assert passage.cut_learned > 0


def test_padding_has_no_target(model: LanguageModel) -> None:
    reading = Reading(model)
    passages = reading.encode(lessons(model))
    batch = reading.collate(passages, rows=range(len(passages)))

    for place, passage in enumerate(passages):
        beyond: Any = batch.targets[place, len(passage.ids) :]
        assert bool((beyond == IGNORED).all())


def test_a_text_is_written_in_a_batch_as_alone(model: LanguageModel) -> None:
    reading, how = Reading(model), HowToWrite(most_tokens=6)
    asked = [reading.ask(Question(text)) for text in TEXTS]

    together = write(model, asked, how)

    assert together == [write(model, [one], how)[0] for one in asked]


def test_logits_that_are_no_plain_product_are_told_of_and_the_loss_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, told = locate(str(make_tiny("llama", tmp_path))), list[str]()
    plain = load_language_model(source, notify=told.append)
    assert told == []
    monkeypatch.setattr("affina.models.language.read_output_layer", lambda *_, **__: None)
    whole = load_language_model(source, notify=told.append)
    losses = [loss(made, Reading(made), Reading(made).encode(lessons(made)))[0] for made in (plain, whole)]

    assert len(told) == 1
    assert "is no plain product: its logits are computed for every token" in told[0]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_the_layout_of_a_batch_takes_each_passages_own_tokens_out(model: LanguageModel) -> None:
    reading = Reading(model)
    passages = reading.encode(lessons(model))
    batch = reading.collate(passages, rows=range(len(passages)))
    *apart, own = batch.layouts
    read = batch.inputs["decoder_input_ids" if model.reads_apart else "input_ids"]

    assert len(apart) == model.reads_apart
    assert len(own.places) == sum(len(passage.ids) for passage in passages)
    if not model.reads_apart:
        assert own.gathered(read[:, :, None])[:, 0].tolist() == [token for one in passages for token in one.ids]
    for layout in apart:
        assert len(layout.places) == int(batch.inputs["attention_mask"].sum())
