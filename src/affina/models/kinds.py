"""What a model's configuration says that it can be loaded as: a classifier, or a model that writes."""

from __future__ import annotations

from typing import Any

from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_MASKED_LM_MAPPING,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
)


def can_classify(config: Any) -> bool:
    """Whether transformers has a head for labels for it, and it is no encoder-decoder."""
    return type(config) in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING and not config.is_encoder_decoder


def can_write(config: Any) -> bool:
    """Whether it is a decoder or an encoder-decoder; transformers lets BERT's kin be run as decoders, they are none."""
    kind = type(config)
    if config.is_encoder_decoder:
        return kind in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING
    encodes = kind in MODEL_FOR_MASKED_LM_MAPPING and not config.to_dict().get("is_decoder")
    return kind in MODEL_FOR_CAUSAL_LM_MAPPING and not encodes
