"""Malformed models: folders with damaged files, safetensors and GGUF files whose headers lie."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

from corpus.case import Case
from workbench import tiny

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
Change = Callable[[bytes], bytes]


def _folder(name: str, change: Change, *says: str) -> Case:
    """A model folder with one of its files changed."""

    def make() -> list[str]:
        shutil.copytree(tiny(), "broken")
        path = Path("broken", name)
        path.write_bytes(change(path.read_bytes()))
        return ["train", "good.csv", "model=broken"]

    return Case(make, ("broken", *says))


def _without(name: str, *says: str) -> Case:
    def make() -> list[str]:
        shutil.copytree(tiny(), "broken", ignore=shutil.ignore_patterns(name))
        return ["train", "good.csv", "model=broken"]

    return Case(make, ("broken", *says))


def _settings(**changes: object) -> Change:
    return lambda content: json.dumps({**json.loads(content), **changes}).encode()


def _header(edit: Callable[[dict[str, dict[str, object]]], object]) -> Change:
    """A safetensors file with its header edited, the data as they are."""

    def change(content: bytes) -> bytes:
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        edit(header)
        written = json.dumps(header).encode()
        return len(written).to_bytes(8, "little") + written + content[8 + size :]

    return change


def _first(header: dict[str, dict[str, object]]) -> dict[str, object]:
    return next(entry for name, entry in header.items() if name != "__metadata__")


SAFETENSORS = {
    "weights that end early": _folder(WEIGHTS, lambda content: content[: len(content) // 2]),
    "weights of nothing": _folder(WEIGHTS, lambda _: b""),
    "weights that are a text": _folder(WEIGHTS, lambda _: b"these are no weights"),
    "weights with a header of no end": _folder(WEIGHTS, lambda content: (2**62).to_bytes(8, "little") + content[8:]),
    "weights with a header of a terabyte": _folder(
        WEIGHTS, lambda content: (2**40).to_bytes(8, "little") + content[8:]
    ),
    "weights with a header that is no JSON": _folder(WEIGHTS, lambda content: content[:8] + b"x" * 40 + content[48:]),
    "weights with an offset beyond the end": _folder(
        WEIGHTS, _header(lambda header: _first(header).update(data_offsets=[0, 2**50]))
    ),
    "weights with an offset that goes back": _folder(
        WEIGHTS, _header(lambda header: _first(header).update(data_offsets=[64, 0]))
    ),
    "weights with a negative offset": _folder(
        WEIGHTS, _header(lambda header: _first(header).update(data_offsets=[-4, 4]))
    ),
    "weights with a shape that is not the data's": _folder(
        WEIGHTS, _header(lambda header: _first(header).update(shape=[7, 2**40]))
    ),
    "weights with an unknown type": _folder(WEIGHTS, _header(lambda header: _first(header).update(dtype="F3"))),
    "weights in the same place": _folder(
        WEIGHTS,
        _header(
            lambda header: [entry.update(data_offsets=[0, 4]) for name, entry in header.items() if "shape" in entry]
        ),
    ),
    "weights without a tensor": _folder(WEIGHTS, _header(lambda header: header.clear())),
    "weights of another model": _folder(
        WEIGHTS, _header(lambda header: [header.update({f"other.{name}": header.pop(name)}) for name in list(header)])
    ),
}
SETTINGS = {
    "a configuration that is no JSON": _folder(CONFIG, lambda _: b"{"),
    "a configuration that is a list": _folder(CONFIG, lambda _: b"[]"),
    "a configuration of nothing": _folder(CONFIG, lambda _: b""),
    "a configuration of an unknown kind": _folder(CONFIG, _settings(model_type="brontosaurus")),
    "a configuration without a kind": _folder(CONFIG, _settings(model_type=None)),
    "a configuration of another width": _folder(CONFIG, _settings(hidden_size=4096)),
    "a configuration of ten million blocks": _folder(CONFIG, _settings(num_hidden_layers=10_000_000), "blocks"),
    "a configuration with a width of nothing": _folder(CONFIG, _settings(hidden_size=0)),
    "a configuration with heads that do not divide": _folder(CONFIG, _settings(num_attention_heads=7)),
    "a configuration with a width that is a text": _folder(CONFIG, _settings(hidden_size="wide")),
    "a configuration that asks for code": _folder(
        CONFIG, _settings(model_type="own", auto_map={"AutoConfig": "own.Config", "AutoModel": "own.Model"})
    ),
    "a tokenizer that is no JSON": _folder(TOKENIZER, lambda _: b"{"),
    "a tokenizer that is a list": _folder(TOKENIZER, lambda _: b"[]"),
    "a tokenizer that ends early": _folder(TOKENIZER, lambda content: content[: len(content) // 2]),
    "a folder without a configuration": _without(CONFIG),
    "a folder without weights": _without(WEIGHTS, "no weights"),
}
PLACES = {
    "a model that is not there": Case(lambda: ["train", "good.csv", "model=no/such/model"], ("no/such/model",)),
    "a model that is a table": Case(lambda: ["train", "good.csv", "model=good.csv"], ("good.csv",)),
    "a model that is a folder of rows": Case(lambda: ["train", "good.csv", "model=."], ("model",)),
    "a starter that is not there": Case(lambda: ["train", "good.csv", "model=starter/poet"], ("starter/poet",)),
}


def text(value: str) -> bytes:
    """A text of a GGUF header."""
    return struct.pack("<Q", len(value)) + value.encode()


def pair(key: str, kind: int, value: bytes) -> bytes:
    """A key of a GGUF header."""
    return text(key) + struct.pack("<I", kind) + value


def tensor(name: str, shape: list[int], start: int, kind: int = 0) -> bytes:
    """A tensor of a GGUF header."""
    sizes = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return text(name) + sizes + struct.pack("<IQ", kind, start)


def gguf(pairs: list[bytes], tensors: list[bytes], *, data: int = 256, counts: tuple[int, int] | None = None) -> bytes:
    """A whole GGUF file."""
    shown = counts or (len(tensors), len(pairs))
    head = b"GGUF" + struct.pack("<IQQ", 3, *shown) + b"".join(pairs) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + bytes(data)


def _gguf(content: bytes, *says: str) -> Case:
    def make() -> list[str]:
        Path("bad.gguf").write_bytes(content)
        return ["train", "good.csv", "model=bad.gguf"]

    return Case(make, ("bad.gguf", *says))


NAMED = pair("general.architecture", 8, text("llama"))
DEEP = struct.pack("<IQ", 9, 1) * 40 + struct.pack("<IQ", 0, 0)
GGUFS = {
    "a GGUF of nothing": _gguf(b""),
    "a GGUF of its mark alone": _gguf(b"GGUF", "4 bytes"),
    "a GGUF of another mark": _gguf(b"GGML" + bytes(100), "GGML"),
    "a GGUF of version 1": _gguf(b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
    "a GGUF of version 9999": _gguf(b"GGUF" + struct.pack("<IQQ", 9999, 0, 0), "version 9999"),
    "a GGUF of numbers the other way round": _gguf(b"GGUF" + struct.pack(">IQQ", 3, 1, 1), "version"),
    "a GGUF with more keys than bytes": _gguf(gguf([NAMED], [], counts=(0, 2**62)), "keys are declared"),
    "a GGUF with more tensors than bytes": _gguf(gguf([NAMED], [], counts=(2**62, 1)), "tensors are declared"),
    "a GGUF with a key of no end": _gguf(b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**60) + bytes(64), "a key of"),
    "a GGUF with a text of no end": _gguf(gguf([pair("a", 8, struct.pack("<Q", 2**60))], []), "would take"),
    "a GGUF with a list of no end": _gguf(gguf([pair("a", 9, struct.pack("<IQ", 4, 2**60))], []), "are declared"),
    "a GGUF with a list of texts of no end": _gguf(gguf([pair("a", 9, struct.pack("<IQ", 8, 2**60))], []), "declared"),
    "a GGUF with lists in lists": _gguf(gguf([pair("a", 9, DEEP)], []), "arrays in arrays"),
    "a GGUF with a value of an unknown type": _gguf(gguf([pair("a", 77, bytes(8))], []), "unknown type (77)"),
    "a GGUF with a key twice": _gguf(gguf([NAMED, NAMED], []), "twice"),
    "a GGUF with an alignment of nothing": _gguf(
        gguf([pair("general.alignment", 4, struct.pack("<I", 0))], []), "an alignment of 0"
    ),
    "a GGUF with a tensor of many dimensions": _gguf(gguf([NAMED], [tensor("w", [1] * 9, 0)]), "9 dimensions"),
    "a GGUF with a tensor of an unknown type": _gguf(gguf([NAMED], [tensor("w", [8], 0, 999)]), "unknown type (999)"),
    "a GGUF with a tensor beyond the end": _gguf(gguf([NAMED], [tensor("w", [8], 4096)]), "of which there are"),
    "a GGUF with a tensor of a petabyte": _gguf(gguf([NAMED], [tensor("w", [2**25, 2**25], 0)]), "of which there are"),
    "a GGUF with a shape that overflows": _gguf(gguf([NAMED], [tensor("w", [2**63, 2**63], 0)]), "of which there are"),
    "a GGUF with a tensor between the lines": _gguf(gguf([NAMED], [tensor("w", [8], 7)]), "no multiple of 32"),
    "a GGUF with tensors in the same place": _gguf(
        gguf([NAMED], [tensor("v", [16], 0), tensor("w", [16], 32)]), "in the same place"
    ),
    "a GGUF with a tensor twice": _gguf(gguf([NAMED], [tensor("w", [8], 0), tensor("w", [8], 32)]), "twice"),
    "a GGUF with half a block": _gguf(gguf([NAMED], [tensor("w", [33], 0, 8)]), "in blocks of 32"),
    "a GGUF without an architecture": _gguf(gguf([], [tensor("w", [8], 0)])),
    "a GGUF of an unknown architecture": _gguf(
        gguf([pair("general.architecture", 8, text("brontosaurus"))], [tensor("w", [8], 0)])
    ),
    "a GGUF that promises ten million blocks": _gguf(
        gguf([NAMED, pair("llama.block_count", 4, struct.pack("<I", 10_000_000))], [tensor("w", [8], 0)])
    ),
    "a GGUF without weights": _gguf(gguf([NAMED], [])),
}
CASES: dict[str, Case] = SAFETENSORS | SETTINGS | PLACES | GGUFS
