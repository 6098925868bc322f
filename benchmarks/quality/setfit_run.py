"""The peer for few rows: SetFit at its defaults, one run on a folder that `sets.write` wrote. Prints one JSON line.

Runs in an environment of its own (setfit-requirements.txt), without Affina. The encoder comes from a local folder with
mean pooling and the 256 tokens that all-MiniLM-L6-v2 was published with. SetFit makes about rows x rows pairs; beyond
`--most-steps` batches of 16 they are cut, and the result says so. Validation rows are scored, and chosen by nothing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import scoring
import sets
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer, models
from setfit import SetFitModel, Trainer, TrainingArguments
from sklearn.linear_model import LogisticRegression

MOST_TOKENS: Final = 256


def main() -> None:
    """Train once and print the scores on the validation and test rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--most-steps", type=int, required=True)
    given = parser.parse_args()
    scoring.say(_train(given))


def pairs(splits: sets.Splits) -> int:
    """How many pairs SetFit's default, oversampling, makes: twice the more frequent kind, alike or different."""
    counts: dict[str, int] = {}
    for row in splits.train:
        counts[row.label] = counts.get(row.label, 0) + 1
    alike = sum(count * (count + 1) // 2 for count in counts.values())
    every = len(splits.train) * (len(splits.train) + 1) // 2
    return 2 * max(alike, every - alike)


def _train(given: argparse.Namespace) -> dict[str, Any]:
    splits = scoring.splits(given.folder)
    word = models.Transformer(str(given.model), max_seq_length=MOST_TOKENS)
    body = SentenceTransformer(modules=[word, models.Pooling(word.get_embedding_dimension())], device="cpu")
    model = SetFitModel(model_body=body, model_head=LogisticRegression())
    with tempfile.TemporaryDirectory() as output:
        arguments = TrainingArguments(output_dir=output, seed=given.seed, report_to="none", save_strategy="no")
        planned = -(-pairs(splits) // arguments.batch_size[0])
        if capped := planned > given.most_steps:
            arguments.max_steps = given.most_steps
        trainer = Trainer(model=model, args=arguments, train_dataset=_dataset(splits.train))
        started = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - started
    validation, test = (_score(model, rows) for rows in (splits.validation, splits.test))
    return {
        "accuracy": test["accuracy"],
        "macro_f1": test["macro_f1"],
        "validation_accuracy": validation["accuracy"],
        "capped": capped,
        "steps": min(planned, given.most_steps),
        "steps_of_defaults": planned,
        "seconds": {"training": round(seconds, 2)},
        "peak_memory_bytes": scoring.peak_memory_bytes(),
        "versions": {
            name: metadata.version(name) for name in ("setfit", "sentence-transformers", "transformers", "torch")
        },
    }


def _dataset(rows: list[sets.Row]) -> Dataset:
    return Dataset.from_dict({"text": [row.text for row in rows], "label": [row.label for row in rows]})


def _score(model: SetFitModel, rows: list[sets.Row]) -> dict[str, float]:
    with torch.inference_mode():
        predicted = model.predict([row.text for row in rows])
    return scoring.scores([row.label for row in rows], [str(label) for label in predicted])


if __name__ == "__main__":
    main()
