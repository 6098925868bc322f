"""Tiny random models of every family, written to a folder as a real checkpoint is: config, safetensors, tokenizer.

Three blocks of width 32 and a vocabulary learnt from a few sentences. Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    PreTrainedTokenizerFast,
)

from affina.models.quiet import quiet

WIDTH = 32
BLOCKS = 3
POSITIONS = 64
VOCABULARY = 300

CORPUS = (
    "my card has not arrived yet, where is it",
    "why was I charged a fee for this transfer",
    "please change my address and my phone number",
    "the machine kept my card and gave me no cash",
    "I want a refund for the order that came broken",
    "how long does a top up by bank transfer take",
)

_ENCODER = {
    "hidden_size": WIDTH,
    "num_hidden_layers": BLOCKS,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": POSITIONS,
}
_DECODER = {**_ENCODER, "num_key_value_heads": 2}
_SPECIAL = {"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3}
_ROBERTA = {**_ENCODER, "pad_token_id": 1, "max_position_embeddings": POSITIONS + 2, "type_vocab_size": 1}

# family -> how its settings differ, which tokenizer it has, and which class its checkpoints are saved from
FAMILIES: Mapping[str, tuple[dict[str, Any], str, Any]] = {
    "bert": (_ENCODER, "wordpiece", AutoModel),
    "roberta": (_ROBERTA, "bytes", AutoModelForMaskedLM),
    "xlm-roberta": (_ROBERTA, "bytes", AutoModelForMaskedLM),
    "distilbert": (
        {"dim": WIDTH, "n_layers": BLOCKS, "n_heads": 4, "hidden_dim": 48, "max_position_embeddings": POSITIONS},
        "wordpiece",
        AutoModel,
    ),
    "electra": ({**_ENCODER, "embedding_size": 24}, "wordpiece", AutoModel),
    "albert": ({**_ENCODER, "embedding_size": 24, "num_hidden_groups": BLOCKS}, "wordpiece", AutoModel),
    "deberta-v2": (
        {
            **_ENCODER,
            "relative_attention": True,
            "position_buckets": 8,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
            "type_vocab_size": 0,
            "conv_kernel_size": 3,
        },
        "wordpiece",
        AutoModelForMaskedLM,
    ),
    "modernbert": ({**_ENCODER, **_SPECIAL, "global_attn_every_n_layers": 2}, "bytes", AutoModelForMaskedLM),
    "gpt2": (
        {"n_embd": WIDTH, "n_layer": BLOCKS, "n_head": 4, "n_positions": POSITIONS, "pad_token_id": None},
        "text",
        AutoModelForCausalLM,
    ),
    "llama": (_DECODER, "text", AutoModelForCausalLM),
    "qwen2": (_DECODER, "text", AutoModelForCausalLM),
    "gpt_neox": (_ENCODER, "text", AutoModelForCausalLM),
    "opt": (
        {**_ENCODER, "ffn_dim": 48, "word_embed_proj_dim": 24, "pad_token_id": None},
        "text",
        AutoModelForCausalLM,
    ),
    "big_bird": (_ENCODER, "wordpiece", AutoModelForMaskedLM),
    "biogpt": ({**_ENCODER, "pad_token_id": None}, "text", AutoModelForCausalLM),
}
ENCODERS = ("bert", "roberta", "xlm-roberta", "distilbert", "electra", "albert", "deberta-v2", "modernbert", "big_bird")
DECODERS = ("gpt2", "llama", "qwen2", "gpt_neox", "opt", "biogpt")
ODD_FAMILIES: Mapping[str, tuple[dict[str, Any], str, Any]] = {
    "longformer": ({**_ROBERTA, "attention_window": 4}, "bytes", AutoModel),
    "xlnet": ({"d_model": WIDTH, "n_layer": BLOCKS, "n_head": 4, "d_inner": 48}, "wordpiece", AutoModel),
}
"""Families that cannot be promised everything; what is said of them is tested."""
_WINDOWED = {**_DECODER, "head_dim": 8, "sliding_window": 6}
WRITERS: Mapping[str, tuple[dict[str, Any], str, Any]] = {
    "gemma2": ({**_WINDOWED, "query_pre_attn_scalar": 8}, "text", AutoModelForCausalLM),
    "gemma3_text": ({**_WINDOWED, "query_pre_attn_scalar": 8}, "text", AutoModelForCausalLM),
    "mistral": (_WINDOWED, "text", AutoModelForCausalLM),
    "bloom": ({"hidden_size": WIDTH, "n_layer": BLOCKS, "n_head": 4}, "text", AutoModelForCausalLM),
    "mpt": ({"d_model": WIDTH, "n_layers": BLOCKS, "n_heads": 4}, "text", AutoModelForCausalLM),
    "rwkv": ({"hidden_size": WIDTH, "num_hidden_layers": BLOCKS}, "text", AutoModelForCausalLM),
    "openai-gpt": (
        {"n_embd": WIDTH, "n_layer": BLOCKS, "n_head": 4, "n_positions": POSITIONS},
        "text",
        AutoModelForCausalLM,
    ),
}
"""Families that write: with windows shorter than tiny texts, without positions, with states in place of attention."""

_BERT_TOKENS = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
_ROBERTA_TOKENS = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}
_TEXT_TOKENS = {"bos_token": "</s>", "eos_token": "</s>"}


def make_tiny(family: str, folder: Path, *, seed: int = 0, others: Mapping[str, Any] | None = None) -> Path:
    """Write a tiny random checkpoint of `family` into `folder`, without a classification head; return the folder.

    `others` are laid over the family's settings.
    """
    settings, kind, saved_from = {**FAMILIES, **ODD_FAMILIES, **WRITERS}[family]
    tokenizer = _TOKENIZERS[kind]()
    ends = {name: tokenizer.convert_tokens_to_ids("</s>") for name in ("bos_token_id", "eos_token_id")}
    with quiet(), torch.random.fork_rng(devices=[]):
        config = AutoConfig.for_model(
            family, **{"vocab_size": VOCABULARY, **(ends if kind == "text" else {}), **settings, **(others or {})}
        )
        torch.manual_seed(seed)
        model = saved_from.from_config(config)
        # a fresh model has biases of exactly 0 and norms of exactly 1, which would hide a part that is left out
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


def make_bart(folder: Path) -> Path:
    """Write a tiny random encoder-decoder into `folder`; return the folder that it is in."""
    return make_apart("bart", folder)


_STACKS = {"encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48}
_HEADS = {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
APART: Mapping[str, dict[str, Any]] = {
    "bart": {"d_model": WIDTH, **_STACKS, **_HEADS, "max_position_embeddings": POSITIONS, "forced_eos_token_id": None},
    "marian": {"d_model": WIDTH, **_STACKS, **_HEADS, "max_position_embeddings": POSITIONS},
    "t5": {"d_model": WIDTH, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 4},
}
"""Encoder-decoders: family to how its settings differ."""


def make_apart(family: str, folder: Path) -> Path:
    """Write a tiny random encoder-decoder of a family into `folder`; return the folder that it is in."""
    make_tiny("gpt2", folder / "tokens")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "tokens")
    tokenizer.pad_token = tokenizer.eos_token
    end = tokenizer.eos_token_id
    ends = {"pad_token_id": end, "eos_token_id": end, "bos_token_id": end, "decoder_start_token_id": end}
    config = AutoConfig.for_model(family, vocab_size=len(tokenizer), **ends, **APART[family])
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        AutoModelForSeq2SeqLM.from_config(config).save_pretrained(folder / family)
    tokenizer.save_pretrained(folder / family)
    return folder / family


def _wordpiece() -> PreTrainedTokenizerFast:
    """BERT's kind: lower case, word pieces, [CLS] a [SEP] b [SEP], token types."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(_word_pieces(special), unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.decoder = decoders.WordPiece()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **_BERT_TOKENS,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        model_max_length=POSITIONS,
    )


def _word_pieces(special: list[str]) -> dict[str, int]:
    """A vocabulary learnt from the corpus, the same one in every process.

    The trainer numbers the letters within words as they come out of a map of its own, in another order each time, and
    by these numbers it decides between pairs that are equally frequent. So they get their numbers here.
    """
    letters = sorted({letter for text in CORPUS for letter in text.lower() if letter.isalnum()})
    known = special + [f"##{letter}" for letter in letters]
    tokenizer = Tokenizer(models.WordPiece(**{"unk_token": "[UNK]"}))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=known, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer.get_vocab()


def _byte_pairs(special: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _bytes() -> PreTrainedTokenizerFast:
    """RoBERTa's kind: byte pairs, <s> a </s></s> b </s>, padding in row 1."""
    tokenizer = _byte_pairs(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **_ROBERTA_TOKENS,
        model_input_names=["input_ids", "attention_mask"],
    )


def _text() -> PreTrainedTokenizerFast:
    """A decoder's kind: byte pairs, one end token, no padding token, padding on the left as for generation."""
    return PreTrainedTokenizerFast(
        tokenizer_object=_byte_pairs(["</s>"]),
        **_TEXT_TOKENS,
        padding_side="left",
        model_input_names=["input_ids", "attention_mask"],
    )


_TOKENIZERS: Mapping[str, Callable[[], PreTrainedTokenizerFast]] = {
    "wordpiece": _wordpiece,
    "bytes": _bytes,
    "text": _text,
}
