"""The benchmarks of growth: weights are counted as models have them, rows are all different, and tables say what is."""

import csv
import sys

import pytest
from transformers import AutoConfig, AutoModel

from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks" / "speed"))
import growth
import rows


@pytest.mark.parametrize("name", list(growth.MODELS)[:1] + list(growth.MODELS)[-1:])
def test_block_weights_are_those_of_the_matrices_in_the_blocks(name, monkeypatch):
    family, sizes = growth.MODELS[name]
    heads = {"num_attention_heads": 4} | ({"num_key_value_heads": 1} if family == "llama" else {})
    small = sizes | {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "vocab_size": 50, **heads}
    monkeypatch.setitem(growth.MODELS, name, (family, small))
    model = AutoModel.from_config(AutoConfig.for_model(family, **small))
    blocks = model.layers if family == "llama" else model.encoder.layer
    assert growth._block_weights(name) == sum(one.numel() for one in blocks.parameters() if one.ndim == 2)


@pytest.mark.parametrize("axis", ["length", "batch", "model"])
def test_points_of_an_axis_differ_in_nothing_else(axis):
    points = [vars(point) for point in growth.POINTS if point.axis == axis]
    assert len({point[axis] for point in points}) == len(points) > 3
    assert len({tuple(value for key, value in point.items() if key != axis) for point in points}) == 1


def test_made_up_rows_are_all_different_and_have_every_label(tmp_path):
    rows.write(tmp_path / "train.csv", 500)
    with (tmp_path / "train.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert len({row["text"] for row in found}) == 500
    assert len({row["label"] for row in found}) == rows.LABELS


def test_what_rows_take_is_told_above_the_run_of_the_least():
    runs = [
        {"rows": count, "file_mb": 1.0, "seconds": 9.0, "peak_mib": peak}
        for count, peak in ((10_000, 900), (1_000, 850))
    ]
    assert list(rows.table(runs))[2:] == [
        "| 1,000 | 1.0 MB | 9 | 850 MiB | 0 MiB |",
        "| 10,000 | 1.0 MB | 9 | 900 MiB | 50 MiB |",
    ]
