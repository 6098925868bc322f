"""A small translator with random weights, written to a folder as any checkpoint is: Marian's architecture, byte pairs.

Nothing here is Affina's: the folder is what `model:` names, and plain transformers loads it as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import MarianConfig, MarianMTModel, PreTrainedTokenizerFast

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
VOCABULARY: Final = 10_000
POSITIONS: Final = 256


def make(folder: Path, texts: Sequence[str], *, width: int, seed: int) -> dict[str, Any]:
    """Write the checkpoint; returns what was made in figures.

    Args:
        folder: where.
        texts: what the byte pairs are learned from: training rows alone, all languages.
        width: of the states; the feed-forward layers have twice that.
        seed: of the weights.
    """
    tokenizer = _tokenizer(texts)
    config = MarianConfig(
        vocab_size=len(tokenizer),
        d_model=width,
        encoder_layers=4,
        decoder_layers=4,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=2 * width,
        decoder_ffn_dim=2 * width,
        max_position_embeddings=POSITIONS,
        activation_function="relu",
        scale_embedding=True,
        init_std=width**-0.5,  # times sqrt(width) a word is as large as its position; with 0.02 it drowns in it
        dropout=0.1,
        share_encoder_decoder_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        decoder_start_token_id=tokenizer.pad_token_id,
        forced_eos_token_id=None,
    )
    torch.manual_seed(seed)
    model = MarianMTModel(config)
    # as in Vaswani et al. 2017's own code
    for name, weight in model.named_parameters():
        if weight.dim() == 2 and "embed" not in name and "shared" not in name:
            torch.nn.init.xavier_uniform_(weight)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {
        "architecture": "Marian",
        "layers": "4+4",
        "width": width,
        "feed_forward": 2 * width,
        "heads": 4,
        "vocabulary": len(tokenizer),
        "parameters": model.num_parameters(),
        "seed": seed,
    }


def _tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """Byte pairs, each text with its end."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, END, UNKNOWN],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    end = tokenizer.token_to_id(END)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", pair=f"$A $B {END}", special_tokens=[(END, end)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        unk_token=UNKNOWN,
        model_max_length=POSITIONS,
        model_input_names=["input_ids", "attention_mask"],
    )
