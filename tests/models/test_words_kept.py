"""Loaded models leave nothing behind, however many are loaded in one process."""

from __future__ import annotations

import ctypes
import gc
import sys

import pytest
from transformers import AutoConfig, AutoModelForCausalLM

from affina.models.files import load_files
from affina.models.source import locate
from workbench import tiny

LOADED = 8
MOST = 64
"""KiB that a loaded tokenizer may leave behind; kept words came to 696."""


class Heap(ctypes.Structure):
    """What glibc's mallinfo2 gives."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in [
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        ]
    ]


def kibibytes_in_use() -> float:
    library = ctypes.CDLL(None)
    library.mallinfo2.restype = Heap
    gc.collect()
    return float(library.mallinfo2().uordblks) / 2**10


@pytest.mark.skipif(sys.platform != "linux", reason="asks glibc what is in use")
def test_the_words_that_a_tokenizer_has_seen_go_with_it():
    source = locate(str(tiny("gpt2")))
    config = AutoConfig.from_pretrained(source.folder)
    text = " ".join(f"number{number}" for number in range(3_000))

    def load() -> None:
        _, tokenizer, _ = load_files(AutoModelForCausalLM, source, config, where="tiny", may_differ=False)
        assert len(tokenizer(text)["input_ids"]) > 3_000

    load()
    load()
    before = kibibytes_in_use()
    for _ in range(LOADED):
        load()
    assert (kibibytes_in_use() - before) / LOADED < MOST
