"""Columns of Arrow tables that the library `datasets` wrote, and cells that are no text."""

import json

import pyarrow
import pytest

from affina.data.arrow_cells import cells_of, columns_of
from affina.data.table import Unusable


def table(feature, column):
    info = json.dumps({"info": {"features": {"label": feature}}})
    made = pyarrow.table({"label": column})
    return made.replace_schema_metadata({"huggingface": info})


NAMES = {"names": ["joy", "fear"], "_type": "ClassLabel"}


@pytest.mark.parametrize(
    "feature", [{"feature": NAMES, "_type": "Sequence"}, {"feature": NAMES, "_type": "List"}, [NAMES]]
)
def test_a_list_of_classes_is_read_by_their_names(feature):
    made = table(feature, pyarrow.array([[0, 1], [], [1]], pyarrow.list_(pyarrow.int64())))
    column = columns_of("a.parquet", made.schema)["label"]

    assert [cell.items for cell in cells_of(made["label"].combine_chunks(), column)] == [("joy", "fear"), (), ("fear",)]


def test_one_cell_that_is_no_text_spoils_no_other():
    made = pyarrow.table({"label": pyarrow.array([b"good", b"\xff", None], pyarrow.binary())})
    column = columns_of("a.parquet", made.schema)["label"]
    first, second, third = cells_of(made["label"].combine_chunks(), column)

    assert (first, third) == ("good", "")
    assert isinstance(second, Unusable)


def test_a_column_of_a_kind_without_a_text_is_unusable_and_no_error():
    made = pyarrow.table({"label": pyarrow.array([None, None], pyarrow.month_day_nano_interval())})
    made = made.append_column("much", pyarrow.array([pyarrow.MonthDayNano([1, 2, 3])] * 2))
    columns = columns_of("a.parquet", made.schema)

    assert all(isinstance(cell, Unusable) for cell in cells_of(made["much"].combine_chunks(), columns["much"]))
