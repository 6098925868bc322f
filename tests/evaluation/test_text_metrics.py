"""BLEU and chrF are sacrebleu's own numbers; ROUGE-L and exact match are worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as some

from affina.evaluation.text_metrics import NAMES, _longest_common, measure, rouge_l, score, signatures, statistics

OUTPUTS = ["the cat sat on the mat", "a dog", "nothing in common here", "a man sleeping in a green room"]
REFERENCES = [
    ["the cat sat on a mat", "the cat is on the mat"],
    ["a dog"],
    ["wholly other words", "and more of them", "still"],
    ["a man sleeps in a green room on a couch"],
]
LINES = [[refs[place] if place < len(refs) else None for refs in REFERENCES] for place in range(3)]


def values(outputs: list[str], references: list[list[str]]) -> dict[str, float]:
    found = measure(statistics(outputs, references), np.ones(len(outputs)))
    return dict(zip(NAMES, found.tolist(), strict=True))


def test_bleu_and_chrf_are_sacrebleus_own_with_any_number_of_references() -> None:
    found = values(OUTPUTS, REFERENCES)

    assert found["bleu"] == sacrebleu.corpus_bleu(OUTPUTS, LINES).score
    assert found["chrf"] == sacrebleu.corpus_chrf(OUTPUTS, LINES).score


def test_the_signatures_name_the_number_of_references_and_the_version() -> None:
    found = signatures(OUTPUTS, REFERENCES)

    assert found["bleu"].startswith("nrefs:var|case:mixed")
    assert found["chrf"].startswith("nrefs:var|case:mixed")
    assert f"version:{sacrebleu.__version__}" in found["bleu"]


def test_it_agrees_with_sacrebleu_on_the_example_of_the_e2e_challenge(data: Path) -> None:
    lines = (data / "e2e_metrics_example" / "example.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    outputs, references = [row["output"] for row in rows], [row["refs"] for row in rows]
    most = max(map(len, references))
    streams = [[refs[place] if place < len(refs) else None for refs in references] for place in range(most)]
    found = values(outputs, references)

    assert found["bleu"] == sacrebleu.corpus_bleu(outputs, streams).score
    assert found["chrf"] == sacrebleu.corpus_chrf(outputs, streams).score


@pytest.mark.parametrize(
    ("output", "reference", "expected"),
    [
        ("the cat sat", "the cat sat", 1.0),
        ("The cat, sat!", "the cat sat", 1.0),
        ("the cat sat", "the dog sat", 2 / 3),
        ("police killed the gunman", "police kill the gunman", 3 / 4),
        ("the gunman kill police", "police kill the gunman", 2 / 4),
        ("", "words", 0.0),
        ("words", "", 0.0),
        ("perché no", "Perché no", 1.0),
    ],
)
def test_rouge_l_by_hand(output: str, reference: str, expected: float) -> None:
    assert rouge_l(output, reference) == pytest.approx(expected)


def test_the_best_reference_counts() -> None:
    found = values(["a b c"], [["x", "a b c d e", "a b"]])

    assert found["rouge_l"] == pytest.approx(2 * 2 / 5)


def test_an_exact_match_is_one_of_the_references_outer_blanks_aside() -> None:
    found = values([" yes ", "no"], [["maybe", "yes"], ["No"]])

    assert found["exact_match"] == 0.5


@given(some.lists(some.sampled_from("abc"), max_size=8), some.lists(some.sampled_from("abc"), max_size=8))
def test_the_longest_common_subsequence_is_that_of_the_plain_recursion(left: list[str], right: list[str]) -> None:
    def longest(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return 0
        if left[i - 1] == right[j - 1]:
            return longest(i - 1, j - 1) + 1
        return max(longest(i - 1, j), longest(i, j - 1))

    assert _longest_common(left, right) == longest(len(left), len(right))


def test_intervals_hold_the_values_and_are_the_same_for_the_same_seed() -> None:
    rows = statistics(OUTPUTS, REFERENCES)
    first = score(rows, resamples=50, confidence=0.9, seed=3)

    assert first == score(rows, resamples=50, confidence=0.9, seed=3)
    for name, found in first.items():
        assert found.low <= found.value <= found.high or name == "bleu"
        assert found.n == 4


def test_a_row_without_a_reference_is_refused() -> None:
    with pytest.raises(ValueError, match="one reference at least"):
        statistics(["a"], [[]])
