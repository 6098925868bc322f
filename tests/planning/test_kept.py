"""A forecast kept for the run that follows it."""

from __future__ import annotations

from affina.planning.kept import keep, recall
from forecasts import forecast


def test_what_is_kept_comes_back(tmp_path, monkeypatch):
    monkeypatch.setenv("AFFINA_CACHE", str(tmp_path))
    assert recall("abc") is None
    keep(forecast())
    assert recall("abc") == forecast()


def test_what_cannot_be_read_or_written_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("AFFINA_CACHE", str(tmp_path))
    keep(forecast())
    (tmp_path / "plans" / "abc.json").write_text('{"key": "of another version"}', encoding="utf-8")
    assert recall("abc") is None
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("AFFINA_CACHE", str(tmp_path / "file"))
    keep(forecast())
    assert recall("abc") is None
