"""Exposure: by hand, and by chance where nothing was learned."""

import math

import numpy as np
import pytest
from risk_cases import SAMPLING, value

from affina.data.canaries import DIGITS, OTHERS, drawn_canaries
from affina.risks.exposure import Exposed, exposures


def found(before, after):
    looks = iter((np.asarray(before), np.asarray(after)))
    probe = Exposed(lambda: next(looks), sampling=SAMPLING, notes=("20 rows",))
    probe.before()
    return probe.after()


def test_the_exposure_is_that_of_the_rank_among_the_others():
    likely = np.log([[0.5, 0.1, 0.1, 0.2], [0.1, 0.2, 0.3, 0.1], [0.1, 0.2, 0.05, 0.01], [0.1, 0.1, 0.1, 0.1]])
    ranks = [1, 4, 2, 4]  # a tie counts against the canary
    assert exposures(likely) == pytest.approx([2 - math.log2(rank) for rank in ranks], abs=0)


def test_canaries_that_were_learned_are_flagged_and_both_models_are_told():
    chance = np.log(np.tile([[0.1, 0.2, 0.05, 0.01, 0.3, 0.3, 0.3, 0.3]], (20, 1)))
    known = np.array(chance)
    known[:, 0] = math.log(0.9)
    result = found(chance, known)
    assert result.outcome == "within", "3 bits of 8 numbers are no more than the limit"
    wide = [np.concatenate([side, side[:, 1:]], axis=1) for side in (chance, known)]
    result = found(*wide)
    assert result.outcome == "flagged"
    assert value(result, "exposure", "tuned model").value == pytest.approx(math.log2(15))
    assert value(result, "exposure", "untouched model").value == pytest.approx(math.log2(15 / 11))
    assert value(result, "exposure", "difference").value == pytest.approx(math.log2(11))
    assert f"{math.log2(15 / 11):.1f} to {math.log2(15):.1f}" in result.notes[-1]


def test_numbers_that_were_never_seen_have_the_exposure_of_chance():
    likely = np.random.default_rng(0).standard_normal((4000, 1 + OTHERS))
    assert exposures(likely).mean() == pytest.approx(1 / math.log(2), abs=0.1)
    assert found(likely[:20], likely[20:40]).outcome == "within"


def test_fewer_than_twenty_settle_nothing():
    known = np.log(np.tile([[0.9, 0.05, 0.05]], (19, 1)))
    assert found(known, known).outcome == "few"


def test_no_number_comes_twice_and_the_seed_decides_them():
    first, again, other = (drawn_canaries(5, seed=seed) for seed in (1, 1, 2))
    numbers = [number for canary in first for number in (canary.secret, *canary.others)]
    assert len(set(numbers)) == len(numbers) == 5 * (1 + OTHERS)
    assert {len(number) for number in numbers} == {DIGITS}
    assert first == again
    assert first[0].secret != other[0].secret
    assert drawn_canaries(2, seed=1) == first[:2], "more canaries leave the first ones as they are"
