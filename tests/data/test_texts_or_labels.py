"""Columns whose cells are texts that are to be written: the errors about labels name the tasks that write."""

import pytest

from affina.data.column_problems import are_texts
from affina.data.loading import load
from affina.data.streaming import load_streamed
from affina.errors import DataError
from affina.recipe.schema import DataSpec
from workbench import write_csv


def refused(path, **keys):
    with pytest.raises(DataError) as caught:
        load(DataSpec(train=str(path), **keys), seed=0)
    return caught.value.problems


def pairs(folder, header="frage,antwort"):
    rows = [(f"Wo ist Bestellung {k}?", f"Ihre Bestellung {k} ist unterwegs.") for k in range(20)]
    return write_csv(folder / "pairs.csv", rows, header=header)


def test_two_columns_of_texts_may_be_a_question_and_its_answer(tmp_path):
    (problem,) = refused(pairs(tmp_path))
    assert problem.fix.startswith("to learn to write antwort: task=chat data.prompt=frage data.completion=antwort")
    assert "task=generation" in problem.fix
    load(DataSpec(train=str(tmp_path / "pairs.csv"), prompt="frage", completion="antwort"), seed=0)


def test_two_columns_one_of_which_has_words_alone_are_not(tmp_path):
    rows = [(f"Wo ist Bestellung {k}?", f"z{k}") for k in range(20)]
    (problem,) = refused(write_csv(tmp_path / "labels.csv", rows, header="frage,art"))
    assert "task=" not in problem.fix


def test_a_label_column_full_of_texts_may_be_what_is_to_be_written(tmp_path):
    (problem,) = refused(pairs(tmp_path), text="frage", label="antwort")
    assert "or to learn to write antwort: task=chat data.prompt=COLUMN data.completion=antwort" in problem.fix


@pytest.mark.parametrize("read", [load, load_streamed])
def test_what_else_could_be_learned_is_said_once(tmp_path, read):
    path = pairs(tmp_path, header="question,answer")
    with pytest.raises(DataError) as caught:
        read(DataSpec(train=str(path), text="question", label="answer"), seed=0)
    (problem,) = caught.value.problems
    assert problem.fix.count("to learn to write") == 1
    assert problem.fix.endswith("or to learn to write answer, write task=chat in the place of data.text and data.label")


def test_an_empty_answer_among_texts_names_the_tasks_that_write(tmp_path):
    path = pairs(tmp_path)
    path.write_text(path.read_text(encoding="utf-8") + "Wo?,\n", encoding="utf-8")
    (problem,) = refused(path, text="frage", label="antwort")
    assert problem.fix.count("or to learn to write antwort: task=chat") == 1


def test_labels_that_no_other_row_has_beside_answers_name_the_other_task(tmp_path):
    rows = [(f"where is {k}", f"{k} is on its way", "ab"[k % 2] if k < 17 else f"z{k}") for k in range(20)]
    problems = refused(write_csv(tmp_path / "three.csv", rows, header="instruction,response,intent"))
    assert len(problems) == 3
    assert all(problem.fix.endswith("or to learn to write response, write task=chat") for problem in problems)


@pytest.mark.parametrize(
    ("cells", "texts"),
    [
        (["one two three", "two three four"], True),
        (["one two three"] * 9, False),
        (["card", "fee"], False),
        ([], False),
        (["lost or stolen card", "lost or stolen phone", *["card not working"] * 8], False),
    ],
)
def test_texts_are_long_and_seldom_come_back(cells, texts):
    assert are_texts(cells) is texts
