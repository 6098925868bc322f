"""Models and texts for the benchmark, made here: a family, a width, a depth, a vocabulary; nothing is downloaded."""

from __future__ import annotations

import csv
import random
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PreTrainedTokenizerFast

from affina.models.quiet import quiet

SPECIAL: Final = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LABELS: Final = 4


def make_model(folder: Path, family: str, settings: dict[str, Any], *, writes: bool = False) -> Path:
    """Write a random checkpoint whose tokenizer has one token for each word `w0`, `w1`, ..."""
    vocabulary = settings["vocab_size"]
    ends = {name: SPECIAL.index("[SEP]") for name in ("bos_token_id", "eos_token_id")}
    with quiet():
        config = AutoConfig.for_model(family, **settings, **ends, pad_token_id=0)
        torch.manual_seed(0)
        (AutoModelForCausalLM if writes else AutoModel).from_config(config).save_pretrained(folder)
        tokenizer = _tokenizer(vocabulary)
        tokenizer.eos_token = "[SEP]" if writes else None
        tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    words = SPECIAL + [f"w{number}" for number in range(vocabulary - len(SPECIAL))]
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **dict(zip(names, SPECIAL, strict=True)),
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=512,
    )


def write_texts(path: Path, *, rows: int, words: tuple[int, int], seed: int) -> Path:
    """Rows of made-up texts: short ones often, long ones seldom, between `words[0]` and `words[1]` words."""
    draw = random.Random(seed)  # noqa: S311 - not a secret
    least, most = words
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(rows):
            label = number % LABELS
            count = least + int((most - least) * draw.random() ** 2)
            text = " ".join(f"w{draw.randrange(label * 50, label * 50 + 400)}" for _ in range(count))
            writer.writerow([text, f"label {label}"])
    return path
