"""Why answers say nothing, as far as a run can tell, and what is proposed."""

from types import SimpleNamespace

import pytest

from affina.models.writing import HowToWrite
from affina.pipeline.writing import causes


def run(*, given="auto", max_steps=None):
    recipe = SimpleNamespace(generate=SimpleNamespace(max_new_tokens=given), train=SimpleNamespace(max_steps=max_steps))
    return SimpleNamespace(recipe=recipe, hyper=SimpleNamespace(epochs=SimpleNamespace(value=5.0)))


def outcome(*, steps=1_000, falling=False):
    return SimpleNamespace(steps=steps, falling=falling, improving=falling)


def rows(count, tokens=20):
    return [SimpleNamespace(learned=(False, *[True] * tokens))] * count


@pytest.mark.parametrize(
    ("kind", "run_of", "happened", "train", "beams", "said"),
    [
        ("cut off", {"given": 6}, {}, 500, 1, ("longer than the given generate.max_new_tokens=6", "tokens=20")),
        ("cut off", {}, {}, 500, 1, ("has not learned to end", "more rows or epochs")),
        ("empty", {}, {"steps": 12}, 500, 4, ("trained for 12 steps only", "train.epochs=10")),
        ("empty", {"max_steps": 12}, {"steps": 12}, 500, 4, ("trained for 12 steps only", "train.max_steps=24")),
        ("repeating", {}, {"falling": True}, 500, 1, ("the validation loss was still falling", "train.epochs=10")),
        ("empty", {}, {}, 500, 4, ("generate.beams=4", "generate.beams=1")),
        ("same", {}, {}, 50, 1, ("50 training rows are few", "more rows")),
        ("same", {}, {}, 500, 1, ("does not tell the model", "affina check")),
        ("repeating", {}, {}, 500, 1, ("unsure of every token", "generate.temperature=0.7")),
    ],
)  # fmt: skip
def test_the_likeliest_cause_comes_first(kind, run_of, happened, train, beams, said):
    how = HowToWrite(most_tokens=run_of.get("given", 20), beams=beams)
    found = causes.of_answers(how, rows(train), run=run(**run_of), outcome=outcome(**happened), kind=kind)
    assert [words in told for words, told in zip(said, found, strict=True)] == [True, True]
