"""What tests of whole commands share beside `workbench`: plans that are made in this process."""

from __future__ import annotations

import json

import pytest

from affina.planning import child, process
from affina.planning.fitting import Fit


@pytest.fixture
def here(monkeypatch):
    """The process of a rehearsal is this one: the same code without the seconds of a start."""
    requests = []

    def ask(recipe, *, memory, rehearse, notify):
        request = {"recipe": recipe.model_dump(mode="json", exclude_unset=True), "folder": "runs/x", "memory": memory}
        requests.append(request)
        said = []
        child.answer({**request, "rehearse": rehearse, "threads": None}, lambda kind, value: said.append((kind, value)))
        plain = json.loads(json.dumps([value for kind, value in said if kind == "forecast"][-1]))
        return process.Answer(process.read_forecast(plain["forecast"]), Fit(**plain["fit"]))

    monkeypatch.setattr("affina.verbs.plan.ask", ask)
    return requests
