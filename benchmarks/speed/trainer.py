"""The peer: transformers' Trainer on a CSV with text and label, at its defaults or at its best. Prints one JSON line.

All weights are trained, or all but the embeddings and some lower blocks (`--frozen`); `training_seconds` is the time of
`Trainer.train`, without any evaluation, `processor_seconds` the same of the processor's time.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

BEST: Final[dict[str, Any]] = {
    "per_device_train_batch_size": 32,
    "train_sampling_strategy": "group_by_length",
    "learning_rate": 2e-4,
    "logging_strategy": "no",
}
"""What someone sets who wants speed on a CPU: Affina's batch of 32 rows, of like length, and nothing logged."""


def main() -> None:
    """Train once and print rows per second, seconds and peak memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--epochs", type=float, required=True)
    parser.add_argument("--setting", choices=("defaults", "best"), default="defaults")
    parser.add_argument("--frozen", type=int, help="lower blocks that do not train, and the embeddings with them")
    given = parser.parse_args()
    with given.train.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    labels = sorted({row["label"] for row in rows})
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    examples = [
        {**tokenizer(row["text"], truncation=True, max_length=512), "labels": labels.index(row["label"])}
        for row in rows
    ]
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(given.model, num_labels=len(labels))
    if given.frozen is not None:
        parts = [model.base_model.embeddings, *model.base_model.encoder.layer[: given.frozen]]
        for parameter in (parameter for part in parts for parameter in part.parameters()):
            parameter.requires_grad_(False)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=given.epochs,
            report_to=[],
            disable_tqdm=True,
            save_strategy="no",
            **BEST if given.setting == "best" else {},
        )
        trainer = Trainer(
            model=model, args=arguments, train_dataset=examples, data_collator=DataCollatorWithPadding(tokenizer)
        )
        started, used = time.perf_counter(), time.process_time()
        trainer.train()
        seconds, used = time.perf_counter() - started, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found = {
        "rows_per_second": len(rows) * given.epochs / seconds,
        "rows_per_processor_second": len(rows) * given.epochs / used,
        "training_seconds": seconds,
        "processor_seconds": used,
        "steps": trainer.state.global_step,
        "rows_per_step": arguments.train_batch_size,
        "peak_memory_bytes": peak,
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
