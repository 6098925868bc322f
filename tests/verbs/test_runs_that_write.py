"""Whole runs of chat, generation and translation: trained, exported, asked again, and compared with transformers."""

from __future__ import annotations

import functools
import json
import math
import re
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from affina.record import journal
from affina.record.payloads import Chosen, Evaluated, Finished, Scores, Step
from affina.record.row_results import RowResults, WrittenTexts
from workbench import affina, tiny, write_csv, write_jsonl

pytestmark = pytest.mark.slow  # whole runs, one after another

SHORT = ("train.epochs=2", "evaluate.resamples=20", "generate.max_new_tokens=6", "generate.shots=1")
ANSWERS = ("It is on its way.", "We pay it back.", "Please write to us.")


def pairs(count: int, *, start: int = 0) -> list[tuple[str, str]]:
    return [(f"where is order {start + k}", ANSWERS[k % len(ANSWERS)]) for k in range(count)]


def run_of(folder: Path, *words: str, model: str = "llama", rows: int = 24):
    write_csv(folder / "train.csv", pairs(rows), header="question,answer")
    write_csv(folder / "test.csv", pairs(6, start=100), header="question,answer")
    ended = affina(
        "train",
        folder / "train.csv",
        f"data.test={folder / 'test.csv'}",
        "task=chat",
        f"model={tiny(model)}",
        f"run={folder / 'run'}",
        *SHORT,
        *words,
    )
    assert ended.status == 0, ended.err
    return ended, journal.read(folder / "run" / "record.jsonl")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Finished chats by model that tests read and leave as they are: the folder of all, what was said, the record."""

    @functools.cache
    def run(model="llama"):
        folder = tmp_path_factory.mktemp(model)
        return folder, *run_of(folder, model=model)

    return run


def all_of(records, kind):
    return [record for record in records if isinstance(record, kind)]


@pytest.mark.parametrize("model", ["llama", "gpt2", "gemma2", "bart", "t5"])
def test_a_chat_is_trained_measured_and_exported(finished, model):
    _, ended, records = finished(model)

    scores = {record.who: record.metrics for record in all_of(records, Scores)}
    assert set(scores) == {"zero_shot", "few_shot", "tuned"}
    assert list(scores["tuned"]) == ["chrf", "bleu", "rouge_l", "exact_match", "loss", "perplexity", "bits_per_byte"]
    assert scores["tuned"]["loss"].value < scores["zero_shot"]["loss"].value
    assert "loss" not in scores["few_shot"]
    assert math.isclose(scores["tuned"]["perplexity"].value, math.exp(scores["tuned"]["loss"].value), rel_tol=1e-9)
    texts = {record.who: record.texts for record in all_of(records, WrittenTexts)}
    assert {who: len(found) for who, found in texts.items()} == dict.fromkeys(scores, 6)
    assert len(all_of(records, Finished)[0].samples) == 6
    assert "chrF" in ended.out


@pytest.mark.parametrize("model", ["llama", "t5"])
def test_the_loss_of_the_report_is_that_of_the_exported_model(finished, model):
    home, _, records = finished(model)
    tuned = next(record for record in all_of(records, Scores) if record.who == "tuned")

    found = affina("evaluate", home / "run", home / "test.csv", "--json")
    metrics = json.loads(found.out)["metrics"]

    for name, figure in tuned.metrics.items():
        assert metrics[name]["value"] == pytest.approx(figure.value, rel=1e-5), name
    last = [record for record in all_of(records, Evaluated) if record.best][-1]
    assert last.metrics["perplexity"] == pytest.approx(math.exp(last.metrics["loss"]))


def test_answers_that_are_none_are_named_when_they_are_measured_again(finished, tmp_path):
    home, _, _ = finished()
    shutil.copytree(home / "run", tmp_path / "run")
    recipe = tmp_path / "run" / "recipe.yaml"
    recipe.write_text(re.sub("max_new_tokens: .*", "max_new_tokens: 1", recipe.read_text("utf-8")), "utf-8")

    said = affina("evaluate", tmp_path / "run", home / "test.csv")

    assert said.status == 0, said.err
    assert "6 of 6 answers are" in said.err, said.err


def test_plain_transformers_writes_the_same_with_the_saved_template(finished):
    run = finished()[0] / "run"
    folder = run / "model"
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    question = "where is order 7"

    said = affina("predict", run, question, "--json")
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )["input_ids"]
    made = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=6, do_sample=False)
    plain = tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True, clean_up_tokenization_spaces=False)

    assert json.loads(said.out)[0]["output"] == plain


def test_plain_transformers_translates_the_same(tmp_path):
    rows = [(f"number {k}", f"Nummer {k}") for k in range(24)]
    write_csv(tmp_path / "train.csv", rows, header="en,de")
    words = (f"model={tiny('t5')}", f"run={tmp_path / 'run'}", *SHORT)
    refused = affina("train", tmp_path / "train.csv", *words)
    assert refused.status == 2
    assert "generate.shots" in refused.err  # it would be asked as without them, and that called few-shot
    ended = affina("train", tmp_path / "train.csv", *words, "generate.shots=0")
    assert ended.status == 0, ended.err
    folder = tmp_path / "run" / "model"
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForSeq2SeqLM.from_pretrained(folder)

    said = affina("predict", tmp_path / "run", "number 3", "--json")
    inputs = tokenizer("translate English to German: number 3", return_tensors="pt", return_token_type_ids=False)
    made = model.generate(**inputs, max_new_tokens=6)  # the beams of the run are in the model's folder

    assert json.loads(said.out)[0]["output"] == tokenizer.decode(made[0], skip_special_tokens=True)
    card = (folder / "README.md").read_text("utf-8")
    assert "tokenizer('translate English to German: a text'" in card


def test_texts_alone_are_learned_whole_and_nothing_is_written(tmp_path):
    paragraphs = [f"The {k}. day was long and the road was dusty." for k in range(30)]
    write_jsonl(tmp_path / "texts.jsonl", [{"text": text} for text in paragraphs])
    words = ("task=generation", f"model={tiny('gpt2')}", f"run={tmp_path / 'run'}", "train.epochs=1")
    ended = affina("train", tmp_path / "texts.jsonl", *words)

    assert ended.status == 0, ended.err
    records = journal.read(tmp_path / "run" / "record.jsonl")
    scores = {record.who: list(record.metrics) for record in all_of(records, Scores)}
    told = ["loss", "perplexity", "bits_per_byte"]
    assert scores == {"zero_shot": told, "tuned": told}
    assert all_of(records, WrittenTexts) == []
    assert "perplexity" in ended.out
    asked = affina("predict", tmp_path / "run", "The 3. day was", "--json")
    assert asked.status == 0, asked.err  # no training answer said how long a text may be: half of the 64 positions
    assert "generate.max_new_tokens=32 " in asked.err


def test_long_texts_are_measured_in_the_pieces_that_they_are_learned_in(tmp_path):
    def text_of(first: int, count: int) -> str:
        days = range(first, first + count)
        return "\n\n".join(f"On day {day} my card has not arrived yet, where is it? " * 9 for day in days)

    for name, text in (("train", text_of(0, 40)), ("test", text_of(100, 18))):
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    words = (f"data.test={tmp_path / 'test.txt'}", f"model={tiny('llama')}", f"run={tmp_path / 'run'}")
    ended = affina("train", tmp_path / "train.txt", *words, "train.max_steps=2", "evaluate.resamples=20")
    assert ended.status == 0, ended.err
    records = journal.read(tmp_path / "run" / "record.jsonl")
    tuned = next(record for record in all_of(records, Scores) if record.who == "tuned")

    found = affina("evaluate", tmp_path / "run", tmp_path / "test.txt", "--json")

    metrics = json.loads(found.out)["metrics"]
    for name, figure in tuned.metrics.items():
        assert metrics[name]["n"] == figure.n > 50, name
        assert metrics[name]["value"] == pytest.approx(figure.value, rel=1e-5), name
    told = " ".join(found.err.split())
    assert f"2 texts of more than the run's 64 tokens are measured in {figure.n} pieces, as they are learned" in told
    assert "are cut to" not in told
    assert "training files" not in told
    of_training = affina("evaluate", tmp_path / "run", tmp_path / "train.txt", "--json")
    assert "of these rows are also in the training files" in " ".join(of_training.err.split())


def test_rows_left_out_and_rows_of_the_training_are_told(tmp_path):
    run_of(tmp_path, "data.unfit=drop", "train.epochs=1", "evaluate.baselines=false")
    rows = [*pairs(3), *pairs(4, start=200), ("where is order 300", ""), ("where is order 301", " ")]
    file = write_csv(tmp_path / "more.csv", rows, header="question,answer")

    found = affina("evaluate", tmp_path / "run", file, "--json")

    told = " ".join(found.err.split())
    assert json.loads(found.out)["metrics"]["loss"]["n"] == 7
    assert "more.csv: 2 given rows from which nothing can be learned were left out, as data.unfit says" in told
    assert "3 of these rows are also in the training files: they flatter the figures" in told
    file = write_csv(tmp_path / "asked.csv", [("hi", ""), (" ", "x")], header="question,answer")
    asked = affina("predict", tmp_path / "run", file)
    assert "asked.csv: 1 given rows" in " ".join(asked.err.split())


def test_several_answers_to_one_input_are_references_of_one_text(tmp_path):
    rows = [{"input": f"name[{k}]", "output": f"{word} {k}."} for k in range(12) for word in ("This is", "It is")]
    write_jsonl(tmp_path / "train.jsonl", rows[4:])
    write_jsonl(tmp_path / "test.jsonl", rows[:4])
    words = (f"data.test={tmp_path / 'test.jsonl'}", f"model={tiny('gpt2')}", f"run={tmp_path / 'run'}", *SHORT)
    ended = affina("train", tmp_path / "train.jsonl", *words)

    assert ended.status == 0, ended.err
    records = journal.read(tmp_path / "run" / "record.jsonl")
    tuned = next(record for record in all_of(records, Scores) if record.who == "tuned")
    assert (tuned.metrics["chrf"].n, tuned.metrics["loss"].n) == (2, 4)


def test_a_run_says_what_it_decided(finished):
    _, _, records = finished()
    chosen = {record.key: record for record in all_of(records, Chosen)}

    assert chosen["evaluate.metric"].value == "loss"
    assert chosen["generate.beams"].value == 1
    assert "saved with it" in chosen["task (chat template)"].reason
    assert "eff:no" in chosen["evaluate (bleu)"].value


def test_the_predictors_are_compared_text_by_text(finished):
    _, ended, records = finished()
    rows = {record.who: record for record in all_of(records, RowResults)}

    assert rows["tuned"].rows == rows["few_shot"].rows
    assert {"chrf", "bleu"} <= rows["tuned"].parts.keys()
    flat = " ".join(ended.out.split())
    assert "Too few rows to tell" in flat or "Degenerate answers" in flat, "6 rows of a model of random weights"


def test_the_first_row_is_shown_with_what_is_trained(tmp_path):
    write_csv(tmp_path / "train.csv", pairs(12), header="question,answer")
    found = affina("check", tmp_path / "train.csv", "task=chat", f"model={tiny('llama')}")

    assert found.status == 0, found.err
    shown = found.out.split("As the model reads")[1]
    assert "⟦" in shown
    assert "A s s is" in " ".join(shown.split("⟦")[0].split())
    assert found.out.index("⟦") > found.out.index("As the model reads")


def test_a_conversation_goes_on(finished, monkeypatch):
    import io

    lines = "where is order 3\n/base where is order 3\nand order 4\n/new\n/system Be brief.\nhello\n/nonsense\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    said = affina("chat", finished()[0] / "run")

    assert said.status == 0, said.err
    assert "untouched model:" in said.out
    assert "/draw NUMBER" in said.out


def test_a_classifier_is_not_talked_to(tmp_path):
    write_csv(tmp_path / "rows.csv", [(f"text {k}", "ab"[k % 2]) for k in range(30)])
    affina("train", tmp_path / "rows.csv", f"model={tiny()}", f"run={tmp_path / 'run'}", "train.epochs=1")
    refused = affina("chat", tmp_path / "run")

    assert refused.status == 2
    assert "affina predict" in refused.err


def test_packed_rows_are_learned_as_if_each_were_alone(tmp_path):
    """The same steps, packed and padded: the same losses but for the order of sums."""
    losses = {}
    for pack in ("true", "false"):
        folder = tmp_path / pack
        folder.mkdir()
        words = (
            "train.batch_tokens=4000",
            f"train.pack={pack}",
            "train.learning_rate=1e-3",
            "evaluate.baselines=false",
        )
        _, records = run_of(folder, *words, rows=20)
        losses[pack] = [record.loss for record in all_of(records, Step)]
    assert losses["true"] == pytest.approx(losses["false"], rel=1e-5)


def test_packing_is_for_tasks_that_write(tmp_path):
    write_csv(tmp_path / "rows.csv", [(f"text {k}", "ab"[k % 2]) for k in range(30)])
    refused = affina("train", tmp_path / "rows.csv", f"model={tiny()}", "train.pack=true", "generate.beams=2")

    assert refused.status == 2
    assert "train.pack" in refused.err
    assert "beams=2" in refused.err


def test_the_recipe_of_a_run_runs_again(finished, tmp_path):
    home, _, first = finished()
    again = affina("train", home / "run" / "recipe.yaml", f"run={tmp_path / 'again'}")

    assert again.status == 0, again.err
    second = journal.read(tmp_path / "again" / "record.jsonl")
    assert [record.loss for record in all_of(first, Step)] == [record.loss for record in all_of(second, Step)]


def test_a_stopped_run_goes_on_bit_for_bit(tmp_path, monkeypatch):
    from affina.training.loop import Loop

    whole = tmp_path / "whole"
    whole.mkdir()
    _, expected = run_of(whole, "train.checkpoint_every=1")
    stopped = tmp_path / "stopped"
    stopped.mkdir()
    step = Loop._train_step

    def stop(self, window):
        if self.step == 2:
            raise KeyboardInterrupt
        step(self, window)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_train_step", stop)
        with pytest.raises((AssertionError, KeyboardInterrupt)):
            run_of(stopped, "train.checkpoint_every=1")
    _, found = run_of(stopped, "train.checkpoint_every=1")

    assert [record.loss for record in all_of(found, Step)] == [record.loss for record in all_of(expected, Step)]
    tuned = [next(r for r in all_of(records, Scores) if r.who == "tuned").metrics for records in (expected, found)]
    assert tuned[0] == tuned[1]


def test_a_plan_is_made_of_a_run_that_writes(here, tmp_path):
    write_csv(tmp_path / "train.csv", pairs(24), header="question,answer")
    found = affina("plan", tmp_path / "train.csv", "task=chat", f"model={tiny('llama')}", *SHORT, "--json")

    assert found.status == 0, found.err
    forecast = json.loads(found.out)
    assert forecast["fits"]
    assert forecast["memory"]["peak_bytes"] > 0


BAD = {
    "ends with the user": [{"role": "user", "content": "Hi"}],
    "two users": [{"role": "user", "content": "Hi"}, {"role": "user", "content": "Hello?"}],
    "unknown role": [{"role": "wizard", "content": "Hi"}, {"role": "assistant", "content": "Yes."}],
    "null": [{"role": "user", "content": None}, {"role": "assistant", "content": "Yes."}],
    "empty answer": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": " "}],
}


@pytest.mark.parametrize("case", list(BAD))
def test_a_conversation_that_teaches_nothing_is_named(tmp_path, case):
    good = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    rows = [{"messages": [{**good[0], "content": f"Hi, I am {k}."}, good[1]]} for k in range(20)]
    write_jsonl(tmp_path / "train.jsonl", [*rows, {"messages": BAD[case]}])
    words = (tmp_path / "train.jsonl", f"model={tiny('llama')}", f"run={tmp_path / 'run'}", *SHORT)

    refused = affina("train", *words)
    assert refused.status == 2
    assert "row 21" in refused.err
    assert "data.unfit=drop" in refused.err

    dropped = affina("train", *words, "data.unfit=drop", "train.max_steps=1", "evaluate.baselines=false")
    assert dropped.status == 0, dropped.err
    assert "left out, as data.unfit says" in dropped.out
