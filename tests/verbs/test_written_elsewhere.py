"""What a tuned model writes with plain transformers is what Affina writes: models, pipelines, and the chat template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, pipeline

from affina.record import journal
from affina.record.payloads import Chosen, Event
from workbench import affina, tiny, write_jsonl

TURNS = (
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<start_of_turn>' + m['role'] + '\\n' + m['content'] + '<end_of_turn>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>assistant\\n' }}{% endif %}"
)
"""A template whose end of a turn is not the tokenizer's end token, as Gemma's and Llama 3's are."""
LEARNS = (
    "train.epochs=20",
    "train.batch_tokens=200",
    "train.learning_rate=1e-2",
    "train.early_stopping=false",
    "evaluate.per_epoch=1",
)
QUESTIONS = ("where is order 7", "I want to know where my order is", "no")


def with_turns(folder: Path) -> Path:
    """The tiny decoder with that template and its tokens."""
    tokenizer = AutoTokenizer.from_pretrained(tiny("llama"))
    model = AutoModelForCausalLM.from_pretrained(tiny("llama"))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<start_of_turn>", "<end_of_turn>"]})
    tokenizer.chat_template = TURNS
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def trained(folder: Path, model: Path) -> Path:
    """A run whose answers have ends that it learned."""
    rows = [{"question": f"where is order {k}", "answer": "my card"} for k in range(24)]
    write_jsonl(folder / "train.jsonl", rows)
    words = ("task=chat", f"model={model}", f"run={folder / 'run'}", "evaluate.resamples=20", "generate.shots=0")
    ended = affina("train", folder / "train.jsonl", *words, *LEARNS, "generate.max_new_tokens=24")
    assert ended.status == 0, ended.err
    return folder / "run"


def said_by_affina(run: Path) -> list[str]:
    return [json.loads(affina("predict", run, text, "--json").out)[0]["output"] for text in QUESTIONS]


def said_by_a_pipeline(folder: Path) -> list[str]:
    writes: Any = pipeline("text-generation", model=str(folder), device="cpu")
    how = GenerationConfig.from_pretrained(folder, max_new_tokens=24, do_sample=False)
    found = [writes([{"role": "user", "content": text}], generation_config=how) for text in QUESTIONS]
    return [one[0]["generated_text"][-1]["content"] for one in found]


@pytest.mark.parametrize("own_template", [False, True], ids=["Affina's template", "a template with an end of a turn"])
def test_a_pipeline_with_the_saved_template_gives_the_same_greedy_text(tmp_path: Path, own_template: bool) -> None:
    model = with_turns(tmp_path / "model") if own_template else tiny("llama")
    run = trained(tmp_path, model)
    expected = said_by_affina(run)

    assert [text.strip() for text in expected] == ["my card"] * 3
    assert said_by_a_pipeline(run / "model") == expected
    told = [r.text for r in journal.read(run / "record.jsonl") if isinstance(r, Event) and r.name == "tuned"]
    assert told == []  # every text ended by itself


def test_the_end_of_a_turn_is_saved_and_said(tmp_path: Path) -> None:
    run = trained(tmp_path, with_turns(tmp_path / "model"))
    tokenizer = AutoTokenizer.from_pretrained(run / "model")
    ends = GenerationConfig.from_pretrained(run / "model").eos_token_id
    [chosen] = [r for r in journal.read(run / "record.jsonl") if isinstance(r, Chosen) and "end of an answer" in r.key]

    assert ends == [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<end_of_turn>")]
    assert chosen.value == "<end_of_turn>"
    assert tokenizer.chat_template == TURNS
