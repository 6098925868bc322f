"""The first word of a verb: data, a recipe, or a key like all others; never one that is lost."""

import pytest

from affina.errors import RecipeError
from affina.verbs.sources import read_source
from workbench import affina, sample_rows, tiny, write_csv


def test_a_key_that_stands_first_counts_like_the_others(tmp_path):
    recipe = read_source("model=starter/decoder", ["data.train=rows.csv", "seed=3"])
    assert (recipe.model, recipe.data.train, recipe.seed) == ("starter/decoder", "rows.csv", 3)
    with pytest.raises(RecipeError, match=r"modle"):
        read_source("modle=starter/decoder", ["data.train=rows.csv"])


def test_a_file_of_that_name_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "model=a.csv", sample_rows())
    assert read_source("model=a.csv", []).data.train == "model=a.csv"


def test_a_list_that_is_longer_than_a_file_s_name_may_be():
    files = ", ".join(f"part-{number:05}.csv" for number in range(40))
    assert len(read_source(f"data.train=[{files}]", []).data.train) == 40


def test_on_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "rows.csv", sample_rows())
    done = affina("check", f"model={tiny('roberta')}", "data.train=rows.csv", "--json")
    assert done.status == 0, done.err
    refused = affina("check", "model=nowhere/at/all", "data.train=rows.csv")
    assert refused.status == 2
    assert "nowhere/at/all" in refused.err
    without_data = affina("check", f"model={tiny('roberta')}")
    assert without_data.status == 2
    assert "data.train" in without_data.err
