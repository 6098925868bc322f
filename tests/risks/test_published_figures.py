"""The published figures of CrowS-Pairs and StereoSet, where the Hub and the sets are at hand: elsewhere skipped.

`AFFINA_HUB=1` says that the Hub can be reached, `AFFINA_STEREOSET` names StereoSet's `dev.json`.
"""

import os
from functools import partial
from pathlib import Path

import pytest
from risk_cases import SAMPLING, value

from affina.models.classifier import load_classifier
from affina.models.language import load_language_model
from affina.models.masked_head import load_masked_head
from affina.models.source import locate
from affina.risks import likelier, likelier_masked
from affina.risks.stereotype_files import read_stereotypes
from affina.risks.stereotypes import judge_of

REAL = Path(os.environ.get("AFFINA_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
STEREOSET = os.environ.get("AFFINA_STEREOSET", "")
on_the_hub = pytest.mark.skipif(not os.environ.get("AFFINA_HUB"), reason="needs the Hub: set AFFINA_HUB=1")


def judged(looks_of, model, items):
    scores = looks_of(model, items, budget=8192, progress=lambda *_: None)()
    return judge_of(items.kind, sampling=SAMPLING)(items.items, scores, scores)


@pytest.mark.slow
@on_the_hub
@pytest.mark.skipif(not REAL.is_dir(), reason=f"the real data sets are not at {REAL}; set AFFINA_DATA to their folder")
def test_bert_base_holds_the_published_share_of_stereotypes_likelier():
    model = load_classifier(locate("google-bert/bert-base-uncased"), ("one", "other"))
    looks_of = partial(likelier_masked.looks_of, head=partial(load_masked_head, model))
    found = judged(looks_of, model, read_stereotypes(str(REAL / "crows_pairs/test.csv"), seed=0))
    assert 100 * value(found, "stereotype_share", "untouched model").value == pytest.approx(60.48, abs=0.005)


@pytest.mark.slow
@on_the_hub
@pytest.mark.skipif(not STEREOSET, reason="needs StereoSet: set AFFINA_STEREOSET to its dev.json")
def test_gpt2_has_the_published_scores_of_stereoset():
    model = load_language_model(locate("openai-community/gpt2"))
    found = judged(likelier.looks_of, model, read_stereotypes(STEREOSET, seed=0))
    assert value(found, "stereotype_score", "untouched model").value == pytest.approx(61.9315, abs=0.01)
    assert value(found, "language_score", "untouched model").value == pytest.approx(91.1149, abs=0.01)
