"""The peer: transformers' Trainer on a CSV with text and label, at its defaults or at its best. Prints one JSON line.

All weights are trained, or all but the embeddings and some lower blocks (`--frozen`); `training_seconds` is the time of
`Trainer.train` without its evaluations, `processor_seconds` the same of the processor's time. With `--validation` it
evaluates on these rows after each epoch: `curve` has the seconds until then, evaluations included, and the scores.
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


class Timed(Trainer):
    """A Trainer that notes when each evaluation ended, and what the evaluations took."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.curve: list[dict[str, Any]] = []
        self.begun, self.apart, self.used_apart = time.perf_counter(), 0.0, 0.0

    def evaluate(self, *given: Any, **named: Any) -> dict[str, float]:
        """As a Trainer does, with the clocks read before and after."""
        started, used = time.perf_counter(), time.process_time()
        found: dict[str, float] = super().evaluate(*given, **named)
        ended = time.perf_counter()
        self.apart, self.used_apart = self.apart + ended - started, self.used_apart + time.process_time() - used
        scores = {name: found[f"eval_{name}"] for name in ("loss", "accuracy")}
        self.curve.append({"seconds": ended - self.begun, "epoch": self.state.epoch, **scores})
        return found


def main() -> None:
    """Train once and print rows per second, seconds and peak memory."""
    given = _arguments()
    rows = _rows(given.train)
    labels = sorted({row["label"] for row in rows})
    tokenizer = AutoTokenizer.from_pretrained(given.model)

    def examples(rows: list[dict[str, str]]) -> list[dict[str, Any]]:
        texts = (tokenizer(row["text"], truncation=True, max_length=512) for row in rows)
        return [{**text, "labels": labels.index(row["label"])} for text, row in zip(texts, rows, strict=True)]

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
            eval_strategy="no" if given.validation is None else "epoch",
            **BEST if given.setting == "best" else {},
        )
        trainer = Timed(
            model=model,
            args=arguments,
            train_dataset=examples(rows),
            eval_dataset=None if given.validation is None else examples(_rows(given.validation)),
            data_collator=DataCollatorWithPadding(tokenizer),
            compute_metrics=lambda said: {"accuracy": float((said.predictions.argmax(-1) == said.label_ids).mean())},
        )
        trainer.begun, used = time.perf_counter(), time.process_time()
        trainer.train()
        seconds = time.perf_counter() - trainer.begun - trainer.apart
        used = time.process_time() - used - trainer.used_apart
    found = {
        "rows_per_second": len(rows) * given.epochs / seconds,
        "rows_per_processor_second": len(rows) * given.epochs / used,
        "training_seconds": seconds,
        "processor_seconds": used,
        "steps": trainer.state.global_step,
        "rows_per_step": len(rows) * given.epochs / trainer.state.global_step,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "curve": trainer.curve,
    }
    sys.stdout.write(json.dumps(found) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--validation", type=Path, help="none: no evaluation")
    parser.add_argument("--epochs", type=float, required=True)
    parser.add_argument("--setting", choices=("defaults", "best"), default="defaults")
    parser.add_argument("--frozen", type=int, help="lower blocks that do not train, and the embeddings with them")
    return parser.parse_args()


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()
