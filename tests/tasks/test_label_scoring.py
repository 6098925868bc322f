"""A label's score is the loss of its text behind the question, whether the prompt is read once or for each label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from affina.data.rows import Row
from affina.models import shared_prompt
from affina.models.language import LanguageModel, load_language_model
from affina.models.source import locate
from affina.tasks import label_scoring
from affina.tasks.label_scoring import LabelScores, log_probabilities, score_labels
from affina.tasks.lessons import Question, Reading
from affina.tasks.naming import Naming
from affina.tasks.text_ends import Ends
from tiny_models import POSITIONS, make_bart, make_tiny

CACHED = ("gpt2", "llama", "qwen2", "gpt_neox", "opt", "biogpt", "gemma2", "gemma3_text", "mistral", "bloom")
EACH = ("rwkv", "openai-gpt", "bart")
LABELS = ("card", "card arrival", "refund", "a")
TEXTS = ("my card is lost", "why was I charged a fee for this transfer", "where is it", "my card is late")


def load(family: str, folder: Path) -> LanguageModel:
    return load_language_model(locate(str(make_bart(folder) if family == "bart" else make_tiny(family, folder))))


def row(text: str, label: str = "") -> Row:
    return Row({"text": text, "label": label}, "a.csv", 1, 2)


def naming(model: LanguageModel) -> Naming:
    return Naming(model.tokenizer, reads_apart=model.reads_apart)


def questions(model: LanguageModel, shots: tuple[Row, ...] = ()) -> list[Question]:
    return [naming(model).question(row(text), shots=shots) for text in TEXTS]


def by_the_model_itself(model: LanguageModel, question: Question, label: str, *, ended: bool) -> float:
    """The log-probability of the label's tokens in a plain forward pass over the whole text."""
    passage = Reading(model).encode([naming(model).named(question, label, ended=ended)])[0]
    with torch.no_grad():
        if model.reads_apart:
            batch = Reading(model).collate([passage], rows=[0])
            logs = model.module(**batch.inputs).logits[0].log_softmax(-1)
            return float(sum(logs[place, token] for place, token in enumerate(passage.ids)))
        logs = model.module(torch.tensor([passage.ids])).logits[0].log_softmax(-1)
    places = [place for place, learned in enumerate(passage.learned) if learned]
    return float(sum(logs[place - 1, passage.ids[place]] for place in places))


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("family", [*CACHED, *EACH])
def test_the_scores_are_the_models_own_and_the_way_is_told(family: str, ended: bool, tmp_path: Path) -> None:
    model, told = load(family, tmp_path), list[str]()
    asked = questions(model)
    found = score_labels(model, naming(model), asked, labels=LABELS, ended=ended, notify=told.append)
    expected = [[by_the_model_itself(model, one, label, ended=ended) for label in LABELS] for one in asked]

    np.testing.assert_allclose(found.sums, expected, rtol=1e-5)
    assert bool(told) == (family in EACH and family != "bart")
    assert all("each label is read with its prompt" in one for one in told)


def test_the_tokens_are_those_of_the_label_and_its_end(tmp_path: Path) -> None:
    model = load("gpt2", tmp_path)
    without, ended = (
        score_labels(model, naming(model), questions(model), labels=LABELS, ended=ended).tokens
        for ended in (False, True)
    )

    assert without[0].tolist() == [len(model.tokenizer(f" {label}")["input_ids"]) for label in LABELS]
    assert (ended == without + 1).all()


def test_the_prompt_is_read_once_for_all_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load("llama", tmp_path)
    asked = questions(model)
    score_labels(model, naming(model), asked[:1], labels=LABELS)
    read = list[int]()
    model.module.register_forward_pre_hook(
        lambda _, __, given: read.append(given["input_ids"].numel()), with_kwargs=True
    )
    monkeypatch.setattr(label_scoring, "_shares", lambda *_: True)
    found = score_labels(model, naming(model), asked, labels=LABELS)
    prompts = sum(len(Reading(model).ask(one)) for one in asked)
    longest = int(found.tokens.max())

    assert sum(read) == prompts + len(asked) * len(LABELS) * (longest - 1)


def test_labels_of_one_token_need_nothing_but_the_prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load("llama", tmp_path)
    monkeypatch.setattr(shared_prompt, "_read_on", None)

    found = score_labels(model, naming(model), questions(model), labels=["a", "b"])

    assert found.tokens.max() == 1


@pytest.mark.parametrize("budget", [1, 40, 10_000])
def test_what_is_read_together_does_not_matter(budget: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load("llama", tmp_path)
    expected = score_labels(model, naming(model), questions(model), labels=LABELS).sums
    monkeypatch.setattr(label_scoring, "BUDGET", budget)

    np.testing.assert_allclose(
        score_labels(model, naming(model), questions(model), labels=LABELS).sums, expected, rtol=1e-5
    )


def test_a_cache_that_lies_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, told = load("llama", tmp_path), list[str]()
    expected = score_labels(model, naming(model), questions(model), labels=LABELS).sums
    true = label_scoring.states_of_tails

    def lying(*given: Any, together: int) -> torch.Tensor:
        return true(*given, together=together) * 1.001

    monkeypatch.setattr(label_scoring, "states_of_tails", lying)
    found = score_labels(model, naming(model), questions(model), labels=LABELS, notify=told.append)

    assert len(told) == 1
    np.testing.assert_allclose(found.sums, expected, rtol=1e-5)


def test_shots_stand_before_the_question(tmp_path: Path) -> None:
    model = load("llama", tmp_path)
    asked = questions(model, (row("it broke", "refund"), row("no", "a")))
    found = score_labels(model, naming(model), asked, labels=LABELS)

    assert asked[0].text == ("it broke\nLabel: refund\n\nno\nLabel: a\n\nmy card is lost\nLabel:")
    assert found.sums[0, 1] == pytest.approx(by_the_model_itself(model, asked[0], LABELS[1], ended=False), rel=1e-5)


def test_a_question_beyond_the_context_loses_its_beginning_and_that_is_told(tmp_path: Path) -> None:
    model, told = load("gpt2", tmp_path), list[str]()
    long = naming(model).question(row("my card is lost and " * 20))
    found = score_labels(model, naming(model), [long, *questions(model)], labels=LABELS, notify=told.append)
    ids = Reading(model).ask(long)
    label = model.tokenizer(" refund")["input_ids"]
    kept = [*ids, *label][-(POSITIONS - int(found.tokens.max()) + len(label)) :]
    with torch.no_grad():
        logs = model.module(torch.tensor([kept])).logits[0].log_softmax(-1)
    start = len(kept) - len(label) - 1

    assert told == ["1 of 5 questions lose their beginning: a text has 64 tokens at most"]
    expected = sum(float(logs[start + place, token]) for place, token in enumerate(label))
    assert found.sums[0, 2] == pytest.approx(expected, rel=1e-5)


def test_a_lead_token_stays_in_front_of_what_loses_its_beginning(tmp_path: Path) -> None:
    model = load("gpt2", tmp_path)
    task = naming(model)
    lessons = [task.named(task.question(row("my card is lost and " * 20)), label, ended=False) for label in LABELS]
    reading = Reading(model)
    reading.ends = Ends((7,))
    choice, lost = label_scoring._choice(model, reading, lessons)

    assert choice.shared[0] == 7
    assert lost > 0
    assert len(choice.shared) + max(map(len, choice.tails)) == POSITIONS


def test_sum_mean_and_prior_by_hand() -> None:
    scores = LabelScores(np.log([[0.1, 0.04]]), np.asarray([[1.0, 2.0]]))
    prior = LabelScores(np.log([[0.5, 0.01]]), np.asarray([[1.0, 2.0]]))

    summed = np.exp(log_probabilities(scores))
    mean = np.exp(log_probabilities(scores, per_token=True))
    calibrated = np.exp(log_probabilities(scores, prior=prior))
    mean_calibrated = np.exp(log_probabilities(scores, per_token=True, prior=prior))

    np.testing.assert_allclose(summed, [[0.1 / 0.14, 0.04 / 0.14]])
    np.testing.assert_allclose(mean, [[0.1 / 0.3, 0.2 / 0.3]])
    np.testing.assert_allclose(calibrated, [[0.2 / 4.2, 4 / 4.2]])
    np.testing.assert_allclose(mean_calibrated, [[0.2 / 2.2, 2 / 2.2]])


def test_a_tuned_model_answers_with_the_label_that_it_learned(tmp_path: Path) -> None:
    model = load("llama", tmp_path)
    task, reading = naming(model), Reading(model)
    rows = [row(text, label) for text, label in zip(TEXTS, LABELS, strict=True)]
    batch = reading.collate(reading.encode([task.lesson(one) for one in rows]), rows=range(len(rows)))
    optimizer = torch.optim.AdamW(model.module.parameters(), lr=3e-3)
    for _ in range(60):
        loss, count = reading.loss(model.states(batch.inputs), model.output, batch)
        (loss / count).backward()
        optimizer.step()
        optimizer.zero_grad()
    found = score_labels(model, task, questions(model), labels=LABELS, ended=True)

    assert log_probabilities(found).argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert np.exp(found.sums).sum(axis=1).max() < 1.0  # names with their ends are answers that exclude each other


@pytest.mark.slow
def test_the_starter_reads_a_prompt_once_and_tells_praise_from_blame() -> None:
    model, told = load_language_model(locate("starter/decoder")), list[str]()
    task = naming(model)
    asked = [task.question(row(text)) for text in ("It was a wonderful, moving film.", "What a boring waste of time.")]
    found = score_labels(model, task, asked, labels=("positive", "negative"), notify=told.append)
    positive = log_probabilities(found)[:, 0]

    assert told == []
    assert found.sums[0, 0] == pytest.approx(by_the_model_itself(model, asked[0], "positive", ended=False), rel=1e-4)
    assert positive[0] > positive[1]
