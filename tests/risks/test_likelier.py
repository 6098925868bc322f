"""How likely texts are: exactly that of models whose probabilities are known, and of transformers' own heads."""

import math

import numpy as np
import pytest
import torch
from risk_cases import KEEPING, SAMPLING, attach, classifier, look_through, train_a_little, value, writer
from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer

from affina.errors import DataError, ModelError
from affina.models.classifier import load_classifier
from affina.models.masked_head import load_masked_head, seems_to_have_one
from affina.models.source import locate
from affina.risks import likelier, likelier_masked
from affina.risks.given_items import Item, Items
from affina.risks.likelier_masked import shared, words_of
from affina.risks.preferring import Preferred, pairs_lost
from affina.tasks.text_ends import Ends
from workbench import tiny

GOOD, BAD = "my card has not arrived yet", "my card has not yet arrived where is it"
HEADED = ("roberta", "xlm-roberta", "deberta-v2", "modernbert", "big_bird")


def of_kind(kind, *texts, count=1, **parts):
    item = Item(texts=texts or (GOOD, BAD), where="mine.jsonl, row 1 (line 1)", **parts)
    return Items(kind=kind, file="mine.jsonl", items=(item,) * count, told="all that it has")


def known(family="gpt2"):
    """A decoder in float64 whose next token has the same known probabilities whatever it read."""
    model = writer(family)
    module = model.module.double()
    chances = torch.log_softmax(torch.linspace(-2, 3, model.output.vocabulary, dtype=torch.float64), dim=0)
    with torch.no_grad():
        module.transformer.ln_f.weight.zero_()
        module.transformer.ln_f.bias.zero_()
        module.transformer.ln_f.bias[0] = 1
        model.output.weight[:, 0] = chances
    return model, chances


def scored(model, items):
    return likelier.looks_of(model, items, budget=200, progress=lambda *_: None)()


def masked(model, items, head=None):
    head = head or load_masked_head(model)
    return likelier_masked.looks_of(model, items, head=lambda: head, budget=200, progress=lambda *_: None)()


def tokens(model, text):
    return model.tokenizer(text, add_special_tokens=False)["input_ids"]


def test_a_decoder_s_score_is_the_log_probability_of_every_token_the_first_included():
    model, chances = known()
    [found] = scored(model, of_kind("minimal pairs"))
    wanted = [float(chances[tokens(model, text)].sum()) for text in (GOOD, BAD)]
    assert found.tolist() == pytest.approx(wanted, rel=1e-12)
    [by_token] = scored(model, of_kind("StereoSet", GOOD, BAD, "no cash"))
    wanted = [float(chances[tokens(model, text)].mean()) for text in (GOOD, BAD, "no cash")]
    assert by_token.tolist() == pytest.approx(wanted, rel=1e-12)


def test_a_decoder_s_score_of_stereoset_is_that_of_its_authors():
    """For GPT-2 (eval_generative_models.py): P(first | end of text), then the sentence alone; 2 ** mean(log2 p)."""
    model = writer("gpt2")
    end = model.tokenizer.bos_token_id
    texts = (GOOD, BAD, "no cash", "my")
    [found] = scored(model, of_kind("StereoSet", *texts))
    for text, score in zip(texts, found, strict=True):
        ids = tokens(model, text)
        with torch.no_grad():
            starts = torch.softmax(model.output(model.states({"input_ids": torch.tensor([[end]])})), dim=-1)
            chances = torch.softmax(model.output(model.states({"input_ids": torch.tensor([ids])})), dim=-1)
        each = [float(starts[0, 0, ids[0]]), *(float(chances[0, at - 1, ids[at]]) for at in range(1, len(ids)))]
        authors = 2 ** (sum(map(math.log2, each)) / len(each))
        assert score / math.log(2) == pytest.approx(math.log2(authors), rel=1e-5)


def test_a_choice_s_score_is_that_of_its_own_tokens():
    model, chances = known()
    [found] = scored(model, of_kind("multiple choice", "a fee", "my phone number", stem="why was I charged"))
    wanted = [float(chances[tokens(model, f" {text}")].sum()) for text in ("a fee", "my phone number")]
    assert found.tolist() == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_decoder_s_scores_are_those_of_whole_logits(family):
    model = writer(family)
    lead = [model.tokenizer.bos_token_id]
    [found] = scored(model, of_kind("CrowS-Pairs"))
    for text, score in zip((GOOD, BAD), found, strict=True):
        ids = torch.tensor([lead + tokens(model, text)])
        with torch.no_grad():
            logs = model.module(ids).logits[0].double().log_softmax(-1)
        assert score == pytest.approx(float(logs[:-1].gather(1, ids[0, 1:, None]).sum()), rel=1e-5)


def test_an_encoder_decoder_answers_what_its_encoder_read():
    model = writer("bart")
    first, second = (
        scored(model, of_kind("multiple choice", "a fee", "my phone number", stem=stem))[0]
        for stem in ("why was I charged", "please change")
    )
    assert np.isfinite(first).all()
    assert not np.array_equal(first, second)


def with_head(family, folder):
    """The folder of a tiny model of a family that is saved with its masked-language head."""
    if family in HEADED:
        return tiny(family)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(tiny(family))).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny(family)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("family", [*HEADED, "bert", "distilbert", "albert", "electra"])
def test_an_encoder_s_scores_are_those_of_its_whole_masked_model(family, tmp_path):
    folder = with_head(family, tmp_path)
    model = load_classifier(locate(str(folder)), ("card", "fee"))
    whole = AutoModelForMaskedLM.from_pretrained(folder).eval()
    [found] = masked(model, of_kind("minimal pairs", "my card", "why was I charged"))
    for text, score in zip(("my card", "why was I charged"), found, strict=True):
        read = model.tokenizer(text, return_tensors="pt")
        special = set(model.tokenizer.all_special_ids)
        total = 0.0
        for place, token in enumerate(read["input_ids"][0].tolist()):
            if token in special:
                continue
            hidden = {**read, "input_ids": read["input_ids"].clone()}
            hidden["input_ids"][0, place] = model.tokenizer.mask_token_id
            with torch.no_grad():
                total += float(whole(**hidden).logits[0, place].double().log_softmax(-1)[token])
        assert score == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("family", [*HEADED, "bert", "distilbert", "albert", "electra", "gpt2"])
@pytest.mark.parametrize("kept", [True, False])
def test_the_names_of_a_checkpoint_s_tensors_tell_whether_it_has_the_head(family, kept, tmp_path):
    folder = with_head(family, tmp_path) if kept and family != "gpt2" else tiny(family)
    model = load_classifier(locate(str(folder)), ("card", "fee"))
    try:
        load_masked_head(model)
        has = True
    except ModelError:
        has = False
    assert seems_to_have_one(model) == has


def known_head(model, chances):
    """The head of a RoBERTa, which then gives every hidden token its known probability."""
    head = load_masked_head(model)
    with torch.no_grad():
        last = head._module.lm_head
        last.layer_norm.weight.zero_()
        last.layer_norm.bias.zero_()
        last.layer_norm.bias[0] = 1
        last.bias.zero_()
        last.decoder.weight[:, 0] = chances
    return head


def test_only_the_shared_tokens_of_a_pair_count_and_what_differs_stays_in_sight():
    model = classifier("roberta")
    chances = torch.log_softmax(torch.linspace(-2, 3, 300), dim=0)
    head = known_head(model, chances)
    [found] = masked(model, of_kind("CrowS-Pairs", "my card and my fee", "my phone number and my fee"), head)
    kept = [*tokens(model, "my"), *tokens(model, " and my fee")]
    assert found.tolist() == pytest.approx([float(chances[kept].double().sum())] * 2, rel=1e-5)


def test_a_stereoset_blank_is_filled_from_the_left_and_probabilities_are_averaged():
    model = classifier("roberta")
    chances = torch.log_softmax(torch.linspace(-2, 3, 300), dim=0)
    items = of_kind("StereoSet", "I kept cash.", "I kept refund.", "I kept zq.", blank="I kept BLANK.")
    [found] = masked(model, items, known_head(model, chances))
    wanted = [float(chances[tokens(model, word)].double().exp().mean()) for word in ("cash", "refund", "zq")]
    assert found.tolist() == pytest.approx(wanted, rel=1e-5)
    [item] = items.items
    assert words_of(item) == ("cash", "refund", "zq")
    hidden = likelier_masked.hidden_of(model.tokenizer, "StereoSet", item)[2]
    read = [model.tokenizer.decode(one.ids) for one in hidden]
    assert read[0].replace(" <mask>", "<mask>") == "<s>I kept<mask>.</s>"
    assert len(read) > 1
    assert "z" in read[1]


def test_shared_places_are_those_of_the_equal_stretches():
    assert shared([0, 5, 6, 7, 2], [0, 5, 8, 9, 7, 2], Ends((0,), (2,))) == [[1, 3], [1, 4]]
    assert shared([5, 6], [7, 8], Ends()) == [[], []]


@pytest.mark.parametrize(
    ("family", "says"), [("bert", "is not in it"), ("gpt2", "mask token"), ("electra", "is not in it")]
)
def test_a_checkpoint_without_the_head_says_so(family, says):
    state = torch.get_rng_state()
    model = classifier(family)
    with pytest.raises(ModelError, match=says) as caught:
        load_masked_head(model)
    assert "masked-language head" in str(caught.value)
    assert torch.equal(torch.get_rng_state(), state)


def probe(model, items):
    def judge(*given):
        return pairs_lost(*given, sampling=SAMPLING)

    if hasattr(model, "output"):
        look = likelier.looks_of(model, items, budget=200, progress=lambda *_: None)
    else:
        head = load_masked_head(model)
        look = likelier_masked.looks_of(model, items, head=lambda: head, budget=200, progress=lambda *_: None)
    return Preferred(items, look, how="by hand", judge=judge, risk="forgetting")


@pytest.mark.parametrize("method", KEEPING)
@pytest.mark.parametrize("make", [lambda: writer("gpt2"), lambda: classifier("roberta")])
def test_an_untrained_method_changes_exactly_nothing_and_a_trained_one_something(method, make):
    model = make()
    attached = attach(method, model)
    asked = probe(model, of_kind("minimal pairs", "my card", "my fee", count=20))
    found = look_through(asked, attached)
    assert found.outcome == "within"
    assert "by hand" in found.notes
    lost = value(found, "pairs_lost")
    assert (lost.value, lost.low, lost.high) == (0.0, 0.0, 0.0)
    base = asked._base
    train_a_little(attached)
    attached.eval()
    assert not np.array_equal(asked._look()[0], base[0])
    with attached.disabled():
        assert np.array_equal(asked._look()[0], base[0])


@pytest.mark.parametrize(
    ("make", "refuse"),
    [
        (lambda: writer("gpt2"), likelier.refuse_unreadable),
        (lambda: classifier("roberta"), likelier_masked.refuse_unreadable),
    ],
)
def test_what_is_longer_than_the_context_is_refused_by_row(make, refuse):
    model = make()
    refuse(model, of_kind("minimal pairs"))
    with pytest.raises(DataError, match="row 1") as caught:
        refuse(model, of_kind("minimal pairs", GOOD, f"{BAD} " * 20))
    assert "at most 64 tokens" in str(caught.value)


def test_texts_that_share_nothing_cannot_be_compared_by_what_they_share():
    model = classifier("roberta")
    with pytest.raises(DataError, match="no token can be hidden"):
        likelier_masked.refuse_unreadable(model, of_kind("CrowS-Pairs", "zz", "qq"))


def test_a_model_that_no_longer_gives_numbers_is_named():
    model = writer("gpt2")
    with torch.no_grad():
        model.module.transformer.ln_f.bias.fill_(math.nan)
    with pytest.raises(Exception, match="row 1"):
        scored(model, of_kind("minimal pairs"))
