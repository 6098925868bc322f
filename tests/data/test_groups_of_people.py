"""The column of groups: it is no other column, neither by its name nor by what is left without it."""

import pytest

from affina.data.loading import load
from affina.errors import DataError, InputError, RecipeError
from affina.recipe.data_spec import DataSpec
from workbench import write_csv

TEXTS = [f"the parcel {number} is late" for number in range(40)]


def file_of(tmp_path, header, *, turns=2):
    """Rows whose first column is the text, and the others have so many values in turn."""
    width = header.count(",")
    rows = [(text, *(f"{'xyz'[at % 3]}{place % turns}" for at in range(width))) for place, text in enumerate(TEXTS)]
    return write_csv(tmp_path / "rows.csv", rows, header=header)


def loaded(tmp_path, header, group, **keys):
    spec = DataSpec(train=str(file_of(tmp_path, header)), validation=0.2, **keys)
    return load(spec, seed=0, people=group)


@pytest.mark.parametrize(
    ("header", "group", "role"),
    [
        ("text,label,gender", "text", "text"),
        ("text,label,gender", "label", "label"),
        ("text,label,one,many", "text", "text"),
        ("text,label", "label", "label"),
        ("Text,one,gender", "Text", "text"),
        ("text,label,title", "text", "text"),
        ("text,label,rating", "label", "label"),
        ("review,label,gender", "review", "text"),
        ("review,stars,gender", "stars", "label"),
        ("note,kind", "kind", "label"),
        ("note,kind", "note", "text"),
        ("premise,hypothesis,label,gender", "hypothesis", "text_pair"),
    ],
)
def test_a_column_that_is_the_text_or_the_label_is_no_column_of_groups(tmp_path, header, group, role):
    with pytest.raises(RecipeError) as caught:
        loaded(tmp_path, header, group)
    [problem] = caught.value.problems
    assert problem.where == f"risks.bias.group, data.{role}"
    assert problem.found == f"the column {group} for both"
    assert problem.fix == (
        f"name another column for one of them: risks.bias.group=COLUMN for the groups, or data.{role}=COLUMN"
    )


@pytest.mark.parametrize(
    ("header", "group", "keys", "roles"),
    [
        ("text,label,gender", "gender", {}, ("text", "label")),
        ("review,stars,gender", "gender", {}, ("review", "stars")),
        ("note,kind,gender", "gender", {}, ("note", "kind")),
        ("text,sentiment,topic", "topic", {}, ("text", "sentiment")),
        ("text,rating,class", "class", {}, ("text", "rating")),
        ("note,kind,label", "label", {"text": "note", "label": "kind"}, ("note", "kind")),
        ("title,label,text", "text", {"text": "title"}, ("title", "label")),
    ],
)
def test_a_column_that_another_one_leaves_free_is_one_of_groups(tmp_path, header, group, keys, roles):
    found = loaded(tmp_path, header, group, **keys).columns
    assert (found["text"], found["label"], found["people"]) == (*roles, group)


def test_what_is_unclear_without_it_is_said_as_that(tmp_path):
    with pytest.raises(DataError, match="a clear column for the text and the label"):
        loaded(tmp_path, "note,kind,place,gender", "gender")


@pytest.mark.parametrize("group", ["prompt", "completion"])
def test_a_column_of_a_task_that_writes_is_told_that(tmp_path, group):
    with pytest.raises(InputError, match="a task with one label a row"):
        loaded(tmp_path, "prompt,completion,gender", group)
