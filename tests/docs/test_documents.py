"""What the documents say agrees with the code: keys, commands, trees, versions, links, error messages."""

import itertools
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from documents import NOT_RUN, ROOT, blocks, documents, links, name

import affina
from affina.cli.main import app, run
from affina.recipe.load import check_recipe, load_recipe
from affina.recipe.other_names import OURS
from affina.recipe.schema import Recipe

EVERY = pytest.mark.parametrize("document", documents(), ids=name)


def test_the_documents_are_found():
    names = {name(document) for document in documents()}
    assert {"README.md", "CONTRIBUTING.md", "docs/recipe.md", "docs/guides/first-run.md"} <= names
    assert len([block for block in blocks(ROOT / "README.md") if block.language == "sh"]) > 4


def test_the_recipe_pages_are_what_the_types_say(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import recipe_docs

    stale = [file for file, text in recipe_docs.pages().items() if (ROOT / "docs" / file).read_text("utf-8") != text]
    assert stale == [], "run `make docs`"
    assert {"train.epochs", "method.blocks", "train.early_stopping.patience", "seed"} <= recipe_docs.keys()


def test_another_trainers_name_is_said_to_be_a_key_that_there_is(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import recipe_docs

    assert {ours.partition(",")[0].partition("=")[0] for ours in OURS.values()} <= recipe_docs.keys()


def test_the_schema_file_is_the_schema_of_the_recipe():
    assert json.loads((ROOT / "docs/recipe.schema.json").read_text("utf-8")) == Recipe.model_json_schema()


def test_every_recipe_key_has_a_meaning_on_its_page():
    keys, _, _ = (ROOT / "docs/recipe.md").read_text("utf-8").partition("## Coming from another trainer")
    rows = [line for line in keys.splitlines() if line.startswith("| `")]
    assert len(rows) > 40
    cells = [re.split(r"(?<!\\)\|", row) for row in rows]
    assert {len(parts) for parts in cells} == {6}
    assert [parts for parts in cells if not parts[-2].strip().endswith(".")] == []


def test_the_tree_in_the_readme_is_the_tree_on_disk():
    [tree] = [block.body for block in blocks(ROOT / "README.md") if block.body.startswith("src/affina/")]
    shown = dict(re.findall(r"^  (\S+)\s+(\S.*)$", tree, flags=re.MULTILINE))
    hidden = {"__init__.py", "py.typed", "__pycache__"}
    there = {path.name + "/" * path.is_dir() for path in (ROOT / "src/affina").iterdir() if path.name not in hidden}
    assert set(shown) == there
    assert all(len(phrase) > 10 for phrase in shown.values())


def test_the_changelog_names_the_version_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    released = re.findall(r"^## \[(\d\S*)\]", changelog, flags=re.MULTILINE)
    developed = re.findall(r"version in development is (\d[\d.]*\d)", changelog)
    assert [*developed, *released][0] == affina.__version__ == project["version"]
    assert "## [Unreleased]" in changelog


def test_every_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    names = {re.split(r"[<>=!~\[; ]", entry)[0].lower() for entry in wanted}
    page = (ROOT / "docs/decisions/0001-dependencies.md").read_text("utf-8")
    assert {row.lower() for row in re.findall(r"^\| `([^`]+)` \|", page, flags=re.MULTILINE)} == names


def test_the_constraints_pin_every_dependency_exactly():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    lines = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if not line.startswith("#")]
    pinned = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lines}
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==\d[\w.]*", line)] == []
    assert {re.split(r"[<>=!~\[; ]", entry)[0].lower() for entry in wanted} <= pinned


@EVERY
def test_links_lead_to_files_that_exist(document):
    local = [link.partition("#")[0] for link in links(document) if "://" not in link and not link.startswith("#")]
    assert [link for link in local if not (document.parent / link).exists()] == []


@EVERY
def test_blocks_that_are_not_run_have_a_known_reason(document):
    assert {block.not_run for block in blocks(document) if block.not_run} <= NOT_RUN


@EVERY
def test_commands_and_their_recipe_keys_exist(document):
    verbs = {command.callback.__name__ for command in app.registered_commands}
    targets = set(re.findall(r"^([\w-]+):(?!=)", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE))
    recipes = {block.file: yaml.safe_load(block.body) for block in blocks(document) if block.language == "yaml"}
    for block in blocks(document):
        if block.language != "sh" or block.status:
            continue
        for command in block.commands():
            program, *words = shlex.split(command)
            assert program in {"affina", "make", "python", "bash"}, command
            assert program != "make" or words[0] in targets, command
            if program == "affina":
                assert words[0] in verbs, command
                [base] = [recipes[word] for word in words[1:2] if word in recipes] or [{}]
                load_recipe(None, base=base, overrides=[word for word in words[1:] if "=" in word])


@EVERY
def test_recipes_in_the_documents_are_valid(document):
    for block in blocks(document):
        if block.language == "yaml":
            check_recipe(yaml.safe_load(block.body) or {})


def test_the_errors_in_the_guide_are_the_errors_that_are_printed(tmp_path, monkeypatch, capsys, tickets):
    monkeypatch.chdir(tmp_path)
    tickets(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    guide = blocks(ROOT / "docs/guides/bad-input.md")
    checked = 0
    for block, after in itertools.pairwise(guide):
        if block.file:
            Path(block.file).write_text(block.body, encoding="utf-8")
            before.add(block.file)
        if block.language == "sh":
            [command] = block.commands()
            monkeypatch.setattr(sys, "argv", shlex.split(command))
            with pytest.raises(SystemExit) as stopped:
                run()
            assert stopped.value.code == block.status == 2
            assert capsys.readouterr().err == after.body, command
            checked += 1
    assert checked >= 5
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_python_that_is_too_old_is_refused_with_the_way_out(tmp_path):
    old = tmp_path / "python-old"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n', encoding="utf-8")
    old.chmod(0o755)
    command = ["make", "-C", str(ROOT), "demo", f"PYTHON={old}", f"VENV={tmp_path / 'environment'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Affina needs Python 3.11 or newer" in done.stderr
    assert "Python 3.9.2" in done.stderr
    assert "make PYTHON=python3.12 demo" in done.stderr
    assert not (tmp_path / "environment").exists()
