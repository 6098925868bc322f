"""Reweighing and counterfactual logit pairing: their definitions by hand, exact sums, and what they do to a run."""

from collections import Counter

import pytest
import torch

from affina.data.reweighing import reweighed
from affina.data.rows import Row
from affina.errors import RecipeError
from affina.tasks.consistency import paired
from bench_of_loops import gradients, prepared_run
from workbench import tiny, write_csv

PEOPLE = [("he", "card", "m")] * 6 + [("she", "card", "f")] * 2 + [("he", "fee", "m")] * 2 + [("she", "fee", "f")] * 6
TERMS = "en, he, she\n"


def row(label, group):
    return Row(fields={"text": "a", "label": label} | ({"people": group} if group else {}), file="a", number=1, line=1)


def people_run(folder, *, reweigh=True, model="bert", **parts):
    texts = [
        (f"{who} has lost it, number {place}", label, group) for place, (who, label, group) in enumerate(PEOPLE * 2)
    ]
    data = write_csv(folder / "people.csv", texts, header="text,label,gender")
    (folder / "terms.txt").write_text(TERMS)
    risks = {"bias": {"group": "gender", "terms": str(folder / "terms.txt")}}
    given = {"train": str(data), "validation": 0.2, "test": "none", "reweigh": reweigh}
    return prepared_run(
        folder, **({"model": str(tiny(model)), "data": given, "risks": risks, "method": "full"} | parts)
    )


def test_weights_are_those_of_the_paper_and_make_labels_independent_of_groups():
    rows = [row(label, group) for _, label, group in PEOPLE] + [row("card", "")]
    found = reweighed(rows, [1.0] * len(rows))
    by_kind = {
        (one.fields["label"], one.fields.get("people")): weight for one, weight in zip(rows, found.weights, strict=True)
    }
    assert by_kind["card", "m"] == pytest.approx((8 / 16) * (8 / 16) / (6 / 16))
    assert by_kind["card", "f"] == pytest.approx((8 / 16) * (8 / 16) / (2 / 16))
    assert by_kind["card", None] == 1.0
    sums = Counter()
    for one, weight in zip(rows[:-1], found.weights, strict=False):
        sums[one.fields["people"], one.fields["label"]] += weight
    assert all(total == pytest.approx(4.0) for total in sums.values())
    assert sum(found.weights[:-1]) == pytest.approx(16)
    assert (found.empty, found.grouped) == ((), 16)


def test_rows_that_are_seen_twice_count_twice_and_pairs_without_rows_are_named():
    rows = [row("card", "m"), row("fee", "m"), row("card", "f")]
    found = reweighed(rows, [2.0, 1.0, 1.0])
    assert found.weights == pytest.approx(
        ((3 / 4) * (3 / 4) / (2 / 4), (3 / 4) * (1 / 4) / (1 / 4), (1 / 4) * (3 / 4) / (1 / 4))
    )
    assert found.empty == (("f", "fee"),)


@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_weighed_rows_have_exact_sums_however_they_are_divided(tmp_path, weights):
    run = people_run(tmp_path, task={"name": "classification", "class_weights": weights})
    run.model.module.double()
    places = list(range(20))
    whole = gradients(run, [places])
    apart = gradients(run, [places[:3], places[3:4], places[4:]])
    assert float((whole - apart).norm() / whole.norm()) < 1e-9
    assert "Kamiran" in run.choices["data.reweigh"].reason


def test_a_row_that_weighs_two_counts_as_two_rows(tmp_path):
    run = people_run(tmp_path)
    task, examples = run.subject.task, run.subject.examples["train"]
    run.model.module.double()
    run.attached.eval()
    work = run.subject.work(run)
    batch = work.batch([0, 1, 2])
    each = [float(work.loss(work.batch([place])).detach()) / work.weight(work.batch([place])) for place in (0, 1, 2)]
    own = [examples[place].weight for place in (0, 1, 2)]
    assert set(own) != {1.0}
    assert task.weight(batch) == pytest.approx(sum(own))
    assert float(work.loss(batch).detach()) == pytest.approx(
        sum(w * e for w, e in zip(own, each, strict=True)), rel=1e-9
    )
    assert all(example.weight == 1.0 for example in run.subject.examples["validation"])


def test_without_it_nothing_weighs(tmp_path):
    run = people_run(tmp_path, reweigh=False)
    assert run.subject.work(run).batch([0, 1]).weights is None
    assert "data.reweigh" not in run.choices


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"risks": {}}, "risks.bias.group=COLUMN"),
        ({"model": "gpt2", "task": {"name": "classification", "form": "words"}}, "task.form=head"),
    ],
)
def test_weights_that_mean_nothing_are_refused(tmp_path, parts, says):
    with pytest.raises(RecipeError, match=r"data\.reweigh") as refused:
        people_run(tmp_path, **parts)
    assert says in str(refused.value)


def test_paired_answers_are_apart_by_the_mean_over_their_logits():
    first, second = torch.tensor([[1.0, 4.0], [0.0, 0.0]]), torch.tensor([[2.0, 1.0], [0.0, 2.0]])
    assert float(paired(first, second)) == (1 + 3) / 2 + (0 + 2) / 2


def test_pairing_adds_how_far_swapped_rows_answers_are_and_nothing_else(tmp_path):
    plain, pairing = (people_run(tmp_path, reweigh=False, train={"logit_pairing": strength}) for strength in (0.0, 0.5))
    for run in (plain, pairing):
        run.model.module.double()
        run.attached.eval()
    pairing.attached.load_state_dict(plain.attached.state_dict())
    works = [run.subject.work(run) for run in (plain, pairing)]
    batches = [work.batch([0, 1, 2]) for work in works]
    without, together = (float(work.loss(batch).detach()) for work, batch in zip(works, batches, strict=True))
    texts = [row.fields["text"] for row in plain.subject.rows["train"][:3]]
    other = {"he": "she", "she": "he"}
    swapped = [" ".join(other.get(word, word) for word in text.split()) for text in texts]
    with torch.no_grad():
        logits = []
        for lines in (texts, swapped):
            inputs = plain.model.tokenizer(lines, padding=True, return_tensors="pt")
            logits.append(plain.model.module(**inputs).logits)
        assert float(works[1].loss(batches[1])) == pytest.approx(without, rel=1e-12), "never in evaluation"
    expected = without + 0.5 * float((logits[0] - logits[1]).abs().mean(dim=-1).sum())
    assert together == pytest.approx(expected, rel=1e-9)
    assert "training rows" in pairing.choices["train.logit_pairing"].reason


def test_paired_rows_have_exact_sums_however_they_are_divided(tmp_path):
    run = people_run(tmp_path, train={"logit_pairing": 2.0})
    run.model.module.double()
    places = list(range(20))
    whole, apart = gradients(run, [places]), gradients(run, [places[:3], places[3:4], places[4:]])
    assert float((whole - apart).norm() / whole.norm()) < 1e-9


def test_pairing_without_a_term_in_any_row_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="identity terms"):
        prepared_run(tmp_path, train={"logit_pairing": 1.0})
    words = {"name": "classification", "form": "words"}
    with pytest.raises(RecipeError, match=r"task\.form=head"):
        prepared_run(tmp_path, family="gpt2", task=words, train={"logit_pairing": 1.0})
