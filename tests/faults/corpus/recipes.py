"""Malformed recipes: files that are no recipe, keys that are not there, values that cannot be."""

from __future__ import annotations

from corpus.case import Case, recipe, words

GOOD = "data: {train: good.csv}\n"
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join(f'*{old}' for _ in range(9))}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
VALUES = {
    "train.epochs": ["-1", "0", "many", "[1]", "{a: 1}", ".nan", "null"],
    "train.learning_rate": ["-1e-3", "0", "fast", "true"],
    "train.batch_tokens": ["0", "1.5", "-7", "big"],
    "train.accumulate": ["0", "half", "true"],
    "train.clip": ["0", "-1", "tight"],
    "train.precision": ["fp8", "16"],
    "train.schedule": ["zigzag"],
    "train.warmup": ["-0.1", "slow"],
    "train.label_smoothing": ["1", "-0.1", "2", "smooth"],
    "train.dropout": ["1.5", "-1", "some"],
    "train.early_stopping": ["never", "[1]"],
    "train.early_stopping.patience": ["0", "-3", "long"],
    "train.max_steps": ["0", "1.5"],
    "train.keep": ["0", "all"],
    "train.restart": ["maybe"],
    "seed": ["-1", "1.5", "x", "99999999999999999999"],
    "device": ["tpu", "0", "[cpu]"],
    "task": ["clasification", "7", "[chat]"],
    "method": ["dora", "9", "[lora]"],
    "data.validation": ["0.7", "-0.1", "true"],
    "data.too_long": ["cut", "1"],
    "data.max_length": ["0", "-5", "long"],
    "evaluate.confidence": ["0.5", "1", "2", "sure"],
    "evaluate.resamples": ["0", "many"],
    "evaluate.metric": ["goodness", "1"],
    "risks.measure": ["sometimes"],
    "risks.forgetting.budget": ["0", "100%", "5", "-1%", "low"],
    "risks.bias.budget": ["2%", "3", "0pp"],
}

FILES: dict[str, Case] = {
    "a recipe that is an open bracket": recipe("train: [1\n", "r.yaml, line"),
    "a recipe with tabs": recipe("train:\n\tepochs: 3\n", "r.yaml, line 2"),
    "a recipe with a key twice": recipe("seed: 1\nseed: 2\n", "line 2", "twice"),
    "a recipe with a key twice inside": recipe("train:\n  epochs: 1\n  epochs: 2\n", "line 3", "twice"),
    "a recipe that is a list": recipe("- train\n- epochs\n", "a list"),
    "a recipe that is a text": recipe("just words\n", "a str"),
    "a recipe that is a number": recipe("42\n", "a int"),
    "a recipe that asks for Python": recipe(
        f"{GOOD}notice: !!python/object/apply:os.system ['touch hacked']\n", "line 2"
    ),
    "a recipe that asks for a Python name": recipe("notice: !!python/name:os.system\n", "line 1"),
    "a recipe with an own tag": recipe("train: !secret 1\n", "line 1"),
    "a recipe of two documents": recipe(f"{GOOD}---\nseed: 1\n", "r.yaml"),
    "a recipe that is not UTF-8": recipe("notice: caffè\n".encode("latin-1"), "r.yaml", "UTF-8"),
    "a recipe of zero bytes inside": recipe(b"seed: 1\0\n", "r.yaml"),
    "a recipe that is a picture": recipe(b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "r.yaml"),
    "a recipe with an anchor that is not there": recipe("train: *nowhere\n", "line 1"),
    "a recipe that names itself": recipe("train: &a {epochs: *a}\n", "r.yaml"),
    "a recipe of a billion laughs": recipe(LAUGHS, "r.yaml"),
    "a recipe nested too deep": recipe("[" * 5_000, "r.yaml"),
    "a recipe with keys that are no text": recipe("1: 2\ntrue: 3\n", "r.yaml"),
    "a recipe with a list as a key": recipe("? [a, b]\n: 1\n", "r.yaml"),
    "a recipe without data": recipe("seed: 1\n", "data.train"),
    "an empty recipe": recipe("", "data.train"),
    "a recipe of comments": recipe("# train\n", "data.train"),
    "a recipe whose section is a list": recipe(f"{GOOD}train: [epochs]\n", "r.yaml, key train"),
    "a recipe whose section is a number": recipe(f"{GOOD}train: 3\n", "r.yaml, key train"),
    "a recipe whose section is nothing": recipe(f"{GOOD}train:\n", "r.yaml, key train"),
    "a recipe with an unknown section": recipe(f"{GOOD}trian: {{epochs: 1}}\n", "trian", "train"),
    "a recipe with an unknown key": recipe(f"{GOOD}train: {{epoch: 3}}\n", "train.epoch", "train.epochs"),
    "a recipe with dots in a key": recipe(f"{GOOD}train.epochs: 3\n", "train.epochs", "in two steps"),
    "a recipe with dots in a key of a section": recipe(f"{GOOD}train: {{a.b: 3}}\n", "a.b"),
    "a recipe whose data is a number": recipe("data: 5\n", "r.yaml, key data"),
    "a recipe whose training file is a number": recipe("data: {train: 5}\n", "data.train"),
    "a recipe whose training file is not there": recipe("data: {train: none.csv}\n", "none.csv"),
    "a recipe whose mix has a truth for a weight": recipe(
        "data: {train: [{file: good.csv, weight: true}]}\n", "weight", "a number", "true"
    ),
    "a recipe whose mix has no weight": recipe("data: {train: {good.csv: heavy}}\n", "data.train"),
    "a recipe with a method without a name": recipe(f"{GOOD}method: {{rank: 8}}\n", "method", "name"),
    "a recipe with a key of another method": recipe(f"{GOOD}method: {{name: full, rank: 8}}\n", "method.rank", "lora"),
    "a recipe with a task's key that no task has": recipe(f"{GOOD}task: {{shape: words}}\n", "task.shape"),
    "a recipe with a rank of nothing": recipe(f"{GOOD}method: {{name: lora, rank: 0}}\n", "method.rank"),
    "a recipe with an alpha of nothing": recipe(f"{GOOD}method: {{name: lora, alpha: 0}}\n", "method.alpha"),
}
SETTINGS: dict[str, Case] = {
    f"{key}={value}": words(*(["method=full"] if key == "method.rank" else []), f"{key}={value}", says=[key])
    for key, values in VALUES.items()
    for value in values
}
WORDS: dict[str, Case] = {
    "a word without an equals sign": words("epochs", says=["'epochs'", "key=value"]),
    "a word without a key": words("=3", says=["=3"]),
    "a word with an empty part": words("train..epochs=3", says=["train..epochs"]),
    "a word with an open list": words("data.group=[a", says=["data.group"]),
    "a target that is not there": words("method=lora", "method.targets=[nowhere]", says=["method.targets", "nowhere"]),
    "a rank above the matrix": words("method=lora", "method.rank=4096", says=["method.rank"]),
    "a prefix longer than the context": words("method=prefix", "method.length=4096", says=["method.length"]),
    "more blocks than there are": words("method=partial", "method.blocks=99", says=["method.blocks"]),
}
CASES = FILES | SETTINGS | WORDS
