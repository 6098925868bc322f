"""Mutants of a module: its source with one small thing changed, as somebody might get it wrong.

Comparisons flipped or moved by one, `and` for `or`, conditions negated, numbers one off, arithmetic swapped, `min` for
`max`, statements left out, None returned. Annotations, docstrings, decorators and texts stay as they are.
"""

from __future__ import annotations

import ast
import copy
import difflib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

FLIPPED: Final[dict[type[ast.AST], tuple[type[ast.AST], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitXor: (ast.BitOr,),
}
OTHER_NAMES: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change.

    Attributes:
        module: the file, within `src/affina`.
        name: the same for as long as its line and its function are.
        line: its number.
        what: was done.
        source: the whole module with it.
        diff: the changed lines.
    """

    module: str
    name: str
    line: int
    what: str
    source: str
    diff: str


def mutants(module: str, source: str) -> list[Mutant]:
    """All of a module's, in the order of its text; those that come to the same text only once."""
    found: dict[str, Mutant] = {}
    for node, what, new in _changes(ast.parse(source)):
        text = _with(source, node, new)
        if text is None or text == source:
            continue
        line = source.splitlines()[node.lineno - 1].strip()
        key = hashlib.sha256(f"{line}|{node.col_offset}|{what}|{new}".encode()).hexdigest()[:10]
        name = f"{module}:{_inside(source, node.lineno)}:{key}"
        found.setdefault(text, Mutant(module, name, node.lineno, what, text, _diff(source, text)))
    return list(found.values())


def _changes(tree: ast.Module) -> Iterator[tuple[Any, str, str]]:
    """A node, what is done to it, and the text in its place."""
    for node in _to_be_changed(tree):
        if isinstance(node, ast.Compare | ast.BoolOp | ast.BinOp):
            yield from _operators(node)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield node, "not left out", f"({ast.unparse(node.operand)})"
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield node, "truth", str(not node.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            yield from ((node, "constant", repr(value)) for value in _near(node.value))
        elif isinstance(node, ast.Name) and node.id in OTHER_NAMES:
            yield node, "name", OTHER_NAMES[node.id]
        elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
            yield node, "nothing returned", "return None"
        elif _can_go(node):
            yield node, "left out", "pass"
        if isinstance(node, ast.If | ast.While | ast.IfExp) and not isinstance(node.test, ast.Compare):
            yield node.test, "condition negated", f"(not ({ast.unparse(node.test)}))"


def _to_be_changed(node: ast.AST) -> Iterator[Any]:
    """What runs: no annotation, decorator, docstring, or text with values in it (whose places ast does not know)."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "keywords") and not isinstance(node, ast.Call):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr):
                yield from _to_be_changed(child)


def _operators(node: Any) -> Iterator[tuple[Any, str, str]]:
    operators = node.ops if isinstance(node, ast.Compare) else [node.op]
    if isinstance(node, ast.BinOp) and any(isinstance(x, ast.JoinedStr) for x in ast.walk(node)):
        return  # texts are put together
    for place, operator in enumerate(operators):
        for other in FLIPPED.get(type(operator), ()):
            changed = copy.deepcopy(node)
            if isinstance(changed, ast.Compare):
                changed.ops[place] = other()
            else:
                changed.op = other()
            yield node, f"{type(operator).__name__} to {other.__name__}", f"({ast.unparse(changed)})"


def _near(value: float) -> list[float]:
    if isinstance(value, int):
        return [value + 1] + ([value - 1] if value > 0 else [])
    return [value * 2] if value else [1.0]


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _can_go(node: ast.AST) -> bool:
    """A statement that only acts: a call, a raise, a change of something that is there."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call)
    if isinstance(node, ast.Assign):
        return any(not isinstance(x, ast.Name) and not isinstance(x, ast.Tuple) for x in node.targets)
    return isinstance(node, ast.Raise | ast.AugAssign)


def _with(source: str, node: Any, new: str) -> str | None:
    """The source with other text in the place of a node; None where that does not compile."""
    lines = source.encode().splitlines(keepends=True)
    start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
    raw = source.encode()
    text = (raw[:start] + new.encode() + raw[end:]).decode()
    try:
        compile(text, "mutant", "exec")
    except SyntaxError:
        return None
    return text


def _inside(source: str, line: int) -> str:
    """The function or class that a line is in."""
    found = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    return ".".join(node.name for node in sorted(found, key=lambda node: node.lineno)) or "module"


def _diff(old: str, new: str) -> str:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=0)
    return "\n".join(line for line in lines if line[:2] not in ("--", "++", "@@"))
