"""What is compared: from recipes or methods to candidates, each a recipe that is run once for each seed.

All of them have the same rows: which are held out is decided once, whatever the seed. This module reads no file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from affina.comparing.halving import Round, rounds, shares
from affina.errors import Problem, RecipeError
from affina.recipe.base import AUTO
from affina.recipe.load import check_recipe
from affina.recipe.refused import METHODS
from affina.recipe.schema import Recipe
from affina.record.compared import Candidate
from affina.reporting.asked import flat

Method = str | Mapping[str, Any]
FEWEST: Final = 2
LARGEST_SEED: Final = 2**32 - 1
SHARED: Final = ("data", "task", "evaluate", "seed", "device")
"""The parts of a recipe that candidates must have in common."""
BEGINNING: Final = "{"
"""Of a method that is written with its keys."""
_ODD: Final = re.compile(r"[^A-Za-z0-9.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that is to be run.

    Attributes:
        base: what all candidates are asked for.
        candidates: at least two.
        seeds: of the runs of each.
        halving: what share is kept is one over this; None to run all to their end.
        command: the words that it was asked for in; empty where there were none.
    """

    base: Recipe
    candidates: tuple[Candidate, ...]
    seeds: tuple[int, ...]
    halving: int | None = None
    command: str = ""

    @property
    def rounds(self) -> tuple[Round, ...]:
        """The rounds before the candidates that are left are run in full."""
        return () if self.halving is None else rounds(len(self.candidates), factor=self.halving)

    @property
    def most_runs(self) -> int:
        """How many runs there are if none fails."""
        return len(list(shares(self.rounds, candidates=len(self.candidates), seeds=len(self.seeds))))

    def recipe(self, candidate: Candidate, seed: int, *, run: str) -> Recipe:
        """The recipe of one run, in the folder `run`."""
        data = {**candidate.asked.get("data", {}), "seed": self.base.rows_seed}
        return check_recipe({**candidate.asked, "data": data, "seed": seed, "run": run})


def plan_of(
    recipes: Mapping[str, Recipe], methods: Sequence[Method], *, seeds: int, halving: int | None, command: str = ""
) -> Plan:
    """The candidates: one recipe with each of several methods, or several recipes as they are.

    Args:
        recipes: name to recipe.
        methods: names, or a name with keys: as YAML, `{name: lora, rank: 16}`, or as plain data.
        seeds: how many runs each has; they begin with the recipe's own seed.
        halving: 2 or 3 to stop weak candidates early, or None.
        command: for the record.

    Raises:
        RecipeError: fewer than two candidates, one of them twice, an unknown method, fewer than one seed, or recipes
            that differ in what must be shared.
    """
    base = next(iter(recipes.values()))
    if any(recipe.run != base.run for recipe in recipes.values()):  # those are the folders of their own runs
        base = base.model_copy(update={"run": AUTO})
    _check_counts(base, seeds, halving)
    candidates = tuple(_of_recipes(recipes, methods) if len(recipes) > 1 else _of_methods(base, methods))
    if len(candidates) < FEWEST:
        raise RecipeError(_too_few(candidates))
    if halving is not None and len(candidates) == FEWEST:
        raise RecipeError(
            _refused("--halving", "three candidates or more", "two", "leave --halving out: both are run to their end")
        )
    return Plan(
        base=base,
        candidates=_apart(candidates),
        seeds=tuple(range(base.seed, base.seed + seeds)),
        halving=halving,
        command=command,
    )


def _check_counts(base: Recipe, seeds: int, halving: int | None) -> None:
    if seeds < 1 or base.seed + seeds - 1 > LARGEST_SEED:
        most = f", so that the last, from seed={base.seed} on, is within {LARGEST_SEED}" if seeds >= 1 else ""
        raise RecipeError(_refused("--seeds", f"1 or more{most}", str(seeds), "write --seeds 3"))
    if halving is not None and halving not in (2, 3):
        fix = "write --halving 3 to keep the best third of each round, or --halving 2 for the better half"
        raise RecipeError(_refused("--halving", "2 or 3", str(halving), fix))


def _of_methods(base: Recipe, words: Sequence[Method]) -> Iterator[Candidate]:
    if not words:
        fix = f"write --methods {' '.join(METHODS)}, or those of them that you mean"
        raise RecipeError(_refused("--methods", f"two or more of {_existing()}", "none", fix))
    tree = _without_places(base)
    own = tree.pop("method", None) if base.method != AUTO else None
    tree.pop("method", None)
    methods = [_method(word) for word in words]
    if own is not None and own["name"] not in {method["name"] for method in methods}:
        found = f"method={own['name']} in the recipe, which is not one of them"
        fix = f"add {own['name']} to --methods, or leave `method` out"
        raise RecipeError(_refused("--methods", "what is compared", found, fix))
    for method in methods:
        keys = {**(own or {}), **method} if own and own["name"] == method["name"] else method
        asked = {**tree, "method": AUTO if keys == {"name": AUTO} else keys}
        check_recipe(asked, origin=f"--methods {method['name']}")
        yield Candidate(name=_called(method), folder=_slug(_called(method)), asked=asked)


def _method(word: Method) -> dict[str, Any]:
    """The recipe's `method` that a word stands for."""
    value: Any = word
    if isinstance(word, str) and word.lstrip().startswith(BEGINNING):
        try:
            value = yaml.safe_load(word)
        except yaml.YAMLError:
            fix = "write it as in a recipe: '{name: lora, rank: 16}', in quotes"
            raise RecipeError(_refused("--methods", "a method with its keys", word, fix)) from None
    found = {"name": value} if isinstance(value, str) else dict(value)
    if found.get("name") not in {*METHODS, AUTO}:
        named = str(found.get("name", value))
        fix = "write it before --methods, if it is the data" if "." in named else "name methods that exist"
        raise RecipeError(_refused("--methods", f"methods, of {_existing()}", repr(named), fix))
    return found


def _of_recipes(recipes: Mapping[str, Recipe], methods: Sequence[Method]) -> Iterator[Candidate]:
    if methods:
        found = f"--methods {' '.join(map(str, methods))} beside {len(recipes)} recipes"
        fix = "leave --methods out, or name one recipe"
        raise RecipeError(_refused("what is compared", "several recipes, or several methods", found, fix))
    first, *others = recipes
    for other in others:
        ours, theirs = (_shared(recipes[name]) for name in (first, other))
        for key in sorted(ours.keys() | theirs.keys()):
            if ours.get(key) != theirs.get(key):
                raise RecipeError(
                    _refused(
                        f"{other}, key {key}",
                        f"what {first} has, since all candidates are trained and measured on the same: {ours.get(key)}",
                        str(theirs.get(key)),
                        f"make {key} the same in all recipes, or give it once: {key}=...",
                    )
                )
    for name, recipe in recipes.items():
        yield Candidate(name=name, folder=_slug(name), asked=_without_places(recipe))


def _shared(recipe: Recipe) -> dict[str, Any]:
    tree = recipe.model_dump(mode="json")
    return dict(flat({key: tree[key] for key in SHARED}))


def _without_places(recipe: Recipe) -> dict[str, Any]:
    """What was asked for, without what each run has of its own."""
    return {
        key: value
        for key, value in recipe.model_dump(mode="json", exclude_unset=True).items()
        if key not in ("run", "seed")
    }


def _called(method: Mapping[str, Any]) -> str:
    """`lora`, or with its keys `lora rank=16`."""
    return " ".join([str(method["name"]), *(f"{key}={value}" for key, value in method.items() if key != "name")])


def _slug(name: str) -> str:
    return _ODD.sub("-", name).strip("-.") or "candidate"


def _apart(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The same, if each is there once.

    Raises:
        RecipeError: two are the same, or have one name.
    """
    twice = [name for name, count in Counter(one.folder for one in candidates).items() if count > 1]
    for place, one in enumerate(candidates):
        same = next((other for other in candidates[:place] if other.asked == one.asked), None)
        if same is not None or one.folder in twice:
            first = same or next(other for other in candidates if other.folder == one.folder)
            found = f"{one.name} twice" if first.name == one.name else f"{first.name} and {one.name}, which are one"
            raise RecipeError(_refused("what is compared", "each candidate once", found, "leave one of them out"))
    return tuple(candidates)


def _too_few(candidates: Sequence[Candidate]) -> Problem:
    name = candidates[0].name
    return _refused(
        "--methods",
        "two candidates or more",
        f"one: {name}",
        f"add another of {_existing()}; `affina train` with method={name} trains one",
    )


def _existing() -> str:
    return ", ".join((*METHODS, AUTO))


def _refused(where: str, expected: str, found: str, fix: str) -> Problem:
    return Problem(where=where, expected=expected, found=found, fix=fix)
