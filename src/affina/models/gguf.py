"""GGUF files: one is turned, once, into a folder that every other part of Affina can load.

The weights are unpacked to float32 by transformers' own reader and kept as safetensors with the tokenizer and the chat
template. Fine-tuning quantized weights in place, and writing GGUF (`export`), is not done here.
"""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GgufConfig

from affina.errors import ModelError, Problem
from affina.models.gguf_header import MAGIC, check_header
from affina.models.promised import There, laid_out
from affina.models.quiet import Notify, quiet, silent
from affina.runtime.cache import cached, file_sha256


def gguf_folder(path: Path, *, notify: Notify = silent) -> Path:
    """Return the folder in the cache with the model of a `.gguf` file, converted first where it is not there yet.

    The entry is found by the file's content, so a renamed or moved file is not converted again.

    Raises:
        ModelError: the file is no GGUF, is cut short, or holds an architecture that transformers cannot read.
    """
    with path.open("rb") as file:
        start = file.read(len(MAGIC))
    if start != MAGIC:
        raise _problem(path, "a GGUF file, which starts with the bytes `GGUF`", f"the bytes {start!r}")
    return cached(f"gguf-{file_sha256(path)[:24]}", partial(_build, path, notify=notify), notify=notify)


def convert(path: Path, folder: Path) -> None:
    """Write the model of a `.gguf` file into `folder` as float32 safetensors, with tokenizer and chat template.

    Raises:
        ModelError: the file is cut short, damaged, or of an architecture that transformers cannot read.
    """
    if find_spec("accelerate") is None:
        raise ModelError(
            Problem(
                where=str(path),
                expected="the package accelerate, which transformers needs to read GGUF files",
                found="it is not installed",
                fix="run `python -m pip install accelerate`, then the same command again",
            )
        )
    try:
        there = check_header(path)
    except ValueError as error:
        raise _problem(path, "a whole GGUF file", str(error)) from error
    try:
        # the reader draws a progress bar of its own that no setting turns off
        with quiet(), redirect_stderr(io.StringIO()):
            model, tokenizer, info = _read(path, there)
    except ModelError:
        raise
    except Exception as error:  # whatever the readers make of a damaged file
        raise _unreadable(path, error) from error
    missing = sorted(info["missing_keys"])
    if missing:
        raise _problem(path, "all weights of the model in one file", f"{len(missing)} missing, such as {missing[0]}")
    with quiet():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _build(path: Path, folder: Path, *, notify: Notify) -> None:
    notify(f"converting {path.name} to safetensors (once)")
    convert(path, folder)


def _read(path: Path, there: There) -> tuple[Any, Any, dict[str, Any]]:
    folder = str(path.absolute().parent)
    config = AutoConfig.from_pretrained(folder, gguf_file=path.name, local_files_only=True)
    laid_out(AutoModelForCausalLM, config, there=there, where=str(path))
    model, info = AutoModelForCausalLM.from_pretrained(
        folder,
        gguf_file=path.name,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
        output_loading_info=True,
        local_files_only=True,
    )
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=path.name, local_files_only=True)
    return model, tokenizer, info


def _unreadable(path: Path, error: Exception) -> ModelError:
    said = (str(error).strip().splitlines() or [""])[0]
    if "is not supported" in said:
        return _problem(path, "a GGUF of an architecture that transformers can read", said)
    return _problem(path, "a whole GGUF file", f"it cannot be read to its end ({type(error).__name__}: {said[:160]})")


def _problem(path: Path, expected: str, found: str) -> ModelError:
    return ModelError(
        Problem(
            where=str(path),
            expected=expected,
            found=found,
            fix="fetch the file again and compare its size, or give `model` the safetensors folder it was made from",
        )
    )
