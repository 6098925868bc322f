"""Which rows of a table of embeddings a training looks up: the others neither move nor take memory and time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor, nn

from affina.pipeline.prepared import Prepared
from affina.pipeline.regularising import holding_keys
from affina.training.looked_up import LookedUp
from affina.values import Resolved

KEY: Final = "train.optimizer (embeddings)"
MOST: Final = 0.5
"""With a larger share of the rows than this, to gather them and put them back takes as long as to move them all."""


def with_looked_up(prepared: Prepared) -> Prepared:
    """The run with the rows found that its texts look up, where its method trains such a table and that saves time."""
    train = prepared.recipe.train
    if train.optimizer != "adamw" or holding_keys(train) or train.mixout:
        return prepared  # each of these has its own ways with a weight and its gradient
    if train.replay is not None or train.logit_pairing or prepared.device.type == "mps":
        return prepared  # texts are read that are no rows; sparse gradients on Apple's GPUs were never tried
    name = _table_of(prepared)
    if name is None:
        return prepared
    words = prepared.model.module.get_input_embeddings().num_embeddings
    rows = _looked_up(prepared.subject.token_ids("train"), words=words)
    if len(rows) > MOST * words:
        return prepared
    told = Resolved(
        f"{len(rows):,} of {words:,} rows",
        "those of the tokens that the training texts have; the others, which would get no gradient, stay as they came",
    )
    return replace(prepared, looked_up={name: rows}, choices={**prepared.choices, KEY: told})


def tables_of(prepared: Prepared) -> dict[str, LookedUp]:
    """The rows that an optimizer moves in the place of their tables, by the tables' names."""
    table = prepared.model.module.get_input_embeddings()
    return {name: LookedUp(table, rows) for name, rows in prepared.looked_up.items()}


def still_bytes(prepared: Prepared) -> int:
    """Of the weights that train, those that no step moves: the rows of a table that no text looks up."""
    trained, known = prepared.attached.state_dict(), prepared.looked_up
    return sum(
        trained[name][0].nbytes * (len(trained[name]) - len(rows)) for name, rows in known.items() if name in trained
    )


def _table_of(prepared: Prepared) -> str | None:
    """The name of the weight of the model's input embeddings, where it trains and is nothing but a table of them."""
    table = prepared.model.module.get_input_embeddings()
    if not isinstance(table, nn.Embedding) or table.max_norm is not None or table.scale_grad_by_freq:
        return None
    known = prepared.model.module.named_parameters(remove_duplicate=False)
    names = [name for name, tensor in known if tensor is table.weight]
    return names[0] if len(names) == 1 and names[0] in prepared.attached.state_dict() else None


def _looked_up(rows: Iterable[Sequence[int]], *, words: int) -> Tensor:
    found = torch.zeros(words, dtype=torch.bool)
    for ids in rows:
        found[torch.as_tensor(ids, dtype=torch.long)] = True
    return found.nonzero().flatten()
