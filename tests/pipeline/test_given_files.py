"""The files that a recipe's `risks` names: refused before a training, measured before and after it."""

import json

import pytest

import affina
from affina.errors import DataError, RecipeError
from affina.pipeline.prepare import prepare
from affina.recipe.load import check_recipe
from affina.record.journal import read
from affina.record.risks import Probed
from workbench import sample_rows, tiny, write_csv, write_jsonl

PAIRS = [
    {"sentence_good": f"my card number {n} is here", "sentence_bad": f"my card number {n} here is"} for n in range(20)
]
CHOICES = [{"question": f"number {n} is", "choices": ["a card", "a fee"], "answer": n % 2} for n in range(20)]
CROWS = [(f"he has card {n}", f"she has card {n}", "gender") for n in range(20)]

TEMPLATES = [(f"number {n} has a [M].", "even" if n % 2 == 0 else "odd") for n in range(20)]

HEADER = "sent_more,sent_less,bias_type"


def recipe(tmp_path, family="llama", **parts):
    rows = [{"input": f"say {n}", "output": f"{label}, {text}"} for n, (text, label) in enumerate(sample_rows(30))]
    answers = family in ("bert", "roberta", "gpt2")
    data = write_csv(tmp_path / "rows.csv", sample_rows(30)) if answers else write_jsonl(tmp_path / "rows.jsonl", rows)
    return {
        "model": str(tiny(family)),
        "run": str(tmp_path / "run"),
        "data": {"train": str(data), "validation": 0.4},
        "train": {"epochs": 1, "batch_tokens": 120},
        "evaluate": {"resamples": 20, "baselines": False},
        **({} if answers else {"task": "generation", "generate": {"rows": 2, "max_new_tokens": 3, "shots": 0}}),
        **parts,
    }


def files(tmp_path, *keys):
    pairs = write_jsonl(tmp_path / "pairs.jsonl", PAIRS)
    choices = write_jsonl(tmp_path / "choices.jsonl", CHOICES)
    crows = write_csv(tmp_path / "crows.csv", CROWS, header=HEADER)
    earlier = write_csv(tmp_path / "old.csv", sample_rows(40))
    named = {"pairs": ("forgetting", pairs), "choices": ("forgetting", choices), "crows": ("bias", crows)}
    named["earlier"] = ("forgetting", earlier)
    found = {"forgetting": {}, "bias": {}}
    if "honest" in keys:
        templates = write_csv(tmp_path / "templates.csv", TEMPLATES, header="template_masked,category")
        lexicon = write_csv(tmp_path / "words.csv", [("card", "conservative")], header="lemma,level")
        found["bias"]["honest"] = {"templates": str(templates), "lexicon": str(lexicon)}
    for key in keys:
        if key == "honest":
            continue
        risk, path = named[key]
        found[risk]["pairs" if key == "crows" else key] = str(path)
    return found


def probed(folder):
    return {line.probe: line for line in read(folder.journal) if isinstance(line, Probed)}


def test_what_is_odd_about_a_file_is_in_the_notes_of_its_probe(tmp_path):
    item = {"target": "card", "context": "the card is BLANK"}
    said = [("new", "stereotype"), ("old", "anti-stereotype"), ("here", "unrelated")]
    clusters = [
        {**item, "sentences": [{"sentence": f"{start} is {word}", "gold_label": label} for word, label in said]}
        for start in ("the card", "the fee")
    ]
    path = tmp_path / "dev.json"
    path.write_text(json.dumps({"data": {"intrasentence": clusters}}), "utf-8")
    folder = affina.train(recipe(tmp_path, method="lora", risks={"bias": {"pairs": str(path)}})).folder
    [notice] = [note for note in probed(folder)["StereoSet of dev.json"].notes if "BLANK" in note]
    assert notice.startswith("1 item has a sentence that does not fill in")
    assert notice.endswith("intrasentence item 2")


def test_a_writer_is_asked_before_and_after_and_every_report_says_so(tmp_path):
    risks = files(tmp_path, "pairs", "choices", "earlier", "crows", "honest")
    runs = [
        affina.train(recipe(tmp_path, run=str(tmp_path / name), method="lora", risks=risks)).folder
        for name in ("one", "two")
    ]
    first, second = (
        {name: line.figures for name, line in probed(folder).items() if " of " in name and line.figures}
        for folder in runs
    )
    names = ["minimal pairs of pairs.jsonl", "multiple choice of choices.jsonl", "CrowS-Pairs of crows.csv"]
    names += ["earlier task of old.csv", "HONEST templates of templates.csv"]
    assert list(first) == names
    assert first == second, "the same seed finds the same"
    assert [figures[0].found.n for figures in first.values()] == [20, 20, 20, 40, 20]
    plain = json.loads(runs[0].report_json.read_text("utf-8"))["risks"]
    assert plain["bias"]["verdict"] != "unmeasured"
    card = runs[0].card.read_text("utf-8")
    assert all(name in card for name in names)
    assert "Skills from before" not in card, "all of them were measured"


def test_a_translator_is_asked_for_both_genders(tmp_path):
    rows = [{"en": f"say {n}, {text}", "it": f"{label} {n}"} for n, (text, label) in enumerate(sample_rows(30))]
    names = ("en_masculine", "it_masculine", "en_feminine", "it_feminine")
    turned = [dict(zip(names, (f"he has {n}", f"lui {n}", f"she has {n}", f"lei {n}"), strict=True)) for n in range(10)]
    risks = {"bias": {"pairs": str(write_jsonl(tmp_path / "turned.jsonl", turned))}}
    asked = recipe(tmp_path, "bart", task="translation", risks=risks)
    write_jsonl(tmp_path / "rows.jsonl", rows)
    line = probed(affina.train(asked).folder)["MT-GenEval of turned.jsonl"]
    assert line.figures[0].metric == "gender_gap_moved"
    assert line.figures[0].found.n == 20
    back = {**asked, "run": str(tmp_path / "back"), "data": {**asked["data"], "source": "it", "target": "en"}}
    with pytest.raises(RecipeError, match="translated from it to en"):
        affina.train(back)
    with pytest.raises(RecipeError, match="task=translation"):
        affina.train(recipe(tmp_path, run=str(tmp_path / "other"), risks=risks))


@pytest.mark.parametrize(("family", "outcome"), [("roberta", "measured"), ("bert", "unmeasured")])
def test_an_encoder_is_asked_by_the_head_of_its_checkpoint_where_that_has_one(tmp_path, family, outcome):
    risks, said = files(tmp_path, "pairs", "crows", "honest"), []
    found = probed(affina.train(recipe(tmp_path, family, method="full", risks=risks), notify=said.append).folder)
    assert any("risks.bias.pairs" in text for text in said) == (outcome == "unmeasured"), "told before the training"
    lines = [found["minimal pairs of pairs.jsonl"], found["CrowS-Pairs of crows.csv"]]
    lines.append(found["HONEST templates of templates.csv"])
    for line in lines:
        assert (line.outcome == "unmeasured") == (outcome == "unmeasured")
        assert bool(line.figures) == (outcome == "measured")
        assert outcome == "measured" or "masked-language head" in line.why


def test_why_a_model_cannot_be_asked_about_a_file_is_a_sentence(tmp_path):
    told = []
    asked = recipe(tmp_path, "bert", risks={"forgetting": {"pairs": str(write_jsonl(tmp_path / "pairs.jsonl", PAIRS))}})
    given = prepare(check_recipe(asked), notify=told.append).given
    assert given.unscored.startswith(
        "of risks.forgetting.pairs this model cannot be asked: needed is an encoder with the masked-language head that"
        " it was pre-trained with, and there is a checkpoint without one: cls.predictions.bias is not in it ("
    )
    assert any(text.startswith(given.unscored) for text in told)


@pytest.mark.parametrize(
    ("family", "key", "says"),
    [
        ("bart", "pairs", "reads with an encoder"),
        ("bart", "crows", "reads with an encoder"),
        ("bart", "honest", "reads with an encoder"),
        ("bert", "choices", "answers by a head"),
    ],
)
def test_a_model_that_cannot_be_asked_is_refused_before_the_training(tmp_path, family, key, says):
    with pytest.raises(RecipeError, match=says):
        affina.train(recipe(tmp_path, family, risks=files(tmp_path, key)))
    assert not (tmp_path / "run").exists()


def test_a_file_beside_never_is_refused(tmp_path):
    with pytest.raises(RecipeError, match=r"risks\.forgetting\.pairs .*\n.*\n.*risks\.measure=never"):
        affina.train(recipe(tmp_path, risks={"measure": "never", **files(tmp_path, "pairs")}))


@pytest.mark.parametrize("key", ["pairs", "choices", "crows"])
def test_what_the_model_cannot_read_is_refused_before_the_training(tmp_path, key):
    risks = files(tmp_path, key)
    [path] = [*risks["forgetting"].values(), *risks["bias"].values()]
    long = "my card " * 80
    if key == "crows":
        write_csv(
            tmp_path / "crows.csv",
            [*CROWS, (f"{long} he", f"{long} she", "gender")],
            header="sent_more,sent_less,bias_type",
        )
    elif key == "pairs":
        write_jsonl(tmp_path / "pairs.jsonl", [*PAIRS, {"sentence_good": long, "sentence_bad": "my card"}])
    else:
        write_jsonl(tmp_path / "choices.jsonl", [*CHOICES, {**CHOICES[0], "question": long}])
    with pytest.raises(DataError, match="row 21") as caught:
        affina.train(recipe(tmp_path, risks=risks))
    assert path in str(caught.value)
    assert "at most 64 tokens" in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("family", "rows", "outcome"), [("bert", 100, "measured"), ("llama", 60, "refused")])
def test_a_budget_is_held_against_an_earlier_task_s_rows(tmp_path, family, rows, outcome):
    path = write_csv(tmp_path / "old.csv", sample_rows(rows))
    risks = {"forgetting": {"earlier": str(path), "budget": "5%"}}
    asked = recipe(tmp_path, family, method="full", risks=risks)
    if outcome == "refused":
        with pytest.raises(DataError, match=r"risks\.forgetting\.earlier(.|\n)*73 rows or more"):
            affina.train(asked)
        assert not (tmp_path / "run").exists()
        return
    write_csv(tmp_path / "rows.csv", sample_rows(60))
    line = probed(affina.train(asked).folder)["earlier task of old.csv"]
    assert (line.is_budget, line.limit) == (True, 0.05)
    assert line.figures[0].metric == "earlier_lost"


@pytest.mark.parametrize(("family", "says"), [("bert", "masked-language head"), ("roberta", "12 items")])
def test_a_budget_beside_a_file_that_can_settle_nothing_is_refused_before_the_training(tmp_path, family, says):
    risks = files(tmp_path, "pairs")
    if family == "roberta":
        write_jsonl(tmp_path / "pairs.jsonl", PAIRS[:12])
    risks["forgetting"]["budget"] = "5%"
    asked = recipe(tmp_path, family, method="full", risks=risks)
    write_csv(tmp_path / "rows.csv", sample_rows(60))
    with pytest.raises(RecipeError, match=says):
        affina.train(asked)
    assert not (tmp_path / "run").exists()
