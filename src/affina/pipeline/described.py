"""The model that a run began with, as its record describes it, and what it can be asked beside its task."""

from __future__ import annotations

from affina.methods.base import trained_count
from affina.models.base import Pretrained
from affina.models.classifier import Classifier
from affina.models.language import LanguageModel
from affina.models.masked_head import seems_to_have_one
from affina.models.origin import origin
from affina.models.packed import numbers_in
from affina.models.source import fingerprint
from affina.pipeline.attaching import goes_on
from affina.pipeline.prepared import Prepared
from affina.record.starts import ModelLoaded


def model_loaded(prepared: Prepared) -> ModelLoaded:
    """The line of the record."""
    model = prepared.model
    known = origin(model.source)
    return ModelLoaded(
        reference=model.source.reference,
        family=model.module.config.model_type,
        parameters=numbers_in(model.module),
        trained=trained_count(prepared.attached),
        fingerprint=fingerprint(model.source),
        hub_id=known.hub_id,
        licence=known.licence,
        languages=known.languages,
        reads_apart=bool(model.module.config.is_encoder_decoder),
        base=model.source.without_adapter.reference if goes_on(prepared) else None,
        compares_texts=compares_texts(model),
    )


def compares_texts(model: Pretrained) -> bool:
    """Whether a model can be asked which of two texts it holds likelier, by all that is known before it is asked."""
    if isinstance(model, LanguageModel):
        return not model.reads_apart
    return isinstance(model, Classifier) and seems_to_have_one(model)
