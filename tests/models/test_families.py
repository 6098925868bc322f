"""What every family of models must do: load, name its parts, come apart at the head, be saved for transformers."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, pipeline

from affina.errors import ModelError
from affina.models.classifier import Classifier, load_classifier
from affina.models.dropout import LaneDropout
from affina.models.heads import head_logits, hidden_states
from affina.models.quiet import quiet
from affina.models.saving import save_model
from affina.models.settings import dropout_rates
from affina.models.source import Source, fingerprint, locate
from tiny_models import BLOCKS, CORPUS, DECODERS, ENCODERS, FAMILIES, POSITIONS, WIDTH, make_tiny

LABELS = ("card", "fee", "refund")
every_family = pytest.mark.parametrize("family", FAMILIES)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Gives each family's checkpoint, written once for the file."""
    folder = tmp_path_factory.mktemp("tiny")

    @cache
    def made(family: str) -> Path:
        return make_tiny(family, folder / family)

    return made


def load(folder: Path, labels=LABELS, **options) -> Classifier:
    torch.manual_seed(1)
    return load_classifier(locate(str(folder)), labels, **options)


def batch(loaded: Classifier, texts=CORPUS):
    return loaded.tokenizer(list(texts), padding=True, return_tensors="pt")


def logits_of(module, inputs):
    with torch.no_grad():
        return module(**inputs).logits


@every_family
def test_every_parameter_has_exactly_one_part(tiny, family):
    loaded = load(tiny(family))
    anatomy = loaded.anatomy
    prefixes = [*anatomy.embeddings, *anatomy.blocks, *anatomy.final, *anatomy.head]
    assert len(anatomy.blocks) == BLOCKS
    for name, _ in loaded.module.named_parameters():
        assert sum(name == prefix or name.startswith(prefix + ".") for prefix in prefixes) == 1, name
    parts = {name: anatomy.part_of(name) for name, _ in loaded.module.named_parameters()}
    words = loaded.module.get_input_embeddings().weight
    assert parts[next(name for name, p in loaded.module.named_parameters() if p is words)] == "embeddings"
    assert {anatomy.block_of(name) for name in parts} == {None, *range(BLOCKS)}
    assert all(parts[name] == "head" for name in loaded.new_parameters)
    assert loaded.module.get_submodule(anatomy.output).out_features == len(LABELS)


@every_family
def test_blocks_are_in_the_order_they_run_and_final_comes_after_them(tiny, family):
    loaded = load(tiny(family))
    ran = []
    for part in ("blocks", "final"):
        for path in getattr(loaded.anatomy, part):
            loaded.module.get_submodule(path).register_forward_hook(lambda *_, path=path: ran.append(path))
    logits_of(loaded.module, batch(loaded))
    first_calls = list(dict.fromkeys(ran))
    assert first_calls[:BLOCKS] == list(loaded.anatomy.blocks)
    assert set(first_calls[BLOCKS:]) == set(loaded.anatomy.final)


@every_family
def test_head_on_hidden_states_is_the_model_itself(tiny, family):
    loaded = load(tiny(family))
    inputs = batch(loaded)
    whole = logits_of(loaded.module, inputs)
    with torch.no_grad():
        hidden = hidden_states(loaded.module, inputs)
        assert hidden.shape[:2] == inputs["input_ids"].shape
        assert torch.equal(head_logits(loaded.module, hidden, inputs), whole)
        assert not torch.equal(head_logits(loaded.module, hidden + torch.randn_like(hidden), inputs), whole)
    assert torch.equal(logits_of(loaded.module, inputs), whole), "the backbone was not put back"


@every_family
def test_gradients_flow_through_both_halves_as_through_the_whole(tiny, family):
    loaded = load(tiny(family))
    inputs = batch(loaded)
    loaded.module(**inputs).logits.logsumexp(-1).sum().backward()
    whole = {name: p.grad.clone() for name, p in loaded.module.named_parameters() if p.grad is not None}
    loaded.module.zero_grad()
    hidden = hidden_states(loaded.module, inputs)
    head_logits(loaded.module, hidden, inputs).logsumexp(-1).sum().backward()
    halves = {name: p.grad for name, p in loaded.module.named_parameters() if p.grad is not None}
    assert whole.keys() == halves.keys()
    assert any(loaded.anatomy.part_of(name) == "head" for name in halves)
    assert any(loaded.anatomy.block_of(name) == 0 for name in halves)
    for name, gradient in whole.items():
        torch.testing.assert_close(halves[name], gradient, rtol=1e-5, atol=1e-7)


@every_family
def test_backbone_is_put_back_when_the_head_fails(tiny, family):
    loaded = load(tiny(family))
    inputs = batch(loaded)
    whole = logits_of(loaded.module, inputs)
    with pytest.raises(RuntimeError):
        head_logits(loaded.module, torch.zeros(len(CORPUS), 5, WIDTH + 1), inputs)
    assert torch.equal(logits_of(loaded.module, inputs), whole)


@every_family
def test_saved_model_is_the_same_in_plain_transformers(tiny, family, tmp_path):
    loaded = load(tiny(family))
    inputs = batch(loaded)
    with torch.no_grad():
        for parameter in loaded.module.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    expected = logits_of(loaded.module, inputs)
    save_model(loaded.module, loaded.tokenizer, tmp_path / "model", max_length=loaded.max_length)
    with quiet():
        plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
        classify = pipeline("text-classification", str(tmp_path / "model"), device="cpu")
    again = tokenizer(list(CORPUS), padding=True, return_tensors="pt")
    assert again.keys() == inputs.keys()
    assert all(torch.equal(again[key], inputs[key]) for key in again)
    assert torch.equal(logits_of(plain, again), expected)
    assert plain.config.id2label == dict(enumerate(LABELS))
    assert tokenizer.model_max_length == loaded.max_length
    for size in (1, 4):
        answers = classify(list(CORPUS), batch_size=size, top_k=None)
        for answer, row in zip(answers, expected.softmax(-1), strict=True):
            assert {a["label"]: a["score"] for a in answer} == pytest.approx(
                dict(zip(LABELS, row.tolist(), strict=True)), abs=1e-5
            )


@every_family
def test_padding_changes_no_logits_and_is_on_the_right(tiny, family):
    loaded = load(tiny(family))
    inputs = batch(loaded)
    assert loaded.tokenizer.padding_side == "right"
    assert inputs["attention_mask"][:, 0].all()
    assert loaded.module.config.pad_token_id == loaded.tokenizer.pad_token_id
    assert loaded.tokenizer.pad_token_id < loaded.module.get_input_embeddings().num_embeddings
    alone = torch.cat([logits_of(loaded.module, batch(loaded, [text])) for text in CORPUS])
    torch.testing.assert_close(logits_of(loaded.module, inputs), alone, rtol=1e-4, atol=1e-4)


@every_family
def test_inputs_up_to_the_limit_run(tiny, family):
    loaded = load(tiny(family))
    assert loaded.max_length == POSITIONS
    long = loaded.tokenizer([" ".join(CORPUS * 4)], truncation=True, max_length=loaded.max_length, return_tensors="pt")
    assert long["input_ids"].shape == (1, POSITIONS)
    assert logits_of(loaded.module, long).isfinite().all()


@every_family
def test_a_finished_run_goes_on_with_its_head(tiny, family, tmp_path):
    first = load(tiny(family))
    save_model(first.module, first.tokenizer, tmp_path / "run" / "model", max_length=first.max_length)
    told: list[str] = []
    again = load(tmp_path / "run", notify=told.append)
    assert again.source.kind == "run"
    assert again.new_parameters == ()
    assert told == []
    inputs = batch(first)
    assert torch.equal(logits_of(again.module, inputs), logits_of(first.module, inputs))


@every_family
def test_the_limit_of_a_run_is_not_that_of_a_run_that_goes_on_from_it(tiny, family, tmp_path):
    first = load(tiny(family))
    save_model(first.module, first.tokenizer, tmp_path / "run" / "model", max_length=16)
    assert load(tmp_path / "run").max_length == POSITIONS
    assert load(tmp_path / "run" / "model").tokenizer.model_max_length == 16


@every_family
def test_the_exported_configuration_has_the_checkpoints_own_dropout(tiny, family, tmp_path):
    loaded = load(tiny(family), dropout=0.37)
    save_model(loaded.module, loaded.tokenizer, tmp_path / "model")
    own = dropout_rates(AutoConfig.from_pretrained(tiny(family)))
    assert dropout_rates(AutoConfig.from_pretrained(tmp_path / "model")) == own
    # some families' blocks read their rates as they run
    assert dropout_rates(loaded.module.base_model.config) == dict.fromkeys(own, 0.37)


@pytest.mark.parametrize("labels", [("fee", "card", "refund"), ("a", "b"), ("a", "b", "c", "d")])
@pytest.mark.parametrize("family", ["bert", "roberta", "llama"])
def test_other_labels_start_the_output_layer_anew(tiny, family, labels, tmp_path):
    first = load(tiny(family))
    with torch.no_grad():
        first.module.get_submodule(first.anatomy.output).weight.add_(1.0)
    save_model(first.module, first.tokenizer, tmp_path / "run" / "model")
    again = load(tmp_path / "run", labels)
    output = again.anatomy.output
    fresh = {name for name, _ in again.module.named_parameters() if name.startswith(f"{output}.")}
    assert set(again.new_parameters) == fresh
    weight = again.module.get_submodule(output).weight
    assert weight.shape[0] == len(labels)
    assert 0 < weight.std() < 0.1
    assert abs(weight.mean()) < 0.1
    assert [again.module.config.id2label[number] for number in range(len(labels))] == list(labels)


@every_family
def test_dropout_replaces_every_rate(tiny, family):
    told: list[str] = []
    loaded = load(tiny(family), dropout=0.37, notify=told.append)
    rates = {child.p for child in loaded.module.modules() if isinstance(child, LaneDropout)}
    assert rates <= {0.37}
    assert told == []
    if family in ENCODERS or family in ("gpt2", "gpt_neox"):
        assert rates == {0.37}
    unchanged = {child.p for child in load(tiny(family)).module.modules() if isinstance(child, LaneDropout)}
    assert 0.37 not in unchanged


@pytest.mark.parametrize("family", DECODERS)
def test_no_token_is_added_for_padding(tiny, family):
    loaded = load(tiny(family))
    assert loaded.tokenizer.pad_token == "</s>"
    assert loaded.module.get_input_embeddings().padding_idx is None


def test_weights_are_float32_and_nothing_of_this_machine_is_saved(tiny, tmp_path):
    folder = tmp_path / "half"
    with quiet():
        model = AutoModelForSequenceClassification.from_pretrained(tiny("bert"), dtype=torch.bfloat16)
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(tiny("bert")).save_pretrained(folder)
    loaded = load(folder)
    assert {p.dtype for p in loaded.module.parameters()} == {torch.float32}
    assert not loaded.module.training
    save_model(loaded.module, loaded.tokenizer, tmp_path / "model")
    for path in (tmp_path / "model").glob("*.json"):
        assert str(tmp_path) not in path.read_text(encoding="utf-8"), path.name


def test_another_models_weights_are_refused(tiny, tmp_path):
    folder = make_tiny("bert", tmp_path / "bert")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 96}))
    with pytest.raises(ModelError, match="of the backbone is not in them") as caught:
        load(folder)
    assert "bert.encoder.layer.0" in str(caught.value)


def test_an_encoder_decoder_is_refused(tmp_path):
    folder = make_tiny("bert", tmp_path / "bert")
    AutoConfig.for_model("t5", d_model=WIDTH).save_pretrained(folder)
    with pytest.raises(ModelError, match="encoder-decoder"):
        load(folder)


def test_fingerprint_follows_the_weights_and_nothing_else(tiny):
    def of(folder: Path) -> str:
        return fingerprint(Source(reference="", folder=folder, kind="folder"))

    first = of(tiny("bert"))
    same = make_tiny("bert", Path(mkdtemp(dir=tiny("bert").parent)))
    (same / "config.json").write_text("{}")
    assert of(same) == first
    assert of(make_tiny("bert", same, seed=1)) != first


def test_loading_says_nothing_on_its_own(tiny, capfd):
    load(tiny("bert"))
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err == ""
