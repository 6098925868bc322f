"""The model that a run ships: the best weights, put back into the model and written for plain transformers."""

from __future__ import annotations

from affina.models.saving import save_classifier
from affina.pipeline.prepare import Prepared
from affina.record.files import whole_folder
from affina.record.folder import RunFolder
from affina.training import checkpoint


def export(prepared: Prepared, folder: RunFolder, *, step: int) -> None:
    """Write the weights of the evaluation after `step` steps to the run's `model/`; the model keeps them."""
    prepared.attached.load_state_dict(checkpoint.load_best(folder, step=step))
    prepared.attached.eval()
    with whole_folder(folder.model) as path:
        save_classifier(
            prepared.classifier.module, prepared.classifier.tokenizer, path, max_length=prepared.task.max_length
        )
