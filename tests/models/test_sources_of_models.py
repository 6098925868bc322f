"""What a user can write as `model:`, and what is said where it cannot be used."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from affina.errors import ModelError
from affina.models import hub
from affina.models.source import locate
from tiny_models import make_tiny


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> Path:
    return make_tiny("bert", tmp_path_factory.mktemp("models") / "bert")


@pytest.fixture
def copy(bert, tmp_path) -> Path:
    """Gives a checkpoint that the test may damage."""
    return Path(shutil.copytree(bert, tmp_path / "copy"))


def refusal(reference: object) -> str:
    with pytest.raises(ModelError) as caught:
        locate(str(reference))
    assert caught.value.exit_status == 2
    problem = caught.value.problems[0]
    assert problem.expected
    assert problem.found
    assert problem.fix
    assert str(reference) in problem.where
    return str(caught.value)


def test_a_folder(bert):
    source = locate(str(bert))
    assert (source.folder, source.kind, source.reference) == (bert, "folder", str(bert))


def test_a_folder_under_the_home_folder(bert, monkeypatch):
    monkeypatch.setenv("HOME", str(bert.parent))
    assert locate("~/bert").folder == bert


def test_a_finished_run(bert, tmp_path):
    shutil.copytree(bert, tmp_path / "run" / "model")
    (tmp_path / "run" / "record.jsonl").write_text("")
    source = locate(str(tmp_path / "run"))
    assert (source.folder, source.kind) == (tmp_path / "run" / "model", "run")


def test_a_run_that_has_not_finished(tmp_path):
    (tmp_path / "record.jsonl").write_text("")
    assert "--resume" in refusal(tmp_path)


def test_an_empty_folder(tmp_path):
    assert "the folder is empty" in refusal(tmp_path)


def test_weights_are_missing(copy):
    (copy / "model.safetensors").unlink()
    assert "no weights" in refusal(copy)


def test_config_is_missing(copy):
    (copy / "config.json").unlink()
    assert "config.json" in refusal(copy)


def test_tokenizer_is_missing(copy):
    for path in copy.glob("tokenizer*"):
        path.unlink()
    assert "tokenizer" in refusal(copy)


def test_a_sentencepiece_tokenizer_needs_its_packages(copy, monkeypatch):
    from affina.models import folders

    for path in copy.glob("tokenizer*"):
        path.unlink()
    (copy / "spm.model").write_bytes(b"")
    monkeypatch.setattr(folders, "_installed", lambda package: package == "protobuf")
    assert "pip install sentencepiece`" in refusal(copy)
    monkeypatch.setattr(folders, "_installed", lambda _: True)
    assert locate(str(copy)).kind == "folder"


@pytest.mark.parametrize("text", ["{", "[]", "", "\x00"])
def test_config_is_no_json_object(copy, text):
    (copy / "config.json").write_text(text)
    assert "config.json" in refusal(copy)


@pytest.mark.parametrize("kept", [0, 7, 200, -1])
def test_weights_are_cut_short(copy, kept):
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    assert "model.safetensors" in refusal(copy)


def test_one_of_several_weight_files_is_missing(copy):
    whole = copy / "model.safetensors"
    whole.rename(copy / "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (copy / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    assert "model-00002-of-00002.safetensors" in refusal(copy)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "a.pt", "b.ckpt", "c.pkl"])
def test_pickled_weights_are_refused_and_never_opened(copy, name):
    (copy / "model.safetensors").unlink()
    (copy / name).write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    for reference in (copy, copy / name):
        said = refusal(reference)
        assert name in said
        assert "save_pretrained" in said


def test_the_printed_conversion_of_a_pickle_works(copy):
    from safetensors.torch import load_file

    from affina.models.folders import PICKLE_FIX

    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    new = copy.with_name("new")
    lines = [line.strip() for line in PICKLE_FIX.splitlines() if line.startswith(" " * 14)]
    program = "\n".join(lines).replace("OLD", str(copy)).replace("NEW", str(new))
    from affina.models.quiet import quiet

    with quiet():
        exec(program)  # noqa: S102 - the test is whether what we tell the user to run does run
    assert locate(str(new)).kind == "folder"


def test_a_pickle_beside_safetensors_is_ignored(copy):
    (copy / "pytorch_model.bin").write_bytes(b"not a pickle")
    assert locate(str(copy)).kind == "folder"


@pytest.mark.parametrize("own_code", [False, True])
def test_a_kind_that_transformers_does_not_define(copy, own_code):
    config = json.loads((copy / "config.json").read_text()) | {"model_type": "own-thing"}
    if own_code:
        config["auto_map"] = {"AutoModel": "modeling_own.OwnModel"}
    (copy / "config.json").write_text(json.dumps(config))
    said = refusal(copy)
    assert "own-thing" in said
    assert ("never runs code" in said) == own_code


def test_code_that_comes_with_a_known_kind_is_not_run(copy):
    config = json.loads((copy / "config.json").read_text()) | {
        "auto_map": {
            "AutoConfig": "modeling_own.OwnConfig",
            "AutoModelForSequenceClassification": "modeling_own.Own",
        }
    }
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "modeling_own.py").write_text("raise SystemExit('code of the model was run')")
    from affina.models.classifier import load_classifier

    loaded = load_classifier(locate(str(copy)), ["a", "b"])
    assert type(loaded.module).__name__ == "BertForSequenceClassification"


def test_an_adapter_and_a_gguf_inside_a_folder(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    assert str(tmp_path / "model.gguf") in refusal(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    assert "the adapter's own folder" in refusal(tmp_path)


def test_a_file_that_is_no_model(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    assert f"give the folder instead: {tmp_path}" in refusal(tmp_path / "model.safetensors")


@pytest.mark.parametrize("name", ["./modles/bert", "modles/bert/", "../bert", "bert.gguf", "a b", "a/b/c", ""])
def test_a_path_that_does_not_exist(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name:
        assert "folder" in refusal(name)
    else:
        with pytest.raises(ModelError):
            locate(name)


def test_a_mistyped_path_is_guessed(copy):
    assert f"did you mean {copy}?" in refusal(copy.with_name("cpoy"))


def test_a_mistyped_starter_is_guessed():
    assert "write `model: starter/encoder`" in refusal("starter/encodr")


def test_no_hub_within_reach_is_said_in_seconds_with_both_readings(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)  # between tries; a busy machine is no fault of what is tested
    said = refusal("someone/some-model")
    assert sum(waited) < 5
    for words in ("no folder or file of that name here", "cannot be reached", "starter/encoder", "starter/decoder"):
        assert words in said


def test_without_the_hub_an_earlier_copy_is_used(monkeypatch, bert):
    told: list[str] = []
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **options: _only_local(options, bert))
    source = locate("someone/some-model", notify=told.append)
    assert (source.kind, source.folder) == ("hub", bert)
    assert "cannot be reached" in told[0]


def _only_local(options: dict[str, object], folder: Path) -> str:
    assert options["local_files_only"]
    return str(folder)


def test_hub_models_with_pickles_only_are_refused_before_the_download(monkeypatch):
    class File:
        rfilename, size = "pytorch_model.bin", 1

    class Info:
        siblings, sha = (File(),), "0" * 40

    monkeypatch.setattr(hub.HfApi, "model_info", lambda *_, **__: Info())
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **__: pytest.fail("it was downloaded"))
    assert "pickle" in refusal("someone/some-model")
