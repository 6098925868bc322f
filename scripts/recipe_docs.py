"""Writes `docs/recipe.md` and `docs/recipe.schema.json` from the recipe's types, so that they cannot say otherwise.

A test compares the two files with what `pages` gives. This script holds no fact about any key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from affina.recipe.other_names import OURS
from affina.recipe.schema import Recipe

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
BOUNDS: Final = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
NAMES: Final = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "null": "`null`",
    "boolean": "`true`, `false`",
    "array": "list of texts",
}
INTRODUCTION: Final = """# The recipe

<!-- Written by scripts/recipe_docs.py from src/affina/recipe/schema.py; `make docs` writes it again. -->

Every key, the same in a YAML file, as `key=value` on the command line and in Python. All of them may be left out but
`data.train`. What is `auto` is decided once, from the data and the model, and printed with its reason; `recipe.yaml` in
the run folder holds what it came to. An unknown key is refused, with the nearest known one; where it is another
trainer's name for something ([below](#coming-from-another-trainer)), with what is written here.

```yaml
data:
  train: tickets.csv
  label: team
method: {name: partial, blocks: 4}
train: {epochs: 5, learning_rate: 1.0e-4}
```

The same on the command line is `affina train tickets.csv data.label=team method=partial method.blocks=4
train.epochs=5 train.learning_rate=1e-4`. `method: partial` is short for `method: {name: partial}`, and the same goes
for `task`.

For completion and checking in an editor, put this on the first line of a recipe, with the path of
[recipe.schema.json](recipe.schema.json) (or of what `affina schema` prints):

```yaml
# yaml-language-server: $schema=docs/recipe.schema.json
```
"""
COMING: Final = """
## Coming from another trainer

What is written here for the names of transformers, PEFT, TRL, Axolotl, LLaMA-Factory, torchtune and Ludwig. A name on
the right is not read: it is refused, and the error says what to write. Values may be counted otherwise.

| here | there |
|---|---|
"""


def pages() -> dict[str, str]:
    """File name in `docs/` to its content."""
    schema = Recipe.model_json_schema()
    sections = "\n".join(_section(title, spec, schema) for title, spec in _sections(schema))
    return {
        "recipe.md": f"{INTRODUCTION}\n{sections}{COMING}{_coming()}",
        "recipe.schema.json": json.dumps(schema, ensure_ascii=False, indent=2) + "\n",
    }


def keys() -> set[str]:
    """Every key that can be written, with its dots."""
    schema = Recipe.model_json_schema()
    return {f"{title}.{key}".lstrip(".") for title, spec in _sections(schema) for key in spec["properties"]}


def _coming() -> str:
    theirs: dict[str, list[str]] = {}
    for name, ours in OURS.items():
        theirs.setdefault(ours, []).append(f"`{name}`")
    return "".join(f"| {_here(ours)} | {', '.join(names)} |\n" for ours, names in theirs.items())


def _here(ours: str) -> str:
    key, comma, more = ours.partition(",")
    return f"`{key}`{comma}{more}"


def _sections(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Dotted prefix to the object under it, parents first; the top has the prefix ''."""
    waiting: list[tuple[str, Mapping[str, Any]]] = [("", schema)]
    while waiting:
        prefix, spec = waiting.pop(0)
        yield prefix, spec
        for key, value in spec["properties"].items():
            waiting += [(f"{prefix}.{key}".lstrip("."), inner) for inner in _objects(value, schema)]


def _objects(value: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "$ref" in value:
        yield schema["$defs"][value["$ref"].rpartition("/")[2]]
    for branch in (*value.get("anyOf", ()), *value.get("oneOf", ())):
        yield from _objects(branch, schema)


def _section(prefix: str, spec: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    properties = spec["properties"]
    name = properties.get("name", {}).get("const")
    title = f"`{prefix}`" + (f", `name: {name}`" if name else "") if prefix else "At the top"
    about = spec["description"].partition("\n")[0]
    rows = "".join(
        f"| `{f'{prefix}.{key}'.lstrip('.')}` | {_values(value)} | {_default(value)} | {_meaning(value, schema)} |\n"
        for key, value in properties.items()
    )
    return f"## {title}\n\n{about}\n\n| key | values | default | meaning |\n|---|---|---|---|\n{rows}"


def _values(value: Mapping[str, Any]) -> str:
    branches = (*value.get("anyOf", ()), *value.get("oneOf", ()))
    if branches:
        return " or ".join(dict.fromkeys(_values(branch) for branch in branches))
    if "$ref" in value:
        return "keys of its own"
    choices = [value["const"]] if "const" in value else value.get("enum")
    if choices:
        return ", ".join(_code(choice) for choice in choices)
    return _kind(value)


def _kind(value: Mapping[str, Any]) -> str:
    if "anyOf" in value.get("items", {}):
        return "list of texts or of objects"
    bounds = ", ".join(f"{sign} {value[bound]}" for bound, sign in BOUNDS.items() if bound in value)
    return f"{NAMES[value['type']]} {bounds}".strip()


def _code(value: Any) -> str:
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _default(value: Mapping[str, Any]) -> str:
    if "default" not in value:
        return "needed"
    default = value["default"]
    if isinstance(default, Mapping):
        return "those of its keys"
    return _code(default)


def _meaning(value: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "description" in value:
        return str(value["description"]).replace("|", "\\|")  # which would end a cell
    inner = [spec["description"].partition("\n")[0] for spec in _objects(value, schema)]
    return " ".join(inner) or "Which one it is."


def main() -> None:
    """Write both files."""
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
