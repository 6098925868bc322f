"""A verification that cannot fail is worth nothing: each check is shown a fault, and names it with status 3."""

from __future__ import annotations

import contextlib
import json
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from affina.errors import Problem, RunError
from affina.methods.added import Added
from affina.methods.lora import LowRank
from affina.methods.low_rank import Update
from affina.methods.weights import TrainedWeights
from affina.models import first_position
from affina.pipeline import arranging, shipping
from affina.tasks import token_loss
from affina.tasks.beginnings import OneLine
from affina.tasks.chat import Chat
from affina.tasks.classification import Classification
from affina.tasks.lessons import Lesson, Reading
from affina.tasks.packing import PackedLines
from affina.training import checkpoint
from affina.training import loop as loop_module
from affina.training.loop import Loop
from affina.training.optimizer import Optimizer
from affina.values import Resolved
from affina.verifying import order
from affina.verifying.guarantees import absent
from affina.verifying.short_run import Trained
from method_cases import randomise
from runs_of_methods import recipe_of
from workbench import affina, write_jsonl

GROUPS = ("arithmetic", "ends", "of_method", "of_shipped")
LEFT_OUT = absent("ends", "it is not looked at here")


@pytest.fixture
def verified(tmp_path, monkeypatch):
    """Runs the command with one group of checks; a random change stands for a training that is not looked at."""

    def run(group, task, family, method, **parts):
        for other in set(GROUPS) - {group}:
            nothing = LEFT_OUT if other == "ends" else ()
            monkeypatch.setattr(order, other, lambda _, nothing=nothing: nothing)
        if group != "train":
            monkeypatch.setattr(order, "train", _untrained)
        recipe = recipe_of(tmp_path, task, family, "lora") | {"method": method, **parts}
        path = tmp_path / "recipe.yaml"
        path.write_text(json.dumps(recipe), encoding="utf-8")  # JSON is YAML
        ended = affina("verify", path, "--rows", "6", "--json")
        assert ended.status in (0, 3), ended.err
        found = json.loads(ended.out)
        assert found["passed"] == (ended.status == 0)
        standing = {check["name"]: check["standing"] for check in found["checks"]}
        return {name for name, one in standing.items() if one == "failed"}, standing

    return run


def _untrained(bench, tell):
    start = {name: tensor.clone() for name, tensor in bench.run.attached.state_dict().items()}
    tuned = {name: tensor.clone() for name, tensor in start.items()}
    randomise(tuned)
    return Trained(start=start, tuned=tuned)


LORA = {"name": "lora", "rank": 4}


def mean_for_sum(patch):
    whole = Classification.loss
    patch.setattr(Classification, "loss", lambda *given: (whole(*given)[0] / whole(*given)[1], whole(*given)[1]))


def padding_is_read(patch):
    whole = Classification.collate

    def collate(self, examples, *, rows):
        batch = whole(self, examples, rows=rows)
        batch.inputs["attention_mask"].fill_(1)
        return batch

    patch.setattr(Classification, "collate", collate)


def rows_are_mixed(patch):
    whole = first_position.hidden_states

    def mixed(module, inputs):
        states = whole(module, inputs)
        return states + 0.1 * states.mean(dim=0, keepdim=True)

    patch.setattr(first_position, "hidden_states", mixed)


def lines_are_one_text(patch):
    whole = PackedLines.collate

    def collate(self, passages, *, rows):
        batch = whole(self, passages, rows=rows)
        batch.inputs["position_ids"].copy_(torch.arange(batch.inputs["position_ids"].shape[1]))
        return batch

    patch.setattr(PackedLines, "collate", collate)
    in_one = OneLine.collate

    def without_segments(self, passages, *, rows):
        batch = in_one(self, passages, rows=rows)
        del batch.inputs["segments"]
        return batch

    patch.setattr(OneLine, "collate", without_segments)


def gradient_by_hand_is_wrong(patch):
    whole = token_loss._cross_entropy

    def wrong(*given, **named):
        loss, gradient = whole(*given, **named)
        return loss, gradient * 1.001

    patch.setattr(token_loss, "_cross_entropy", wrong)


def padding_is_masked_where_it_ends(patch):
    patch.setattr(arranging, "_one_line", lambda *_, **__: Resolved(None, "not tried"))
    whole = Reading.collate

    def collate(self, passages, *, rows):
        batch = whole(self, passages, rows=rows)
        batch.targets[batch.targets == self._tokenizer.pad_token_id] = token_loss.IGNORED
        return batch

    patch.setattr(Reading, "collate", collate)


def ends_are_no_part_of_an_answer(patch):
    whole = Chat.lesson

    def lesson(self, row):
        made = whole(self, row)
        first, *others = made.learned
        return Lesson(made.text, ((first[0], first[1] - len(self._tokenizer.eos_token)), *others))

    patch.setattr(Chat, "lesson", lesson)


def merging_forgets(patch):
    patch.setattr(Update, "merged", lambda self: self.layer.weight.detach().clone())


def never_off(patch):
    patch.setattr(Added, "disabled", lambda _: contextlib.nullcontext())
    patch.setattr(LowRank, "disabled", lambda _: contextlib.nullcontext())


def head_is_lost(patch):
    whole = shipping.save_model

    def save(module, tokenizer, folder, *, max_length=None):
        whole(module, tokenizer, folder, max_length=max_length)
        tensors = load_file(folder / "model.safetensors")
        tensors = {name: tensor for name, tensor in tensors.items() if "classifier" not in name}
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    patch.setattr(shipping, "save_model", save)


def config_is_lost(patch):
    whole = shipping.save_model

    def save(module, tokenizer, folder, *, max_length=None):
        whole(module, tokenizer, folder, max_length=max_length)
        (folder / "config.json").unlink()

    patch.setattr(shipping, "save_model", save)


def adapter_without_head(patch):
    whole = shipping.save_adapter

    def save(attached, anatomy, folder, *, base):
        whole(attached, anatomy, folder, base=base)
        path = folder / "adapter_model.safetensors"
        tensors = load_file(path)
        save_file({name: tensor for name, tensor in tensors.items() if "classifier" not in name}, path)

    patch.setattr(shipping, "save_adapter", save)


def tokenizer_is_another(patch):
    whole = shipping.save_model

    def save(module, tokenizer, folder, *, max_length=None):
        whole(module, tokenizer, folder, max_length=max_length)
        path = folder / "tokenizer.json"
        found = json.loads(path.read_text(encoding="utf-8"))
        found["normalizer"] = {"type": "Lowercase"}
        path.write_text(json.dumps(found), encoding="utf-8")

    patch.setattr(shipping, "save_model", save)


def one_tensor_is_left_out(patch):
    whole = TrainedWeights.parameter_groups

    def fewer(self):
        first, *others = whole(self)
        if len(first.parameters) == 1:
            return (first, *others)
        *kept, _ = first.parameters.items()
        return (type(first)(first.part, first.decays, dict(kept), first.rate), *others)

    patch.setattr(TrainedWeights, "parameter_groups", fewer)


def frozen_is_nudged(patch):
    whole = Loop._train_step

    def step(self, window):
        whole(self, window)
        with torch.no_grad():
            next(one for one in self.attached.module.parameters() if not one.requires_grad).add_(1e-3)

    patch.setattr(Loop, "_train_step", step)


def random_state_is_forgotten(patch):
    own = loop_module.randomness
    stand_in = SimpleNamespace(capture=own.capture, untouched=own.untouched, restore=lambda _: None)
    patch.setattr(loop_module, "randomness", stand_in)


def moments_are_forgotten(patch):
    patch.setattr(Optimizer, "load_state_dict", lambda *_: None)


def checkpoint_is_damaged(patch):
    def load(place):
        raise RunError(Problem(where=str(place), expected="a checkpoint", found="half of one", fix="none"))

    patch.setattr(checkpoint, "load_trained", load)


FAULTS = [
    (mean_for_sum, "arithmetic", "classification", "bert", "full", {"accumulation", "batches"}),
    (padding_is_read, "arithmetic", "classification", "bert", LORA, {"batches"}),
    (rows_are_mixed, "arithmetic", "classification", "gpt2", "full", {"apart", "own forward"}),
    (gradient_by_hand_is_wrong, "arithmetic", "generation", "gpt2", LORA, {"own forward"}),
    (padding_is_masked_where_it_ends, "ends", "chat", "llama", LORA, {"ends"}),
    (merging_forgets, "of_method", "classification", "bert", LORA, {"merge"}),
    (never_off, "of_method", "chat", "llama", LORA, {"disabled"}),
    (head_is_lost, "of_shipped", "classification", "bert", "full", {"model reloaded", "plain transformers"}),
    (config_is_lost, "of_shipped", "classification", "bert", "full", {"model reloaded", "plain transformers"}),
    (tokenizer_is_another, "of_shipped", "generation", "gpt2", "full", {"model reloaded", "plain transformers"}),
    (adapter_without_head, "of_shipped", "classification", "bert", LORA, {"adapter reloaded"}),
    (one_tensor_is_left_out, "train", "classification", "bert", "full", {"trained"}),
    (frozen_is_nudged, "train", "classification", "bert", {"name": "partial", "blocks": 1}, {"frozen"}),
    (random_state_is_forgotten, "train", "classification", "bert", "full", {"resume"}),
    (moments_are_forgotten, "train", "chat", "llama", LORA, {"resume"}),
    (checkpoint_is_damaged, "train", "chat", "llama", LORA, {"resume"}),
]


@pytest.mark.parametrize("planted", FAULTS, ids=[fault.__name__ for fault, *_ in FAULTS])
def test_a_planted_fault_fails_the_check_that_is_for_it(verified, monkeypatch, planted):
    fault, *case, named = planted
    fault(monkeypatch)
    failed, standing = verified(*case)
    assert named <= failed, standing


SOUND = [case for at, (_, *case, _) in enumerate(FAULTS) if case not in [known for _, *known, _ in FAULTS[:at]]]


@pytest.mark.slow
@pytest.mark.parametrize("case", SOUND, ids=lambda case: "-".join(str(part) for part in case))
def test_without_a_fault_the_same_checks_hold(verified, case):
    failed, standing = verified(*case)
    assert failed == set(), standing
    looked_at = {name for _, *known, named in FAULTS if known == case for name in named}
    assert {name: standing[name] for name in looked_at} == dict.fromkeys(looked_at, "passed")


PACKED = {"train": {"epochs": 1, "batch_tokens": 160, "head_start": "random", "restart": False, "pack": True}}


@pytest.mark.parametrize("share", [True, False])
def test_texts_of_a_line_that_see_each_other_are_seen(verified, monkeypatch, share):
    if not share:
        monkeypatch.setattr(arranging, "_one_line", lambda *_, **__: Resolved(None, "not tried"))
    failed, _ = verified("arithmetic", "generation", "llama", "full", **PACKED)
    assert failed == set()
    show = order.show

    def planted(bench, ends):  # after the trial, by which a model that cannot be packed is found out
        show(bench, ends)
        lines_are_one_text(monkeypatch)

    monkeypatch.setattr(order, "show", planted)
    failed, standing = verified("arithmetic", "generation", "llama", "full", **PACKED)
    assert {"packing", "apart"} <= failed, standing
    assert "batches" not in failed


TALKS = [
    {
        "messages": [
            {"role": "user", "content": f"order {number}"},
            {"role": "assistant", "content": "yes"},
            {"role": "user", "content": f"my card {number}"},
            {"role": "assistant", "content": "no"},
        ]
    }
    for number in range(12)
]


def test_one_turn_of_several_that_does_not_end_is_seen(verified, tmp_path, monkeypatch):
    data = {"train": str(write_jsonl(tmp_path / "talks.jsonl", TALKS)), "validation": 0.2, "test": "none"}
    failed, standing = verified("ends", "chat", "llama", LORA, data=data)
    assert (failed, standing["ends"]) == (set(), "passed")
    ends_are_no_part_of_an_answer(monkeypatch)
    failed, _ = verified("ends", "chat", "llama", LORA, data=data)
    assert failed == {"ends"}
