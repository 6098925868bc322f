"""Recipes, models, machines and run folders that cannot be used: one screen, status 2, nothing written."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.record.payloads import Event
from affina.runtime import machine
from workbench import affina, check_refused, files_under, sample_rows, tiny, write_csv

SETTINGS = {
    "an unknown key": (("train.epoch=3",), ("train.epoch", "write train.epochs")),
    "several problems": (("train.epoch=3", "seed=-1", "device=tpu"), ("train.epoch", "key seed", "key device")),
    "a wrong value": (("train.warmup=-1",), ("train.warmup", "-1")),
    "no key": (("epochs",), ("'epochs'", "key=value")),
    "an unknown device": (("device=tpu",), ("device", "'tpu'", "cuda")),
    "an unknown method": (("method=lorra",), ("method", "full", "partial")),
    "too many blocks": (("method=partial", "method.blocks=99"), ("method.blocks", "at most 3", "99")),
    "layers that are not there": (("method=partial", "method.layers=[nope]"), ("method.layers", "'nope'")),
    "a limit without room for a text": (("data.max_length=2",), ("data.max_length", "from 3", "2")),
    "a limit beyond the model's": (("data.max_length=512",), ("data.max_length", "to 64", "512")),
    "texts that are too long": (
        ("data.max_length=5", "data.too_long=error"),
        ("good.csv, row", "at most 5 tokens", "too_long=truncate"),
    ),
    "weights that stand still held": (("method=lora", "train.l2_sp=0.1"), ("train.l2_sp", "lora", "method=full")),
    "a head alone mixed": (("method=partial", "method.blocks=0", "train.mixout=0.5"), ("train.mixout", "partial")),
    "two passes that are one": (("train.dropout=0", "train.r_drop=1"), ("train.r_drop", "bert", "dropout")),
    "all of it mixed": (("train.mixout=1",), ("train.mixout", "below 1")),
    "nothing that replay could hold": (
        ("method=partial", "method.blocks=0", "train.replay=true"),
        ("train.replay", "a head that trains alone", "method.blocks=1"),
    ),
    "texts to replay that are not there": (("train.replay.file=none.txt",), ("train.replay.file", "none.txt")),
    "what matters to a head's states": (("method=full", "train.ewc=1"), ("train.ewc", "no likelihood", "train.l2_sp")),
    "adapters recalled": (("method=lora", "train.rec_adam=true"), ("train.rec_adam", "lora", "method=full")),
    "a recall beyond the start": (("train.rec_adam.pull=2",), ("train.rec_adam.pull", "at most 1")),
    "nothing to resume": (("--resume",), ("none", "leave out --resume")),
    "nothing to resume in a folder": (("--resume", "run=runs/a"), ("runs/a", "leave out --resume")),
    "a file as the run folder": (("run=good.csv",), ("good.csv", "run=")),
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv(Path("good.csv"), sample_rows())
    return tmp_path


def refused(folder, *words, says):
    before = files_under(folder)
    ended = affina(*words)
    check_refused(ended, folder, before, says=says)


def train_refused(folder, *words, says):
    refused(folder, "train", "good.csv", *words, says=says)


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_that_cannot_be(folder, case):
    words, says = SETTINGS[case]
    train_refused(folder, f"model={tiny()}", *words, says=says)


def test_every_text_dropped(folder):
    words = (f"model={tiny()}", "data.max_length=5", "data.too_long=drop")
    train_refused(folder, *words, says=("data.max_length",))


def test_a_recipe_file_with_an_unknown_key(folder):
    Path("r.yaml").write_text(f"model: {tiny()}\ndata: {{train: good.csv}}\ntrain:\n  epoch: 3\n")
    refused(folder, "train", "r.yaml", says=("r.yaml, key train.epoch", "write train.epochs"))


@pytest.mark.parametrize(
    ("text", "says"),
    [("train: [1\n", ("r.yaml, line",)), ("seed: 1\nseed: 2\n", ("r.yaml, line 2", "twice")), ("", ("data.train",))],
    ids=["broken", "a key twice", "empty"],
)
def test_a_broken_recipe_file(folder, text, says):
    Path("r.yaml").write_text(text)
    refused(folder, "train", "r.yaml", says=says)


def test_a_missing_recipe_file(folder):
    refused(folder, "train", "r.yaml", says=("r.yaml", "no such file"))


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_here(folder, monkeypatch, device):
    monkeypatch.setattr(machine, "available", lambda name: name == "cpu")
    train_refused(folder, f"model={tiny()}", f"device={device}", says=("device", "cpu", device, "write device=cpu"))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_precision_that_the_cpu_would_emulate(folder, monkeypatch, precision):
    monkeypatch.setattr(machine, "available", lambda name: name == "cpu")
    monkeypatch.setattr(machine, "cpu_flags", lambda: frozenset({"avx2"}))
    says = ("train.precision", precision, "emulated", "write train.precision=fp32")
    train_refused(folder, f"model={tiny()}", f"train.precision={precision}", says=says)


def copy_without_weights(to):
    shutil.copytree(tiny(), to, ignore=shutil.ignore_patterns("*.safetensors"))
    return Path(to)


def test_a_model_folder_without_weights(folder):
    copy_without_weights("bare")
    train_refused(folder, "model=bare", says=("bare", "no weights", "model.safetensors"))


def test_a_model_folder_with_pickled_weights_alone_is_never_opened(folder):
    copy = copy_without_weights("pickled")
    (copy / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch hacked'\ntR.")
    train_refused(folder, "model=pickled", says=("pytorch_model.bin", "pickle", "save_pretrained"))


def test_a_model_folder_that_is_not_there(folder):
    train_refused(folder, "model=./nowhere", says=("./nowhere", "starter/encoder"))


def test_damaged_weights(folder):
    copy = copy_without_weights("torn")
    (copy / "model.safetensors").write_bytes((tiny() / "model.safetensors").read_bytes()[:5000])
    train_refused(folder, "model=torn", says=("torn",))


def test_a_hub_that_cannot_be_reached_is_said_in_seconds_with_the_starters(folder, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)  # between tries; a busy machine is no fault of what is tested
    train_refused(folder, "model=someone/some-model", says=("someone/some-model", "starter/encoder", "starter/decoder"))
    assert sum(waited) < 5


@pytest.mark.parametrize("run", ["good.csv/a", "good.csv/a/b"])
def test_a_run_folder_inside_a_file(folder, run):
    train_refused(folder, f"model={tiny()}", f"run={run}", says=(run, "good.csv, a file", "run="))


@pytest.mark.parametrize("run", ["run=locked/a", "run=locked"])
def test_a_run_folder_that_cannot_be_written(folder, monkeypatch, run):
    Path("locked").mkdir()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "locked" and access(path, mode))
    train_refused(folder, f"model={tiny()}", run, says=("locked", "without the right", "run="))


def test_a_folder_that_holds_something_else_is_left_alone(folder):
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("keep me")
    train_refused(folder, f"model={tiny()}", "run=mine", says=("mine", "not a run of Affina", "run="))


NOT_RUNS = [("evaluate", ("good.csv",)), ("predict", ("a text",)), ("report", ())]


@pytest.mark.parametrize(("verb", "more"), NOT_RUNS, ids=[verb for verb, _ in NOT_RUNS])
@pytest.mark.parametrize("kind", ["missing", "empty", "a file", "a model"])
def test_verbs_on_what_is_no_run(folder, verb, more, kind):
    target = {"missing": "nowhere", "empty": "empty", "a file": "good.csv", "a model": str(tiny())}[kind]
    if kind == "empty":
        Path(target).mkdir()
    refused(folder, verb, target, *more, says=(target, "record", "affina train"))


@pytest.mark.parametrize("verb", ["evaluate", "predict"])
def test_verbs_on_a_run_that_has_no_model_yet(folder, verb):
    with Journal(RunFolder(Path("half")).journal) as journal:
        journal.append(Event(step=0, name="", text=""))
    refused(folder, verb, "half", "good.csv", says=("half", "has not written one yet", "again"))


def test_a_damaged_record_names_its_line(folder):
    with Journal(RunFolder(Path("half")).journal) as journal:
        journal.append(Event(step=0, name="", text=""))
    record = Path("half/record.jsonl")
    record.write_bytes(b"{torn\n" + record.read_bytes())
    refused(folder, "report", "half", says=("record.jsonl, line 1",))


@pytest.mark.parametrize(
    "words", [("train",), ("train", "good.csv", "--frob"), ("frobnicate",), ("evaluate", "runs/a")]
)
def test_wrong_usage_says_how_to_get_help(folder, words):
    before = files_under(folder)
    ended = affina(*words)
    assert ended.status == 2
    assert "--help" in ended.err
    assert files_under(folder) == before


def test_noise_by_the_length_of_a_text_and_texts_that_share_a_line(folder):
    write_csv(Path("texts.csv"), [(text, text) for text, _ in sample_rows()], header="input,target")
    words = ("train", "texts.csv", "task=generation", f"model={tiny('gpt2')}", "train.neftune=5", "train.pack=true")
    refused(folder, *words, says=("train.neftune", "train.pack=true", "leave one of the two out"))


def test_dropout_that_a_family_has_not(folder):
    refused(folder, "train", "good.csv", f"model={tiny('llama')}", "train.r_drop=1", says=("train.r_drop", "llama"))
