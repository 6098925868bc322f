"""What an adapter of either contender is worth: the mean loss of the answers' tokens, by plain transformers and PEFT.

The prompt and the answer are what the model's own template makes of them; counted are the tokens behind the prompt, the
end of the turn included. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from peft import PeftModel
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    """Score the rows one by one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, help="none: the untouched model")
    given = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    model = AutoModelForCausalLM.from_pretrained(given.model, dtype=torch.float32)
    if given.adapter is not None:
        model = PeftModel.from_pretrained(model, given.adapter)
    model.eval()
    summed, count = 0.0, 0
    for line in given.validation.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        asked = [{"role": "user", "content": row["question"]}]
        prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
        whole = tokenizer.apply_chat_template([*asked, {"role": "assistant", "content": row["answer"]}], tokenize=False)
        ids = tokenizer(whole.rstrip("\n"), return_tensors="pt", add_special_tokens=False)["input_ids"]
        start = len(tokenizer(prompt, add_special_tokens=False)["input_ids"])
        with torch.inference_mode():
            logits = model(input_ids=ids).logits[0, start - 1 : -1]
        summed += float(functional.cross_entropy(logits, ids[0, start:], reduction="sum"))
        count += ids.shape[1] - start
    sys.stdout.write(json.dumps({"loss": summed / count, "tokens": count}) + "\n")


if __name__ == "__main__":
    main()
