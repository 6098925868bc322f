"""The step back: what it calls a run that was not better, and when a run is said to have ended too early."""

from types import SimpleNamespace

import pytest

from affina.evaluation.language import UNFAMILIAR
from affina.pipeline import advice, looking_back
from affina.pipeline.advice import Advice
from affina.pipeline.looking_back import Reached
from affina.pipeline.results import Seen
from affina.recipe.resolve import rounded
from affina.record.figures import Measured
from affina.record.payloads import Finding, Scores
from affina.record.row_results import RowResults
from affina.reporting.degenerate import Degenerate
from affina.reporting.verdict import verdict
from affina.training.ramp import RangeTest


def outcome(**changes):
    given = {"best_step": 5, "stopped": "end of the plan", "improving": False, "falling": False, "start_loss": 2.0,
             "kept_loss": 1.0, "steps": 9, "rewinds": 0}  # fmt: skip
    return SimpleNamespace(**(given | changes))


LEFT_TO_US = {"learning_rate": "auto", "head_learning_rate": "auto"}


def prepared(**train):
    def resolved(value):
        return SimpleNamespace(value=value)

    hyper = SimpleNamespace(epochs=resolved(2.0), metric=resolved("accuracy"))
    recipe = SimpleNamespace(train=SimpleNamespace(**({"max_steps": None, **LEFT_TO_US} | train)))
    recipe.evaluate = SimpleNamespace(confidence=0.95)
    subject = SimpleNamespace(has_new_head=True, outputs=3, doubts=lambda *_: ("few rows", "more rows"))
    attached = SimpleNamespace(parameter_groups=lambda: [SimpleNamespace(part="body")])
    recipe.seed = 0
    return SimpleNamespace(hyper=hyper, recipe=recipe, findings=(), subject=subject, attached=attached, draws=0)


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        ({"improving": True}, "still getting better"),
        ({"falling": True}, "the validation loss was still falling"),
        ({}, None),
        ({"falling": True, "stopped": "early stopping"}, None),
        ({"falling": True, "best_step": 0}, "the validation loss was still falling"),
        ({"improving": True, "best_step": 0}, None),
    ],
)
def test_a_run_whose_loss_still_falls_ended_too_early(ended, said):
    found = looking_back._ended_early(prepared(), outcome(**ended))
    assert (found is None) if said is None else (said in found[0] and found[1] == "train.epochs=4")


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        ({"start_loss": 0.7, "kept_loss": 1.2}, True),
        ({"start_loss": 0.7, "kept_loss": 0.6}, False),
        ({"start_loss": 0.7, "kept_loss": 1.2, "best_step": 0}, False),
        ({"start_loss": 0.7, "kept_loss": float("nan")}, False),
    ],
)
def test_weights_that_are_surely_wrong_on_validation_rows_know_theirs_by_heart(ended, said):
    found = looking_back._by_heart(prepared(), outcome(**ended))
    assert (found is not None) is said
    if found:
        wanted = "a loss of 1.200 on the validation rows, 0.700 before any training"
        assert found == (f"the model is sure and wrong on rows that it was not trained on: {wanted}", looking_back.LESS)
        later = outcome(**ended, improving=True)
        assert looking_back._cause(prepared(), Seen(later, None), None) == found, "no more of the same is advised"


def scored(who, value, half):
    figure = Measured(value=value, low=value - half, high=value + half, n=100)
    return Scores(who=who, split="test", metrics={"accuracy": figure})


@pytest.mark.parametrize(
    ("tuned", "half", "said"), [(0.80, 0.05, "not better than"), (0.60, 0.05, "worse than"), (0.82, 0.05, "level with")]
)
def test_worse_is_only_said_where_the_rows_settle_it(tuned, half, said):
    scores = {item.who: item for item in (scored("linear_probe", 0.82, half), scored("tuned", tuned, half))}
    (found,) = looking_back._shortfalls(prepared(), outcome(), Reached(scores, {}))
    assert found.startswith(f"the tuned model is {said} the linear probe")


def test_the_step_back_and_the_verdict_agree_on_what_the_rows_settle():
    """Intervals that overlap, and rows that nearly all speak against the tuned model."""
    scores = {item.who: item for item in (scored("linear_probe", 0.82, 0.05), scored("tuned", 0.75, 0.05))}
    rows = {
        "linear_probe": by_row("linear_probe", right=82),
        "tuned": by_row("tuned", right=75),
    }
    (said,) = looking_back._shortfalls(prepared(), outcome(), Reached(scores, rows))
    assert verdict(scores, chosen_metric="accuracy", rows=rows).outcome == "worse"
    assert "worse than the linear probe" in said


class Noted:
    """A journal that keeps what it gets."""

    def __init__(self):
        self.texts = []

    def append(self, event):
        self.texts.append(event.text)


def about(who, *, key="accuracy", value, low=None, high=None):
    figure = Measured(value=value, low=value if low is None else low, high=value if high is None else high, n=100)
    return Scores(who=who, split="test", metrics={key: figure})


@pytest.mark.parametrize(
    ("baseline", "tuned", "said"),
    [
        ({"value": 1.0}, {"value": 1.0}, "leaves nothing to gain on these rows, with accuracy 100.0%"),
        ({"value": 0.98, "low": 0.95, "high": 1.0}, {"value": 0.97, "low": 0.93, "high": 1.0}, "next to nothing"),
        ({"value": 0.98, "low": 0.97, "high": 0.99}, {"value": 0.975, "low": 0.97, "high": 0.99}, None),  # room is left
        ({"value": 0.75, "low": 0.5, "high": 1.0}, {"value": 0.75, "low": 0.5, "high": 1.0}, None),  # rows are few
        ({"value": 1.0}, {"value": 0.6, "low": 0.5, "high": 0.7}, None),  # worse, and that has a cause
        ({"key": "r2", "value": 0.9998, "high": 0.9999}, {"key": "r2", "value": 0.9998}, "leaves nothing to gain"),
        ({"key": "chrf", "value": 99, "high": 100}, {"key": "chrf", "value": 98, "high": 100}, "next to nothing"),
    ],
)
def test_where_a_baseline_leaves_no_room_no_longer_training_is_advised(baseline, tuned, said):
    run, journal = prepared(), Noted()
    run.hyper.metric = SimpleNamespace(value=baseline.get("key", "accuracy"))
    strange = Finding(name=UNFAMILIAR, count=9, meaning="m seems not to be made for it: pieces", advice="another model")
    for findings in ((), (strange,)):
        run.findings = findings
        scores = {one.who: one for one in (about("linear_probe", **baseline), about("tuned", **tuned))}
        looking_back.look_back(run, outcome(falling=True), journal, Reached(scores, {}))
    if said is None:
        assert "train.epochs=4" in journal.texts[0]
        assert "another model" in journal.texts[1]
        return
    for text in journal.texts:
        assert said in text
        assert "Next: the linear probe on the frozen model, which costs less; or harder rows" in text
        assert "epochs" not in text


def test_a_start_that_answers_all_leaves_nothing_to_gain_where_no_baseline_is_there():
    journal = Noted()
    looking_back.look_back(prepared(), outcome(best_step=0), journal, Reached({"tuned": about("tuned", value=1.0)}, {}))
    assert "Likely cause: the model as it started leaves nothing to gain" in journal.texts[0]
    looking_back.look_back(prepared(), outcome(best_step=0), journal, Reached({"tuned": about("tuned", value=0.9)}, {}))
    assert "few rows" in journal.texts[1]


def by_row(who, *, right):
    values = tuple(float(place < right) for place in range(100))
    return RowResults(who=who, split="test", rows=tuple(f"{n:08x}" for n in range(100)), values={"accuracy": values})


def test_rows_in_another_language_than_the_models_are_the_likeliest_cause():
    run = prepared()
    run.findings = (
        Finding(
            name=UNFAMILIAR,
            count=9,
            meaning="m seems not to be made for the language of these texts, which looks like Italian: pieces of 2.1",
            advice="choose a model that was trained on the language (model=...), or expect less of it",
        ),
    )
    cause, following = looking_back._cause(run, Seen(outcome(improving=True), None), None)
    assert cause == "m seems not to be made for the language of these texts, which looks like Italian"
    assert "model=" in following
    assert "getting better" in looking_back._cause(prepared(), Seen(outcome(improving=True), None), None)[0]


def writer(**train):
    """A run of a model that writes, over 1,000 tokens, whose rate was left to us."""
    config = SimpleNamespace(get_text_config=lambda **_: SimpleNamespace(vocab_size=1_000))
    model = SimpleNamespace(module=SimpleNamespace(config=config), source=SimpleNamespace(reference="m"))
    run = prepared(**train)
    run.hyper.metric = SimpleNamespace(value="loss")
    run.subject = SimpleNamespace(
        has_new_head=False, outputs=0, model=model, doubts=lambda _, seen: (f"answers {seen.wrong}", "x")
    )
    return run


def texts(who, *, chrf, loss):
    figures = {
        "chrf": Measured(value=chrf, low=chrf - 1, high=chrf + 1, n=50),
        "loss": Measured(value=loss, low=loss - 0.1, high=loss + 0.1, n=50),
    }
    return Scores(who=who, split="test", metrics=figures)


def test_texts_are_judged_as_in_the_verdict_although_the_loss_chose_the_weights():
    scores = {one.who: one for one in (texts("zero_shot", chrf=8.8, loss=4.0), texts("tuned", chrf=0.0, loss=2.0))}
    (said,) = looking_back._shortfalls(writer(), outcome(), Reached(scores, {}))
    assert said.startswith("the tuned model is worse than the untouched model, zero-shot: chrF 0.0")


def test_answers_that_say_nothing_come_first_and_ask_for_their_own_cause():
    wrong = Degenerate("empty", 50, 50, "are empty")
    scores = {one.who: one for one in (texts("zero_shot", chrf=8.8, loss=4.0), texts("tuned", chrf=9.0, loss=2.0))}
    (said,) = looking_back._shortfalls(writer(), outcome(), Reached(scores, {}, wrong))
    assert said == "50 of 50 answers are empty on test"
    assert looking_back._cause(writer(), Seen(outcome(falling=True), wrong), None)[0].startswith("answers Degenerate")
    assert "still falling" in looking_back._cause(writer(), Seen(outcome(falling=True), None), None)[0]


@pytest.mark.parametrize(("start", "said"), [(6.9, True), (6.3, True), (5.0, False), (float("inf"), False)])
def test_a_model_that_began_no_better_than_guessing_was_never_trained(start, said):
    cause, following = looking_back._cause(writer(), Seen(outcome(start_loss=start), None), None)
    assert ("seem never to have been trained" in cause) is said
    assert ("pre-trained" in following) is said


@pytest.mark.parametrize(("better", "said"), [(1e-2, "so small"), (1e-6, "so large"), (2e-4, None)])
def test_a_loss_that_did_not_fall_is_put_down_to_the_rate_even_to_ours(monkeypatch, better, said):
    monkeypatch.setattr(looking_back, "advised_anew", lambda *_: Advice(better, "a range test finds"))
    run = writer()
    run.hyper.learning_rate = SimpleNamespace(value=1e-4)
    stood, fell = outcome(kept_loss=1.99), outcome(kept_loss=1.0)
    assert looking_back._rate_is_off(run, fell, None) is None
    found = looking_back._rate_is_off(run, stood, None)
    assert (found is None) if said is None else (said in found[0] and found[1].startswith("train.learning_rate="))
    assert "next to nothing" in " ".join(
        looking_back._shortfalls(run, stood, Reached({"tuned": texts("tuned", chrf=1, loss=1)}, {}))
    )


@pytest.mark.parametrize(
    ("part", "first", "probe", "said"),
    [
        ("head", True, 0.68, True),
        ("body", True, 0.68, False),  # blocks train too
        ("head", False, 0.68, False),  # the head reads all positions
        ("head", True, 0.36, False),  # the rows cannot tell the two apart
        ("head", True, 0.20, False),
    ],
)
def test_a_head_alone_that_reads_one_position_is_told_so_where_the_probe_is_surely_better(part, first, probe, said):
    run, journal = prepared(), Noted()
    run.attached = SimpleNamespace(parameter_groups=lambda: [SimpleNamespace(part=part)])
    run.model = SimpleNamespace(anatomy=SimpleNamespace(first_alone=first))
    run.subject.guess_name = "majority"
    scores = {one.who: one for one in (scored("majority", 0.35, 0.05), scored("linear_probe", probe, 0.05))}
    scores["tuned"] = scored("tuned", 0.347, 0.05)
    looking_back.look_back(run, outcome(start_loss=1.7, kept_loss=1.79), journal, Reached(scores, {}))
    (text,) = journal.texts
    assert ("Likely cause: the head trains alone and reads the first position" in text) is said
    assert ("Next: method=full, or method=partial with method.blocks=2" in text) is said
    assert ("sure and wrong" in text) is not said


def ran_away_at(rate, monkeypatch, *, better, subject=prepared):
    """A run with a given rate whose training the guard turned back twice, and its journal."""
    monkeypatch.setattr(looking_back, "advised_anew", lambda *_: Advice(better, "is our prior"))
    run = subject(learning_rate=rate)
    run.hyper.learning_rate = SimpleNamespace(value=rate)
    return run, Noted()


@pytest.mark.parametrize(("better", "said"), [(1e-3, True), (1.4, True), (2.5, False), (30.0, False)])
def test_a_given_rate_at_which_the_training_ran_away_is_named_although_the_run_ended_well(monkeypatch, better, said):
    run, journal = ran_away_at(3.0, monkeypatch, better=better)
    reached = Reached({"tuned": about("tuned", value=0.9)}, {})
    looking_back.look_back(run, outcome(rewinds=2), journal, reached)
    assert bool(journal.texts) is said
    if said:
        assert journal.texts[0] == (
            "the training ran away, and was turned back to go on at lower rates. Likely cause: the given"
            " train.learning_rate=3 is so large that it undid what was learnt. Next: train.learning_rate="
            f"{better:g}, which is our prior"
        )
    second = SimpleNamespace(**{**vars(run), "draws": 1})
    looking_back.look_back(second, outcome(rewinds=2), journal, reached)
    assert len(journal.texts) == said, "in a second start no rate is the given one"


def test_a_given_rate_is_named_beside_weights_that_were_never_trained(monkeypatch):
    run, journal = ran_away_at(3.0, monkeypatch, better=1e-3, subject=writer)
    scores = {"tuned": texts("tuned", chrf=1, loss=20)}
    looking_back.look_back(run, outcome(start_loss=6.9, kept_loss=20.0), journal, Reached(scores, {}))
    assert (
        "the given train.learning_rate=3 is so large that it undid what was learnt; and the weights" in journal.texts[0]
    )
    assert "Next: train.learning_rate=0.001, which is our prior; and a model that was pre-trained" in journal.texts[0]


@pytest.mark.parametrize(
    ("spoken", "said"),
    [
        (1.7e-5, "lies between the 1.7e-05 that a range test on these rows speaks for and our prior of 0.0001"),
        (None, "is our prior"),
        (1e-4, "is the 0.0001 that a range test on these rows speaks for"),
    ],
)
def test_an_advised_rate_is_put_down_to_what_it_was_made_of(monkeypatch, spoken, said):
    found = RangeTest(rates=(1e-6, 1e-3), changes=(0.0, -1.0), smooth=(0.0, -1.0), fall=0.1, rate=spoken)
    monkeypatch.setattr(advice, "probe_rates", lambda *_, **__: found)
    monkeypatch.setattr(advice, "plan_of", lambda _: SimpleNamespace(total_steps=100))
    run = SimpleNamespace(hyper=SimpleNamespace(prior=SimpleNamespace(value=1e-4)))
    assert advice.advised(run, SimpleNamespace(append=lambda _: None)) == Advice(rounded(found.meet(1e-4)), said, found)


@pytest.mark.parametrize(("steps", "tested"), [(19, 0), (20, 12), (30, 18), (40, 24), (4_000, 24)])
def test_advice_takes_no_longer_than_the_training_that_it_is_about(monkeypatch, steps, tested):
    asked = [0]

    def probe(_, *, steps):
        asked[0] = steps
        return RangeTest(rates=(1e-6,), changes=(0.0,), smooth=(0.0,), fall=0.1, rate=None)

    monkeypatch.setattr(advice, "probe_rates", probe)
    monkeypatch.setattr(advice, "plan_of", lambda _: SimpleNamespace(total_steps=steps))
    run = SimpleNamespace(hyper=SimpleNamespace(prior=SimpleNamespace(value=1e-4)))
    assert advice.advised(run, SimpleNamespace(append=lambda _: None)) == Advice(
        1e-4,
        "is our prior",
        RangeTest(rates=(1e-6,), changes=(0.0,), smooth=(0.0,), fall=0.1, rate=None) if tested else None,
    )
    assert asked[0] == tested
