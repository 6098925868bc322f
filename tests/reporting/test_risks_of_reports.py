"""The risks in the page, the card and the terminal: evidence, verdict, interval, cost, and what was not measured."""

import json
from dataclasses import replace

import pytest
from report_records import finished, measured, unfinished
from search_records import FOUND, tried

from affina.record.payloads import Evaluated, Step
from affina.record.risks import PROBED, RISKS, Figure, Probed
from affina.reporting import card, page
from affina.reporting.calibration import turned
from affina.reporting.gathered import gather
from affina.reporting.plain import as_json
from affina.reporting.risks import risks_of
from affina.reporting.run_charts import charts

TEN = tuple(f"intent_{number}" for number in range(10))


def overfitting(outcome="flagged", share=0.5, **changed):
    figures = (
        Figure(metric="lost_elsewhere", of="", found=measured(share, 0.05)),
        Figure(metric="accuracy", of="training rows", found=measured(0.99, 0.005)),
        Figure(metric="accuracy", of="validation rows", found=measured(0.75)),
        Figure(metric="accuracy", of="difference", found=measured(0.24)),
    )
    given = {"risk": "overfitting", "probe": "these against those", "outcome": outcome, "limit": 1 / 3}
    return Probed(**{**given, "figures": figures, "notes": ("of many rows",), "seconds": 2.5, **changed})


def forgetting(outcome="within", probe="texts of mine.txt", rise=0.02, **changed):
    figures = (
        Figure(metric="foretelling_rise", of="", found=measured(rise, 0.01)),
        Figure(metric="bits_per_byte", of="difference", found=measured(0.03, 0.01)),
    )
    given = {"risk": "forgetting", "probe": probe, "outcome": outcome, "limit": 0.05, "figures": figures}
    return Probed(**{**given, "seconds": 1.0, **changed})


def bias(outcome="flagged", share=0.2, **changed):
    figures = (
        Figure(metric="flip_rate", of="tuned model", found=measured(share, 0.05)),
        Figure(metric="flip_rate", of="untouched model", found=measured(0.03, 0.02)),
        Figure(metric="flip_rate", of="difference", found=measured(0.17, 0.05)),
    )
    given = {"risk": "bias", "probe": "identity terms swapped", "outcome": outcome, "limit": 0.05, "figures": figures}
    return Probed(**{**given, "seconds": 1.0, **changed})


def with_probes(*lines):
    records = finished(TEN)
    return [*records[:-1], *lines, records[-1]]


def judged(*lines):
    return {found.risk: found for found in risks_of(gather(with_probes(*lines)))}


def test_the_page_has_the_three_risks_with_evidence_verdict_interval_and_cost():
    text = page.render(with_probes(overfitting(), forgetting()), title="run")
    for part in (
        "Learned by heart", "50.0% (45.0-55.0)", "accuracy 99.0% there, 75.0% on validation rows", "33.3%",
        "+24.0 points (+21.0 to +27.0)", "Kept within the limit", "2.0% (1.0-3.0)", "Measuring it took 2.5 s",
        "of many rows", '<span class="tag worse">', '<span class="tag better">', '<span class="tag alone">Not measured',
    ):  # fmt: skip
        assert part in text, part


def test_the_card_says_the_same():
    text = card.render(with_probes(overfitting(), forgetting()), title="run")
    assert "- Overfitting: Learned by heart: Of what was learned on the training rows 50.0% (45.0-55.0)" in text
    kept = "- Forgetting: Kept within the limit: The bits for each byte of texts of mine.txt changed by 2.0% (1.0-3.0)"
    assert kept in text
    assert "- Bias: Not measured: " in text


def test_what_was_not_measured_is_called_that_and_why():
    lines = [replace(overfitting("unmeasured", figures=()), why="it would take too long")]
    found = judged(*lines)
    assert [found[risk].word for risk in RISKS] == ["Not measured"] * 3
    assert found["overfitting"].in_short == "Not measured: it would take too long"
    text = page.render(with_probes(*lines), title="run")
    assert "it would take too long" in text
    assert "the record holds no probe of it" in text, "of forgetting"
    unmeasured = as_json(gather(with_probes(*lines)), title="run")["not_measured"]
    assert {"Forgetting", "Bias"} <= {gap["what"] for gap in unmeasured}


def test_why_nothing_was_measured_comes_before_what_the_loss_did():
    looks = evaluated((0.1, 2.3), (0.8, 0.5), (0.9, 0.7))
    missing = replace(overfitting("unmeasured", figures=()), why="it would take too long")
    found = risks_of(replace(looks, probed=(missing,)))[0]
    assert "turned at step 10" in found.sentences[0]
    assert found.in_short == "Not measured: it would take too long"


def test_the_limit_stands_beside_the_figure_that_decides():
    figures = (
        Figure(metric="reproduced", of="difference", found=measured(0.25, 0.1)),
        Figure(metric="reproduced", of="training rows", found=measured(0.3, 0.1)),
    )
    word_for_word = overfitting("flagged", figures=figures, limit=0.1)
    text = page.render(with_probes(word_for_word), title="run")
    rows = [row for row in text.split("<tr") if "+25.0 points" in row]
    assert [row.count("10.0%") for row in rows] == [1]
    assert 'class="kept"' in rows[0]


def test_a_run_on_its_way_has_not_come_to_it():
    found = risks_of(gather(unfinished(TEN)))
    assert "has not come to it" in found[0].in_short


def test_of_several_probes_the_worst_speaks():
    found = judged(forgetting(), forgetting("flagged", probe="its own texts", rise=0.2))["forgetting"]
    assert found.outcome == "flagged"
    assert found.word == "Forgot"
    assert found.sentences[0].startswith("the bits for each byte of its own texts")
    assert len(found.sentences) == 2
    assert found.seconds == 2.0


@pytest.mark.parametrize(("outcome", "word"), [("open", "Not settled"), ("few", "Too few rows to tell")])
def test_what_rows_do_not_settle_is_neither_good_nor_bad(outcome, word):
    found = judged(overfitting(outcome))["overfitting"]
    assert found.word == word
    assert found.tone == outcome


def test_few_rows_are_counted():
    few = replace(overfitting("few"), figures=(Figure(metric="lost_elsewhere", of="", found=measured(0.5, n=7)),))
    assert "7 are too few to tell (20 or more can)" in judged(few)["overfitting"].sentences[0]


def test_a_line_that_was_written_again_counts_once():
    found = judged(forgetting("flagged", rise=0.3), forgetting())["forgetting"]
    assert found.outcome == "within"


def test_report_json_is_plain(tmp_path):
    plain = as_json(gather(with_probes(overfitting(), forgetting())), title="run")
    again = json.loads(json.dumps(plain, allow_nan=False))
    assert again["risks"]["overfitting"]["probes"][0]["figures"][0]["found"]["value"] == 0.5
    assert again["metrics"]["accuracy"]["value"] == 0.92
    assert again["verdict"]["outcome"] == "better"


def compared(risk="forgetting", metric="pairs_lost", outcome="within"):
    return Probed(
        risk=risk,
        probe="minimal pairs of mine.jsonl",
        outcome=outcome,
        limit=0.05,
        figures=(
            Figure(metric=metric, of="", found=measured(0.02, 0.01)),
            Figure(metric="accuracy", of="untouched model", found=measured(0.8)),
        ),
    )


def test_the_gap_names_the_skills_that_are_still_not_measured():
    def left(*lines, task="chat", compares=True):
        found = risks_of(of_task(gather(with_probes(*lines)), task, compares))[1]
        return next(gap.why for gap in found.gaps if gap.what == "Skills from before")

    assert "minimal pairs (risks.forgetting.pairs), multiple choice (risks.forgetting.choices) and" in left(
        forgetting()
    )
    assert left(compared()).startswith("multiple choice")
    both = left(compared(), replace(compared(metric="choices_lost"), probe="multiple choice of mine.jsonl"))
    assert both == "an earlier task's labelled rows (risks.forgetting.earlier)"
    failed = replace(compared("forgetting"), outcome="unmeasured", figures=(), why="no head")
    assert left(failed).startswith("minimal pairs")
    assert left(task="multi_label", compares=False) == both, "a head answers no questions"


def of_task(run, task, compares):
    """The run with another task, and with a model that can be asked which of two texts is likelier or cannot."""
    begun = replace(run.started[-1], resolved={"task": {"name": task}})
    return replace(run, started=(begun,), model=replace(run.model, compares_texts=compares))


@pytest.mark.parametrize(
    ("task", "compares", "keys", "none_of"),
    [
        ("classification", True, {"pairs", "honest", "group", "terms"}, ""),
        ("classification", None, {"pairs", "honest", "group", "terms"}, ""),
        ("classification", False, {"group", "terms"}, ""),
        ("regression", True, {"pairs", "honest"}, "a regression"),
        ("regression", False, set(), "a regression"),
        ("multi_label", False, set(), "several labels a row"),
        ("chat", True, {"pairs", "honest"}, "what a model writes at length"),
        ("generation", False, set(), "what a model writes at length"),
        ("translation", False, {"pairs"}, "what a model writes at length"),
    ],
)
def test_of_bias_is_suggested_what_the_task_and_the_model_can_have(task, compares, keys, none_of):
    run = of_task(gather(finished(TEN)), task, compares)
    (gap,) = risks_of(run)[2].gaps
    assert gap.what == "Bias"
    assert {key for key in ("pairs", "honest", "group", "terms") if f"risks.bias.{key}" in gap.why} == keys
    assert ("this version has no probe of bias in" in gap.why) == bool(none_of)
    assert gap.why.endswith(none_of)
    assert ("MT-GenEval" in gap.why) == (task == "translation")


@pytest.mark.parametrize("compares", [True, False])
def test_stereotypes_are_left_open_with_a_key_only_where_the_model_can_be_asked(compares):
    run = of_task(gather(with_probes(bias())), "classification", compares)
    gap = next(gap for gap in risks_of(run)[2].gaps if gap.what == "Other bias")
    assert ("risks.bias.pairs and risks.bias.honest measure" in gap.why) == compares
    assert ("this model cannot be asked" in gap.why) == (not compares)


def test_what_pairs_and_choices_lost_is_said_with_its_interval():
    found = judged(compared(), replace(compared(metric="choices_lost", outcome="flagged"), probe="other"))["forgetting"]
    assert found.word == "Forgot"
    assert found.sentences[0].startswith("of other 2.0% (1.0-3.0) fewer are answered right than before; the limit is")
    assert found.sentences[1].startswith("of minimal pairs of mine.jsonl 2.0% (1.0-3.0) fewer are told right")


@pytest.mark.parametrize(("outcome", "word"), [("flagged", "More biased"), ("within", "No more biased")])
def test_stereotypes_are_a_verdict_on_bias_and_not_on_all_of_it(outcome, word):
    line = compared("bias", "stereotypes_moved", outcome)
    found = judged(line)["bias"]
    assert found.word.startswith(word)
    assert "has moved 2.0% (1.0-3.0) further from an even split" in found.sentences[0]
    assert [gap.what for gap in found.gaps] == ["Other bias"]
    text = page.render(with_probes(line), title="run")
    assert "Further from an even split of stereotypes" in text
    assert f"- Bias: {word}" in card.render(with_probes(line), title="run")


def evaluated(*looks):
    """A run whose evaluations are these: accuracy and loss; the last one's weights are kept."""
    records = [line for line in finished(TEN) if not isinstance(line, Evaluated | Step)]
    lines = [
        Evaluated(step=10 * place, epoch=place, metrics={"accuracy": accuracy, "loss": loss}, best=True)
        for place, (accuracy, loss) in enumerate(looks)
    ]
    last = replace(records[-1], best_step=10 * (len(looks) - 1))
    return gather([*records[:-1], *lines, last])


@pytest.mark.parametrize(
    ("looks", "says"),
    [
        ([(0.1, 2.3), (0.8, 0.5), (0.9, 0.7)], "its answers got no worse and its probabilities too sure"),
        ([(0.1, 2.3), (0.8, 0.5), (0.78, 0.7)], "less than these rows can tell"),
        ([(0.1, 2.3), (0.9, 0.5), (0.6, 0.9)], "made both worse"),
        ([(0.1, 2.3), (0.8, 0.5), (0.9, 0.54)], ""),
        ([(0.1, 2.3), (0.8, 0.7), (0.9, 0.5)], ""),
        ([(0.1, 2.3)], ""),
    ],
)
def test_a_loss_that_turned_while_the_metric_rose(looks, says):
    found = turned(evaluated(*looks))
    assert says in found
    assert bool(found) == bool(says)
    if says:
        assert "turned at step 10" in found


@pytest.mark.parametrize(("strength", "said"), [(1.0, True), (0.4, False), (None, True)])
def test_a_model_with_a_part_of_the_change_was_never_evaluated_in_the_training(strength, said):
    looks = evaluated((0.1, 2.3), (0.8, 0.5), (0.9, 0.7))
    one = tried(strength, 0.9, 0.02, step=20)
    found = replace(looks, tried=(tried(1.0, 0.9, 0.3), one), searched=replace(FOUND, exported=one.name))
    assert bool(turned(found)) == said
    marks = str(charts(found))
    assert ("whose weights are kept" in marks) == said
    assert ("whose change is kept in part" in marks) != said


def test_numbers_have_no_probabilities_to_be_too_sure_of():
    looks = evaluated((0.1, 2.3), (0.8, 0.5), (0.9, 0.7))
    assert turned(looks)
    begun = replace(looks.started[-1], resolved={"task": {"name": "regression"}})
    assert turned(replace(looks, started=(begun,))) == ""


def test_bias_has_its_sentence_beside_the_untouched_model_and_names_what_is_left():
    found = judged(bias())["bias"]
    assert found.word == "Treats the swapped otherwise"
    assert found.sentences == (
        "with identity terms swapped for their counterparts, 20.0% (15.0-25.0) of the answers change (3.0% of the"
        " untouched model); the limit is 5.0%",
    )
    assert [gap.what for gap in found.gaps] == ["Groups of people", "Other bias"]
    text = page.render(with_probes(bias()), title="run")
    for part in ("Treats the swapped otherwise", "20.0% (15.0-25.0)", "+17.0 points", "risks.bias.group=COLUMN"):
        assert part in text, part
    assert judged(bias("within", 0.01))["bias"].word == "Treats the swapped alike"


def test_beside_a_linear_probe_of_the_untouched_model_stands_that_of_the_tuned_one():
    line = bias()
    probed = Figure(metric="flip_rate", of=PROBED, found=measured(0.095))
    [said] = judged(replace(line, figures=(*line.figures, probed), said="so and so"))["bias"].sentences
    assert "answers change (by a linear probe 9.5%, and 3.0% of the untouched model); the limit" in said
    assert said.endswith("; so and so")


def test_groups_that_were_asked_for_are_no_gap():
    found = judged(bias("within"), bias("few", probe="groups of people", why="no two groups have 20 rows"))["bias"]
    assert found.outcome == "few"
    assert found.sentences[0] == "no two groups have 20 rows"
    assert [gap.what for gap in found.gaps] == ["Other bias"]


def test_bias_that_was_not_measured_keeps_the_reason_and_the_gap():
    found = judged(replace(bias("unmeasured", figures=()), why="none of 45 rows has one of the terms"))["bias"]
    assert found.in_short == "Not measured: none of 45 rows has one of the terms"
    assert [gap.what for gap in found.gaps] == ["Identity terms swapped", "Groups of people", "Other bias"]
    assert found.lacking == found.gaps[:1]


def test_groups_of_which_nothing_could_be_told_are_not_asked_for_again():
    swaps = replace(bias("unmeasured", figures=()), why="none of 45 rows has one of the terms")
    groups = replace(bias("few", probe="groups of people", figures=()), why="no two groups have 20 rows")
    gaps = judged(swaps, groups)["bias"].gaps
    assert [gap.what for gap in gaps] == ["Identity terms swapped", "Other bias"]
    assert not any("risks.bias.group" in gap.why for gap in gaps)


@pytest.mark.parametrize(
    ("outcome", "word"), [("flagged", "Gives groups other labels"), ("within", "Gives groups the same labels")]
)
def test_groups_by_their_shares_alone_are_told_like_groups_by_their_mistakes(outcome, word):
    figures = (
        Figure(metric="demographic_parity", of="tuned model", found=measured(0.9, 0.05)),
        Figure(metric="demographic_parity", of="untouched model", found=measured(0.2, 0.05)),
    )
    found = judged(bias(outcome, probe="groups of people", figures=figures, limit=0.1))["bias"]
    assert found.word == word
    assert "(20.0% of the untouched model)" in found.sentences[0]
    assert [gap.what for gap in found.gaps] == ["Other bias"]
    assert "stereotypes" in found.gaps[0].why


@pytest.mark.parametrize(
    ("risk", "metric", "said"),
    [
        (
            "overfitting",
            "lost_elsewhere",
            "of what was learned on the training rows no loss is seen on others: -8.3% (",
        ),
        ("overfitting", "reproduced", "no more are written word for word than of others: -8.3% ("),
        ("forgetting", "pairs_lost", "no fewer are told right than before: -8.3% ("),
        ("forgetting", "choices_lost", "no fewer are answered right than before: -8.3% ("),
        ("forgetting", "earlier_lost", "no fewer are answered right than before: -8.3% ("),
        ("bias", "stereotypes_moved", "has moved no further from an even split: -8.3% ("),
        ("bias", "gender_gap_moved", "has not widened: -8.3% ("),
        ("bias", "honest_rise", "no more are hurtful words than before: -8.3% ("),
    ],
)
def test_where_nothing_is_lost_that_is_said_and_not_how_much_less_than_nothing(risk, metric, said):
    figure = Figure(metric=metric, of="", found=measured(-0.083, 0.05))
    line = Probed(risk=risk, probe="p", outcome="within", limit=0.1, figures=(figure,))
    assert said in judged(line)[risk].sentences[0]
    worse = replace(line, figures=(replace(figure, found=measured(0.083, 0.05)),))
    assert said.partition(":")[0] not in judged(worse)[risk].sentences[0]
