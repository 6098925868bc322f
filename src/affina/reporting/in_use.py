"""How a model is used with plain transformers, by task: the hub's name for that, and a few lines of Python."""

from __future__ import annotations

from typing import Final

from affina.record.measures import WRITING
from affina.record.payloads import ADAPTER, MERGED, PEFT, SHIPPED_UNITS
from affina.record.starts import ASKED, QUANTIZE, STARTER
from affina.reporting.gathered import Gathered

LIBRARY: Final = "transformers"
FORM: Final = "task.form"


def pipeline_tag(run: Gathered) -> str:
    """The hub's name for what the model does."""
    if run.task not in WRITING and not in_words(run):
        return "text-classification"
    if run.task == "translation":
        return "translation"
    return "text2text-generation" if _reads_apart(run) else "text-generation"


def lines_of_use(run: Gathered) -> list[str]:
    """Lines that load the model and ask it something."""
    if run.task not in WRITING and not in_words(run):
        return _answering(run)
    if _reads_apart(run):
        return [
            "from transformers import AutoModelForSeq2SeqLM, AutoTokenizer",
            "",
            'model = AutoModelForSeq2SeqLM.from_pretrained("THIS_FOLDER")',
            'tokenizer = AutoTokenizer.from_pretrained("THIS_FOLDER")',
            f'inputs = tokenizer({_asked(run)}, return_tensors="pt", return_token_type_ids=False)',
            "made = model.generate(**inputs, max_new_tokens=200)",
            "print(tokenizer.decode(made[0], skip_special_tokens=True))",
        ]
    return [
        "from transformers import pipeline",
        "",
        'write = pipeline("text-generation", model="THIS_FOLDER")',
        f"print(write({_asked(run)}, max_new_tokens=200, do_sample=False, return_full_text=False))",
    ]


def has_model(run: Gathered) -> bool:
    """Whether a whole model is shipped, which plain transformers loads."""
    return MERGED not in run.chosen or bool(run.chosen[MERGED].value)


def lines_of_adapter(run: Gathered) -> list[str]:
    """Lines that load the adapter onto its base model with peft; none where there is no adapter that peft can load."""
    if ADAPTER not in run.chosen or run.chosen[ADAPTER].value != PEFT:
        return []
    kind = "SequenceClassification" if run.task not in WRITING else "Seq2SeqLM" if _reads_apart(run) else "CausalLM"
    packs = QUANTIZE in run.chosen
    return [
        *(["import json", ""] if packs and kind == "SequenceClassification" else []),
        "from peft import PeftModel",
        f"from transformers import AutoConfig, AutoModelFor{kind}, AutoTokenizer{', BitsAndBytesConfig' * packs}",
        "",
        'config = AutoConfig.from_pretrained("THIS_FOLDER")',
        *_base_lines(run),
        *(_in_four_bits(kind) if packs else []),
        f"base = AutoModelFor{kind}.from_pretrained(base_model, config=config{', quantization_config=bits' * packs})",
        'model = PeftModel.from_pretrained(base, "THIS_FOLDER").eval()',
        'tokenizer = AutoTokenizer.from_pretrained("THIS_FOLDER")',
    ]


def _in_four_bits(kind: str) -> list[str]:
    """Lines that have transformers keep the base model's matrices as the training did; its head stays as it is."""
    head = 'json.load(open("THIS_FOLDER/adapter_config.json"))["modules_to_save"]'
    return [
        'bits = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)',
        *([f"bits.llm_int8_skip_modules = {head}"] if kind == "SequenceClassification" else []),
    ]


def base_of(run: Gathered) -> str:
    """The whole model that was trained, or beside which an adapter was, as `model:` would name it."""
    return "" if run.model is None else run.model.base or run.model.reference


def exactly(run: Gathered) -> str | None:
    """The hub's name for exactly the weights of that model; None where they were made from others, or are not there."""
    known = run.model is not None and (base_of(run).startswith(STARTER) or base_of(run) == run.model.hub_id)
    return run.model.hub_id if run.model is not None and known else None


def _base_lines(run: Gathered) -> list[str]:
    """The base model's name; a starter's own folder too, which needs no hub and has exactly the weights of the run."""
    base = exactly(run) or "THE_BASE_MODEL"
    if not base_of(run).startswith(STARTER):
        return [f'base_model = "{base}"']
    return [
        f"# {base_of(run)} without the hub, and with exactly the weights of the training (a decoder's were quantized):",
        f'#   from affina.models.source import locate; base_model = str(locate("{base_of(run)}").folder)',
        f'base_model = "{base}"',
    ]


def _answering(run: Gathered) -> list[str]:
    lines = ["from transformers import pipeline", "", 'classify = pipeline("text-classification", model="THIS_FOLDER")']
    units = run.chosen[SHIPPED_UNITS].value if SHIPPED_UNITS in run.chosen else None
    if not isinstance(units, dict):
        return [*lines, 'print(classify("a text"))']
    shift, scale = units["shift"], units["scale"]
    return [
        *lines,
        "# the model counts in standard units: it could not hold the numbers themselves",
        f"""print({shift!r} + {scale!r} * classify("a text", function_to_apply="none")[0]["score"])""",
    ]


def in_words(run: Gathered) -> bool:
    """Whether a classifier is a language model that says the label's name."""
    return FORM in run.chosen and run.chosen[FORM].value == "words"


def _asked(run: Gathered) -> str:
    """Something that the model is asked, as Python text."""
    if in_words(run):
        return '"a text\\nLabel:"'
    if ASKED in run.chosen:
        return repr(run.chosen[ASKED].value)
    if _reads_apart(run):
        return '"a text"'
    return '[{"role": "user", "content": "a question"}]' if run.task == "chat" else '"a text\\n"'


def _reads_apart(run: Gathered) -> bool:
    """Whether the model is an encoder-decoder."""
    return run.model is not None and run.model.reads_apart
