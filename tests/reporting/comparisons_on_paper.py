"""Comparisons that never were, as `compare.json` would have them, for the tests of their page."""

from __future__ import annotations

from dataclasses import replace

from affina.record.compared import Candidate, CandidateRun, Compared, RowsUsed, Rung, Standing
from affina.record.figures import Measured

COSTS = {
    "full": (22_713_216, 61.0, 1_250 * 2**20, 90_900_000),
    "partial": (10_700_000, 44.0, 1_010 * 2**20, 90_900_000),
    "lora": (561_000, 52.0, 930 * 2**20, 2_900_000),
    "prefix": (1_330_000, 58.0, 905 * 2**20, 1_100_000),
    "prompt": (160_000, 71.0, 899 * 2**20, 700_000),
}
"""Trained weights, seconds, bytes of memory, bytes to ship."""
QUALITY = {"full": 0.871, "lora": 0.866, "partial": 0.842, "prefix": 0.781, "prompt": 0.655}
NAMES = ("trained", "seconds", "memory_bytes", "bytes")


def figure(value: float, half: float = 0.02, rows: int = 500) -> Measured:
    return Measured(value=value, low=value - half, high=value + half, n=rows)


def standing(name: str, value: float, *, seeds: tuple[int, ...], called: str) -> Standing:
    best = max(QUALITY.values())
    behind = None if value == best else figure(value - best, 0.015)
    return Standing(
        name=called,
        metrics={"accuracy": figure(value), "macro_f1": figure(value - 0.01), "loss": figure(1.5 - value)},
        seeds=seeds,
        by_seed=tuple(value + (place - 1) / 100 for place in range(len(seeds))),
        behind=behind,
        level=name == "lora",
        costs=dict(zip(NAMES, map(float, COSTS[name]), strict=True)),
        fronts={"full": ("trained", "seconds"), "lora": ("trained", "memory_bytes", "bytes")}.get(name, ("bytes",)),
        parameters=22_713_216,
        chosen={"train.learning_rate": 1e-4, "train.epochs": 8.0},
        ships="model" if name in ("full", "partial") else "adapter",
    )


def comparison(*, seeds: tuple[int, ...] = (0, 1, 2), text: str = "", failed: bool = True) -> Compared:
    """A finished comparison; `text` stands wherever a user's or an error's words may stand."""
    ranked = tuple(
        standing(name, value, seeds=seeds, called=f"{name} {text}" if text else name) for name, value in QUALITY.items()
    )
    probe = Standing(
        name="linear probe on the frozen model",
        metrics={"accuracy": figure(0.812), "loss": figure(0.9)},
        behind=figure(-0.059, 0.02),
    )
    guess = Standing(name="most frequent label", metrics={"accuracy": figure(0.1)}, behind=figure(-0.77, 0.02))
    reason = f"model: expected one that fits; found {text or 'no room'}. Fix: take another"
    odd = (Standing(name=text or "lora rank=999", state="failed", reason=reason),) if failed else ()
    return Compared(
        format=1,
        folder="runs/tickets-compare",
        command="affina compare tickets.csv --methods full partial lora prefix prompt --seeds 3",
        started="2026-01-02T03:04:05+00:00",
        written="2026-01-02T04:04:05+00:00",
        finished=True,
        base={"evaluate": {"resamples": 1000}},
        data=RowsUsed(
            files={f"data/{text or 'tickets'}.csv": "ab" * 32},
            rows={"train": 360, "validation": 40, "test": 500},
            sha256=dict.fromkeys(("train", "validation", "test"), "cd" * 32),
        ),
        seeds=seeds,
        halving=None,
        candidates=tuple(Candidate(name=one.name, folder=one.name, asked={}) for one in (*ranked, *odd)),
        runs=tuple(
            CandidateRun(candidate=one.name, seed=seed, folder=f"{one.name}-seed{seed}", ships=one.ships, bytes=9)
            for one in ranked
            for seed in seeds
        ),
        metric="accuracy",
        split="test",
        rows=500,
        standings=(*ranked, *odd),
        baselines=(probe, guess),
        versions={"affina": "0.1.0", "torch": "2.13.0"},
        machine={"system": "Linux", "cores": 2},
        notes=(text,) if text else (),
    )


def halved() -> Compared:
    """One with a round of successive halving."""
    found = comparison(seeds=(0,), failed=False)
    kept, stopped = found.standings[:2], found.standings[2:]
    rung = Rung(share=1 / 3, metric="accuracy", scores=QUALITY, kept=("full", "lora"))
    dropped = tuple(
        Standing(name=one.name, state="dropped", reason="stopped early, after 33% of it") for one in stopped
    )
    return replace(found, halving=3, rungs=(rung,), standings=(*kept, *dropped))


def empty() -> Compared:
    """One that has just begun."""
    found = comparison(failed=False)
    waiting = tuple(Standing(name=one.name, state="open", reason="not run yet") for one in found.standings)
    return replace(
        found,
        finished=False,
        runs=(),
        metric="",
        split="",
        rows=0,
        standings=waiting,
        baselines=(),
        versions={},
        machine={},
    )


def crowded() -> Compared:
    """Fourteen candidates with long names, close together."""
    found = comparison(seeds=(0,), failed=False)
    many = tuple(
        replace(
            found.standings[place % 5],
            name=f"lora rank={2**place} targets=attention",
            metrics={"accuracy": figure(0.87 - place / 1000)},
            costs={name: cost * (1 + place / 50) for name, cost in found.standings[1].costs.items()},
            behind=figure(-place / 1000, 0.01) if place else None,
            level=bool(place),
        )
        for place in range(14)
    )
    return replace(found, standings=many)
