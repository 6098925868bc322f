"""The baselines: the majority class by hand, the probe against scikit-learn, features over real tokens alone."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from affina.evaluation import carrying
from affina.evaluation.baselines import STRENGTHS, fit_probe, last_features, majority, mean_features
from affina.evaluation.judging.classes import ClassJudge


def carried_over(probe, train, validation):
    seen, unseen = ((features, np.asarray(targets)) for features, targets in (train, validation))
    return carrying.carried_over(ClassJudge(tuple("abcde"[: probe.classes])), probe, seen, unseen)


def clusters(rows=120, classes=3, *, scale=1.0, seed=0, noise=0.5):
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(classes, 8))
    targets = generator.integers(0, classes, rows)
    features = (centres[targets] + noise * generator.normal(size=(rows, 8))) * scale
    return features.astype(np.float32), targets.tolist()


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("intercept", [True, False])
def test_the_probe_is_a_logistic_regression_on_scaled_features(classes, intercept):
    features, targets = clusters(classes=classes, scale=40.0)
    probe = fit_probe(features, targets, classes=classes, strength=0.1, intercept=intercept)
    scaled = features / np.sqrt(np.mean(np.square(features, dtype=np.float64)))
    oracle = LogisticRegression(C=0.1, max_iter=200, fit_intercept=intercept).fit(scaled, targets)
    assert np.allclose(probe.predict(features), oracle.predict_proba(scaled), atol=1e-6)
    assert intercept or not probe.bias.any()


def test_the_scale_of_the_features_does_not_matter():
    found = [
        fit_probe(*clusters(scale=scale), classes=3, strength=0.1).predict(clusters(scale=scale)[0])
        for scale in (1e-3, 1.0, 500.0)
    ]
    assert np.allclose(found[0], found[1], atol=1e-4)
    assert np.allclose(found[2], found[1], atol=1e-4)


def test_a_class_that_the_probe_never_saw_has_probability_zero():
    features, targets = clusters(classes=2)
    found = fit_probe(features, [3 * target for target in targets], classes=5, strength=0.1).predict(features)
    assert found.shape == (120, 5)
    assert np.allclose(found.sum(axis=1), 1)
    assert not found[:, [1, 2, 4]].any()


def test_the_strength_is_chosen_by_the_loss_on_the_validation_rows():
    train, validation = clusters(80, seed=1, noise=3.0), clusters(500, seed=2, noise=3.0)
    seen, unseen = ((features, np.asarray(targets)) for features, targets in (train, validation))
    chosen = carrying.choose_probe(ClassJudge(("a", "b", "c")), seen, unseen).predict(validation[0])
    found = [fit_probe(*train, classes=3, strength=s).predict(validation[0]) for s in STRENGTHS]
    losses = [log_loss(validation[1], one) for one in found]
    assert losses.index(min(losses)) not in (0, len(losses) - 1)  # neither the most timid nor the boldest
    assert np.array_equal(chosen, found[losses.index(min(losses))])


def test_a_probe_that_learnt_by_heart_carries_little_over():
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(100, 400)).astype(np.float32), generator.integers(0, 3, 100).tolist()
    other = generator.normal(size=(100, 400)).astype(np.float32), generator.integers(0, 3, 100).tolist()
    assert carried_over(fit_probe(*noise, classes=3, strength=0.02), noise, other) < 0.1
    one, two = clusters(300, seed=1), clusters(300, seed=2)
    assert carried_over(fit_probe(*one, classes=3, strength=0.02), one, two) > 0.9


def noise(shares, rows, *, seed):
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(rows, 40)).astype(np.float32)
    return features, generator.choice(len(shares), rows, p=shares).tolist()


def test_knowing_how_frequent_the_classes_are_carries_nothing_over():
    train, validation = (noise((0.97, 0.02, 0.01), 600, seed=seed) for seed in (1, 2))
    assert carried_over(fit_probe(*train, classes=3, strength=0.02), train, validation) < 0.1


def test_validation_rows_of_a_class_that_the_probe_never_saw_are_left_out():
    train, validation = clusters(300, seed=1), clusters(300, seed=2)
    probe = fit_probe(*train, classes=4, strength=0.02)
    features, found = validation
    strange = np.concatenate([features, features[:1]]), [*found, 3]
    assert carried_over(probe, train, strange) == pytest.approx(carried_over(probe, train, validation), abs=1e-9)
    assert carried_over(probe, train, (features, [3] * len(found))) == 0


@pytest.mark.parametrize("seed", range(6))
def test_what_carries_over_is_a_share(seed):
    train, validation = clusters(60, seed=seed), clusters(30, seed=seed + 20)
    assert 0 <= carried_over(fit_probe(*train, classes=3, strength=0.02), train, validation) <= 1


def test_a_probe_of_rows_of_a_single_class_always_answers_it():
    features, _ = clusters(20)
    probe = fit_probe(features, [2] * 20, classes=4, strength=0.1)
    assert probe.predict(features).tolist() == [[0, 0, 1, 0]] * 20
    assert carried_over(probe, (features, [2] * 20), (features, [2] * 20)) == 0


def test_majority_answers_the_most_frequent_class_with_the_training_shares():
    found = majority([2, 0, 2, 2], classes=4, rows=3)
    assert found.tolist() == [[0.25, 0.0, 0.75, 0.0]] * 3


def test_features_are_of_real_tokens_alone():
    hidden = torch.arange(12.0).reshape(2, 3, 2)
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    assert mean_features(hidden, mask).tolist() == [[2.0, 3.0], [7.0, 8.0]]
    assert last_features(hidden, mask).tolist() == [[4.0, 5.0], [8.0, 9.0]]
