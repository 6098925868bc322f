"""Matrices in four bits: the arithmetic is that of the paper and of transformers, and methods train beside them."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from torch.nn import functional
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from affina.errors import RecipeError
from affina.methods import lora
from affina.methods.base import Mergeable
from affina.methods.lora_files import save_lora
from affina.methods.saved import attach_saved
from affina.models import packed
from affina.models.adapters import fingerprint_of
from affina.models.language import LanguageModel, load_language_model
from affina.models.packed import PackedLinear, numbers_in
from affina.models.source import locate
from affina.recipe.method_specs import LoraSpec
from affina.runtime import four_bits as library
from tiny_models import APART, make_apart, make_tiny

LEVELS = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip
"""NF4, from the paper's appendix E."""
SCALES_ROUNDED = 0.05
"""Relative: what eight bits leave of a scale, more than what was seen."""
FAMILIES = ("llama", "gpt2", "gemma2", "t5", "bart")
WHOLE_BLOCKS = {"llama": {"hidden_size": 64, "intermediate_size": 128}, "gpt2": {"n_embd": 64, "n_inner": 128}}
"""Widths of whole blocks: in other rows bitsandbytes takes wrong scales on some CPUs, and transformers with it."""


def load(family: str, folder: Path, *, four_bits: bool = True) -> LanguageModel:
    made = (make_apart if family in APART else make_tiny)(family, folder)
    return load_language_model(replace(locate(str(made)), packed=four_bits))


def layers(model: LanguageModel) -> dict[str, PackedLinear]:
    return {path: child for path, child in model.module.named_modules() if isinstance(child, PackedLinear)}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_number_is_the_level_next_to_it(family: str, tmp_path: Path) -> None:
    whole, four = load(family, tmp_path / "m", four_bits=False), load(family, tmp_path / "m")
    found = layers(four)
    assert len(found) >= 2 * len(four.anatomy.blocks)

    for path, layer in found.items():
        plain = whole.module.get_submodule(path).weight.detach()
        matrix = (plain.t().contiguous() if layer.transposed else plain).reshape(-1, packed.TOGETHER)
        scales = matrix.abs().amax(dim=1, keepdim=True)
        levels = torch.tensor(LEVELS)
        nearest = levels[(matrix[..., None] / scales[..., None] - levels).abs().argmin(dim=-1)] * scales
        off = (layer.matrix(torch.float32).reshape(-1, packed.TOGETHER) - nearest).abs()
        assert float((off / scales).max()) < SCALES_ROUNDED


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_not_in_blocks_and_all_names_and_counts_stay(family: str, tmp_path: Path) -> None:
    whole, four = load(family, tmp_path / "m", four_bits=False), load(family, tmp_path / "m")
    before, after = dict(whole.module.named_parameters()), dict(four.module.named_parameters())
    small = {f"{path}.weight" for path in layers(four)}

    assert list(before) == list(after)
    assert numbers_in(four.module) == numbers_in(whole.module)
    assert all(torch.equal(before[name], after[name]) for name in before.keys() - small)
    assert all(name in small for name in before if before[name].shape != after[name].shape)
    assert sum(after[name].numel() for name in small) * 2 == sum(before[name].numel() for name in small)
    assert fingerprint_of(four.module, four.anatomy) == fingerprint_of(whole.module, whole.anatomy)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_product_and_its_gradient_are_those_of_the_unpacked_matrix(family: str, tmp_path: Path) -> None:
    [layer, *_] = layers(load(family, tmp_path / "m")).values()
    given = torch.randn(2, 3, layer.in_features)
    x, y = (given.clone().requires_grad_() for _ in range(2))

    made = layer(x)
    expected = functional.linear(y, layer.matrix(torch.float32), layer.bias)
    (made.square().sum()).backward()
    (expected.square().sum()).backward()

    assert torch.equal(made, expected)
    assert torch.allclose(x.grad, y.grad, rtol=1e-6, atol=1e-7)
    assert layer.weight.grad is None


def test_products_are_made_in_the_precision_of_autocast(tmp_path: Path) -> None:
    [layer, *_] = layers(load("llama", tmp_path / "m")).values()
    x = torch.randn(2, layer.in_features, requires_grad=True)

    with torch.autocast("cpu", torch.bfloat16):
        made = layer(x)
    made.sum().backward()

    assert made.dtype == torch.bfloat16
    assert torch.equal(made, functional.linear(x.bfloat16(), layer.matrix(torch.bfloat16)))
    assert x.grad is not None
    assert x.grad.dtype == torch.float32


def test_a_copy_and_a_move_keep_the_numbers(tmp_path: Path) -> None:
    model = load("gpt2", tmp_path / "m")
    [layer, *_] = layers(model).values()
    before = layer.matrix(torch.float32)

    other = deepcopy(model.module).double()
    [copied, *_] = [child for child in other.modules() if isinstance(child, PackedLinear)]

    assert torch.equal(copied.matrix(torch.float32), before)
    assert copied.weight.dtype == torch.uint8
    assert copied.bias.dtype == torch.float64
    assert copied(torch.randn(1, copied.in_features, dtype=torch.float64)).dtype == torch.float64


def tuned(family: str, folder: Path) -> tuple[LanguageModel, Any]:
    """Matrices in four bits with updates that are not zero."""
    return with_updates(load(family, folder))


def with_updates(model: LanguageModel) -> tuple[LanguageModel, Any]:
    """Updates that are not zero, beside the matrices of a model."""
    torch.manual_seed(0)
    attached = lora.attach(model.module, model.anatomy, LoraSpec(rank=4))
    with torch.no_grad():
        for update in attached.updates:
            update.b.normal_(std=0.1)
    attached.eval()
    return model, attached


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize("family", WHOLE_BLOCKS)
def test_the_adapter_gives_the_same_beside_transformers_own_four_bits(family: str, tmp_path: Path) -> None:
    make_tiny(family, tmp_path / "m", others=WHOLE_BLOCKS[family])
    model, attached = with_updates(load_language_model(replace(locate(str(tmp_path / "m")), packed=True)))
    save_lora(attached, model.anatomy, tmp_path / "adapter")
    bits = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "m", quantization_config=bits, dtype=torch.float32)
    theirs = PeftModel.from_pretrained(theirs, tmp_path / "adapter")
    theirs.train()  # in evaluation bitsandbytes computes in bfloat16 on some processors
    for child in theirs.modules():
        if isinstance(child, torch.nn.Dropout):
            child.p = 0.0
    ids = torch.arange(10, 22)[None]

    with torch.no_grad():
        ours, expected = model.module(input_ids=ids).logits, theirs(input_ids=ids).logits

    assert float((ours - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


@pytest.mark.parametrize("family", FAMILIES)
def test_an_adapter_comes_back_beside_either(family: str, tmp_path: Path) -> None:
    model, attached = tuned(family, tmp_path / "m")
    save_lora(attached, model.anatomy, tmp_path / "adapter")
    ids = torch.arange(10, 22)[None]
    inputs = {"input_ids": ids} | ({"decoder_input_ids": ids} if model.reads_apart else {})
    with torch.no_grad():
        expected = model.module(**inputs).logits

    for four_bits in (True, False):
        other = load(family, tmp_path / "m", four_bits=four_bits)
        again = attach_saved(other.module, other.anatomy, tmp_path / "adapter")
        assert isinstance(again, Mergeable) is not four_bits
        with torch.no_grad():
            assert torch.equal(other.module(**inputs).logits, expected) is four_bits


def test_updates_of_four_bits_are_two_paths_and_cannot_be_merged(tmp_path: Path) -> None:
    _, attached = tuned("llama", tmp_path / "m")

    assert attached.form() == "two paths"
    assert not isinstance(attached, Mergeable)


def test_a_library_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library.importlib.util, "find_spec", lambda _: None)

    with pytest.raises(RecipeError) as caught:
        load("llama", tmp_path / "m")

    assert caught.value.problems[0].where == "recipe key quantize"
    assert "affina[quantize]" in caught.value.problems[0].fix
