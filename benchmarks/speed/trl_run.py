"""The peer: TRL's SFTTrainer with PEFT's LoRA on a JSONL of questions and answers. Prints one JSON line.

Weights are loaded in float32 unless `--weights` says otherwise, and on a GPU products are made in bf16: both as Affina
does. At its defaults (but for the processor) it checkpoints activations and logs each tenth step; `best` is what
someone sets who wants speed on a CPU. No evaluation is made. Run by an environment with trl-requirements.txt.
"""

from __future__ import annotations

import argparse
import json
import time
from importlib import metadata
from typing import Any, Final

import torch
from contender import tell, words
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

BEST: Final[dict[str, Any]] = {
    "gradient_checkpointing": False,
    "logging_strategy": "no",
    "train_sampling_strategy": "group_by_length",
}
PACKAGES: Final = ("trl", "peft", "transformers", "accelerate", "torch")
LORA: Final = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
LETTERS_A_TOKEN: Final = 4.5


def _settings(given: argparse.Namespace, letters: list[int]) -> dict[str, Any]:
    """What is set beside the defaults: as many rows in a step as have the tokens asked for; packed, if best."""
    usual = LETTERS_A_TOKEN * given.tokens * len(letters) / sum(letters)
    rows = {"per_device_train_batch_size": max(1, round(usual))} if given.tokens else {}
    if given.setting == "defaults":
        return rows
    return {**BEST, **rows, "packing": True} if given.device != "cpu" else {**BEST, **rows}


def main() -> None:
    """Train once and print tokens per second, seconds and peak memory."""
    parser = words(__doc__)
    parser.add_argument("--setting", choices=("defaults", "best"), default="defaults")
    parser.add_argument("--weights", choices=("float32", "bfloat16"), default="float32", help="as they are loaded")
    parser.add_argument("--tokens", type=int, default=0, help="of a step; 0 for the usual rows")
    given = parser.parse_args()
    on_gpu = given.device != "cpu"
    rows = [json.loads(line) for line in given.train.read_text(encoding="utf-8").splitlines()]
    turns = [
        {
            "prompt": [{"role": "user", "content": row["question"]}],
            "completion": [{"role": "assistant", "content": row["answer"]}],
        }
        for row in rows
    ]
    torch.manual_seed(given.seed)
    model = AutoModelForCausalLM.from_pretrained(given.model, dtype=getattr(torch, given.weights))
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
            output_dir=str(given.adapter),
            num_train_epochs=given.epochs,
            learning_rate=given.rate,
            seed=given.seed,
            bf16=on_gpu,
            use_cpu=not on_gpu,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            **_settings(given, [len(row["question"]) + len(row["answer"]) for row in rows]),
        ),
        train_dataset=Dataset.from_list(turns),
        processing_class=tokenizer,
        peft_config=LORA if given.method == "lora" else None,
    )
    tokens = given.epochs * sum(len(row["input_ids"]) for row in trainer.train_dataset)
    started, used = time.perf_counter(), time.process_time()
    trainer.train()
    seconds, used = time.perf_counter() - started, time.process_time() - used
    trainer.save_model(str(given.adapter))
    tell(
        tokens=tokens,
        rows=given.epochs * len(rows),
        steps=trainer.state.global_step,
        seconds=seconds,
        processor_seconds=used,
        told={"weights": given.weights, "versions": {name: metadata.version(name) for name in PACKAGES}},
    )


if __name__ == "__main__":
    main()
