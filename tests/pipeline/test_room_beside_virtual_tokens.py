"""What virtual tokens leave of a model's longest input: the reason that is said, and when it is too little."""

import pytest

from affina.errors import RecipeError
from affina.verbs.check import check
from forecasts import prepared_run, recipe_words
from tiny_models import POSITIONS

METHODS = ("prompt", "prefix")


def words(method, length):
    return f"method={{name: {method}, length: {length}}}"


@pytest.mark.parametrize("method", METHODS)
def test_the_limit_is_put_down_to_what_takes_the_room(tmp_path, method):
    chosen = prepared_run(tmp_path, words(method, 20)).choices["data.max_length"]
    assert chosen.value == POSITIONS - 20
    assert f"what method.length=20 leaves of the model's {POSITIONS} positions" in chosen.reason
    assert "the model's limit" in prepared_run(tmp_path, "method=lora").choices["data.max_length"].reason


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("read", [prepared_run, lambda *given: check(recipe_words(*given))])
def test_virtual_tokens_that_cut_most_rows_are_refused_with_how_many_there_is_room_for(tmp_path, method, read):
    longest = max(prepared_run(tmp_path, "method=lora").subject.lengths["train"])
    with pytest.raises(RecipeError) as caught:
        read(tmp_path, words(method, POSITIONS - 4))
    (problem,) = caught.value.problems
    assert problem.where == "recipe key method.length"
    assert f"of the model's {POSITIONS} positions 4 are left for a text: 51 of 51 training rows" in problem.found
    assert f"write method.length={POSITIONS - longest}, which leaves them whole" in problem.fix
    assert max(prepared_run(tmp_path, words(method, POSITIONS - longest)).subject.lengths["train"]) == longest
    asked = prepared_run(tmp_path, words(method, POSITIONS - 4), "data.max_length=4")
    assert max(asked.subject.lengths["train"]) == 4


def test_where_virtual_tokens_cut_a_few_rows_that_is_said(tmp_path):
    longest = max(prepared_run(tmp_path, "method=lora").subject.lengths["train"])
    run = prepared_run(tmp_path, words("prompt", POSITIONS - longest + 1))
    found = next(finding for finding in run.findings if finding.name == "too_long")
    assert f"method.length={POSITIONS - longest + 1}" in found.advice


def test_a_limit_beyond_what_is_left_is_refused_with_what_takes_the_room(tmp_path):
    with pytest.raises(RecipeError) as caught:
        prepared_run(tmp_path, words("prompt", 20), f"data.max_length={POSITIONS}")
    assert f"to {POSITIONS - 20}, what method.length=20 leaves" in caught.value.problems[0].expected
