"""Tokens that are kept: the same run bit for bit, never those of anything else, and made again where damaged."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import affina
from affina.data.rows import Row
from affina.models.classifier import load_classifier
from affina.models.source import locate
from affina.pipeline import kept_starts, kept_tokens, same_run
from affina.pipeline.kept_tokens import KEY, KIND, tokens_of
from affina.record.journal import read
from affina.record.payloads import Chosen, Step
from affina.runtime import cache
from affina.tasks.classification import Classification
from affina.tasks.texts import measure_lengths, read_texts
from affina.tasks.token_lists import Examples, Lists, opened
from bench_of_loops import prepared_run
from workbench import sample_rows, tiny, write_csv

LIMIT = 12


@pytest.fixture(autouse=True)
def few_rows_are_enough(reused, monkeypatch):
    monkeypatch.setattr(kept_tokens, "LEAST_ROWS", 10)


@pytest.fixture
def tokenizer():
    return load_classifier(locate(str(tiny("bert"))), ("card", "fee")).tokenizer


def rows_of(count=40, *, pair=False, repeat=1):
    more = {"text_pair": "a second text, which is longer"} if pair else {}
    texts = [(f"{text} " * (1 + repeat * (n % 3 == 0))).strip() for n, (text, _) in enumerate(sample_rows(count))]
    return [Row({"text": text, "label": "card", **more}, "a.csv", n + 1, n + 2) for n, text in enumerate(texts)]


def kept(tokenizer, rows, *, limit=LIMIT, reuse=True):
    choices = {}
    found = tokens_of(tokenizer, rows, limit=limit, reuse=reuse, choices=choices)
    return found, choices[KEY].value if KEY in choices else "read"


def entries():
    return sorted(path.name for path in (cache.cache_folder() / KIND).glob("[!.]*"))


@pytest.mark.parametrize("pair", [False, True])
@pytest.mark.parametrize("family", ["bert", "roberta", "llama"])
def test_rows_are_what_the_tokenizer_makes_of_them_one_by_one(tmp_path, family, pair):
    reader = load_classifier(locate(str(tiny(family))), ("card", "fee")).tokenizer
    rows = rows_of(pair=pair)
    rows.append(Row({"text": "refund " * 400, "label": "fee", **({"text_pair": "no"} if pair else {})}, "a.csv", 41, 0))
    task = Classification(reader, ("card", "fee"), max_length=LIMIT)
    expected = [example for row in rows for example in task.encode([row])]
    assert max(measure_lengths(reader, rows)) > LIMIT
    for found in (kept(reader, rows)[0], kept(reader, rows)[0], read_texts(reader, rows, max_length=LIMIT)):
        assert list(Examples(found, task.targets(rows))) == expected
        assert Examples(found, task.targets(rows))[-3:] == expected[-3:]
        assert found.ids.lengths == [len(example.ids) for example in expected]
        assert found.whole.tolist() == measure_lengths(reader, rows)
        assert list(found.of([3, 1]).ids) == [expected[3].ids, expected[1].ids]


def test_segment_ids_take_no_room_until_one_is_not_zero(tmp_path, tokenizer):
    single, pairs = rows_of(20), rows_of(20, pair=True)
    expected = [Classification(tokenizer, (), max_length=LIMIT).encode([row])[0].types for row in single + pairs]
    assert any(any(types) for types in expected[20:])
    for name, rows, wanted in (("single", single, expected[:20]), ("both", single + pairs, expected)):
        found = read_texts(tokenizer, rows, max_length=LIMIT)
        (tmp_path / name).mkdir()
        found.save(tmp_path / name)
        assert list(found.types) == list(opened(tmp_path / name).types) == wanted
        assert list(found.of([19, 0]).types) == [wanted[19], wanted[0]]
        assert (found.types.numbers.strides == (0,)) == (name == "single")


@pytest.mark.skipif(sys.platform != "linux", reason="looks at what the system has mapped")
def test_kept_token_ids_are_read_and_never_mapped(tokenizer):
    found, _ = kept(tokenizer, rows_of())
    [folder] = (cache.cache_folder() / KIND).glob("[!.]*")
    assert len(found.ids[3]) == found.ids.lengths[3]
    assert str(folder / "ids.npy") not in Path("/proc/self/maps").read_text(encoding="utf-8")
    with (folder / "ids.npy").open("r+b") as file:
        file.truncate(200)
    with pytest.raises(OSError, match=r"ids\.npy has been cut"):
        list(found.ids)


def test_a_second_reading_is_taken_over_from_the_files(tokenizer, monkeypatch):
    rows = rows_of()
    first, how = kept(tokenizer, rows)
    assert how == "read"
    monkeypatch.setattr(kept_tokens, "read_texts", lambda *_, **__: pytest.fail("the texts are read again"))
    second, how = kept(tokenizer, rows)
    assert how == "taken over"
    assert list(second.ids) == list(first.ids)
    assert len(entries()) == 1


def test_nothing_else_is_taken_for_the_same(tokenizer, monkeypatch):
    rows = rows_of()
    kept(tokenizer, rows)
    others = [
        (tokenizer, [*rows[:-1], Row({"text": "another text", "label": "card"}, "a.csv", 40, 0)], LIMIT),
        (tokenizer, rows[:-1], LIMIT),
        (tokenizer, [*rows[1:], rows[0]], LIMIT),
        (tokenizer, rows_of(pair=True), LIMIT),
        (tokenizer, rows, LIMIT + 1),
        (load_classifier(locate(str(tiny("roberta"))), ("card", "fee")).tokenizer, rows, LIMIT),
    ]
    for reader, some, limit in others:
        found, how = kept(reader, some, limit=limit)
        assert how == "read"
        assert list(found.ids) == list(read_texts(reader, some, max_length=limit).ids)
    tokenizer.add_tokens(["card"])
    assert kept(tokenizer, rows)[1] == "read", "a token more"
    tokenizer.truncation_side = "left"
    assert kept(tokenizer, rows)[1] == "read", "cut at the other end"
    monkeypatch.setattr(kept_tokens, "code_hash", lambda: "another version of Affina")
    assert kept(tokenizer, rows)[1] == "read"
    assert len(entries()) == 4 + len(others)


def test_cells_that_flow_into_one_another_are_other_rows(tokenizer):
    one, two = ([Row({"text": a, "text_pair": b, "label": "x"}, "a", 1, 1)] * 12 for a, b in (("ab", "c"), ("a", "bc")))
    kept(tokenizer, one)
    assert kept(tokenizer, two)[1] == "read"


@pytest.mark.parametrize("damage", ["cut off", "other bytes", "gone", "no array"])
def test_damaged_tokens_are_told_of_and_made_again(tokenizer, damage):
    rows = rows_of()
    first, _ = kept(tokenizer, rows)
    expected = list(first.ids)
    del first
    file = cache.cache_folder() / KIND / entries()[0] / "ids.npy"
    whole = file.read_bytes()
    made = {"cut off": whole[:-4], "other bytes": whole[:-1] + b"\x07\x07", "no array": b"cos\nsystem\n(S'no'\ntR."}
    file.unlink() if damage == "gone" else file.write_bytes(made[damage])
    found, how = kept(tokenizer, rows)
    assert how == "made again"
    assert list(found.ids) == expected
    assert kept(tokenizer, rows)[1] == "taken over"


def test_whole_files_that_do_not_belong_together_are_no_tokens(tmp_path, tokenizer):
    read_texts(tokenizer, rows_of(), max_length=LIMIT).save(tmp_path)
    np.save(tmp_path / "whole.npy", np.arange(3))
    with pytest.raises(ValueError, match="different rows"):
        opened(tmp_path)
    np.save(tmp_path / "ids-ends.npy", np.arange(40))
    with pytest.raises(ValueError, match="do not end"):
        opened(tmp_path)


def test_without_reuse_and_without_a_cache_tokens_are_in_memory(tokenizer, monkeypatch):
    rows = rows_of()
    kept(tokenizer, rows, reuse=False)
    assert not (cache.cache_folder() / KIND).exists()
    monkeypatch.setattr(cache, "_make", lambda *_: (_ for _ in ()).throw(OSError("read-only")))
    found, how = kept(tokenizer, rows)
    assert how == "read"
    assert list(found.ids) == list(read_texts(tokenizer, rows, max_length=LIMIT).ids)


def test_ids_take_as_many_bytes_as_they_need():
    for below, size in ((2**8, 1), (2**16, 2), (2**16 + 1, 4)):
        lists = Lists(below=below)
        lists.add([0, below - 1])
        lists.add([])
        assert list(lists.whole()) == [(0, below - 1), ()]
        assert lists.whole().arrays("x")["x"].itemsize == size
    assert list(Lists(below=9).whole()) == []


def test_rows_that_are_dropped_take_their_tokens_along(tmp_path):
    rows = [(f"{text} " * (1 + n % 2), label) for n, (text, label) in enumerate(sample_rows(40))]
    write_csv(tmp_path / "rows.csv", rows)
    run = prepared_run(tmp_path, data={"train": str(tmp_path / "rows.csv"), "max_length": 12, "too_long": "drop"})
    subject = run.subject
    assert len(subject.rows["train"]) < 30
    for split, part in subject.rows.items():
        assert list(subject.examples[split]) == subject.task.encode(part)
        assert subject.lengths[split] == [len(example.ids) for example in subject.examples[split]]


def test_a_run_with_kept_tokens_is_the_run_without(tmp_path, monkeypatch):
    data = str(write_csv(tmp_path / "rows.csv", sample_rows(60)))
    asked = {
        "model": str(tiny("bert")),
        "data": {"train": data, "validation": 0.3, "test": "none"},
        "evaluate": {"baselines": False, "resamples": 10},
        "risks": {"measure": "never"},
        "train": {"epochs": 2, "batch_tokens": 120, "learning_rate": 1e-3},
    }
    monkeypatch.setattr(kept_starts, "key_of", lambda _: None)  # tokens alone are taken over
    found = []
    for name in ("first", "second"):
        folder = affina.train({**asked, "run": str(tmp_path / name)}).folder
        lines = read(folder.journal)
        said = [line.value for line in lines if isinstance(line, Chosen) and line.key == KEY]
        weights = (folder.model / "model.safetensors").read_bytes()
        found.append((said, [line.loss for line in lines if isinstance(line, Step)], weights))
    assert found[0][0] == []
    assert found[1][0] == ["taken over"]
    assert found[0][1] == found[1][1]
    assert found[0][2] == found[1][2]


def test_a_look_at_the_data_keeps_nothing(tmp_path):
    affina.check(write_csv(tmp_path / "good.csv", sample_rows(40)), [f"model={tiny()}"])
    assert entries() == []


def test_a_list_of_words_is_a_part_of_the_code(tmp_path, monkeypatch):
    folder, found = tmp_path / "affina", []
    (folder / "data").mkdir(parents=True)
    monkeypatch.setattr(same_run, "__file__", str(folder / "pipeline" / "same_run.py"))
    for name, words in [("a.py", "he"), ("data/a.txt", "he"), ("data/a.txt", "she"), ("data/b.csv", "he")]:
        (folder / name).write_text(words, encoding="utf-8")
        found.append(same_run.code_hash.__wrapped__())
    assert len(set(found)) == 3, "tables of rows are none"
