"""The masks of conversations, drawn by hand: which tokens are learned, template by template, up to the batch's targets.

A token is a byte or a special token; what is learned stands between ⟦ and ⟧.
"""

from __future__ import annotations

from typing import Any

import pytest
from test_turns import CHATML, GEMMA, LLAMA3, MISTRAL, PLAIN, SPECIAL
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from affina.data.conversations import Turn, dump
from affina.data.rows import Row
from affina.models.language import LanguageModel, load_language_model
from affina.models.source import locate
from affina.tasks.chat import Chat, choose_template
from affina.tasks.lessons import Passage, Reading
from affina.tasks.token_loss import IGNORED
from tiny_models import make_tiny

TOLD, ASK, SAY = Turn("system", "Be kind."), Turn("user", "Hi"), Turn("assistant", "Hello.")
MORE, END = Turn("user", "And?"), Turn("assistant", "Bye.")

START, STOP = "<|start_header_id|>", "<|end_header_id|>\n\n"
MASKS: dict[str, tuple[str, str, str]] = {
    # family: of one exchange, of two, and of two with a system turn
    CHATML: (
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n⟦Hello.<|im_end|>⟧\n",
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n⟦Hello.<|im_end|>⟧\n"
        "<|im_start|>user\nAnd?<|im_end|>\n<|im_start|>assistant\n⟦Bye.<|im_end|>⟧\n",
        "<|im_start|>system\nBe kind.<|im_end|>\n"
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n⟦Hello.<|im_end|>⟧\n"
        "<|im_start|>user\nAnd?<|im_end|>\n<|im_start|>assistant\n⟦Bye.<|im_end|>⟧\n",
    ),
    LLAMA3: (
        f"<s>{START}user{STOP}Hi<|eot_id|>{START}assistant{STOP}⟦Hello.<|eot_id|>⟧",
        f"<s>{START}user{STOP}Hi<|eot_id|>{START}assistant{STOP}⟦Hello.<|eot_id|>⟧"
        f"{START}user{STOP}And?<|eot_id|>{START}assistant{STOP}⟦Bye.<|eot_id|>⟧",
        f"<s>{START}system{STOP}Be kind.<|eot_id|>{START}user{STOP}Hi<|eot_id|>{START}assistant{STOP}⟦Hello.<|eot_id|>⟧"
        f"{START}user{STOP}And?<|eot_id|>{START}assistant{STOP}⟦Bye.<|eot_id|>⟧",
    ),
    GEMMA: (
        "<s><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n⟦Hello.<end_of_turn>⟧\n",
        "<s><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n⟦Hello.<end_of_turn>⟧\n"
        "<start_of_turn>user\nAnd?<end_of_turn>\n<start_of_turn>model\n⟦Bye.<end_of_turn>⟧\n",
        "<s><start_of_turn>user\nBe kind.\n\nHi<end_of_turn>\n<start_of_turn>model\n⟦Hello.<end_of_turn>⟧\n"
        "<start_of_turn>user\nAnd?<end_of_turn>\n<start_of_turn>model\n⟦Bye.<end_of_turn>⟧\n",
    ),
    MISTRAL: (
        "<s>[INST] Hi [/INST]⟦ Hello.</s>⟧",
        "<s>[INST] Hi [/INST]⟦ Hello.</s>⟧[INST] And? [/INST]⟦ Bye.</s>⟧",
        "<s>[INST] Be kind.\n\nHi [/INST]⟦ Hello.</s>⟧[INST] And? [/INST]⟦ Bye.</s>⟧",
    ),
    PLAIN: (
        "### Instruction:\nHi\n\n### Response:\n⟦Hello.</s>⟧",
        "### Instruction:\nHi\n\n### Response:\n⟦Hello.⟧\n\n### Instruction:\nAnd?\n\n### Response:\n⟦Bye.</s>⟧",
        "### Instruction:\nBe kind.\n\nHi\n\n### Response:\n⟦Hello.⟧\n\n"
        "### Instruction:\nAnd?\n\n### Response:\n⟦Bye.</s>⟧",
    ),
    "": (
        "User: Hi\nAssistant:⟦ Hello.</s>⟧\n",
        "User: Hi\nAssistant:⟦ Hello.</s>⟧\nUser: And?\nAssistant:⟦ Bye.</s>⟧\n",
        "Be kind.\n\nUser: Hi\nAssistant:⟦ Hello.</s>⟧\nUser: And?\nAssistant:⟦ Bye.</s>⟧\n",
    ),
}
NAMES = ("ChatML", "Llama 3", "Gemma", "Mistral", "without markers", "none: Affina's own")
TURNS = {"one exchange": (ASK, SAY), "two": (ASK, SAY, MORE, END), "with a system turn": (TOLD, ASK, SAY, MORE, END)}


def of_bytes(template: str) -> Any:
    """A tokenizer whose tokens are bytes and special tokens, and which begins texts with <s> by itself."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    whole = Tokenizer(models.BPE(vocab={letter: place for place, letter in enumerate(alphabet)}, merges=[]))
    whole.pre_tokenizer, whole.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=whole, bos_token="<s>", eos_token="</s>", pad_token="</s>")
    made.add_special_tokens({"additional_special_tokens": [token for token in SPECIAL if token not in ("<s>", "</s>")]})
    if template:
        made.chat_template = template
    return made


@pytest.fixture(scope="module")
def reads(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load_language_model(locate(str(make_tiny("llama", tmp_path_factory.mktemp("reads")))))


def drawn(tokenizer: Any, ids: tuple[int, ...], learned: list[bool]) -> str:
    text = ""
    for place, (token, own) in enumerate(zip(ids, learned, strict=True)):
        before = place > 0 and learned[place - 1]
        text += ("⟦" if own and not before else "⟧" if before and not own else "") + tokenizer.decode([token])
    return text + ("⟧" if learned[-1] else "")


def passage_of(reads: LanguageModel, tokenizer: Any, turns: tuple[Turn, ...]) -> tuple[Reading, Passage]:
    class Tells:
        module, reads_apart, max_length, source = reads.module, False, None, reads.source

    told = Tells()
    told.tokenizer = tokenizer  # type: ignore[attr-defined]
    reading: Any = Reading(told)  # type: ignore[arg-type]
    choose_template(tokenizer)
    lesson = Chat(tokenizer, no_place="user").lesson(Row({"messages": dump(turns)}, "a", 1, 1))
    [passage] = reading.encode([lesson])
    return reading, passage


@pytest.mark.parametrize("case", range(3), ids=list(TURNS))
@pytest.mark.parametrize("template", MASKS, ids=NAMES)
def test_what_is_learned_is_what_was_drawn_by_hand(reads: LanguageModel, template: str, case: int) -> None:
    tokenizer, turns = of_bytes(template), list(TURNS.values())[case]
    reading, passage = passage_of(reads, tokenizer, turns)

    assert drawn(tokenizer, passage.ids, list(passage.learned)) == MASKS[template][case]
    batch = reading.collate([passage, Passage(passage.ids * 2, (False,) * 2 * len(passage.ids))], rows=[0, 1])
    foretold = batch.targets[0].tolist()
    assert foretold[-len(passage.ids) :] == [IGNORED] * len(passage.ids)  # the padding, which is the end token too
    assert [token != IGNORED for token in foretold[: len(passage.ids)]] == [*passage.learned[1:], False]
    assert [token for token in foretold if token != IGNORED] == [
        token for token, own in zip(passage.ids, passage.learned, strict=True) if own
    ]


@pytest.mark.parametrize("template", MASKS, ids=NAMES)
def test_there_is_one_begin_of_text_token_at_most(reads: LanguageModel, template: str) -> None:
    tokenizer = of_bytes(template)
    _, passage = passage_of(reads, tokenizer, TURNS["two"])

    assert passage.ids.count(tokenizer.bos_token_id) == MASKS[template][1].count("<s>") <= 1
