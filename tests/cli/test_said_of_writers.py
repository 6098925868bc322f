"""What check and a run say of models that write: the task, which row is shown, whose words a template brings."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from affina.pipeline.writing.persona import KEY, own_words
from workbench import affina, tiny, write_csv, write_jsonl

PERSONA = (
    "{% if messages[0]['role'] != 'system' %}{{ '<s>system\n' + 'I am Nobody' + '</s>\n' }}{% endif %}"
    "{% for message in messages %}{{ '<s>' + message['role'] + '\n' + message['content'] + '</s>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<s>assistant\n' }}{% endif %}"
)
PLAIN = PERSONA.partition("{% endif %}")[2]


@pytest.fixture
def model(tmp_path):
    """A tiny decoder whose chat template brings an assistant of its own."""
    folder = shutil.copytree(tiny("llama"), tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = PERSONA
    tokenizer.save_pretrained(folder)
    return folder


def questions(folder: Path, *, told: str = "") -> Path:
    turns = [{"role": "system", "content": told}] if told else []
    rows = [
        {
            "messages": [
                *turns,
                {"role": "user", "content": f"where is {k}?"},
                {"role": "assistant", "content": f"at {k}"},
            ]
        }
        for k in range(24)
    ]
    return write_jsonl(folder / "talks.jsonl", rows)


@pytest.mark.parametrize(("template", "words"), [(PERSONA, "I am Nobody"), (PLAIN, "")])
def test_the_words_of_a_template_are_found(model, template, words):
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = template
    assert own_words(tokenizer) == words


def test_check_says_the_task_and_whose_words_are_learned(tmp_path, model):
    folder = tmp_path / ("long" * 30)  # a path wider than a terminal is still one that can be copied
    folder.mkdir()
    talks = questions(folder)
    ended = affina("check", talks, f"model={model}")
    assert ended.status == 0, ended.err
    flat = " ".join(ended.out.split())
    assert "task chat" in flat
    assert "0 labels" not in flat
    assert f"{KEY} = I am Nobody the model's chat template says this in" in flat
    assert 'task.system="..."' in flat
    assert f"As the model reads {talks}, row " in flat
    assert "the first training row without personal data" in flat


def test_words_of_ones_own_are_no_choice_of_ours(tmp_path, model):
    assert KEY not in affina("check", questions(tmp_path, told="Be kind."), f"model={model}").out
    assert KEY not in affina("check", questions(tmp_path), f"model={model}", "task.system=Be kind.").out


def test_a_translation_s_card_names_both_languages_and_a_notice_comes_with_each_answer(tmp_path):
    rows = [(f"number {k}", f"nombre {k}") for k in range(24)]
    run = tmp_path / "run"
    words = ("train.max_steps=1", "evaluate.resamples=20", "generate.max_new_tokens=4", "generate.rows=2")
    ended = affina(
        "train", write_csv(tmp_path / "t.csv", rows, header="en,fr"), f"model={tiny('t5')}", f"run={run}",
        "notice=Not a sworn translator.", *words,
    )  # fmt: skip
    assert ended.status == 0, ended.err
    assert "language:\n- en\n- fr\n" in (run / "card.md").read_text()
    assert "Labels" not in (run / "report.html").read_text()
    said = affina("predict", run, "number 3")
    assert said.err.count("Not a sworn translator.") == 1
    assert "Not a sworn" not in said.out
