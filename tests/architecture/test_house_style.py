"""The rules of the house that no linter knows; CONTRIBUTING.md gives the reasons."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

import affina
from affina import errors
from affina.recipe.base import Spec
from affina.recipe.schema import Recipe

SOURCE = Path(affina.__file__).parent
FILES = {str(path.relative_to(SOURCE)): path for path in sorted(SOURCE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}
MOST_LINES = 260
MOST_FUNCTION_LINES = 60
LONGER = {"training/loop.py"}
"""The training loop may be longer if that reads better (design, section 10)."""


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def test_there_are_files_to_look_at():
    assert len(FILES) > 40
    assert {"recipe/schema.py", "cli/main.py", "training/loop.py"} <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_module_says_what_it_owns(name):
    assert len(ast.get_docstring(TREES[name]) or "") > 20


@pytest.mark.parametrize("name", FILES)
def test_no_print_no_assert_no_guessing(name):
    assert not {"print", "hasattr", "breakpoint", "eval", "exec"} & set(calls(TREES[name]))
    assert not [node.lineno for node in ast.walk(TREES[name]) if isinstance(node, ast.Assert)]


STANDS_IN = {
    ("models/heads.py", "give"),
    ("models/first_position.py", "forward"),
    ("models/frozen_prefix.py", "give"),
    ("models/frozen_prefix.py", "run_first"),
    ("models/longer.py", "forward"),
    ("models/segments.py", "attend"),
    ("models/attended_prefix.py", "attend"),
    ("models/ending.py", "__call__"),
    ("models/growing_cache.py", "update"),
}
"""Functions that stand in the place of a library's and that it calls with keywords of its own."""


@pytest.mark.parametrize("name", FILES)
def test_no_function_takes_any_keywords(name):
    takes = {(name, function.name) for function in functions(TREES[name]) if function.args.kwarg}
    assert takes - STANDS_IN == set()


@pytest.mark.parametrize("name", sorted(set(FILES) - LONGER))
def test_sizes(name):
    assert len(FILES[name].read_text(encoding="utf-8").splitlines()) <= MOST_LINES
    long = {function.name: (function.end_lineno or 0) - function.lineno + 1 for function in functions(TREES[name])}
    assert {name: lines for name, lines in long.items() if lines > MOST_FUNCTION_LINES} == {}


def test_the_error_tree_in_the_docstring_is_the_one_in_the_code():
    drawn: list[tuple[int, str, int]] = []
    for line in (errors.__doc__ or "").split("\n"):
        found = re.match(r"^    ([│ ├└─]*)(\w+) {2,}(.*)$", line)
        if found:
            status = re.search(r"exit status (\d+)", found[3])
            drawn.append((len(found[1]) // 4, found[2], int(status[1]) if status else -1))
    actual: list[tuple[int, str]] = []

    def walk(kind: type[errors.AffinaError], depth: int) -> None:
        actual.append((depth, kind.__name__))
        for child in kind.__subclasses__():
            if child.__module__ == errors.__name__:
                walk(child, depth + 1)

    walk(errors.AffinaError, 0)
    assert [(depth, name) for depth, name, _ in drawn] == actual
    for _, name, status in drawn:
        assert status in (-1, getattr(errors, name).exit_status)
    assert all(inspect.getdoc(getattr(errors, name)) for _, name in actual)


def test_every_error_of_ours_is_in_that_tree():
    defined = {
        node.name: file
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and not node.name.startswith("_")  # one that never leaves its module
        and any(isinstance(base, ast.Name) and base.id.endswith(("Error", "Exception")) for base in node.bases)
    }
    assert {file for file in defined.values() if file != "errors.py"} == set(), defined


def fields() -> Iterator[tuple[str, str]]:
    waiting: list[Any] = [Recipe]
    seen: set[type[BaseModel]] = set()
    while waiting:
        item = waiting.pop()
        if isinstance(item, type) and issubclass(item, Spec) and item not in seen:
            seen.add(item)
            for name, info in item.model_fields.items():
                yield item.__name__, name
                waiting.append(info.annotation)
        waiting += get_args(item)


READ = {
    node.attr
    for file, tree in TREES.items()
    if file not in {"recipe/schema.py", "recipe/data_spec.py"}
    for node in ast.walk(tree)
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
}
BY_NAME = {"validation": "data/loading.py"}
"""Fields that are read with `getattr(spec, name)` over a list of names, and where."""
DISCRIMINATORS = {"name"}
"""Chosen by pydantic: the class is what is read."""


def test_every_recipe_key_is_read_somewhere():
    every = sorted(set(fields()))
    assert len(every) > 35
    unread = [
        f"{spec}.{name}"
        for spec, name in every
        if name not in READ and name not in DISCRIMINATORS and name not in BY_NAME
    ]
    assert unread == []


def test_nothing_private_of_another_module_is_imported():
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("affina"):
                assert [alias.name for alias in node.names if alias.name.startswith("_")] == [], file
