"""What a run ships, opened: its whole model, or the base that it began with and the adapter beside it.

The whole model is taken where there is one: it is one product a layer, and nothing else is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch

from affina.errors import ModelError, Problem
from affina.methods.base import Attached
from affina.methods.saved import attach_saved
from affina.models.base import length_beside
from affina.models.beside import naming_base
from affina.models.classifier import Classifier, load_classifier
from affina.models.language import LanguageModel, load_language_model
from affina.models.quiet import Notify, silent
from affina.models.settings import HeadSpec
from affina.models.source import Source, locate
from affina.pipeline.beginning import whole, with_adapter
from affina.record.folder import RunFolder

MOST_LABELS: Final = 3


@dataclass(frozen=True, slots=True)
class Shipped:
    """A model, or a base with an adapter beside it, that is to be loaded.

    Attributes:
        source: where it is.
        device: where it is to be.
    """

    source: Source
    device: torch.device

    def classifier(self, head: HeadSpec) -> Classifier:
        """The model that answers, on its device, in evaluation mode.

        Raises:
            ModelError: it is damaged, or a part of it would have to start from random numbers.
        """
        model = load_classifier(self.source, head)
        if model.new_parameters:
            raise ModelError(_changed(self.source.reference, head, model.new_parameters))
        model.module.to(self.device).eval()
        if self.source.adapter is not None:
            with naming_base(self.source):
                attach_saved(model.module, model.anatomy, self.source.adapter)
        return model

    def writer(self, *, notify: Notify = silent) -> tuple[LanguageModel, Attached | None]:
        """The model that writes, on its device, in evaluation mode, and what is attached to it."""
        model = load_language_model(self.source, notify=notify)
        model.module.to(self.device).eval()
        if self.source.adapter is None:
            return model, None
        with naming_base(self.source):
            attached = attach_saved(model.module, model.anatomy, self.source.adapter)
        return replace(model, max_length=length_beside(model.max_length, attached.taken)), attached


def _changed(where: str, head: HeadSpec, random: Sequence[str]) -> Problem:
    labels = ", ".join(head.labels[:MOST_LABELS]) + (", ..." if len(head.labels) > MOST_LABELS else "")
    return Problem(
        where=f"model: {where}",
        expected="the whole model that the run shipped" + (f", with an output for each of {labels}" if labels else ""),
        found=f"not in its weights, or for other labels: {', '.join(random[:MOST_LABELS])}",
        fix="put the run's folder back as it was written, or train again",
    )


def shipped(folder: RunFolder, *, packed: bool, device: torch.device, notify: Notify = silent) -> Shipped:
    """Find what a run ships.

    Args:
        folder: the run's; it ships something.
        packed: whether it trained beside matrices in four bits.
        device: where the model is to be.
        notify: told of slow work.

    Raises:
        ModelError: the base model is not there any more.
    """
    if folder.model.is_dir():
        return Shipped(locate(str(folder.model), notify=notify), device)
    return Shipped(replace(with_adapter(str(folder.path), notify=notify), packed=packed), device)


def untouched(reference: str, *, packed: bool, went_on: bool, device: torch.device, notify: Notify = silent) -> Shipped:
    """Find what a run began with.

    Args:
        reference: the run's `model`, as resolved.
        packed: whether its matrices were in four bits.
        went_on: it is an adapter that the training went on from.
        device: where the model is to be.
        notify: told of slow work.

    Raises:
        ModelError: it is not there any more.
    """
    found = (with_adapter if went_on else whole)(reference, notify=notify)
    return Shipped(replace(found, packed=packed), device)
