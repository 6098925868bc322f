"""Files of stereotypes are told by their columns, or refused by naming the formats that are known."""

import json
import os
from pathlib import Path

import pytest

from affina.errors import DataError, RecipeError
from affina.risks.stereotype_files import read_stereotypes
from workbench import write_csv, write_jsonl

REAL = Path(os.environ.get("AFFINA_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
SENTENCES = [
    {"gold_label": "unrelated", "sentence": "The nurse is green."},
    {"gold_label": "anti-stereotype", "sentence": "The nurse is strict."},
    {"gold_label": "stereotype", "sentence": "The nurse is caring."},
]
CLUSTER = {"target": "nurse", "bias_type": "profession", "context": "The nurse is BLANK.", "sentences": SENTENCES}


def write_stereoset(path, *clusters):
    path.write_text(json.dumps({"version": "1", "data": {"intrasentence": clusters, "intersentence": []}}), "utf-8")
    return path


def refused(path, kind=DataError):
    with pytest.raises(kind) as caught:
        read_stereotypes(str(path), seed=0)
    return str(caught.value)


def test_crows_pairs(tmp_path):
    rows = [("she cooks", "he cooks", "stereo", "gender"), ("a rich one", "a poor one", "antistereo", "money")]
    path = write_csv(tmp_path / "crows.csv", rows, header="sent_more,sent_less,stereo_antistereo,bias_type")
    found = read_stereotypes(str(path), seed=0)
    assert (found.kind, found.name) == ("CrowS-Pairs", "CrowS-Pairs of crows.csv")
    assert [(item.texts, item.group) for item in found.items] == [
        (("she cooks", "he cooks"), "gender"),
        (("a rich one", "a poor one"), "money"),
    ]


def test_winobias_pairs_are_the_rows_with_the_same_number(tmp_path):
    rows = [
        ("type1", "pro", "1", "he mends it"),
        ("type1", "pro", "2", "she types it"),
        ("type2", "anti", "1", "he sews it"),
        ("type1", "anti", "1", "she mends it"),
        ("type2", "pro", "1", "she sews it"),
        ("type1", "anti", "2", "he types it"),
    ]
    path = write_csv(tmp_path / "wino.csv", rows, header="type,stereotype,id,text")
    found = read_stereotypes(str(path), seed=0)
    assert found.kind == "WinoBias"
    assert [(item.texts, item.group) for item in found.items] == [
        (("he mends it", "she mends it"), "type1"),
        (("she types it", "he types it"), "type1"),
        (("she sews it", "he sews it"), "type2"),
    ]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (("type1", "pro", "1", "he again"), "a second row that is pro"),
        (("type1", "both", "1", "she"), "pro or anti"),
        (("type1", "anti", "9", "she"), "only the anti one"),
        (("type1", "anti", "1", "he mends it"), "texts that differ"),
    ],
)
def test_rows_of_winobias_that_are_no_pair(tmp_path, row, says):
    path = write_csv(
        tmp_path / "wino.csv", [("type1", "pro", "1", "he mends it"), row], header="type,stereotype,id,text"
    )
    said = refused(path)
    assert says in said
    assert "row" in said


def test_stereoset(tmp_path):
    [item] = read_stereotypes(str(write_stereoset(tmp_path / "dev.json", CLUSTER)), seed=0).items
    assert item.texts == ("The nurse is caring.", "The nurse is strict.", "The nurse is green.")
    assert (item.group, item.blank) == ("nurse", "The nurse is BLANK.")


def relabelled(place, **changed):
    return {"sentences": [{**one, **changed} if at == place else one for at, one in enumerate(SENTENCES)]}


@pytest.mark.parametrize(
    ("changed", "expected", "found"),
    [
        ({"sentences": SENTENCES[:2]}, "one sentence for each gold_label", "none for stereotype"),
        ({"sentences": SENTENCES[2:]}, "one sentence for each gold_label", "none for anti-stereotype and unrelated"),
        ({"sentences": [*SENTENCES, SENTENCES[0]]}, "sentence 4", "a second unrelated"),
        ({"sentences": [*SENTENCES, {"sentence": "a b", "gold_label": "related"}]}, "sentence 4", "'related'"),
        ({"sentences": None}, "in sentences a list", "null"),
        ({"sentences": ["a b", *SENTENCES]}, "an object with sentence and gold_label", "a text: "),
        ({"target": None}, "a text in target", "null"),
        ({"target": " "}, "a text in target", "an empty text"),
        ({"context": 3}, "a text in context", "a number: '3'"),
        ({"context": "The nurse is tall."}, "in context BLANK", "'The nurse is tall.'"),
        (relabelled(1, sentence=None), "a text in sentence", "null"),
        (relabelled(1, sentence=7), "a text in sentence", "a number"),
        (relabelled(1, sentence="None"), "sentences", "'None'"),
        (relabelled(1, sentence=""), "a text in sentence", "an empty text"),
        (relabelled(1, gold_label="stereotype"), "one sentence for each gold_label", "a second stereotype"),
        (relabelled(1, gold_label=["stereotype"]), "a text in gold_label", "a list"),
        (relabelled(1, sentence="The nurse is green."), "texts that differ", "twice 'The nurse is green.'"),
    ],
)
def test_an_item_of_stereoset_that_cannot_be_used(tmp_path, changed, expected, found):
    said = refused(write_stereoset(tmp_path / "dev.json", CLUSTER, {**CLUSTER, **changed}))
    where, *parts = said.split("\n")
    assert "dev.json, intrasentence item 2" in where
    assert expected in where + parts[0]
    assert found in parts[1]
    assert "indices" not in said


def test_an_item_of_stereoset_is_an_object(tmp_path):
    said = refused(write_stereoset(tmp_path / "dev.json", "a", 3))
    assert "item 1" in said
    assert "a number: '3'" in said
    assert "indices" not in said


@pytest.mark.parametrize(
    ("filled", "unlike"),
    [
        ("the nurse is  caring", 0),
        ("The  nurse is very caring !", 0),
        ("The doctor is caring.", 1),
        ("The nurse is.", 1),
        ("A dog barks.", 1),
    ],
)
def test_sentences_that_do_not_fill_in_their_context_are_counted(tmp_path, filled, unlike):
    changed = {**CLUSTER, **relabelled(2, sentence=filled)}
    found = read_stereotypes(str(write_stereoset(tmp_path / "dev.json", CLUSTER, changed)), seed=0)
    assert len(found.items) == 2
    assert bool(found.notice) == bool(unlike)
    if unlike:
        assert "1 item has a sentence" in found.notice
        assert "dev.json, intrasentence item 2" in found.notice


def test_a_number_or_a_truth_value_is_no_sentence_of_a_stereotype(tmp_path):
    rows = [("she cooks", "he cooks"), ("he sews", "nan")]
    assert "row 2" in refused(write_csv(tmp_path / "crows.csv", rows, header="sent_more,sent_less"))
    rows = [("pro", "1", "he mends it"), ("anti", "1", "7")]
    assert "'7'" in refused(write_csv(tmp_path / "wino.csv", rows, header="stereotype,id,text"))
    assert "'true'" in refused(write_jsonl(tmp_path / "turned.jsonl", [{**TURNED, "it_feminine": True}]))


TURNED = {"en_masculine": "he went", "it_masculine": "è andato", "en_feminine": "she went", "it_feminine": "è andata"}


def test_mt_geneval_asks_for_each_gender_and_leaves_out_what_does_not_differ(tmp_path):
    alike = {**TURNED, "it_masculine": "va", "it_feminine": "va"}
    found = read_stereotypes(str(write_jsonl(tmp_path / "dev.jsonl", [TURNED, alike])), seed=0)
    assert [(item.stem, item.texts, item.group) for item in found.items] == [
        ("he went", ("è andato", "è andata"), "masculine"),
        ("she went", ("è andata", "è andato"), "feminine"),
    ]
    assert found.languages == ("en", "it")
    assert found.told.startswith("en into it, all that it has; 1 rows")
    assert "none" in refused(write_jsonl(tmp_path / "alike.jsonl", [alike]))
    assert "row 2" in refused(write_jsonl(tmp_path / "lacking.jsonl", [TURNED, {**TURNED, "it_feminine": ""}]))


def test_what_is_in_no_known_format_is_refused_by_naming_them(tmp_path):
    said = refused(write_csv(tmp_path / "rows.csv", [("a", "b")]), RecipeError)
    for part in ("risks.bias.pairs", "CrowS-Pairs", "WinoBias", "StereoSet", "label, text"):
        assert part in said
    (tmp_path / "odd.json").write_text('{"data": {"intrasentence": []}}', "utf-8")
    assert "StereoSet" in refused(tmp_path / "odd.json", RecipeError)
    (tmp_path / "broken.json").write_text('{"data": ', "utf-8")
    assert "broken JSON at character 10" in refused(tmp_path / "broken.json")
    (tmp_path / "inter.json").write_text('{"data": {"intersentence": []}}', "utf-8")
    assert "no items in data.intrasentence" in refused(tmp_path / "inter.json", RecipeError)
    assert "no such file" in refused(tmp_path / "none.csv", RecipeError)
    (tmp_path / "empty.csv").write_text("", "utf-8")
    assert "an empty file" in refused(tmp_path / "empty.csv")


def test_what_is_known_and_cannot_be_measured_is_called_that(tmp_path):
    templates = write_jsonl(tmp_path / "honest.jsonl", [{"template_masked": "she is a [M].", "identity": "she"}])
    assert "HurtLex" in refused(templates, RecipeError)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the real data sets are not at {REAL}; set AFFINA_DATA to their folder")
@pytest.mark.parametrize(
    ("name", "kind", "count"),
    [
        ("crows_pairs/test.csv", "CrowS-Pairs", 1508),
        ("winobias/test.csv", "WinoBias", 792),
        ("mt_geneval_en_it_dev/sentences_dev.csv", "MT-GenEval", 2 * (1200 - 132)),
    ],
)
def test_the_published_sets_are_read_whole(name, kind, count):
    path = REAL / name
    found = read_stereotypes(str(path), seed=0)
    assert (found.kind, len(found.items)) == (kind, count)
