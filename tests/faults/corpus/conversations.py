"""Malformed conversations and other rows of models that write: what nobody can learn from is refused by its row."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from corpus.case import Case, file
from workbench import tiny

HI, HELLO = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}
GOOD = [{"messages": [{"role": "user", "content": f"Hi, {n}"}, HELLO]} for n in range(8)]
ERROR = ("data.unfit=error",)


def rows(bad: Any, *says: str, words: Sequence[str] = ("task=chat", *ERROR), good: Sequence[Any] = GOOD) -> Case:
    """Good rows with a bad one behind them."""
    lines = "".join(json.dumps(row) + "\n" for row in (*good, bad))
    return file("a.jsonl", lines, "row 9", *says, words=words, family="llama")


def turns(*given: Any, says: str) -> Case:
    """A bad conversation."""
    return rows({"messages": list(given)}, says)


ASKED = [{"instruction": f"say {n}", "output": f"word {n}"} for n in range(8)]
PAIRS = [{"source": f"say {n}", "target": f"dire {n}"} for n in range(8)]
TRANSLATION = ("task=translation", "task.source_language=en", "task.target_language=it", *ERROR)
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
ESCAPING = "{{ messages.__class__.__mro__[1].__subclasses__() }}"


def template(written: str, *says: str) -> Case:
    """Good conversations, and a model whose chat template is a program of another kind."""

    def make() -> list[str]:
        shutil.copytree(tiny("llama"), "writer")
        Path("writer", "chat_template.jinja").write_text(written, encoding="utf-8")
        Path("a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in GOOD), encoding="utf-8")
        return ["train", "a.jsonl", "model=writer", "task=chat"]

    return Case(make, says)


CASES: dict[str, Case] = {
    "a template without an end": template(ENDLESS, "chat template", "after 3 s"),
    "a template that looks for a way out": template(ESCAPING, "chat template"),
    "a template that is broken": template("{% for %}", "chat template"),
    "a template that raises": template("{{ raise_exception('never') }}", "chat template", "never"),
    "a template that writes nothing": template("{# nothing #}", "leaves out the assistant's turn"),
    "a conversation that ends with the user": turns(HI, HELLO, HI, says="ends with the user"),
    "two turns of the user": turns(HI, HI, HELLO, says="both the user's"),
    "an unknown role": turns({"role": "wizard", "content": "Hi"}, HELLO, says="'wizard'"),
    "a turn without a role": turns({"content": "Hi"}, HELLO, says="no role"),
    "a role that is null": turns({"role": None, "content": "Hi"}, HELLO, says="no role"),
    "a content that is null": turns(HI, {"role": "assistant", "content": None}, says="null"),
    "a turn without content": turns(HI, {"role": "assistant"}, says="no text"),
    "a content that is a number": turns(HI, {"role": "assistant", "content": 5}, says="number"),
    "a content that is an image": turns(
        {"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}, HELLO, says="no text"
    ),
    "an empty answer": turns(HI, {"role": "assistant", "content": " "}, says="empty answer"),
    "an empty question": turns({"role": "user", "content": ""}, HELLO, says="empty text"),
    "a system turn in the middle": turns(HI, HELLO, {"role": "system", "content": "x"}, HI, HELLO, says="system"),
    "an answer before a question": turns(HELLO, HI, HELLO, says="before the user"),
    "a conversation without a turn": turns(says="without a turn"),
    "a conversation of the user alone": turns(HI, says="says nothing"),
    "a turn that is a text": turns("Hi", says="no object"),
    "a conversation that is a text": rows({"messages": "Hi"}, "no list of turns"),
    "an answer longer than the context": rows(
        {"messages": [HI, {"role": "assistant", "content": "yes " * 400}]}, words=("task=chat", "data.too_long=error")
    ),
    "an instruction without an output": rows({"instruction": "say", "output": ""}, good=ASKED),
    "an output that is a list": rows({"instruction": "say", "output": ["a"]}, good=ASKED),
    "a translation without a target": rows({"source": "say", "target": ""}, good=PAIRS, words=TRANSLATION),
    "a translation without a source": rows({"source": " ", "target": "dire"}, good=PAIRS, words=TRANSLATION),
    "a translation that is the source": rows(
        {"source": "same words", "target": "same words"}, good=PAIRS, words=TRANSLATION
    ),
}
