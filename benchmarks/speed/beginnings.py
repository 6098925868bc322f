"""What a batch's rows begin with, computed once: LoRA on chats with a short and a long system prompt, with and without.

    python benchmarks/speed/beginnings.py --rows 64 --repeats 2

The answers are customer support's; the short system prompt is the template's own (starter/decoder), the long one some
instructions of about 300 tokens. Each pair has the same batches and steps. Needs the data sets' folder in AFFINA_DATA.
Writes benchmarks/results/speed-beginnings.json: real tokens per second (those of every row), memory, losses.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Final

from chat import RATE, write_rows
from side_by_side import RESULTS, compared, ran, run_script, write_result

from affina.models.source import locate

RESULT: Final = RESULTS / "speed-beginnings.json"
SENTENCE: Final = (
    "Rule {number}: answer the customer in a friendly way, name the next step, promise nothing that the shop's terms "
    "do not say, and ask for the order number where the answer hangs on it."
)
RULES: Final = {"short": 0, "long": 8}
WAYS: Final = {"once": "train.pack=auto", "in every row": "train.pack=false"}


def main() -> None:
    """Run the rounds and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=2_048, help="of a batch, padding included")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    data = Path(os.environ.get("AFFINA_DATA", "../shared/data")) / "bitext_support" / "train.csv"
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        for number in range(given.repeats):
            found = {
                f"{system}, {way}": _run(Path(name) / system, data, system, word, given, seed=number)
                for system in RULES
                for way, word in WAYS.items()
            }
            rounds.append(found)
            _write(rounds, given)


def _run(folder: Path, data: Path, system: str, word: str, given: argparse.Namespace, *, seed: int) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    write_rows(data, folder, rows=given.rows, held_out=8)
    for part in ("train", "validation"):
        _with_system(folder / f"{part}.jsonl", RULES[system])
    words = ["--model", str(locate("starter/decoder").folder), "--train", str(folder / "train.jsonl")]
    words += ["--adapter", str(folder / "adapter"), "--epochs", "1", "--rate", str(RATE), "--seed", str(seed)]
    words += ["--validation", str(folder / "validation.jsonl"), word, f"train.batch_tokens={given.tokens}"]
    found = run_script("affina_chat_run.py", *words)
    print(system, word, json.dumps(found), flush=True)
    return found


def _with_system(file: Path, rules: int) -> None:
    """Rows as chats, with so many rules before the question."""
    system = " ".join(SENTENCE.format(number=number) for number in range(1, rules + 1))
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    before = [{"role": "system", "content": system}] if system else []
    turns = [
        [*before, {"role": "user", "content": row["question"]}, {"role": "assistant", "content": row["answer"]}]
        for row in rows
    ]
    file.write_text("".join(json.dumps({"messages": one}) + "\n" for one in turns), encoding="utf-8")


def _difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    """The largest difference of the losses of a step, in nats for each token."""
    return max(abs(first - second) for first, second in zip(one["losses"], other["losses"], strict=True))


def compare(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Each system prompt computed once against in every row, and by how much the losses of a step differ."""
    comparisons = {}
    for system in RULES:
        one, other = (f"{system}, {way}" for way in WAYS)
        found = compared(rounds, one, other, of="tokens")
        if ran(found):
            both = [(at[one], at[other]) for at in rounds if ran(at[one]) and ran(at[other])]
            found["largest_difference_of_a_step"] = max(_difference(*pair) for pair in both)
        comparisons[system] = found
    return comparisons


def _write(rounds: list[dict[str, Any]], given: argparse.Namespace) -> None:
    comparisons = compare(rounds)
    what = (
        f"bitext_support, {given.rows} rows, one epoch, starter/decoder, LoRA rank 8, batches of {given.tokens} tokens"
    )
    write_result(given.out, what=what, comparisons=comparisons, rounds=rounds)
    print(json.dumps(comparisons), flush=True)


if __name__ == "__main__":
    main()
