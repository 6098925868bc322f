"""The parts of models that write: every parameter has one, and the upper blocks are the ones nearest the output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from affina.models.anatomy_of_writers import describe_writer
from tiny_models import make_tiny

SMALL = {"vocab_size": 50, "d_model": 32, "max_position_embeddings": 32, "pad_token_id": 0, "decoder_start_token_id": 0}
LAYERS = {"encoder_layers": 2, "decoder_layers": 3, "encoder_attention_heads": 4, "decoder_attention_heads": 4}
WIDE = {"encoder_ffn_dim": 48, "decoder_ffn_dim": 48}
T5 = {"vocab_size": 50, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_decoder_layers": 3, "num_heads": 4}
APART = {
    "bart": {**SMALL, **LAYERS, **WIDE},
    "marian": {**SMALL, **LAYERS, **WIDE},
    "mbart": {**SMALL, **LAYERS, **WIDE},
    "t5": {**T5, "decoder_start_token_id": 0},
}


@pytest.fixture(params=("gpt2", "llama", "qwen2", "gpt_neox", "opt", "biogpt"))
def decoder(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(make_tiny(request.param, tmp_path)).eval()


@pytest.fixture(params=APART)
def apart(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    return AutoModelForSeq2SeqLM.from_config(AutoConfig.for_model(request.param, **APART[request.param])).eval()


def parts(model: Any) -> dict[str, str]:
    anatomy = describe_writer(model)
    return {name: anatomy.part_of(name) for name, _ in model.named_parameters()}


def test_every_parameter_of_a_decoder_has_a_part_and_none_is_new(decoder: Any) -> None:
    found = parts(decoder)

    assert set(found.values()) >= {"embeddings", "block"}
    assert "head" not in found.values()
    assert len(describe_writer(decoder).blocks) == 3


def test_what_follows_the_last_block_is_final(decoder: Any) -> None:
    final = [name for name, part in parts(decoder).items() if part == "final"]

    assert any("norm" in name or "ln_f" in name for name in final)
    assert not any(("embed" in name and "embed_out" not in name) or "wte" in name or "wpe" in name for name in final)


def test_an_encoder_decoders_blocks_are_the_encoders_and_above_them_the_decoders(apart: Any) -> None:
    anatomy = describe_writer(apart)

    assert len(anatomy.blocks) == 5
    assert all("encoder" in block for block in anatomy.blocks[:2])
    assert all("decoder" in block for block in anatomy.blocks[2:])


def test_the_embeddings_of_an_encoder_decoder_are_all_of_them_and_nothing_else(apart: Any) -> None:
    embeddings = [name for name, part in parts(apart).items() if part == "embeddings"]

    assert any("shared" in name for name in embeddings)
    assert not any("final_layer_norm" in name or "lm_head" in name for name in embeddings)
    assert all("embed" in name or "shared" in name or "relative_attention" in name for name in embeddings)
