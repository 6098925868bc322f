"""Where a base model comes from: what the starters' list or the model's own card says, and nothing that is guessed."""

from pathlib import Path

import pytest

from affina.models.adapters import UNNAMED, BaseName
from affina.models.origin import Origin, name_of, origin
from affina.models.source import Source


def source(folder, *, kind="folder", reference="models/mine"):
    return Source(reference=reference, folder=Path(folder), kind=kind)


def with_card(folder, text):
    (folder / "README.md").write_text(text, encoding="utf-8")
    return folder


def test_a_starter_is_known(tmp_path):
    found = origin(source(tmp_path, kind="starter", reference="starter/encoder"))
    assert found == Origin("sentence-transformers/all-MiniLM-L6-v2", "apache-2.0", ("en",))


def test_a_card_is_read(tmp_path):
    with_card(tmp_path, "---\nlicense: mit\nlanguage: [it, en]\nbase_model: a/b\n---\n# a model\n")
    assert origin(source(tmp_path)) == Origin("a/b", "mit", ("it", "en"))
    assert origin(source(tmp_path, kind="hub", reference="c/d")).hub_id == "c/d"


def test_one_language_and_one_base_in_a_list(tmp_path):
    with_card(tmp_path, "---\nlanguage: it\nbase_model: [a/b]\nlicense:\n---\n")
    assert origin(source(tmp_path)) == Origin("a/b", None, ("it",))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# no front matter",
        "---\nlicense: mit\n",
        "---\n: [\n---\n",
        "---\n- a\n---\n",
        "---\nlicense: {a: b}\nlanguage: 5\nbase_model: [a, b]\n---\n",
        "---\n!!python/object:os.system x\n---\n",
        "---\nlicense: '" + "x" * 1_000_001 + "'\n---\n",
    ],
)
def test_a_card_that_says_nothing_or_nonsense_is_no_origin(tmp_path, text):
    assert origin(source(with_card(tmp_path, text))) == Origin()


def test_no_card_and_a_card_that_is_no_text(tmp_path):
    assert origin(source(tmp_path)) == Origin()
    (tmp_path / "README.md").write_bytes(b"---\n\xff\xfe")
    assert origin(source(tmp_path)) == Origin()


def test_weights_are_called_by_the_name_of_exactly_these(tmp_path):
    """An adapter stands beside a run's own weights, not beside those of the model that the run began with."""
    with_card(tmp_path, "---\nbase_model: a/b\n---\n")
    run = source(tmp_path, kind="run", reference="runs/x")
    assert origin(run).hub_id == "a/b"
    assert name_of(run) == name_of(source(tmp_path)) == UNNAMED
    assert name_of(source(tmp_path, kind="hub", reference="c/d")) == BaseName(hub_id="c/d")
    starter = source(tmp_path, kind="starter", reference="starter/decoder")
    assert name_of(starter).starter == "starter/decoder"
    assert name_of(starter).hub_id == origin(starter).hub_id


def test_of_an_adapter_its_base_is_told(tmp_path):
    base = source(tmp_path / "base", kind="starter", reference="starter/encoder")
    beside = Source(reference="runs/x", folder=base.folder, kind="run", adapter=tmp_path, base=base)
    assert origin(beside) == origin(base)
    assert name_of(beside.without_adapter) == name_of(base)
