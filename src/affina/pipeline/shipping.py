"""What a finished run ships: `model/`, for plain transformers, and `adapter/` where training was beside the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from affina.methods.saved import Beside, save_adapter
from affina.models.origin import name_of
from affina.models.saving import save_model, save_settings
from affina.pipeline.attaching import as_exported
from affina.pipeline.prepared import Prepared
from affina.record.files import whole_folder
from affina.record.folder import RunFolder
from affina.record.journal import Journal
from affina.record.payloads import MERGED


def put(run: Prepared, state: Mapping[str, Tensor], journal: Journal | None = None) -> None:
    """Put trained tensors into the model, in evaluation mode, with what goes with them.

    Args:
        run: its model.
        state: of `run.attached`.
        journal: gets what was decided, such as thresholds.
    """
    run.attached.load_state_dict(state)
    run.attached.eval()
    run.subject.settle(run, journal)


def ship(run: Prepared, folder: RunFolder, *, max_length: int | None = None) -> None:
    """Write what was trained, as the model is now, each folder whole or not at all.

    Beside an adapter stand the tokenizer and the configuration, with the labels, that the model was trained with.

    Args:
        run: its best weights in the model.
        folder: where it goes.
        max_length: kept as the tokenizer's limit in tokens; None keeps the tokenizer's own.
    """
    module, tokenizer = run.model.module, run.model.tokenizer
    if isinstance(run.attached, Beside):
        with whole_folder(folder.adapter) as path:
            base = replace(name_of(run.model.source.without_adapter), packed=run.model.source.packed)
            save_adapter(run.attached, run.model.anatomy, path, base=base)
            save_settings(module, tokenizer, path, max_length=max_length)
        if not run.choices[MERGED].value:
            return
    with as_exported(run), whole_folder(folder.model) as path:
        save_model(module, tokenizer, path, max_length=max_length)
