"""The layers of a model from the top, their rates by the paper's formula, and which of them train together."""

import math

import pytest

from affina.methods.layer_groups import EMBEDDINGS, HEAD, LayerGroup, layer_groups, layer_rates
from affina.methods.unfreezing import in_turn, named
from method_cases import ALL, case


def groups_of(name):
    made = case(name)
    return made, layer_groups([name for name, _ in made.module.named_parameters()], made.anatomy)


@pytest.mark.parametrize("name", ALL)
def test_every_parameter_of_every_family_is_in_one_group_and_the_order_is_from_the_top(name):
    made, groups = groups_of(name)
    names = [name for name, _ in made.module.named_parameters()]
    assert sorted(name for group in groups for name in group.parameters) == sorted(names)
    titles = [group.name for group in groups]
    stacks = [("decoder block ", 3), ("encoder block ", 2 if "bart" in name or "marian" in name else 3)]
    kinds = stacks if made.kind == "apart" else [("block ", len(made.anatomy.blocks))]
    blocks = [f"{kind}{number}" for kind, count in kinds for number in range(count, 0, -1)]
    head = [HEAD] if made.kind == "classify" else []
    assert titles == [*head, *blocks, EMBEDDINGS]
    for group in groups:
        parts = {made.anatomy.part_of(name) for name in group.parameters}
        assert parts <= ({"block", "final"} if "block" in group.name else {group.name})


def test_a_norm_after_a_stack_is_one_with_the_highest_block_of_that_stack():
    by_name = {group.name: group.parameters for group in groups_of("t5/apart")[1]}
    assert "encoder.final_layer_norm.weight" in by_name["encoder block 3"]
    assert "decoder.final_layer_norm.weight" in by_name["decoder block 3"]
    [group] = [group for group in groups_of("llama/write")[1] if "model.norm.weight" in group.parameters]
    assert group.name == f"block {len(case('llama/write').anatomy.blocks)}"


def test_rates_are_those_of_the_paper():
    # eta^(l-1) = eta^l / 2.6 (section 3.1): by hand, for the tiny model's three blocks
    _, groups = groups_of("bert/classify")
    rates = layer_rates(groups, 2.6)
    by_group = {group.name: {rates.get(name) for name in group.parameters} for group in groups}
    assert by_group.pop(HEAD) == {None}
    expected = {"block 3": 1.0, "block 2": 0.38461538461538464, "block 1": 0.14792899408284024}
    expected[EMBEDDINGS] = 0.05689576695493855
    for name, (rate,) in by_group.items():
        assert math.isclose(rate, expected[name], rel_tol=1e-15)
    assert set(layer_rates(groups, 1.0).values()) == {1.0}


GROUPS = tuple(LayerGroup(name, frozenset({name})) for name in (HEAD, "block 2", "block 1", EMBEDDINGS))


def names(kind, groups=GROUPS):
    return [tuple(group.name for group in together) for together in in_turn(kind, groups)]


def test_gradual_unfreezing_takes_one_group_more_from_the_top():
    # AllenNLP trained three groups in the second epoch (its PR 4443)
    assert names("gradual") == [
        (HEAD,),
        (HEAD, "block 2"),
        (HEAD, "block 2", "block 1"),
        (HEAD, "block 2", "block 1", EMBEDDINGS),
    ]


def test_chain_thaw_is_the_head_then_each_layer_from_the_first_then_all():
    everything = (HEAD, "block 2", "block 1", EMBEDDINGS)
    assert names("chain_thaw") == [(HEAD,), (EMBEDDINGS,), ("block 1",), ("block 2",), everything]
    assert names("chain_thaw", GROUPS[1:]) == [(EMBEDDINGS,), ("block 1",), ("block 2",), everything[1:]]


def test_nothing_in_turn():
    assert names("none") == []


def test_a_stage_in_words():
    assert [named(together, of=4) for together in in_turn("gradual", GROUPS)] == [
        "head alone",
        "head and block 2",
        "head down to block 1",
        "all 4 layer groups",
    ]
