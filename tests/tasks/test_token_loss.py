"""The chunked loss is the plain one: values and gradients, in float64 and float32, for every family's output layer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from affina.models.output_layer import LinearOutput, OwnLogits, last_states, read_output_layer
from affina.tasks import token_loss as module_under_test
from affina.tasks.token_loss import IGNORED, chunk_rows, token_loss, token_losses

VOCABULARY, WIDTH, OPT_WIDTH = 101, 32, 24
_COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
_SEQ2SEQ = {
    "vocab_size": VOCABULARY,
    "d_model": WIDTH,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "decoder_start_token_id": 0,
    "forced_eos_token_id": 1,
}
_T5 = {"vocab_size": VOCABULARY, "d_model": WIDTH, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("gpt2", {"vocab_size": VOCABULARY, "n_embd": WIDTH, "n_layer": 2, "n_head": 4, "n_positions": 64}),
    "llama": ("llama", _COMMON),
    "llama, tied": ("llama", {**_COMMON, "tie_word_embeddings": True}),
    "mistral": ("mistral", _COMMON),
    "gemma2": ("gemma2", {**_COMMON, "final_logit_softcapping": 3.0, "query_pre_attn_scalar": 8}),
    "gemma3": ("gemma3_text", {**_COMMON, "query_pre_attn_scalar": 8}),
    "qwen2": ("qwen2", _COMMON),
    "qwen3": ("qwen3", _COMMON),
    "opt": ("opt", {**_COMMON, "ffn_dim": 48, "word_embed_proj_dim": OPT_WIDTH}),
    "gpt_neox": ("gpt_neox", _COMMON),
    "phi, with a bias": ("phi", _COMMON),
    "granite, divided": ("granite", {**_COMMON, "logits_scaling": 8.0}),
    "cohere, multiplied": ("cohere", {**_COMMON, "logit_scale": 0.25}),
    "t5": ("t5", {**_T5, "tie_word_embeddings": True, "decoder_start_token_id": 0}),
    "t5, untied": ("t5", {**_T5, "tie_word_embeddings": False, "decoder_start_token_id": 0}),
    "bart": ("bart", _SEQ2SEQ),
    "marian": ("marian", _SEQ2SEQ),
}


@pytest.fixture(params=FAMILIES)
def model(request: pytest.FixtureRequest) -> Any:
    kind, settings = FAMILIES[request.param]
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **settings)
    build = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    made = build.from_config(config, dtype=torch.float64)
    with torch.no_grad():
        made.get_output_embeddings().weight.mul_(20)  # logits far from zero, so that a cap or a factor shows
        shift = dict(made.named_buffers()).get("final_logits_bias")
        if shift is not None:
            shift.normal_()
    return made.eval()


def batch(model: Any) -> tuple[dict[str, Tensor], Tensor]:
    chance = torch.Generator().manual_seed(1)
    ids = torch.randint(2, VOCABULARY, (3, 11), generator=chance)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = torch.randint(2, VOCABULARY, (3, 11), generator=chance)
    targets = torch.randint(0, VOCABULARY, (3, 11), generator=chance)
    targets[torch.rand(3, 11, generator=chance) < 0.6] = IGNORED
    return inputs, targets


def gradients(model: Any, loss: Tensor) -> Tensor:
    model.zero_grad()
    loss.backward()
    found = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return torch.cat(found)


def plain(model: Any, inputs: dict[str, Tensor], targets: Tensor, smoothing: float) -> Tensor:
    logits = model(**inputs, use_cache=False).logits
    return functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum", label_smoothing=smoothing
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_value_and_gradient_are_those_of_the_models_own_forward(model: Any, smoothing: float) -> None:
    inputs, targets = batch(model)
    output = read_output_layer(model, inputs)
    assert output is not None

    expected = plain(model, inputs, targets, smoothing)
    wanted = gradients(model, expected)
    found = token_loss(last_states(model, inputs), targets, output, label_smoothing=smoothing, chunk=4 * VOCABULARY)
    made = gradients(model, found)

    assert found.item() == pytest.approx(expected.item(), rel=1e-9)
    assert float((made - wanted).norm() / wanted.norm()) < 1e-9


def test_in_float32_they_agree_to_1e5(model: Any) -> None:
    model.float()
    inputs, targets = batch(model)
    output = read_output_layer(model, inputs)
    assert output is not None

    expected = plain(model, inputs, targets, 0.0)
    wanted = gradients(model, expected)
    found = token_loss(last_states(model, inputs), targets, output, chunk=4 * VOCABULARY)
    made = gradients(model, found)

    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert float((made - wanted).norm() / wanted.norm()) < 1e-5


def test_the_loss_of_each_position_sums_to_the_loss(model: Any) -> None:
    inputs, targets = batch(model)
    output = read_output_layer(model, inputs)
    assert output is not None
    states = last_states(model, inputs)

    each = token_losses(states, targets, output, chunk=4 * VOCABULARY)

    assert each.shape == targets.shape
    assert not each[targets == IGNORED].any()
    assert float(each.sum()) == pytest.approx(token_loss(states, targets, output).item(), rel=1e-12)


def test_logits_that_are_no_product_are_not_taken_for_one() -> None:
    torch.manual_seed(0)
    made = AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **_COMMON)).eval()
    made.get_output_embeddings().register_forward_hook(lambda _, __, logits: logits.square())
    inputs, _ = batch(made)

    assert read_output_layer(made, inputs) is None


def test_the_models_own_logits_give_the_same_loss() -> None:
    torch.manual_seed(0)
    made = AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **_COMMON), dtype=torch.float64).eval()
    inputs, targets = batch(made)
    logits = made(**inputs).logits

    found = token_loss(logits, targets, OwnLogits(vocabulary=VOCABULARY))

    assert found.item() == pytest.approx(plain(made, inputs, targets, 0.0).item(), rel=1e-12)


class _Watched(torch.utils._python_dispatch.TorchDispatchMode):
    """Remembers the most elements of a tensor with the vocabulary as its last side that is no output layer's weight."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if (
                isinstance(tensor, Tensor)
                and tensor.dim() >= 2
                and tensor.shape[-1] == VOCABULARY
                and tensor.shape[:-1].numel() not in (WIDTH, OPT_WIDTH)
            ):
                self.largest = max(self.largest, tensor.numel())
        return result


def test_no_logits_tensor_is_larger_than_the_stated_chunk() -> None:
    hidden = torch.randn(500, WIDTH, requires_grad=True)
    weight = torch.randn(VOCABULARY, WIDTH, requires_grad=True)
    chunk = 20 * VOCABULARY + 3
    with _Watched() as watched:
        token_loss(hidden, torch.randint(0, VOCABULARY, (500,)), LinearOutput(weight=weight), chunk=chunk).backward()

    assert 0 < watched.largest <= chunk
    assert chunk_rows(VOCABULARY, chunk=chunk) == 20


def test_in_no_family_is_there_a_logits_tensor_larger_than_the_stated_chunk(model: Any) -> None:
    """Of the whole step: the states, the loss and the backward pass; a product with the vocabulary is 8 rows long."""
    inputs, targets = batch(model)
    output = read_output_layer(model, inputs)
    assert output is not None
    assert int((targets != IGNORED).sum()) > 8
    with _Watched() as watched:
        token_loss(last_states(model, inputs), targets, output, chunk=8 * VOCABULARY).backward()

    assert 0 < watched.largest <= 8 * VOCABULARY


def test_one_row_at_least_goes_through_a_vocabulary_beyond_the_chunk() -> None:
    assert chunk_rows(10 * module_under_test.CHUNK) == 1


def test_a_batch_without_targets_has_a_loss_of_zero_and_a_graph() -> None:
    hidden = torch.randn(2, 3, WIDTH, requires_grad=True)
    output = LinearOutput(weight=torch.randn(VOCABULARY, WIDTH, requires_grad=True))

    loss = token_loss(hidden, torch.full((2, 3), IGNORED), output)
    loss.backward()

    assert loss.item() == 0.0
    assert hidden.grad is not None
    assert not hidden.grad.any()


def test_the_scale_of_the_loss_reaches_the_gradients() -> None:
    hidden = torch.randn(7, WIDTH, dtype=torch.float64, requires_grad=True)
    output = LinearOutput(weight=torch.randn(VOCABULARY, WIDTH, dtype=torch.float64, requires_grad=True))
    targets = torch.randint(0, VOCABULARY, (7,))

    token_loss(hidden, targets, output).backward()
    once = hidden.grad.clone()
    (token_loss(hidden, targets, output) * 3).backward()

    torch.testing.assert_close(hidden.grad, once * 4)


def test_a_second_backward_pass_is_refused() -> None:
    hidden = torch.randn(7, WIDTH, requires_grad=True)
    loss = token_loss(hidden, torch.randint(0, VOCABULARY, (7,)), LinearOutput(weight=torch.randn(VOCABULARY, WIDTH)))
    loss.backward(retain_graph=True)

    with pytest.raises(RuntimeError, match="one backward pass"):
        loss.backward()


def test_in_bfloat16_autocast_the_loss_is_close_and_is_float32() -> None:
    torch.manual_seed(0)
    hidden = torch.randn(40, WIDTH, requires_grad=True)
    weight = torch.randn(VOCABULARY, WIDTH, requires_grad=True)
    targets = torch.randint(0, VOCABULARY, (40,))
    exact = token_loss(hidden, targets, LinearOutput(weight=weight))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = token_loss(hidden, targets, LinearOutput(weight=weight))
    loss.backward()

    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact.item(), rel=0.01)
    assert weight.grad is not None
    assert weight.grad.dtype == torch.float32


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_without_a_graph_the_loss_is_the_same(smoothing: float) -> None:
    output = LinearOutput(weight=torch.randn(50, 8, dtype=torch.float64))
    hidden, targets = torch.randn(3, 5, 8, dtype=torch.float64), torch.randint(0, 50, (3, 5))
    targets[0, 1] = IGNORED
    with_graph = token_loss(hidden, targets, output, label_smoothing=smoothing)
    with torch.no_grad():
        without = token_loss(hidden, targets, output, label_smoothing=smoothing)
    torch.testing.assert_close(without, with_graph, rtol=1e-12, atol=0.0)


def test_in_bfloat16_autocast_the_output_layer_is_trained_as_without() -> None:
    hidden, targets = torch.randn(4, 6, 16), torch.randint(0, 50, (4, 6))
    found = []
    for low in (False, True):
        weight = torch.nn.Parameter(torch.linspace(-1, 1, 800).reshape(50, 16))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=low):
            token_loss(hidden, targets, LinearOutput(weight=weight), chunk=200).backward()
        assert weight.grad is not None
        found.append(weight.grad)
    assert float((found[1] - found[0]).norm() / found[0].norm()) < 0.05
