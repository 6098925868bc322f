"""Full and partial: what trains moves, what is frozen stays bit for bit, and disabled() is the base model."""

import pytest
import torch

from affina.errors import RecipeError
from affina.models.base import base_tensors
from affina.models.heads import head_logits, hidden_states
from bench_of_loops import prepared_run, start_loop

METHODS = {
    "full": "full",
    "embeddings frozen": {"name": "partial"},
    "two blocks": {"name": "partial", "blocks": 2},
    "head": {"name": "partial", "blocks": 0},
    "two blocks and embeddings": {"name": "partial", "blocks": 2, "embeddings": "trained"},
    "named": {"name": "partial", "layers": ["attention"]},
}


def parameters(prepared):
    return {name: tensor.detach().clone() for name, tensor in prepared.model.module.named_parameters()}


def expected_to_train(method, anatomy, name):
    part, block = anatomy.part_of(name), anatomy.block_of(name)
    if part == "head" or method == "full":
        return True
    if method == "named":
        return "attention" in name
    blocks = {"embeddings frozen": 3, "two blocks": 2, "two blocks and embeddings": 2, "head": 0}[method]
    if part == "block":
        return block >= 3 - blocks
    return blocks > 0 if part == "final" else method == "two blocks and embeddings"


@pytest.mark.parametrize("method", METHODS)
def test_what_trains_moves_and_what_is_frozen_stays_bit_for_bit(tmp_path, method):
    prepared = prepared_run(tmp_path, method=METHODS[method], train={"epochs": 1})
    before = parameters(prepared)
    loop, _ = start_loop(prepared, tmp_path / "run")
    loop.run()
    after = parameters(prepared)
    anatomy = prepared.model.anatomy
    assert set(prepared.attached.state_dict()) == {n for n in before if expected_to_train(method, anatomy, n)}
    for name in before:
        moved = not torch.equal(before[name], after[name])
        assert moved == expected_to_train(method, anatomy, name), name


@pytest.mark.parametrize("family", ["bert", "deberta-v2", "modernbert", "gpt2", "llama"])
@pytest.mark.parametrize("method", ["full", "two blocks", "head"])
def test_disabled_is_the_base_model_bit_for_bit(tmp_path, family, method):
    prepared = prepared_run(tmp_path, family=family, method=METHODS[method], train={"epochs": 1})
    module, batch = (
        prepared.model.module,
        prepared.subject.task.collate(prepared.subject.examples["validation"], rows=range(8)),
    )
    module.eval()
    with torch.no_grad():
        base = hidden_states(module, batch.inputs)
    start_loop(prepared, tmp_path / "run")[0].run()
    prepared.attached.eval()
    with torch.no_grad():
        tuned = hidden_states(module, batch.inputs)
        head = head_logits(module, tuned, batch.inputs)
        with prepared.attached.disabled():
            assert torch.equal(hidden_states(module, batch.inputs), base)
            assert torch.equal(head_logits(module, tuned, batch.inputs), head)  # the head is no part of the base
        assert torch.equal(hidden_states(module, batch.inputs), tuned)
    assert torch.equal(tuned, base) == (method == "head")


def test_disabled_puts_the_tuned_weights_back_after_an_error(tmp_path):
    prepared = prepared_run(tmp_path, method="full")
    with torch.no_grad():
        for tensor in prepared.attached.state_dict().values():
            tensor.add_(1)
    tuned = parameters(prepared)
    with pytest.raises(ValueError, match="stop"), prepared.attached.disabled():
        raise ValueError("stop")
    assert all(torch.equal(tuned[name], tensor) for name, tensor in parameters(prepared).items())


def test_base_tensors_are_the_checkpoint(tmp_path):
    prepared = prepared_run(tmp_path, method="full")
    before = parameters(prepared)
    with torch.no_grad():
        for tensor in prepared.attached.state_dict().values():
            tensor.add_(1)
    base = base_tensors(prepared.model)
    new = set(prepared.model.new_parameters)
    assert all(torch.equal(base[name], before[name]) for name in before if name not in new)


def test_reading_the_base_takes_nothing_from_the_random_numbers_of_the_run(tmp_path):
    prepared = prepared_run(tmp_path, method="full")
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    base_tensors(prepared.model)
    assert torch.equal(torch.rand(4), expected)


def test_frozen_blocks_run_without_dropout(tmp_path):
    method = METHODS["two blocks"]
    prepared = prepared_run(tmp_path, method=method, train={"dropout": 0.5})
    batch = prepared.subject.task.collate(prepared.subject.examples["train"][:4], rows=range(4))
    prepared.attached.train()
    module = prepared.model.module
    seen = []
    blocks = prepared.model.anatomy.blocks
    for path in blocks:
        module.get_submodule(path).register_forward_hook(lambda _, __, output: seen.append(first(output)))
    with torch.no_grad():
        for _ in range(2):
            hidden_states(module, batch.inputs)
    assert torch.equal(seen[0], seen[len(blocks)])
    assert not torch.equal(seen[1], seen[len(blocks) + 1])


def first(output):
    return output[0] if isinstance(output, tuple) else output


def test_more_blocks_than_there_are_is_refused(tmp_path):
    with pytest.raises(RecipeError, match=r"method\.blocks") as caught:
        prepared_run(tmp_path, method={"name": "partial", "blocks": 4})
    assert "at most 3" in str(caught.value)


def test_a_name_that_matches_nothing_is_refused_with_the_names_there_are(tmp_path):
    with pytest.raises(RecipeError, match=r"method\.layers") as caught:
        prepared_run(tmp_path, method={"name": "partial", "layers": ["attention", "atention"]})
    assert "'atention'" in str(caught.value)
    assert "bert.encoder.layer.0" in str(caught.value)


def test_loading_other_tensors_is_refused_and_copies_nothing(tmp_path):
    prepared = prepared_run(tmp_path, method="full")
    before = parameters(prepared)
    state = {name: tensor + 1 for name, tensor in prepared.attached.state_dict().items()}
    state.pop(next(iter(state)))
    with pytest.raises(KeyError):
        prepared.attached.load_state_dict(state)
    assert all(torch.equal(before[name], tensor) for name, tensor in parameters(prepared).items())


def test_a_head_alone_is_no_part_of_the_base_which_is_not_read_for_it(tmp_path, monkeypatch):
    prepared = prepared_run(tmp_path, method=METHODS["head"], train={"epochs": 1})
    monkeypatch.setattr(type(prepared.model), "again", lambda _: pytest.fail("the base was read"))
    before = parameters(prepared)
    with prepared.attached.disabled():
        assert all(torch.equal(tensor, before[name]) for name, tensor in parameters(prepared).items())
