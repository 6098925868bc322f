"""Where a base model comes from: what the starters' list or the model's own card says, and nothing that is guessed."""

from pathlib import Path

import pytest

from affina.models.origin import Origin, origin
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
