"""GGUF files: converted once to what transformers reads from them directly, or refused with the reason."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from affina.errors import ModelError
from affina.models import gguf as ours
from affina.models.classifier import load_classifier
from affina.models.quiet import quiet
from affina.models.source import locate
from tiny_models import CORPUS, make_tiny

TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}</s>{% endfor %}"
WIDTH, HIDDEN, HEADS, KEYS = 64, 96, 4, 2


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("AFFINA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write_gguf(path: Path, tmp_path: Path, *, architecture: str = "llama") -> Path:
    """Write a two-block Llama with Q8_0 matrices and the tokenizer of the tiny decoders."""
    with quiet():
        tokenizer = AutoTokenizer.from_pretrained(make_tiny("llama", tmp_path / "tokenizer"))
    vocabulary = tokenizer.get_vocab()
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("tiny")
    writer.add_block_count(2)
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEYS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(vocabulary))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(sorted(vocabulary, key=vocabulary.__getitem__))
    writer.add_token_types([3 if number == 0 else 1 for number in range(len(vocabulary))])
    writer.add_token_merges([" ".join(pair) for pair in _merges(tokenizer)])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.add_chat_template(TEMPLATE)
    _add_weights(writer, len(vocabulary))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _merges(tokenizer) -> list[list[str]]:
    import json

    return json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]


def _add_weights(writer: gguf.GGUFWriter, rows: int) -> None:
    draw = np.random.default_rng(0)
    keys = WIDTH // HEADS * KEYS
    matrices = {
        "attn_q": (WIDTH, WIDTH),
        "attn_k": (keys, WIDTH),
        "attn_v": (keys, WIDTH),
        "attn_output": (WIDTH, WIDTH),
    }
    matrices |= {"ffn_gate": (HIDDEN, WIDTH), "ffn_up": (HIDDEN, WIDTH), "ffn_down": (WIDTH, HIDDEN)}
    shapes = {"token_embd": (rows, WIDTH)}
    shapes |= {f"blk.{block}.{name}": shape for block in range(2) for name, shape in matrices.items()}
    for name, shape in shapes.items():
        values = draw.normal(0, 0.2, shape).astype(np.float32)
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(f"{name}.weight", gguf.quants.quantize(values, kind), raw_dtype=kind)
    for name in ("output_norm", *(f"blk.{b}.{n}" for b in range(2) for n in ("attn_norm", "ffn_norm"))):
        writer.add_tensor(f"{name}.weight", (1 + draw.normal(0, 0.1, WIDTH)).astype(np.float32))


@pytest.fixture
def tiny(tmp_path) -> Path:
    folder = tmp_path / "given"
    folder.mkdir()
    return write_gguf(folder / "tiny.gguf", tmp_path)


def test_converted_gives_the_logits_and_tokens_of_the_file_itself(tiny):
    told: list[str] = []
    source = locate(str(tiny), notify=told.append)
    assert source.kind == "gguf"
    assert told == ["converting tiny.gguf to safetensors (once)"]
    with quiet():
        direct = AutoModelForCausalLM.from_pretrained(tiny.parent, gguf_file=tiny.name, dtype=torch.float32)
        direct_tokens = AutoTokenizer.from_pretrained(tiny.parent, gguf_file=tiny.name)
        model = AutoModelForCausalLM.from_pretrained(source.folder)
        tokenizer = AutoTokenizer.from_pretrained(source.folder)
    inputs = tokenizer(list(CORPUS), return_token_type_ids=False)
    assert inputs["input_ids"] == direct_tokens(list(CORPUS))["input_ids"]
    assert tokenizer.decode(inputs["input_ids"][0], skip_special_tokens=True) == CORPUS[0]
    assert tokenizer.chat_template == TEMPLATE
    tokens = torch.tensor([inputs["input_ids"][0]])
    with torch.inference_mode():
        logits = model(tokens).logits
        assert logits.std() > 0.1
        assert torch.equal(logits, direct(tokens).logits)


def test_converted_is_plain_float32_without_a_mark_of_quantization(tiny, tmp_path):
    source = locate(str(tiny))
    assert "quantization_config" not in (source.folder / "config.json").read_text()
    loaded = load_classifier(source, ["a", "b"])
    assert {p.dtype for p in loaded.module.parameters()} == {torch.float32}
    assert len(loaded.anatomy.blocks) == 2
    assert loaded.max_length == 64
    with quiet():
        loaded.module.save_pretrained(tmp_path / "saved")


def test_converted_once_even_under_another_name(tiny, monkeypatch):
    first = locate(str(tiny)).folder
    monkeypatch.setattr(ours, "convert", lambda *_: pytest.fail("it was converted again"))
    assert locate(str(tiny.rename(tiny.with_name("other.GGUF")))).folder == first


@pytest.mark.parametrize("kept", [0, 3, 4, 20, 500, 5000, -1])
def test_a_file_cut_short_is_refused_and_leaves_nothing(tiny, kept, cache):
    tiny.write_bytes(tiny.read_bytes()[:kept])
    with pytest.raises(ModelError, match="compare its size"):
        locate(str(tiny))
    assert not list(cache.glob("models/*"))


def test_a_file_of_another_kind_is_refused(tiny):
    tiny.write_bytes(b"PK\x03\x04" + b"0" * 1000)
    with pytest.raises(ModelError, match="starts with the bytes `GGUF`"):
        locate(str(tiny))


def test_an_architecture_that_transformers_cannot_read_is_named(tmp_path):
    path = write_gguf(tmp_path / "other.gguf", tmp_path, architecture="mpt")
    with pytest.raises(ModelError, match="mpt"):
        locate(str(path))


def test_the_missing_package_is_named(tiny, monkeypatch):
    monkeypatch.setattr(ours, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match="pip install accelerate"):
        locate(str(tiny))


def test_converting_says_nothing_on_its_own(tiny, capfd):
    locate(str(tiny))
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err == ""
