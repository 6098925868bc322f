"""What the machine is said to be, and what is refused because it is not there."""

from __future__ import annotations

import io
import json

import pytest
import torch

from affina.errors import DeviceError
from affina.runtime import machine

CPU = torch.device("cpu")


def only(monkeypatch, *present):
    monkeypatch.setattr(machine, "available", lambda device: device in present)


@pytest.mark.parametrize(
    ("present", "chosen"),
    [(("cpu",), "cpu"), (("mps", "cpu"), "mps"), (("cuda", "cpu"), "cuda"), (("cuda", "mps", "cpu"), "cuda")],
)
def test_auto_takes_the_first_that_is_there(monkeypatch, present, chosen):
    only(monkeypatch, *present)
    assert machine.choose_device("auto").type == chosen
    assert machine.choose_device("cpu").type == "cpu"


@pytest.mark.parametrize("asked", ["cuda", "mps", "tpu", "cuda:9", ""])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(monkeypatch, asked):
    only(monkeypatch, "cpu")
    with pytest.raises(DeviceError) as caught:
        machine.choose_device(asked)
    (problem,) = caught.value.problems
    assert "device" in problem.where
    assert problem.expected.endswith(": cpu")
    assert problem.found == asked
    assert "device=cpu" in problem.fix


@pytest.mark.parametrize(
    ("flags", "native"),
    [
        ((), ()),
        (("avx2", "avx512f"), ()),
        (("avx512_bf16",), ("bf16",)),
        (("amx_bf16",), ("bf16",)),
        (("avx512_fp16",), ("fp16",)),
        (("bf16", "asimdhp"), ("bf16", "fp16")),
    ],
)
def test_reduced_precision_needs_instructions(monkeypatch, flags, native):
    monkeypatch.setattr(machine, "cpu_flags", lambda: frozenset(flags))
    for precision in ("bf16", "fp16"):
        missing = machine.low_precision_missing(CPU, precision)
        assert (missing is None) == (precision in native)
        assert missing is None or "instructions" in missing


def test_a_gpu_without_bfloat16_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Old GPU")
    cuda = torch.device("cuda")
    assert machine.low_precision_missing(cuda, "bf16") == "Old GPU has no bfloat16 instructions"
    assert machine.low_precision_missing(cuda, "fp16") is None


@pytest.mark.parametrize(
    ("content", "flags"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 amx_bf16\n\nflags : other\n", {"fpu", "avx2", "amx_bf16"}),
        ("processor\t: 0\nFeatures\t: fp asimd asimdhp bf16\n", {"fp", "asimd", "asimdhp", "bf16"}),
        ("processor\t: 0\n", set()),
    ],
    ids=["x86", "arm", "says nothing"],
)
def test_cpu_flags_as_the_kernel_writes_them(monkeypatch, content, flags):
    monkeypatch.setattr(machine, "open", lambda *_, **__: io.StringIO(content), raising=False)
    assert machine.cpu_flags() == flags


def test_cpu_flags_where_the_kernel_does_not_tell(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(machine, "open", missing, raising=False)
    assert machine.cpu_flags() == frozenset()


def test_facts_and_versions_are_plain_and_name_what_decides_the_numbers():
    facts, versions = machine.facts(CPU), machine.versions()
    assert json.loads(json.dumps([facts, versions])) == [facts, versions]
    assert facts["device"] == "cpu"
    assert facts["threads"] == torch.get_num_threads()
    assert versions["torch"] == torch.__version__
    assert {"python", "affina", "transformers", "tokenizers", "numpy"} <= set(versions)


def test_peak_memory_is_in_bytes_and_never_falls():
    before = machine.peak_memory_bytes(torch.device("cpu"))
    held = bytearray(b"x") * (before + 2**26)
    after = machine.peak_memory_bytes(torch.device("cpu"))
    assert len(held) <= after < 100 * before
    assert before > 2**22
