"""A headless Chromium for the tests of the pages: where it is, and what a page did while it was open in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
VARIABLE = "AFFINA_CHROMIUM"
SWITCHES = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
)  # fmt: skip
DESKTOP, PHONE = (1280, 800), (390, 844)
SERIOUS = {"serious", "critical"}


@dataclass
class Watched:
    """A page, with what it wrote to its console, the errors it threw, and what it asked for."""

    page: Any
    said: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def executable() -> str:
    """A Chromium; skips the test where there is none."""
    found = os.environ.get(VARIABLE) or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no Chromium ({', '.join(NAMES)}) on the PATH, and {VARIABLE} names none")
    return found


@contextmanager
def launched() -> Iterator[Any]:
    """A browser of one's own."""
    path = executable()
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=list(SWITCHES))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Any, path: Path, *, size: tuple[int, int] = DESKTOP, scheme: str = "light") -> Iterator[Watched]:
    """The file at `path`, open at a window's size in a colour scheme; what it asks for beside itself is noted."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, bypass_csp=False, reduced_motion="reduce"
    )
    watched = Watched(context.new_page())
    watched.page.on("console", lambda message: watched.said.append(message.text))
    watched.page.on("pageerror", lambda error: watched.said.append(str(error)))
    watched.page.on("dialog", lambda dialog: (watched.said.append(dialog.message), dialog.dismiss()))
    watched.page.on("request", lambda request: watched.requests.append(request.url))
    try:
        watched.page.goto(path.as_uri())
        yield watched
    finally:
        context.close()


def violations(page: Any) -> list[str]:
    """What axe-core finds that is serious or critical, with the elements."""
    import axe_playwright_python

    script = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
    page.evaluate(script)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 10  # it did look
    return [
        f"{rule['id']}: {node['html']}"
        for rule in found["violations"]
        if rule["impact"] in SERIOUS
        for node in rule["nodes"]
    ]
