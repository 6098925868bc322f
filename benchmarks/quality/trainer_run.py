"""The peer: transformers' Trainer, one run on a folder that `sets.write` wrote. Prints one JSON line.

`defaults` is TrainingArguments as it comes: batches of 8 in random order, learning rate 5e-5 with a linear decay, 3
epochs, all weights. `grid` is what someone does who knows how to: batches of 32 rows of like length, the rate given, as
many epochs as Affina planned. The model is the one after the last step; reporting, logging and saving are off.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import scoring
import torch
from sets import Row
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    set_seed,
)

MOST_TOKENS: Final = 512
GRID_BATCH: Final = 32


def main() -> None:
    """Train once and print the scores on the validation and test rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--setting", choices=("defaults", "grid"), required=True)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--epochs", type=float)
    given = parser.parse_args()
    if given.setting == "grid" and (given.learning_rate is None or given.epochs is None):
        parser.error("--setting grid needs --learning-rate and --epochs")
    with tempfile.TemporaryDirectory() as output:
        scoring.say(_train(given, _arguments(given, output)))


def _arguments(given: argparse.Namespace, output: str) -> TrainingArguments:
    quiet = {"output_dir": output, "seed": given.seed, "report_to": [], "disable_tqdm": True}
    quiet |= {"save_strategy": "no", "logging_strategy": "no"}
    if given.setting == "defaults":
        return TrainingArguments(**quiet)
    return TrainingArguments(
        **quiet,
        learning_rate=given.learning_rate,
        num_train_epochs=given.epochs,
        per_device_train_batch_size=GRID_BATCH,
        train_sampling_strategy="group_by_length",
    )


def _train(given: argparse.Namespace, arguments: TrainingArguments) -> dict[str, Any]:
    splits = scoring.splits(given.folder)
    labels = sorted({row.label for row in splits.train})
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    set_seed(given.seed)  # the head is drawn before the Trainer sets its own
    model = AutoModelForSequenceClassification.from_pretrained(given.model, num_labels=len(labels))
    examples = {name: _encode(rows, tokenizer, labels) for name, rows in splits._asdict().items()}
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=examples["train"],
        data_collator=DataCollatorWithPadding(tokenizer),
    )
    started = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - started
    validation, test = (_score(trainer, examples[name]) for name in ("validation", "test"))
    return {
        "accuracy": test["accuracy"],
        "macro_f1": test["macro_f1"],
        "validation_accuracy": validation["accuracy"],
        "validation_loss": validation["loss"],
        "epochs_run": arguments.num_train_epochs,
        "steps": trainer.state.global_step,
        "seconds": {"training": round(seconds, 2)},
        "rows_per_second": len(splits.train) * arguments.num_train_epochs / seconds,
        "peak_memory_bytes": scoring.peak_memory_bytes(),
    }


def _encode(rows: Sequence[Row], tokenizer: Any, labels: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {**tokenizer(row.text, truncation=True, max_length=MOST_TOKENS), "labels": labels.index(row.label)}
        for row in rows
    ]


def _score(trainer: Trainer, examples: list[dict[str, Any]]) -> dict[str, float]:
    """Accuracy, macro-F1 and mean cross-entropy; rows by length, so that little is padding.

    The labels are those that come back with the predictions: a Trainer that groups by length predicts in another order.
    """
    ordered = sorted(examples, key=lambda example: len(example["input_ids"]))
    found = trainer.predict(ordered)  # a list is a data set
    logits, expected = torch.from_numpy(found.predictions), torch.from_numpy(found.label_ids)
    loss = torch.nn.functional.cross_entropy(logits, expected)
    return {**scoring.scores(expected.tolist(), logits.argmax(1).tolist()), "loss": float(loss)}


if __name__ == "__main__":
    main()
