"""The peer: TRL's SFTTrainer with PEFT's LoRA on a JSONL of questions and answers, float32. Prints one JSON line.

At its defaults (but for bf16, which is not what is compared, and the processor) it checkpoints activations and logs
every ten steps; `best` is what someone sets who wants speed on a CPU. No evaluation is made. Run by an environment with
trl-requirements.txt.
"""

from __future__ import annotations

import json
import time
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


def main() -> None:
    """Train once and print tokens per second, seconds and peak memory."""
    parser = words(__doc__)
    parser.add_argument("--setting", choices=("defaults", "best"), default="defaults")
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.train.read_text(encoding="utf-8").splitlines()]
    turns = [
        {
            "prompt": [{"role": "user", "content": row["question"]}],
            "completion": [{"role": "assistant", "content": row["answer"]}],
        }
        for row in rows
    ]
    torch.manual_seed(given.seed)
    model = AutoModelForCausalLM.from_pretrained(given.model, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
            output_dir=str(given.adapter),
            num_train_epochs=given.epochs,
            learning_rate=given.rate,
            seed=given.seed,
            bf16=False,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            **BEST if given.setting == "best" else {},
        ),
        train_dataset=Dataset.from_list(turns),
        processing_class=tokenizer,
        peft_config=LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    tokens = given.epochs * sum(len(row["input_ids"]) for row in trainer.train_dataset)
    started, used = time.perf_counter(), time.process_time()
    trainer.train()
    seconds, used = time.perf_counter() - started, time.process_time() - used
    trainer.save_model(str(given.adapter))
    tell(tokens=tokens, steps=trainer.state.global_step, seconds=seconds, processor_seconds=used)


if __name__ == "__main__":
    main()
