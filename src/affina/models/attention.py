"""Attention functions of ours by name: how a model is told to attend by one, and by its own again.

transformers lets an attention function be registered, and reads its name in a model's configuration in each pass. This
module has none itself (`attended_prefix`, `segments`).
"""

from __future__ import annotations

from typing import Any

Before = list[tuple[Any, str]]
"""Configurations, and the name that stood in each."""


def switch(part: Any, name: str) -> Before:
    """Name a function in every configuration that a module of `part` reads; return what stood there."""
    configs = {id(vars(child)["config"]): vars(child)["config"] for child in part.modules() if "config" in vars(child)}
    before = [(config, config._attn_implementation) for config in configs.values()]  # transformers' own attribute
    for config, _ in before:
        config._attn_implementation = name
    return before


def switch_back(before: Before) -> None:
    """Let them attend as before."""
    for config, name in before:
        config._attn_implementation = name
