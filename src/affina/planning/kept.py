"""Forecasts kept in the cache folder, so that a run of the same recipe uses them and is compared with them."""

from __future__ import annotations

import dataclasses
import json
from contextlib import suppress
from pathlib import Path

from affina.planning.forecast import Forecast, read_forecast
from affina.record.files import write_text
from affina.runtime.cache import cache_folder


def keep(forecast: Forecast) -> None:
    """Write a forecast down; where the cache cannot be written to, it is not kept."""
    with suppress(OSError):
        write_text(_place(forecast.key), json.dumps(dataclasses.asdict(forecast)))


def recall(key: str) -> Forecast | None:
    """The last forecast of this run, if there is one that this version can read."""
    try:
        return read_forecast(json.loads(_place(key).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _place(key: str) -> Path:
    return cache_folder() / "plans" / f"{key}.json"
