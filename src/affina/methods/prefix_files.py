"""Prefixes on disk: in PEFT's layout where PEFT can use them, else in the same files under a name that it refuses.

The network that a prefix was trained through is dropped: what is written are keys and values.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from torch import Tensor

from affina.methods.prefix import TunedPrefix, find_stacks, flat
from affina.methods.prompt import NAME
from affina.methods.virtual_files import check_virtual, read_virtual, unfit, write_virtual
from affina.models.adapters import UNNAMED, Adapter, BaseName
from affina.models.anatomy import Anatomy
from affina.models.prefixed import head_under_prefix
from affina.recipe.method_specs import PrefixSpec
from affina.values import Resolved

Layout = Literal["peft", "affina"]

PEFTS: Final = "PREFIX_TUNING"
OURS: Final = "AFFINA_PREFIX_TUNING"
"""A kind that PEFT refuses to load, where it would load a part of the prefix or none."""
ENCODERS: Final = "prompt_embeddings_encoder"
"""The tensor of a prefix in the encoder of an encoder-decoder."""


def layout_of(prefix: TunedPrefix, anatomy: Anatomy) -> Resolved[Layout]:
    """Which layout a prefix is written in."""
    if "encoder" in prefix.stacks:
        return Resolved("affina", "peft knows prefixes in the decoder alone")
    kind = type(prefix.module).__name__
    if not all(stack.cached for stack in prefix.stacks.values()):
        return Resolved("affina", f"peft cannot give a {kind} a prefix: it takes no cache")
    if anatomy.head and not head_under_prefix(prefix.module, anatomy):
        return Resolved("affina", f"peft gives the head of a {kind} another state than the model does")
    layers = len(prefix.stacks["decoder"].words)
    if prefix.module.config.is_encoder_decoder and layers % 2 == 0:
        return Resolved("affina", f"peft has one prefix for two of this decoder's {layers} layers, we one for each")
    return Resolved("peft", "loads with peft, too")


def _pefts_order(layers: int, *, apart: bool) -> list[int]:
    """For each layer the place of its keys and values among those that peft keeps.

    For an encoder-decoder, peft lays two copies of all layers end to end and gives each layer two in a row, of which it
    reads the first: with an odd number of layers that is another order, with an even number half of them are not read.
    """
    return [2 * layer % layers for layer in range(layers)] if apart else list(range(layers))


def _reordered(rows: Tensor, layers: int, order: Sequence[int]) -> Tensor:
    """[length, layers * 2 * heads * size] with the layer at `order[i]` in the place of the one at i."""
    return rows.view(len(rows), layers, -1)[:, list(order)].flatten(1)


def save_prefix(prefix: TunedPrefix, anatomy: Anatomy, folder: Path, *, base: BaseName = UNNAMED) -> Resolved[Layout]:
    """Write a prefix and a head.

    Args:
        prefix: what was trained.
        anatomy: of the model.
        folder: an empty or absent folder.
        base: the names of the base model, for whoever loads the adapter.

    Returns:
        The layout that it was written in.

    Raises:
        ModelError: the layout cannot hold this model's head.
    """
    layout, rows = layout_of(prefix, anatomy), prefix.rows()
    layers, _, heads, _, size = prefix.stacks["decoder"].words.shape
    config = {
        "peft_type": PEFTS if layout.value == "peft" else OURS,
        "token_dim": heads * size,
        "num_attention_heads": heads,
        "num_layers": layers,
        "prefix_projection": False,
        # peft makes the caches of both attentions of a decoder from one, for two of what it calls submodules
        "num_transformer_submodules": 2 if prefix.module.config.is_encoder_decoder else 1,
    }
    apart = bool(prefix.module.config.is_encoder_decoder)
    if layout.value == "peft":
        order = _pefts_order(layers, apart=apart)
        rows["decoder"] = _reordered(rows["decoder"], layers, [order.index(place) for place in range(layers)])
    more = {ENCODERS: rows["encoder"]} if "encoder" in rows else {}
    write_virtual(prefix.module, anatomy, folder, config=config, tensors={NAME: rows["decoder"], **more}, base=base)
    return layout


def prefix_spec(adapter: Adapter) -> PrefixSpec:
    """What an adapter's configuration and tensors say, as a recipe would: the network it was trained through is gone.

    Raises:
        ModelError: it is no prefix, or one with a feature that we do not have.
    """
    both = ENCODERS in read_virtual(adapter, (PEFTS, OURS), (NAME, ENCODERS))
    length = int(adapter.config["num_virtual_tokens"])
    return PrefixSpec(length=length, reparameterise=False, stacks="both" if both else "decoder")


def attach_prefix(module: Any, anatomy: Anatomy, adapter: Adapter) -> TunedPrefix:
    """A model with an adapter's prefix, its head in place (`put_head`): to evaluate, or to go on training.

    Args:
        module: the base model with the head.
        anatomy: its own.
        adapter: from `read_adapter`.

    Raises:
        ModelError: the adapter has a feature that we do not have, or belongs to another base. Nothing is attached then.
    """
    spec = prefix_spec(adapter)
    tensors = read_virtual(adapter, (PEFTS, OURS), (NAME, ENCODERS))
    check_virtual(adapter, (NAME, ENCODERS), module, anatomy)
    stacks = find_stacks(module, anatomy, [0] * spec.length, both=spec.stacks == "both")
    given = {name: tensors[ENCODERS if name == "encoder" else NAME] for name in stacks}
    for name, stack in stacks.items():
        width, found = flat(stack.words).shape[1], tuple(given[name].shape)
        if found != (spec.length, width):
            raise unfit(adapter, f"{spec.length} positions of {width} numbers for this model", str(found))
    if adapter.config["peft_type"] == PEFTS:
        layers = len(stacks["decoder"].words)
        order = _pefts_order(layers, apart=bool(module.config.is_encoder_decoder))
        given["decoder"] = _reordered(given["decoder"], layers, order)
    prefix = TunedPrefix(module, anatomy, spec, stacks)
    prefix.begin_with({f"prefix.{name}.embedding.weight": tensor for name, tensor in given.items()})
    return prefix
