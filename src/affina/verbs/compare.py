"""Verb: compare. Several methods or recipes on the same rows, each in its own process, and which is worth its cost."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Final

import yaml

from affina.comparing.earlier import find_earlier
from affina.comparing.happenings import Happening, Opened
from affina.comparing.keeping import Keeper, now, rows_used
from affina.comparing.place import choose_place
from affina.comparing.planned import Method, Plan, plan_of
from affina.comparing.process import RunProcess
from affina.comparing.running import Progress, Running
from affina.data.loading import load
from affina.errors import DataError, Problem
from affina.recipe.load import RECIPE_SUFFIXES
from affina.recipe.schema import Recipe
from affina.record import compared
from affina.record.compared import Compared
from affina.reporting import candidates_page
from affina.training.interrupts import deferred
from affina.verbs.sources import Source, read_source

CANDIDATE: Final = "affina.verbs.candidate"
Watch = Callable[[Happening], None]


def compare(
    source: Source | Sequence[Source],
    overrides: Sequence[str] = (),
    *,
    methods: Sequence[Method] = (),
    seeds: int = 1,
    halving: int | None = None,
    watch: Watch = lambda _: None,
) -> Compared:
    """Train with several methods, or several recipes, on the same rows, and say which is worth its cost.

    The same call again goes on with a comparison that was stopped; finished runs are not run again, failed ones are
    tried again. What fails is in the result with its reason.

    Args:
        source: as for `train`; or several recipes.
        overrides: words like `train.epochs=3`, laid over each; `run=` is the comparison's folder.
        methods: names, or methods with keys, such as `{"name": "lora", "rank": 16}`; none for several recipes.
        seeds: runs of each candidate; the rows are the same ones whatever the seed.
        halving: 2 or 3 to stop weak candidates early: of each round the better half, or the best third, goes on.
        watch: told what happens.

    Returns:
        What is in `compare.json`, also where candidates failed (their standings say why).

    Raises:
        InputError: something that was given cannot be used, or no candidate can be run for one same reason.
        Interrupted: stopped by the user; the same call goes on.
    """
    several: Sequence[Source] = (source,) if isinstance(source, str | PathLike | Mapping | Recipe) else source
    command = _command(several, overrides, methods, seeds=seeds, halving=halving)
    plan = plan_of(_recipes(several, overrides), methods, seeds=seeds, halving=halving, command=command)
    return _compare(plan, watch)


def _compare(plan: Plan, watch: Watch) -> Compared:
    rows = rows_used(
        load(plan.base.data, seed=plan.base.rows_seed, task=plan.base.task, people=plan.base.risks.bias.group)
    )
    place = choose_place(plan, rows)
    try:
        before = place.before
        earlier = find_earlier(plan, place.path, before.runs if before else ())
        keeper = Keeper(plan, place.path, rows, before.started if before else now(), earlier)

        def keep(progress: Progress) -> None:
            compared.write(place.path, keeper.compared(progress))

        if before is None:
            keep(Progress())
        running = Running(
            plan=plan,
            folder=place.path,
            known=earlier.known,
            start=lambda recipe, share: RunProcess(CANDIDATE, recipe, share=share),
            tell=watch,
            keep=keep,
        )
        watch(Opened(str(place.path), rows, plan.most_runs, len(earlier.known)))
        return _run(running, keeper)
    finally:
        place.release()


def _run(running: Running, keeper: Keeper) -> Compared:
    """Run everything, and write down what came of it."""
    try:
        with deferred(running.stop):
            progress = running.run()
        found = keeper.compared(progress)
        compared.write(keeper.folder, found)
        candidates_page.write(keeper.folder)
        return found
    except KeyboardInterrupt:  # a second one, or one after the last run
        raise running.interrupted() from None


def _recipes(several: Sequence[Source], overrides: Sequence[str]) -> dict[str, Recipe]:
    """Name to recipe.

    Raises:
        DataError: none was given; or several, and one is no recipe.
    """
    found: dict[str, Recipe] = {}
    for number, one in enumerate(several, start=1):
        name = Path(one).stem if isinstance(one, str | PathLike) else f"recipe {number}"
        if len(several) > 1 and isinstance(one, str | PathLike) and Path(one).suffix.lower() not in RECIPE_SUFFIXES:
            raise DataError(_no_recipe(str(one)))
        found[name if name not in found else f"{name} {number}"] = read_source(one, overrides)
    if not found:
        raise DataError(_no_recipe("nothing"))
    return found


def _no_recipe(found: str) -> Problem:
    return Problem(
        where="what is compared",
        expected="one set of data, one recipe, or several recipes (.yaml)",
        found=found,
        fix="name one set of data, several files of it as a list: '[a.csv, b.csv]'",
    )


def _command(
    several: Sequence[Source],
    overrides: Sequence[str],
    methods: Sequence[Method],
    *,
    seeds: int,
    halving: int | None,
) -> str:
    """The words that do the same; empty where a source is no word."""
    if not all(isinstance(one, str | PathLike) for one in several):
        return ""
    words = [*(str(one) for one in several), *overrides, *(["--methods"] if methods else [])]
    words += [one if isinstance(one, str) else yaml.safe_dump(dict(one), default_flow_style=True) for one in methods]
    words += ["--seeds", str(seeds)] if seeds != 1 else []
    words += ["--halving", str(halving)] if halving is not None else []
    return shlex.join(["affina", "compare", *(word.strip() for word in words)])
