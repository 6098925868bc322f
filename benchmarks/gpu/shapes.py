"""Llama's shapes with random weights, and rows to train them on: speed and memory hang on sizes alone."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, Final

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from affina.models.source import locate

SHAPES: Final[dict[str, dict[str, Any]]] = {
    "tiny": {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 49_152,
    },
    "135m": {
        "hidden_size": 576,
        "intermediate_size": 1_536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "vocab_size": 49_152,
    },
    "1b": {
        "hidden_size": 2_048,
        "intermediate_size": 8_192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128_256,
    },
    "8b": {
        "hidden_size": 4_096,
        "intermediate_size": 14_336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128_256,
        "tie_word_embeddings": False,
    },
}
"""SmolLM2-135M, Llama 3.2 1B, Llama 3.1 8B, and one that a test can train."""
LENGTHS: Final = (4.5, 0.8)
"""Words of an answer: the logarithm's mean and deviation; a few answers are long, as people's are."""
MOST_WORDS: Final = 700


def write_model(shape: str, folder: Path) -> int:
    """Write a model of a shape, with starter/decoder's tokenizer; how many weights its blocks have.

    Args:
        shape: of `SHAPES`.
        folder: where it goes.
    """
    tokenizer = AutoTokenizer.from_pretrained(locate("starter/decoder").folder)
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = LlamaConfig(**{"tie_word_embeddings": True, "max_position_embeddings": 8_192, **ends, **SHAPES[shape]})
    torch.manual_seed(0)
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return sum(parameter.numel() for parameter in model.model.layers.parameters())


def write_rows(folder: Path, *, rows: int) -> None:
    """Write questions and answers of common words, of many lengths."""
    drawn = random.Random(0)  # noqa: S311 - not a secret
    words = [
        "the",
        "order",
        "was",
        "sent",
        "to",
        "you",
        "on",
        "Monday",
        "and",
        "it",
        "will",
        "come",
        "with",
        "a",
        "card",
        "for",
        "your",
        "new",
        "account",
    ]
    for name, count in (("train", rows), ("validation", 8)):
        lines = [
            json.dumps(
                {
                    "question": f"question {number}: " + " ".join(drawn.choices(words, k=12)),
                    "answer": " ".join(
                        drawn.choices(words, k=min(MOST_WORDS, int(drawn.lognormvariate(*LENGTHS)) + 4))
                    ),
                }
            )
            for number in range(count)
        ]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
