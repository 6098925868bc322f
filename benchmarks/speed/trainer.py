"""The peer: transformers' Trainer at its defaults on a CSV with text and label. Prints one JSON line.

Its defaults as of the installed version: batches of 8 in random order padded to their longest row, learning rate 5e-5
with a linear decay, all weights trained, 3 epochs unless told, no evaluation. Nothing is tuned for or against it.
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

import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)


def main() -> None:
    """Train once and print rows per second, seconds and peak memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--epochs", type=float, required=True)
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
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, num_train_epochs=given.epochs, report_to=[], disable_tqdm=True, save_strategy="no"
        )
        trainer = Trainer(
            model=model, args=arguments, train_dataset=examples, data_collator=DataCollatorWithPadding(tokenizer)
        )
        started = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found = {
        "rows_per_second": len(rows) * given.epochs / seconds,
        "training_seconds": seconds,
        "peak_memory_bytes": peak,
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
