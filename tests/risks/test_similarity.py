"""What a model that reads forgot: sentence similarities, before and after."""

import numpy as np
import pytest
from risk_cases import KEEPING, SAMPLING, attach, classifier, look_through, train_a_little

from affina.errors import NonFiniteError
from affina.risks.sentences import sentences
from affina.risks.similarity import Similarities, change


@pytest.mark.parametrize("method", KEEPING)
@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_an_untrained_method_holds_the_same_sentences_alike_exactly(method, family):
    model = classifier(family)
    found = look_through(Similarities(model, sampling=SAMPLING, budget=500), attach(method, model))
    [figure] = found.figures
    assert (figure.found.value, figure.found.low, figure.found.high) == (0.0, 0.0, 0.0)
    assert (found.outcome, figure.found.n) == ("within", len(sentences()))


@pytest.mark.parametrize("method", [*KEEPING, "prompt", "prefix"])
def test_a_trained_one_does_not(method):
    model = classifier()
    attached = attach(method, model)
    train_a_little(attached, size=0.5)
    found = look_through(Similarities(model, sampling=SAMPLING, budget=500), attached)
    assert found.figures[0].found.value > 0.01


def test_the_head_has_no_part_in_it():
    model = classifier()
    attached = attach("full", model)
    before = {name: tensor.clone() for name, tensor in attached.state_dict().items()}
    train_a_little(attached, size=0.5)
    heads = {name: tensor for name, tensor in attached.state_dict().items() if model.anatomy.part_of(name) == "head"}
    assert heads
    attached.load_state_dict({**before, **{name: tensor.clone() for name, tensor in heads.items()}})
    pooled = [name for name in heads if "pooler" in name]
    found = look_through(Similarities(model, sampling=SAMPLING, budget=500), attached)
    assert found.figures[0].found.value == 0.0, pooled


def test_the_change_is_one_minus_pearsons_r_over_the_pairs():
    draw = np.random.default_rng(0)
    first, second = (np.tril(part, -1) + np.tril(part, -1).T for part in draw.normal(size=(2, 9, 9)))
    upper = np.triu_indices(9, k=1)
    r = np.corrcoef(first[upper], second[upper])[0, 1]
    assert change(first, second, np.ones(9)) == pytest.approx(1 - r)
    assert change(first, 3 * first + 1, np.ones(9)) == pytest.approx(0)
    twice = np.array([2, 1, 0, 1, 1, 1, 1, 1, 1.0])
    pairs = [(i, j) for i in range(9) for j in range(i + 1, 9) for _ in range(int(twice[i] * twice[j]))]
    r = np.corrcoef(*[[part[pair] for pair in pairs] for part in (first, second)])[0, 1]
    assert change(first, second, twice) == pytest.approx(1 - r)


def test_sentences_that_are_all_alike_tell_nothing():
    flat = np.ones((5, 5))
    assert np.isnan(change(flat, flat, np.ones(5)))
    assert np.isnan(change(flat, flat, np.array([5, 0, 0, 0, 0.0])))


def test_the_sentences_are_short_different_and_plain():
    texts = sentences()
    assert 55 <= len(texts) <= 80
    assert len(set(texts)) == len(texts)
    assert all(20 < len(text) < 120 and text.isascii() and text[-1] in ".?" for text in texts)


def test_states_that_are_no_numbers_are_no_finding():
    model = classifier()
    attached = attach("full", model)
    train_a_little(attached, size=float("inf"))
    with pytest.raises(NonFiniteError):
        look_through(Similarities(model, sampling=SAMPLING, budget=500), attached)
