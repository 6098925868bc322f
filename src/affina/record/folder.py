"""The names inside a run folder, in one place (design, section 9).

This module creates and deletes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where a run keeps what it writes."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe as resolved: enough to run it again."""
        return self.path / "recipe.yaml"

    @property
    def journal(self) -> Path:
        """Every step, evaluation and event, one JSON object a line."""
        return self.path / "record.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The last checkpoints and the best one."""
        return self.path / "checkpoints"

    def kept_states(self, key: str) -> Path:
        """What the frozen blocks gave of the rows, for as long as the run trains; `key` tells what that hangs on."""
        return self.path / f"frozen-blocks-{key}"

    def best(self, step: int) -> Path:
        """The trained weights of the evaluation after `step` steps, if it was the best so far."""
        return self.checkpoints / f"best-{step:08d}"

    def snapshot(self, step: int) -> Path:
        """The trained weights after `step` steps, kept for a search within budgets."""
        return self.checkpoints / f"snapshot-{step:08d}"

    def snapshots(self) -> list[int]:
        """The steps of those that are there, in order."""
        return sorted(int(path.name.removeprefix("snapshot-")) for path in self.checkpoints.glob("snapshot-*[0-9]"))

    @property
    def over_budget(self) -> RunFolder:
        """Where the tuned model is kept that no budget lets pass: nothing that ships a run looks there."""
        return RunFolder(self.path / "over-budget")

    @property
    def model(self) -> Path:
        """What you ship: loads with transformers alone."""
        return self.path / "model"

    @property
    def adapter(self) -> Path:
        """What you ship where training was beside the model: what was trained, without the model."""
        return self.path / "adapter"

    @property
    def slots(self) -> Path:
        """Phrases that stand for the attributes of inputs, where a run counts these."""
        return self.path / "slots.json"

    @property
    def replayed(self) -> Path:
        """Texts that the training holds the model to, where it does, one [source, text] a line."""
        return self.path / "replayed.jsonl"

    @property
    def shipped(self) -> tuple[Path, ...]:
        """Of these two, those that are there."""
        return tuple(path for path in (self.model, self.adapter) if path.is_dir())

    @property
    def report(self) -> Path:
        """The page about the run."""
        return self.path / "report.html"

    @property
    def report_json(self) -> Path:
        """The same for other programs."""
        return self.path / "report.json"

    @property
    def card(self) -> Path:
        """The model card, in the hub's format."""
        return self.path / "card.md"

    @property
    def shipped_cards(self) -> tuple[Path, ...]:
        """The same beside what is shipped, where the hub looks for it."""
        return tuple(path / "README.md" for path in self.shipped)

    @property
    def damaged(self) -> Path:
        """Where checkpoints are put aside that cannot be gone on from; nobody reads them."""
        return self.path / "damaged"

    def steps(self) -> list[Path]:
        """The checkpoints, the newest first."""
        return sorted(self.checkpoints.glob("step-*"), reverse=True)

    def last(self) -> Path | None:
        """The newest complete checkpoint to go on from, or None."""
        return next(iter(self.steps()), None)

    def step(self, step: int) -> Path:
        """The checkpoint after `step` optimizer steps."""
        return self.checkpoints / f"step-{step:08d}"
