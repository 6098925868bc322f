"""Damaged checkpoints and run folders: of runs that go on, and of runs that are asked, shown, verified or built upon.

A checkpoint that cannot be gone on from is put aside for the one before it, and that is said. Where somebody has
written the sums anew, what is in the files must be looked at.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from corpus import runs
from corpus.case import Case

TRAINED, OPTIMIZER, STATE, SUMS = "trained.safetensors", "optimizer.safetensors", "state.json", "sums.json"
RUN, RECORD = Path("run"), Path("run/record.jsonl")
NEWEST, BEFORE = Path("run/checkpoints/step-00000006"), Path("run/checkpoints/step-00000004")
PASSED = ("step-00000006", "put aside", "goes on from the checkpoint step-00000004")

Damage = Callable[[], object]


def make_all() -> None:
    """Train what is damaged, so that no case is charged with it."""
    for make in (runs.stopped, runs.other, runs.finished, runs.talker):
        make()


def _goes_on(damage: Damage, *says: str, passed: Sequence[str] = PASSED) -> Case:
    """A stopped run, damaged, that goes on all the same and says what it did without."""

    def make() -> list[str]:
        shutil.copytree(runs.stopped(), RUN, symlinks=True)
        damage()
        return runs.again()

    return Case(make, (*passed, *says), goes_on=True)


def _refused(damage: Damage, *says: str) -> Case:
    """A stopped run, damaged beyond going on."""

    def make() -> list[str]:
        shutil.copytree(runs.stopped(), RUN, symlinks=True)
        damage()
        return runs.again()

    return Case(make, says)


def _used(words: Sequence[str], damage: Damage, *says: str, of: Callable[[], Path] = runs.finished) -> Case:
    """A finished run, damaged, in the words of a verb."""

    def make() -> Sequence[str]:
        shutil.copytree(of(), RUN, symlinks=True)
        damage()
        return words

    return Case(make, says)


def _cut(path: Path) -> Damage:
    return lambda: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path: Path) -> None:
    held = bytearray(path.read_bytes())
    held[len(held) // 2] ^= 1
    path.write_bytes(held)


def _write(path: Path, content: str) -> Damage:
    return lambda: path.write_text(content, encoding="utf-8")


def seal(folder: Path) -> None:
    """Write the sums of a checkpoint anew, as somebody does who knows how."""
    files = sorted(path for path in folder.iterdir() if path.name != SUMS)
    (folder / SUMS).write_text(json.dumps({path.name: zlib.crc32(path.read_bytes()) for path in files}))


def _state(change: Callable[[dict[str, Any]], object]) -> Damage:
    """Another state, its sum right."""

    def damage() -> None:
        state = json.loads((NEWEST / STATE).read_text("utf-8"))
        change(state)
        (NEWEST / STATE).write_text(json.dumps(state), encoding="utf-8")
        seal(NEWEST)

    return damage


def _tensors(name: str, change: Callable[[dict[str, torch.Tensor]], object], folder: Path = NEWEST) -> Damage:
    """Other tensors, their sum right."""

    def damage() -> None:
        tensors = load_file(folder / name)
        change(tensors)
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, folder / name)
        seal(folder)

    return damage


def _sealed(name: str, change: Callable[[bytes], bytes]) -> Damage:
    def damage() -> None:
        (NEWEST / name).write_bytes(change((NEWEST / name).read_bytes()))
        seal(NEWEST)

    return damage


def _first(tensors: dict[str, torch.Tensor], part: str = "") -> str:
    return next(name for name in sorted(tensors) if part in name and tensors[name].dim() == 2)


def _as(change: Callable[[torch.Tensor], torch.Tensor], part: str = "") -> Callable[[dict[str, torch.Tensor]], None]:
    def changed(tensors: dict[str, torch.Tensor]) -> None:
        name = _first(tensors, part)
        tensors[name] = change(tensors[name])

    return changed


def _declares(size: int) -> Callable[[bytes], bytes]:
    """A safetensors file whose first tensor says that it has `size` bytes."""

    def change(content: bytes) -> bytes:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        entry = next(entry for name, entry in header.items() if name != "__metadata__")
        entry.update(shape=[size // 4], data_offsets=[0, size])
        written = json.dumps(header).encode()
        return len(written).to_bytes(8, "little") + written + content[8 + length :]

    return change


def _replaced(path: Path, by: Callable[[Path], object]) -> Damage:
    def damage() -> None:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        by(path)

    return damage


def _linked(path: Path) -> Damage:
    """The same behind a link that leads out of the run."""

    def damage() -> None:
        path.rename("elsewhere")
        path.symlink_to(Path("elsewhere").absolute())

    return damage


def _of_another_run() -> None:
    shutil.rmtree(NEWEST)
    shutil.copytree(runs.other() / "checkpoints" / NEWEST.name, NEWEST)


def _without(path: Path) -> Damage:
    return lambda: shutil.rmtree(path) if path.is_dir() else path.unlink()


def _all(*damages: Damage) -> Damage:
    return lambda: [damage() for damage in damages]


def _each_best(damage: Callable[[Path], object]) -> Damage:
    return lambda: [damage(path) for path in (RUN / "checkpoints").glob("best-*")]


def _line(number: int, change: Callable[[bytes], bytes]) -> Damage:
    """Another line in the record; the last is -1."""

    def damage() -> None:
        lines = RECORD.read_bytes().splitlines(keepends=True)
        lines[number] = change(lines[number])
        RECORD.write_bytes(b"".join(lines))

    return damage


def _records(change: Callable[[dict[str, Any]], object], kind: str) -> Damage:
    """Other records of one kind."""

    def damage() -> None:
        lines = [json.loads(line) for line in RECORD.read_bytes().splitlines()]
        for line in lines:
            if line["kind"] == kind:
                change(line)
        RECORD.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")

    return damage


def _no_right(path: Path) -> Damage:
    def damage() -> None:
        path.chmod(0)
        if os.access(path, os.R_OK):
            path.chmod(0o700)
            pytest.skip("root may read everything")

    return damage


def _leftovers() -> None:
    """What a process left that was killed twice, and the lock of a system that needs one."""
    (RUN / ".lock").touch()
    shutil.copytree(NEWEST, RUN / "checkpoints/.step-00000008.k1ll3d.partial")
    shutil.copytree(NEWEST, RUN / "checkpoints/.best-00000008.k1ll3d.partial")
    (RUN / ".recipe.yaml.1234.partial").write_text("half a rec", encoding="utf-8")
    BEFORE.rename(RUN / f"checkpoints/.{BEFORE.name}.1234.old")


FILES = {
    "a checkpoint whose weights end early": _goes_on(_cut(NEWEST / TRAINED)),
    "a checkpoint with a changed byte": _goes_on(lambda: _flip(NEWEST / TRAINED), "not as it was written"),
    "a checkpoint whose moments end early": _goes_on(_cut(NEWEST / OPTIMIZER)),
    "a checkpoint without moments": _goes_on(_without(NEWEST / OPTIMIZER)),
    "a checkpoint whose state ends early": _goes_on(_cut(NEWEST / STATE)),
    "a checkpoint whose state is empty": _goes_on(_write(NEWEST / STATE, "")),
    "a checkpoint without a state": _goes_on(_without(NEWEST / STATE)),
    "a checkpoint without sums": _goes_on(_without(NEWEST / SUMS)),
    "a checkpoint whose sums are no JSON": _goes_on(_write(NEWEST / SUMS, "{")),
    "a checkpoint whose sums are a list": _goes_on(_write(NEWEST / SUMS, "[]")),
    "a checkpoint without a sum of its weights": _goes_on(_write(NEWEST / SUMS, "{}")),
    "a checkpoint whose sums are texts": _goes_on(_write(NEWEST / SUMS, json.dumps({TRAINED: "many"}))),
    "a checkpoint whose sums lead out": _goes_on(_write(NEWEST / SUMS, json.dumps({"../../../good.csv": 0}))),
    "a checkpoint that is an empty folder": _goes_on(_replaced(NEWEST, lambda path: path.mkdir())),
    "a checkpoint that is a file": _goes_on(_replaced(NEWEST, lambda path: path.write_text("none"))),
    "a checkpoint that leads nowhere": _goes_on(_replaced(NEWEST, lambda path: path.symlink_to("nowhere"))),
    "a checkpoint that leads to itself": _goes_on(_replaced(NEWEST, lambda path: path.symlink_to(path.name))),
    "a checkpoint that leads out": _goes_on(_linked(NEWEST), "is a link"),
    "weights of a checkpoint that lead out": _goes_on(_linked(NEWEST / TRAINED), "is a link"),
    "weights of a checkpoint that nobody may read": _goes_on(_no_right(NEWEST / TRAINED)),
    "a checkpoint of no step": _goes_on(
        lambda: NEWEST.rename("run/checkpoints/step-latest"),
        passed=("step-latest", "put aside", "goes on from the checkpoint step-00000004"),
    ),
    "a checkpoint of a step to come": _goes_on(
        lambda: shutil.copytree(NEWEST, "run/checkpoints/step-99999999"),
        "it says that it is of step 6",
        passed=("step-99999999", "put aside", "goes on from the checkpoint step-00000006"),
    ),
    "best weights that are not there": _goes_on(
        _each_best(shutil.rmtree), passed=("put aside", "best-", "goes on from the start")
    ),
    "best weights that end early": _goes_on(
        _each_best(lambda path: _cut(path / TRAINED)()), passed=("put aside", "best-", "goes on from the start")
    ),
    "no checkpoint that is whole": _goes_on(
        _all(_cut(NEWEST / TRAINED), _cut(BEFORE / STATE)),
        passed=("step-00000006", "step-00000004", "put aside", "goes on from the start"),
    ),
    "what killed processes left": _goes_on(_leftovers, passed=()),
}
CONTENTS = {
    "a checkpoint of NaN": _goes_on(
        _tensors(TRAINED, _as(lambda tensor: tensor.fill_(float("nan")))), "holds numbers that are not finite"
    ),
    "a checkpoint of infinities": _goes_on(
        _tensors(TRAINED, _as(lambda tensor: tensor.fill_(float("inf")))), "holds numbers that are not finite"
    ),
    "a checkpoint of another shape": _goes_on(_tensors(TRAINED, _as(lambda tensor: tensor[:1])), "float32 [1, 32]"),
    "a checkpoint of another type": _goes_on(_tensors(TRAINED, _as(lambda tensor: tensor.double())), "float64"),
    "a checkpoint of whole numbers": _goes_on(_tensors(TRAINED, _as(lambda tensor: tensor.long())), "int64"),
    "a checkpoint without a weight": _goes_on(_tensors(TRAINED, lambda held: held.pop(_first(held))), "lacks"),
    "a checkpoint with a foreign weight": _goes_on(
        _tensors(TRAINED, lambda held: held.update({"foreign": torch.ones(3)})), "has foreign"
    ),
    "moments of another shape": _goes_on(_tensors(OPTIMIZER, _as(lambda tensor: tensor[:, :3])), OPTIMIZER),
    "moments of foreign weights": _goes_on(
        _tensors(OPTIMIZER, lambda held: held.update({"exp_avg/foreign": torch.ones(3)})), "exp_avg/foreign"
    ),
    "a checkpoint that declares a terabyte": _goes_on(_sealed(TRAINED, _declares(2**40))),
    "moments that declare a petabyte": _goes_on(_sealed(OPTIMIZER, _declares(2**50))),
    "a checkpoint with a header of no end": _goes_on(
        _sealed(TRAINED, lambda content: (2**62).to_bytes(8, "little") + content[8:])
    ),
    "a checkpoint that is a pickle": _goes_on(_sealed(TRAINED, lambda _: b"cos\nsystem\n(S'touch hacked'\ntR.")),
    "a state that is a list": _goes_on(_sealed(STATE, lambda _: b"[]")),
    "a state of brackets": _goes_on(_sealed(STATE, lambda _: b"[" * 100_000)),
    "a state with a field to come": _goes_on(_state(lambda state: state.update(moon="full")), "moon"),
    "a state without a field": _goes_on(_state(lambda state: state.pop("guard")), "guard"),
    "a step below nothing": _goes_on(_state(lambda state: state.update(step=-6)), "step is -6"),
    "a step that is a text": _goes_on(_state(lambda state: state.update(step="six")), "step"),
    "a place in the record below nothing": _goes_on(_state(lambda state: state.update(journal=-1)), "journal is -1"),
    "a place in the record beyond its end": _goes_on(
        _state(lambda state: state.update(journal=2**50)), "bytes of record.jsonl, which has"
    ),
    "micro-batches in no parts": _goes_on(_state(lambda state: state.update(parts=0)), "parts is 0"),
    "a guard that is a list": _goes_on(_state(lambda state: state.update(guard=[]))),
    "a guard that counts texts": _goes_on(_state(lambda state: state["guard"].update(skipped=["no"])), "skipped"),
    "a best step that is a text": _goes_on(_state(lambda state: state["stopping"].update(best_step="x")), "best_step"),
    "a best step below nothing": _goes_on(_state(lambda state: state["stopping"].update(best_step=-1))),
    "early stopping of nothing": _goes_on(_state(lambda state: state.update(stopping={}))),
    "a random state that is cut": _goes_on(_state(lambda state: state["random"].update(torch="00ff"))),
    "a random state of letters": _goes_on(_state(lambda state: state["random"].update(torch="zz"))),
    "a random state of no generator": _goes_on(_state(lambda state: state["random"].pop("numpy"))),
    "a checkpoint of another run": _goes_on(_of_another_run, "it is of another run"),
}
RECORDS = {
    "a record whose last line is cut": _goes_on(_line(-1, lambda line: line[: len(line) // 2]), passed=()),
    "a record with a broken line in its middle": _refused(
        _line(4, lambda line: line[: len(line) // 2] + b"\n"), "record.jsonl, line 5", "damaged line"
    ),
    "a record of bytes that are no text": _refused(_line(3, lambda _: b"\xff\xfe\x00\n"), "record.jsonl, line 4"),
    "a record of numbers": _refused(_line(2, lambda _: b"17\n"), "record.jsonl, line 3", "no JSON object"),
    "a record of zeros": _refused(lambda: RECORD.write_bytes(bytes(4096)), "record.jsonl"),
    "a record of brackets": _refused(_line(2, lambda _: b"[" * 100_000 + b"\n"), "line 3", "nested too deeply"),
    "a record of a version to come": _refused(
        _line(5, lambda _: b'{"kind": "dream", "of": "sheep"}\n'), "record.jsonl, line 6", "dream"
    ),
    "a record with texts for numbers": _refused(
        _records(lambda line: line.update(loss="low"), "step"), "record.jsonl, line", "'step'"
    ),
    "a record that is a folder": _refused(_replaced(RECORD, lambda path: path.mkdir()), "record.jsonl"),
    "a record that leads nowhere": _refused(_replaced(RECORD, lambda path: path.symlink_to("nowhere")), "a link"),
    "a record that leads out": _refused(_linked(RECORD), "a link"),
    "a record that is gone": _refused(_without(RECORD), "run", "checkpoints", "record"),
    "a record of nothing": _refused(_write(RECORD, ""), "run", "checkpoints", "record"),
    "a record that nobody may read": _refused(_no_right(RECORD), "record.jsonl"),
    "checkpoints that are a file": _refused(_replaced(RUN / "checkpoints", lambda path: path.touch()), "checkpoints"),
    "checkpoints on another disk": _goes_on(_linked(RUN / "checkpoints"), passed=()),
    "a run that is a file": _refused(_replaced(RUN, lambda path: path.write_text("no run")), "run"),
    "a run that leads to itself": _refused(_replaced(RUN, lambda path: path.symlink_to(path.name)), "run"),
    "a run that nobody may read": _refused(_no_right(RUN), "run"),
    "a stopped run whose recipe is damaged": _goes_on(_write(RUN / "recipe.yaml", "{"), passed=()),
}
ASK, LOOK, PROVE, TALK = ["predict", "run", "where is my card"], ["report", "run"], ["verify", "run"], ["chat", "run"]
MEASURE, BUILD = ["evaluate", "run", "good.csv"], ["train", "good.csv", "model=run"]
WEIGHTS, CONFIG = Path("run/model/model.safetensors"), Path("run/model/config.json")
ADAPTER = Path("run/adapter/adapter_model.safetensors")


def _config(**changes: object) -> Damage:
    def damage() -> None:
        CONFIG.write_text(json.dumps({**json.loads(CONFIG.read_text("utf-8")), **changes}), encoding="utf-8")

    return damage


def _nan() -> None:
    tensors = load_file(WEIGHTS)
    tensors[_first(tensors)].fill_(float("nan"))
    save_file(tensors, WEIGHTS, metadata={"format": "pt"})


def _recipe(old: str, new: str) -> Damage:
    def damage() -> None:
        text = (RUN / "recipe.yaml").read_text("utf-8")
        assert old in text
        (RUN / "recipe.yaml").write_text(text.replace(old, new), encoding="utf-8")

    return damage


def _compared(content: str) -> Case:
    def make() -> list[str]:
        RUN.mkdir()
        (RUN / "compare.json").write_text(content, encoding="utf-8")
        return LOOK

    return Case(make, ("compare.json",))


USED = {
    "a run without its model": _used(ASK, _without(RUN / "model"), "run", "a run that has not written one yet"),
    "a run whose model is a file": _used(MEASURE, _replaced(RUN / "model", lambda path: path.touch()), "run"),
    "a run whose model leads nowhere": _used(ASK, _replaced(RUN / "model", lambda path: path.symlink_to("x")), "run"),
    "a run whose weights end early": _used(ASK, _cut(WEIGHTS), "run/model"),
    "a run whose weights are gone": _used(MEASURE, _without(WEIGHTS), "run/model", "no weights"),
    "a run whose weights are NaN": _used(ASK, _nan, "run/model"),
    "a run whose weights declare a terabyte": _used(
        ASK, lambda: WEIGHTS.write_bytes(_declares(2**40)(WEIGHTS.read_bytes())), "run/model"
    ),
    "a run whose configuration is a list": _used(MEASURE, _write(CONFIG, "[]"), "run/model"),
    "a run whose model has other labels": _used(ASK, _config(id2label={"0": "card"}, label2id={"card": 0}), "run"),
    "a run whose model is another": _used(ASK, _config(model_type="roberta"), "run/model"),
    "a run without a tokenizer": _used(ASK, _without(RUN / "model/tokenizer.json"), "run/model"),
    "a run whose recipe is no YAML": _used(ASK, _write(RUN / "recipe.yaml", "{"), "recipe.yaml"),
    "a run whose recipe is a list": _used(ASK, _write(RUN / "recipe.yaml", "- 1\n"), "recipe.yaml"),
    "a run whose recipe has a key to come": _used(ASK, _recipe("\nseed: 0\n", "\nseed: 0\nmoon: 1\n"), "moon"),
    "a run whose recipe builds objects": _used(
        ASK, _write(RUN / "recipe.yaml", "!!python/object/apply:os.system ['touch hacked']\n"), "recipe.yaml"
    ),
    "a run without its recipe": _used(MEASURE, _without(RUN / "recipe.yaml"), "run"),
    "a run without its record": _used(ASK, _without(RECORD), "record.jsonl"),
    "a run of a task to come": _used(ASK, _records(lambda line: line.update(task="poetry"), "dataread"), "poetry"),
    "a run of other labels": _used(
        ASK, _records(lambda line: line.update(labels={"card": 9}), "dataread"), "run/model"
    ),
    "a run of no columns": _used(MEASURE, _records(lambda line: line.update(columns={}), "dataread"), "data.label"),
    "a report of a broken line": _used(LOOK, _line(4, lambda line: line[:9] + b"\n"), "record.jsonl, line 5"),
    "a report of an empty record": _used(LOOK, _write(RECORD, ""), "run"),
    "a report of an empty folder": _used(LOOK, _replaced(RUN, lambda path: path.mkdir()), "run"),
    "a report of nothing": _used(LOOK, _without(RUN), "run"),
    "a report of a run and a file": _used([*LOOK, "good.csv"], lambda: None, "good.csv"),
    "a report of a run and itself": _used([*LOOK, "run"], lambda: None, "run"),
    "a verification without a model": _used(PROVE, _without(RUN / "model"), "run"),
    "a verification of a broken record": _used(PROVE, _line(2, lambda _: b"17\n"), "record.jsonl, line 3"),
    "a verification of a broken recipe": _used(PROVE, _write(RUN / "recipe.yaml", "[]"), "recipe.yaml"),
    "a verification of an empty folder": _used(PROVE, _replaced(RUN, lambda path: path.mkdir()), "run"),
    "a talk with a classifier": _used(TALK, lambda: None, "run"),
    "a talk with an adapter that ends early": _used(TALK, _cut(ADAPTER), "adapter", of=runs.talker),
    "a talk with an adapter without settings": _used(
        TALK, _without(RUN / "adapter/adapter_config.json"), "adapter", of=runs.talker
    ),
    "a talk of texts without end": _used(
        TALK, _recipe("max_new_tokens: 4", "max_new_tokens: 100000"), "generate.max_new_tokens", of=runs.talker
    ),
    "a run that is built upon without a model": _used(BUILD, _without(RUN / "model"), "run"),
    "a run that is built upon with weights of nothing": _used(BUILD, _write(WEIGHTS, ""), "run"),
    "a run that is built upon with another head": _used(BUILD, _cut(WEIGHTS), "run"),
    "a comparison that is no JSON": _compared("{"),
    "a comparison that is a list": _compared("[]"),
    "a comparison of a version to come": _compared('{"format": 99}'),
    "a comparison of texts": _compared('{"format": 1, "candidates": "many"}'),
}
TOLD = {
    "a run with a record to come": Case(
        _used(ASK, _line(3, lambda line: line + b'{"kind": "dream", "of": "sheep"}\n')).make,
        ("another version of Affina", "dream"),
        goes_on=True,
    ),
    "a run whose last line is cut": Case(
        _used(ASK, _line(-1, lambda line: line[: len(line) // 2])).make, (), goes_on=True
    ),
}
CASES: dict[str, Case] = FILES | CONTENTS | RECORDS | USED | TOLD
