"""What `auto` comes to: every value with its reason, and what was given always wins."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import pytest

from affina.recipe.method_specs import LoraSpec, PrefixSpec
from affina.recipe.resolve import (
    Facts,
    Hyperparameters,
    doubt_of_warmup,
    given_or,
    patience_of,
    resolve,
    trained_by,
    warmup_steps,
)
from affina.recipe.schema import EvaluateSpec, TrainSpec
from affina.values import Resolved

GIVEN = "given in the recipe"
FACTS = Facts(
    task="classification",
    rows=2_000,
    validation_rows=200,
    mean_length=14.3,
    longest=60,
    width=384,
    trained="partial",
)
METRIC = Resolved("accuracy", "one label a row")


def decided(*, train=None, evaluate=None, **facts) -> Hyperparameters:
    specs = TrainSpec(**(train or {})), EvaluateSpec(**(evaluate or {}))
    return resolve(*specs, dataclasses.replace(FACTS, **facts), metric=METRIC)


def test_every_auto_has_a_reason_that_is_a_sentence_part():
    found = decided().by_key()
    assert len(found) == len(dataclasses.fields(Hyperparameters)) - 1, "all but the prior, which is no choice"
    for key, resolved in found.items():
        assert resolved.reason, key
        assert resolved.reason != GIVEN, key
        assert not resolved.reason.endswith("."), key


GIVEN_VALUES = {
    "train.epochs": 7.0,
    "train.learning_rate": 3e-5,
    "train.head_learning_rate": 4e-5,
    "train.batch_tokens": 999,
    "train.schedule": "cosine",
    "train.warmup": 17.0,
    "evaluate.metric": "loss",
    "evaluate.per_epoch": 9,
    "evaluate.rows": 123,
    "train.early_stopping.patience": 3,
}


@pytest.mark.parametrize("trained", ["lora", "prompt", "prefix", "direct prefix"])
@pytest.mark.parametrize("width", [64, 384, 768])
def test_a_new_head_beside_the_model_learns_as_it_does_with_full_fine_tuning(trained, width):
    beside, full = decided(trained=trained, width=width), decided(trained="full", width=width)
    assert beside.learning_rate.value > 3 * full.learning_rate.value
    assert beside.head_learning_rate.value == pytest.approx(full.head_learning_rate.value, rel=0.05)
    assert "all weights" in beside.head_learning_rate.reason
    given = decided(trained=trained, width=width, train={"learning_rate": 2 * beside.learning_rate.value})
    assert given.head_learning_rate.value == pytest.approx(2 * beside.head_learning_rate.value, rel=0.01)


@pytest.mark.parametrize("key", GIVEN_VALUES)
def test_a_given_value_wins_and_the_others_stay_auto(key):
    section, *names = key.split(".")
    value = GIVEN_VALUES[key]
    for name in reversed(names):
        value = {name: value}
    found = decided(**{section: value}).by_key()
    assert set(found) == set(GIVEN_VALUES)
    assert found[key] == Resolved(GIVEN_VALUES[key], GIVEN)
    assert all(resolved.reason != GIVEN for other, resolved in found.items() if other != key)


def test_a_prefix_without_its_network_has_a_rate_of_its_own():
    direct, through = PrefixSpec(reparameterise=False), PrefixSpec()
    assert (trained_by(direct), trained_by(through), trained_by(LoraSpec())) == ("direct prefix", "prefix", "lora")
    for writes in (False, True):
        alone, beside = (decided(trained=trained_by(method), writes=writes) for method in (direct, through))
        assert alone.learning_rate.value > 5 * beside.learning_rate.value
        assert "without its network" in alone.learning_rate.reason


def test_given_or():
    auto = Resolved(1, "because")
    assert given_or("auto", auto) is auto
    assert given_or(0, auto) == Resolved(0, GIVEN)


def test_the_prior_is_there_whatever_rate_was_given():
    assert decided(train={"learning_rate": 7.0}).prior == decided().learning_rate


def test_the_head_follows_the_given_rate_of_the_body():
    given = decided(train={"learning_rate": 1e-5})
    assert given.head_learning_rate.value == pytest.approx(3e-5)
    assert "3 times" in given.head_learning_rate.reason


def test_a_head_alone_takes_a_rate_of_its_own():
    alone = decided(trained="head", width=4096).learning_rate
    assert alone.value > decided().learning_rate.value
    assert "head" in alone.reason


def test_epochs_fall_with_the_number_of_rows():
    sizes = (10, 250, 500, 1_000, 1_001, 2_000, 2_001, 20_000, 20_001, 10**7)
    epochs = [decided(rows=rows).epochs for rows in sizes]
    assert all(before.value >= after.value for before, after in pairwise(epochs))
    assert [found.value for found in epochs] == [40.0, 40.0, 20.0, 10.0, 10.0, 5.0, 5.0, 5.0, 3.0, 3.0]
    assert "10,000,000" in epochs[-1].reason


def test_a_head_alone_takes_its_body_rate_from_a_given_one_of_the_head():
    alone = decided(train={"head_learning_rate": 3e-3}, trained="head")
    assert alone.learning_rate.value == pytest.approx(1e-3)
    assert alone.head_learning_rate.value == 3e-3
    assert decided(train={"head_learning_rate": 3e-3}).learning_rate.value == decided().learning_rate.value


def test_a_batch_always_holds_the_longest_row():
    assert decided().batch_tokens.value == 458
    long = decided(longest=5_000).batch_tokens
    assert long.value == 5_000
    assert "5000" in long.reason


@pytest.mark.parametrize(
    ("asked", "validation_rows", "rows", "expected"),
    [
        ("auto", 200, 2_000, 200),
        ("auto", 500, 100, 500),
        ("auto", 501, 100, 500),
        ("auto", 9_000, 16_000, 2_000),
        ("all", 9_000, 16_000, 9_000),
        (50, 200, 2_000, 50),
        (999, 200, 2_000, 200),
    ],
)
def test_evaluation_rows(asked, validation_rows, rows, expected):
    found = decided(evaluate={"rows": asked}, validation_rows=validation_rows, rows=rows).evaluation_rows
    assert found.value == expected
    assert found.reason


@pytest.mark.parametrize(
    ("warmup", "total", "steps"),
    [
        (0, 100, 0),
        (0.1, 100, 10),
        (0.06, 10, 0),
        (0.999, 10, 9),
        (1, 100, 1),
        (30, 100, 30),
        (30, 20, 20),
        (0.1, 0, 0),
        (0.1, 15, 1),
    ],
)
def test_warmup_is_a_share_below_one_and_steps_from_one_on(warmup, total, steps):
    assert warmup_steps(warmup, total) == steps


@pytest.mark.parametrize(
    ("warmup", "total", "said"),
    [
        (0.5, 100, ""),
        (0.51, 100, "takes 51 of the run's 100 steps"),
        (50, 100, ""),
        (51, 100, "takes 51 of the run's 100 steps"),
        (100, 100, "is no shorter than the run, which has 100 steps"),
        (400, 40, "is no shorter than the run, which has 40 steps"),
        (0, 1, ""),
    ],
)
def test_a_warm_up_that_takes_most_of_the_run_is_doubted(warmup, total, said):
    found = doubt_of_warmup(warmup, total)
    assert said in found
    assert bool(found) == bool(said)


def test_what_is_left_to_us_is_a_small_share_of_every_run():
    warmup = decided().warmup.value
    assert all(warmup_steps(warmup, total) <= 0.1 * total for total in range(2_000))
    assert not any(doubt_of_warmup(warmup, total) for total in range(2_000))


def test_a_run_that_unfreezes_its_layers_in_turn_has_epochs_for_all_of_them():
    usual = decided(train={}, rows=5_000).epochs
    assert decided(rows=5_000, unfrozen_after=4.0).epochs == usual
    longer = decided(rows=5_000, unfrozen_after=7.0).epochs
    assert (longer.value, usual.value) == (8.0, 5.0)
    assert "all layers train only after 7" in longer.reason
    assert decided(rows=5_000, unfrozen_after=7.0, train={"epochs": 2}).epochs.value == 2


def test_with_a_rate_for_each_layer_the_head_is_the_layer_above_the_body():
    found = decided(layer_decay=2.6, train={"learning_rate": 0.01})
    assert found.head_learning_rate.value == 0.026
    assert "method.layer_decay" in found.head_learning_rate.reason
    assert decided(layer_decay=2.6, train={"head_learning_rate": 0.5}).head_learning_rate.value == 0.5


def test_the_patience_after_a_probe_claims_nothing_of_how_good_it_is():
    """The probe may have been taken for want of rows, and carry next to nothing over."""
    found = patience_of(decided(), probed=True, has_noise=True)
    assert "the head starts as a probe" in found.reason
    assert "good" not in found.reason


def test_what_ends_a_run_before_its_epochs_is_said_as_it_is():
    sooner = "train.early_stopping.patience says when it may end sooner"
    assert decided().epochs.reason.endswith(sooner)
    assert sooner not in decided(train={"early_stopping": False}).epochs.reason
    share, number = (patience_of(decided(), probed=True, has_noise=noise) for noise in (True, False))
    assert share.reason.endswith("only a model that gets clearly worse ends it sooner")
    assert number.reason.endswith("it goes on to its end")
    assert "ends it" not in patience_of(decided(), probed=False, has_noise=True).reason
