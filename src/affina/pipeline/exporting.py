"""The model that a run ships: the best weights, put back into the model and written for plain transformers."""

from __future__ import annotations

from affina.evaluation.judging.base import Thresholds
from affina.models.saving import save_classifier
from affina.models.settings import set_thresholds
from affina.models.units import plain
from affina.pipeline.measuring import decide
from affina.pipeline.prepare import Prepared
from affina.record.files import whole_folder
from affina.record.folder import RunFolder
from affina.training import checkpoint


def export(prepared: Prepared, folder: RunFolder, *, step: int) -> Thresholds | None:
    """Write the weights of the evaluation after `step` steps to the run's `model/`; the model keeps them.

    A regression's head is written in the user's units, a multi-label model's thresholds into its configuration.

    Returns:
        The thresholds of these weights.
    """
    classifier = prepared.classifier
    prepared.attached.load_state_dict(checkpoint.load_best(folder, step=step))
    prepared.attached.eval()
    thresholds = decide(prepared)
    if thresholds is not None:
        set_thresholds(classifier.module.config, dict(zip(prepared.task.labels, thresholds.values, strict=True)))
    with whole_folder(folder.model) as path, plain(classifier.module, classifier.anatomy, classifier.units):
        save_classifier(classifier.module, classifier.tokenizer, path, max_length=prepared.task.max_length)
    return thresholds
